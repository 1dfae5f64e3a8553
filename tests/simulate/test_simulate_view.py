"""Camera and detector."""

from dataclasses import replace

import numpy as np
import pytest

from cpexplore.simulate import Camera, draw_children, simulate_walk
from cpexplore.simulate.camera import HEIGHT, WIDTH, project

STILL = Camera(distance_m=9.0, focal_px=1300.0)


def test_a_point_before_the_lens_is_in_the_middle_of_the_picture():
    middle = project(np.array([[[0.0, STILL.height_m, 0.0]]]), STILL)
    np.testing.assert_allclose(middle, [[[WIDTH / 2, HEIGHT / 2]]])


def test_right_is_right_up_is_up_and_far_is_small():
    away = np.array([[[1.0, 1.5, 0.0]], [[1.0, 1.5, 3.0]]])
    near, far = project(away, STILL) - [WIDTH / 2, HEIGHT / 2]
    assert near[0, 0] == pytest.approx(1300 / 9)
    assert near[0, 1] == pytest.approx(-0.5 * 1300 / 9)
    np.testing.assert_allclose(far, near * 9 / 12)


def test_a_following_camera_keeps_the_child_in_the_middle():
    child = np.array([[[3.0, 1.0, 0.0]]])
    followed = project(child, replace(STILL, pan=1.0))
    assert followed[0, 0, 0] == pytest.approx(WIDTH / 2)


@pytest.fixture(scope="module")
def walked():
    child = replace(draw_children(20, seed=4)[0], n_frames=800)
    return simulate_walk(child, camera=STILL)


def residuals(walked):
    walk, truth = walked
    quiet = ~truth.swapped.values & (truth.bout.values >= 0)
    off = (walk["position"] - truth.clean).isel(time=quiet)
    return off, truth.points.sel(axis="z").isel(time=quiet)


def test_the_detector_is_unbiased_and_worse_on_the_far_side(walked):
    off, depth = residuals(walked)
    leg_px = 1300 / 9 * walked[1].child.leg_length_m
    knees = off.sel(keypoint=["left_knee", "right_knee"])
    far = depth.sel(keypoint=["left_knee", "right_knee"])
    is_far = (far == far.max("keypoint")).values
    spread = [np.nanstd(knees.values[side]) for side in (~is_far, is_far)]
    assert 0.006 < spread[0] / leg_px < 0.02
    assert 1.2 < spread[1] / spread[0] < 2.2
    assert abs(np.nanmean(knees)) < 0.2 * spread[0]


def test_a_swap_exchanges_the_legs_and_nothing_else(walked):
    walk, truth = walked
    swapped = truth.swapped.values
    assert 0 < swapped.mean() < 0.06
    seen, clean = walk["position"].values[swapped], truth.clean.values[swapped]
    names = walk["keypoint"].values.tolist()
    left, right = names.index("left_ankle"), names.index("right_ankle")
    apart = np.abs(clean[:, left, 0] - clean[:, right, 0]) > 12
    across = np.abs(seen[:, left] - clean[:, right])[apart]
    straight = np.abs(seen[:, left] - clean[:, left])[apart]
    assert np.nanmedian(across[:, 0]) < np.nanmedian(straight[:, 0])


def test_confidence_is_zero_exactly_where_a_point_is_missing(walked):
    walk, _ = walked
    missing = np.isnan(walk["position"].values[..., 0])
    np.testing.assert_array_equal(missing, walk["confidence"].values == 0)
    assert 0 < missing.mean() < 0.3
