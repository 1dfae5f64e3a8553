"""Angles against limbs that were built with them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexplore.gait import joint_angles
from cpexplore.gait.kinematics import ANGLES, inclination, pitch, wrapped
from cpexplore.simulate.curves import pattern_cycle
from cpexplore.skeleton import mirror_index


@pytest.mark.parametrize("travel", [1, -1])
@pytest.mark.parametrize("pattern", ["TD", "crouch", "recurvatum"])
def test_angles_recover_the_construction(built_walk, travel, pattern):
    cycle = pattern_cycle(pattern)
    angles = joint_angles(built_walk(cycles=(cycle, cycle), travel=travel).walk)
    first = angles.sel(side="left").isel(time=slice(0, 100))
    expected = {
        "knee_flexion_deg": cycle[1],
        "ankle_dorsiflexion_deg": cycle[2],
        "thigh_deg": cycle[0] - cycle[3],
        "shank_deg": cycle[0] - cycle[3] - cycle[1],
        "foot_pitch_deg": cycle[0] - cycle[3] - cycle[1] + cycle[2],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(first[name], values, atol=2e-3, err_msg=name)


def test_recurvatum_is_negative_where_an_unsigned_angle_would_hide_it(built_walk):
    cycle = pattern_cycle("recurvatum")
    knee = joint_angles(built_walk(cycles=(cycle, cycle)).walk)["knee_flexion_deg"]
    assert float(knee.min()) == pytest.approx(cycle[1].min(), abs=0.01)
    assert cycle[1].min() < -5


def test_hip_flexion_is_thigh_plus_trunk_lean(built_walk):
    angles = joint_angles(built_walk().walk)
    lean = np.rad2deg(np.arctan2(5.0, 120.0))
    np.testing.assert_allclose(angles["trunk_lean_deg"], lean, atol=1e-3)
    total = angles["thigh_deg"] + angles["trunk_lean_deg"]
    np.testing.assert_allclose(angles["hip_flexion_deg"], total, atol=1e-4)


def test_variables_and_units(built_walk):
    angles = joint_angles(built_walk().walk)
    assert tuple(angles.data_vars) == ANGLES
    assert {v.attrs["units"] for v in angles.values()} == {"deg"}
    assert angles["trunk_lean_deg"].dims == ("time",)
    assert angles["knee_flexion_deg"].dims == ("time", "side")


@given(scale=st.floats(0.1, 10), dx=st.floats(-1e3, 1e3), dy=st.floats(-1e3, 1e3))
def test_angles_ignore_scale_and_shift(scale, dx, dy):
    from_hip = np.array([[0.0, 0.0], [0.1, -0.4]])
    moved = from_hip * scale + [dx, dy]
    expected = inclination(from_hip[0], from_hip[1])
    assert inclination(moved[0], moved[1]) == pytest.approx(expected, abs=1e-6)
    assert pitch(moved[1], moved[0]) == pytest.approx(
        pitch(from_hip[1], from_hip[0]), abs=1e-6
    )


def test_exchanging_the_labels_exchanges_the_sides(built_walk):
    walk = built_walk(cycles=(pattern_cycle("TD"), pattern_cycle("crouch"))).walk
    swapped = walk.copy(deep=True)
    index = mirror_index("body_25")
    swapped["position"].values[:] = walk["position"].values[:, index]
    before, after = joint_angles(walk), joint_angles(swapped)
    np.testing.assert_array_equal(
        before["knee_flexion_deg"].sel(side="left"),
        after["knee_flexion_deg"].sel(side="right"),
    )


def test_unknown_direction_gives_nan_not_a_guess(built_walk):
    walk = built_walk().walk
    walk["direction"].values[10:20] = 0
    knee = joint_angles(walk)["knee_flexion_deg"]
    assert np.isnan(knee[10:20]).all()
    assert np.isfinite(knee[:10]).all()


def test_no_feet_no_ankle_angle(built_walk):
    angles = joint_angles(built_walk(keypoint_set="coco_17").walk)
    assert np.isnan(angles["ankle_dorsiflexion_deg"]).all()
    assert np.isnan(angles["foot_pitch_deg"]).all()
    assert np.isfinite(angles["knee_flexion_deg"]).all()
    assert np.isfinite(angles["trunk_lean_deg"]).all()


def test_raw_walks_are_refused(built_walk):
    walk = built_walk().walk
    del walk.attrs["cleaned"]
    message = (
        "`walk` must be cleaned; got a raw walk. Call "
        "`cpexplore.preprocessing.clean` first."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        joint_angles(walk)


def test_input_is_not_changed(built_walk):
    walk = built_walk().walk
    before = walk.copy(deep=True)
    joint_angles(walk)
    assert walk.identical(before)


@given(st.floats(-1000, 1000))
def test_wrapped_keeps_the_direction(angle):
    result = wrapped(np.array(angle))
    assert -180 <= result < 180
    assert np.cos(np.deg2rad(result)) == pytest.approx(np.cos(np.deg2rad(angle)))
