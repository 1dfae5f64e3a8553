"""Reading converted biomechZoo trials: a folder made here, with known answers."""

import numpy as np
import pandas as pd
import pytest

from cpexplore.datasets import load_biomechzoo
from cpexplore.walks import validate_walk

MARKS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "toe")
JOINTS = ("hip", "knee", "ankle", "pelvis")


@pytest.fixture
def folder(tmp_path):
    """One trial of 20 frames; each coordinate is a different constant plus 4 t."""
    frames = {"frame": np.arange(50, 70)}
    for number, (side, mark) in enumerate((s, m) for s in "RL" for m in MARKS):
        frames[f"{side}_{mark}_x"] = 100.0 * number + 4.0 * np.arange(20)
        frames[f"{side}_{mark}_y"] = np.full(20, -40.0 * number)
    for number, (side, joint) in enumerate((s, j) for s in "RL" for j in JOINTS):
        frames[f"pig_{side}_{joint}_flex"] = np.full(20, float(number))
    pd.DataFrame(frames).to_csv(tmp_path / "HC001A01.csv", index=False)
    pd.DataFrame(
        [("HC001A01", 100.0, 740.0, 760.0)],
        columns=["trial", "fps", "l_leg_mm", "r_leg_mm"],
    ).to_csv(tmp_path / "subjects.csv", index=False)
    pd.DataFrame(
        [
            ("HC001A01", "Left", "Foot Off", 0.61),
            ("HC001A01", "Right", "Foot Strike", 0.55),
            ("HC999A01", "Right", "Foot Strike", 0.57),
        ],
        columns=["trial", "side", "event", "time_s"],
    ).to_csv(tmp_path / "events.csv", index=False)
    return tmp_path


def test_coordinates_become_pixels_on_the_clock_of_the_laboratory(folder):
    lab = load_biomechzoo(folder)["HC001A01"]
    validate_walk(lab.walk)
    np.testing.assert_allclose(lab.walk["time"], np.arange(50, 70) / 100)
    knee = lab.walk["position"].sel(keypoint="right_knee").values
    np.testing.assert_allclose(knee[:, 0], 0.25 * (400 + 4 * np.arange(20)))
    np.testing.assert_allclose(knee[:, 1], 0.25 * -160)
    hips = lab.walk["position"].sel(keypoint=["left_hip", "right_hip"])
    mid_hip = lab.walk["position"].sel(keypoint="mid_hip")
    np.testing.assert_allclose(mid_hip, hips.mean("keypoint"))
    assert lab.leg_length_m == 0.75
    assert lab.px_per_m == 250.0


def test_what_markers_do_not_show_is_missing(folder):
    walk = load_biomechzoo(folder)["HC001A01"].walk
    missing = np.isnan(walk["position"].values).all(axis=(0, 2))
    names = walk["keypoint"].values[missing].tolist()
    assert set(names) == {
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_small_toe", "right_small_toe"),
    }
    assert (walk["confidence"].values[:, missing] == 0).all()
    assert (walk["confidence"].values[:, ~missing] == 1).all()


def test_events_and_angles_are_those_of_the_trial(folder):
    lab = load_biomechzoo(folder)["HC001A01"]
    assert lab.events.to_dict("list") == {
        "side": ["right", "left"],
        "event": ["initial_contact", "foot_off"],
        "time_s": [0.55, 0.61],
    }
    assert float(lab.angles["knee_deg"].sel(side="left")[0]) == 5.0
    assert float(lab.angles["pelvis_deg"].sel(side="right")[0]) == 3.0


def test_a_missing_table_is_named(folder):
    (folder / "events.csv").unlink()
    with pytest.raises(FileNotFoundError, match="biomechZoo") as error:
        load_biomechzoo(folder)
    assert str(error.value) == (
        f"`root` must be the biomechZoo folder; {folder / 'events.csv'} is missing."
    )


def test_a_missing_column_is_named(folder):
    trial = folder / "HC001A01.csv"
    pd.read_csv(trial).drop(columns="L_toe_y").to_csv(trial, index=False)
    with pytest.raises(ValueError, match=r"`HC001A01.csv` lacks the columns 'L_toe_y'"):
        load_biomechzoo(folder)
