"""Simulated cohorts on disk: the walks, and what really happened beside them."""

import errno
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr

from cpexplore.datasets import load_gaitlab, simulated, write_gaitlab
from cpexplore.datasets.native import load_native, write_native
from cpexplore.datasets.truth import TruthWriter
from cpexplore.io import check_path
from cpexplore.simulate import (
    CONSTANTS,
    PARAMETERS,
    cohort_of,
    draw_children,
    simulate_walk,
)
from cpexplore.simulate.planted import planted_children

N_WALKS = 9


@pytest.fixture(scope="module")
def cohort():
    """Short walks of a few children, more than one chunk of them."""
    children = draw_children(8, seed=3)[:N_WALKS]
    return cohort_of([replace(c, n_frames=200) for c in children], name="few")


@pytest.fixture(scope="module", params=["native", "gaitlab"])
def written(request, cohort, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "out"
    if request.param == "native":
        return write_native(cohort, root), load_native(root)
    write_gaitlab(cohort, root, dirt="none")
    return root, load_gaitlab(root)


def test_the_cohort_comes_back_equal(written, cohort):
    root, back = written
    assert [p for p in check_path(root) if p.severity == "error"] == []
    assert back.simulated
    assert set(cohort.notes) < set(back.notes)
    known = back.index.columns[back.index.notna().any()]
    index = cohort.index.sort_index()
    assert {"gmfcs", "n_frames", "age_years", "leg_length_m"} <= set(known)
    pd.testing.assert_frame_equal(back.index.sort_index()[known], index[known])
    pd.testing.assert_frame_equal(
        back.labels.loc[index.index, list(cohort.labels)],
        cohort.labels.loc[index.index],
        check_exact=True,
    )
    for walk_id in index.index[::4]:
        xr.testing.assert_identical(back.walk(walk_id), cohort.walk(walk_id))


def test_a_folder_says_with_which_parameters_it_was_made(cohort, tmp_path):
    root = write_native(cohort.select(cohort.index.index[:1]), tmp_path / "out")
    assert load_native(root).notes == (
        *cohort.notes,
        f"simulator constants {CONSTANTS.hash()}",
    )
    (root / "truth" / "simulation.json").unlink()
    assert load_native(root).notes == ()


def test_the_truth_lies_in_a_folder_of_its_own(written, cohort):
    root, _ = written
    assert sorted(file.name for file in (root / "truth").iterdir()) == [
        *("children.parquet", "events.parquet", "parameters.csv"),
        *("signals.parquet", "simulation.json"),
    ]
    about = json.loads((root / "truth" / "simulation.json").read_text())
    hashes = {"parameters": PARAMETERS.hash(), "constants": CONSTANTS.hash()}
    assert about == {"cohort": "few", **hashes}
    listed = pd.read_csv(root / "truth" / "parameters.csv", index_col="parameter")
    assert {"blend", "thigh", "jitter_memory"} <= set(listed.index)
    assert listed.index.is_unique
    if (root / "processed").exists():
        assert sorted(p.name for p in root.iterdir()) == ["processed", "truth"]
        files = {p.name for p in (root / "processed").iterdir() if p.is_file()}
        assert files == {
            *("alldata_processed.csv", "train_test_valid_id_split.csv"),
            "cpexplore.json",
        }


def test_the_truth_of_a_walk_is_what_the_simulator_says(written, cohort):
    root, _ = written
    number = 3
    walk_id = cohort.index.index[number]
    truth = cohort.walks.truth(walk_id)
    row = pd.read_parquet(root / "truth" / "children.parquet").loc[walk_id]
    left, right = truth.child.limbs
    assert (row["pattern_left"], row["weight_right"]) == (left.pattern, right.weight)
    assert row["severity"] == truth.child.severity
    assert row["true_speed_mps"] == truth.parameters["speed_mps"]
    assert row["camera_yaw_deg"] == truth.camera.yaw_deg
    signals = pq.ParquetFile(root / "truth" / "signals.parquet")
    assert signals.num_row_groups == len(cohort)
    frames = signals.read_row_group(number).to_pandas()
    assert set(frames["walk_id"]) == {walk_id}
    np.testing.assert_array_equal(frames["swapped"], truth.swapped)
    np.testing.assert_array_equal(
        frames["contact_right"], truth.contact.sel(side="right")
    )
    np.testing.assert_allclose(
        frames["knee_flexion_left_deg"],
        truth.angles["knee_flexion_deg"].sel(side="left"),
        atol=1e-4,
    )
    ankle = truth.clean.sel(keypoint="left_ankle")
    np.testing.assert_allclose(frames[["left_ankle_x", "left_ankle_y"]], ankle, 1e-6)
    events = pd.read_parquet(root / "truth" / "events.parquet")
    own = events[events["walk_id"] == walk_id].drop(columns="walk_id")
    pd.testing.assert_frame_equal(own.reset_index(drop=True), truth.events)


@pytest.mark.parametrize("write", [write_native, write_gaitlab])
def test_the_number_of_processes_changes_no_byte(write, cohort, tmp_path):
    roots = [write(cohort, tmp_path / str(n), n_jobs=n) for n in (1, 2)]
    files = [[f for f in sorted(root.rglob("*")) if f.is_file()] for root in roots]
    for one, other in zip(*files, strict=True):
        assert one.relative_to(roots[0]) == other.relative_to(roots[1])
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.mark.parametrize("write", [write_native, write_gaitlab])
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_full_disk_or_an_interruption_leaves_nothing(
    write, cohort, tmp_path, monkeypatch, failure
):
    def fail(*_):
        raise failure

    monkeypatch.setattr(TruthWriter, "_append", fail)
    with pytest.raises(type(failure)):
        write(cohort, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_simulation_leaves_nothing(cohort, tmp_path, monkeypatch):
    def fail(_):
        raise MemoryError

    monkeypatch.setattr(simulated, "simulate_walk", fail)
    with pytest.raises(MemoryError):
        write_native(cohort, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_angles_of_a_planted_walk_are_those_of_its_keypoints(tmp_path):
    children = planted_children("knee_amplitude", 8, seed=0)
    severe = next(child for child in children if child.gmfcs == "IV")
    child = replace(severe, n_frames=250)
    planted = cohort_of([child], name="planted")
    truth = simulate_walk(child)[1]
    unmoved = simulate_walk(replace(child, plant_strength=0.0))[1]
    root = write_native(planted, tmp_path / "out")
    signals = pd.read_parquet(root / "truth" / "signals.parquet")
    row = pd.read_parquet(root / "truth" / "children.parquet").iloc[0]
    for side in ("left", "right"):
        hip, knee, ankle = (
            truth.points.sel(keypoint=f"{side}_{part}").values
            for part in ("hip", "knee", "ankle")
        )
        thigh, shank = knee - hip, ankle - knee
        lengths = np.linalg.norm(thigh, axis=1) * np.linalg.norm(shank, axis=1)
        bend = np.degrees(np.arccos((thigh * shank).sum(axis=1) / lengths))
        stored = signals[f"knee_flexion_{side}_deg"]
        np.testing.assert_allclose(np.abs(stored), bend, atol=0.01)
        before = unmoved.angles["knee_flexion_deg"].sel(side=side)
        assert np.abs(stored - before.values).max() > 10
        name = f"knee_min_stance_{side}_deg"
        assert abs(row[f"true_{name}"] - unmoved.parameters[name]) > 1


def test_a_plant_of_no_strength_leaves_all_angles():
    child = replace(planted_children("leg_phase", 8, seed=0)[0], plant_strength=0.0)
    planted = simulate_walk(child)[1].angles
    plain = simulate_walk(replace(child, plant=None))[1].angles
    xr.testing.assert_allclose(planted, plain, atol=1e-9)
