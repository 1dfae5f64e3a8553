import re

import numpy as np
import pytest
import xarray as xr

from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import (
    convert_keypoints,
    from_movement,
    make_walk,
    to_movement,
    validate_walk,
)


def walk_of(keypoint_set: str, rng: np.random.Generator, *, n_frames: int = 7):
    v = len(KEYPOINT_SETS[keypoint_set].keypoints)
    return make_walk(
        rng.normal(size=(n_frames, v, 2)) * 100,
        rng.uniform(size=(n_frames, v)),
        fps=30,
        keypoint_set=keypoint_set,
        walk_id="w1",
        patient_id="p1",
    )


def test_a_walk_keeps_the_contract(rng):
    walk = walk_of("body_25", rng)
    assert walk["position"].dtype == np.float32
    assert walk["position"].dims == ("time", "keypoint", "space")
    assert walk.attrs["patient_id"] == "p1"
    assert walk.attrs["simulated"] == 0
    np.testing.assert_allclose(walk["time"], np.arange(7) / 30)
    validate_walk(walk)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fps": 0}, "`fps` must be a finite number and > 0; got 0."),
        (
            {"keypoint_set": "body25"},
            "`keypoint_set` must be one of 'body_25', 'coco_17', 'halpe_26', "
            "'blazepose_33'; got 'body25'. Did you mean 'body_25'?",
        ),
        (
            {"position": np.zeros((4, 17, 2))},
            "`position` must have the shape (time, 25, 2) for 'body_25'; "
            "got (4, 17, 2).",
        ),
        (
            {"confidence": np.zeros((3, 25))},
            "`confidence` must have the shape (4, 25), like `position`; got (3, 25).",
        ),
        (
            {"confidence": np.full((4, 25), 2.0)},
            "`confidence` must lie in [0, 1]; got values from 2.0 to 2.0.",
        ),
        (
            {"time": np.array([0.0, 1.0, 1.0, 2.0])},
            "`time` must increase strictly and be finite.",
        ),
        (
            {"position": np.full((4, 25, 2), np.inf)},
            "`position` must be finite or NaN; got infinity.",
        ),
        ({"walk_id": ""}, "`walk_id` must not be empty."),
    ],
)
def test_a_broken_walk_is_refused_in_one_sentence(change, sentence):
    given = {
        "position": np.zeros((4, 25, 2)),
        "confidence": np.ones((4, 25)),
        "fps": 25,
        "keypoint_set": "body_25",
        "walk_id": "w",
        **change,
    }
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        make_walk(given.pop("position"), given.pop("confidence"), **given)


def test_only_a_dataset_is_a_walk():
    with pytest.raises(
        TypeError, match=r"^`walk` must be an xarray.Dataset; got int\."
    ):
        validate_walk(3)


def test_converting_copies_by_name_and_derives_the_middle(rng):
    walk = walk_of("coco_17", rng)
    body = convert_keypoints(walk, "body_25")
    validate_walk(body)
    for name in ("nose", "left_knee", "right_ear"):
        xr.testing.assert_equal(
            body["position"].sel(keypoint=name), walk["position"].sel(keypoint=name)
        )
    hips = walk.sel(keypoint=["left_hip", "right_hip"])
    np.testing.assert_allclose(
        body["position"].sel(keypoint="mid_hip"),
        hips["position"].mean("keypoint"),
        rtol=1e-6,
    )
    np.testing.assert_array_equal(
        body["confidence"].sel(keypoint="mid_hip"), hips["confidence"].min("keypoint")
    )
    feet = body.sel(keypoint=["left_heel", "right_big_toe"])
    assert feet["position"].isnull().all()
    assert (feet["confidence"] == 0).all()


def test_a_derived_keypoint_needs_both_parents(rng):
    walk = walk_of("coco_17", rng)
    position = walk["position"].copy()
    position.loc[{"keypoint": "left_hip"}] = np.nan
    body = convert_keypoints(walk.assign(position=position), "body_25")
    assert body["position"].sel(keypoint="mid_hip").isnull().all()


def test_movement_round_trip(rng):
    walk = walk_of("halpe_26", rng)
    back = from_movement(to_movement(walk), keypoint_set="halpe_26", walk_id="w1")
    xr.testing.assert_allclose(back[["position", "confidence"]], walk)
    assert back.attrs["fps"] == 30
