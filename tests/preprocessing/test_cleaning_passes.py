"""Direction of travel, passes, turns, oblique views and the scale of each pass."""

import numpy as np
import pytest
import xarray as xr

from cpexplore.preprocessing import (
    clean,
    find_direction,
    find_passes,
    leg_length_px,
    mask_low_confidence,
    read_audit,
    scale_passes,
)
from cpexplore.walks import convert_keypoints

FACE = ("nose", "left_ear", "right_ear")
FEET = ("big_toe", "small_toe", "heel")


def hidden(walk, *stems):
    """Make keypoints missing whose name ends with one of the stems."""
    walk = walk.copy(deep=True)
    for keypoint in walk["keypoint"].values:
        if str(keypoint).endswith(stems):
            walk["position"].loc[{"keypoint": keypoint}] = np.nan
            walk["confidence"].loc[{"keypoint": keypoint}] = 0
    return walk


def to_and_fro(stick_walk, *, fps=50.0, turn_s=1.2):
    """Walk right, turn with the shoulders and feet towards the camera, walk left."""
    there, back = (stick_walk(fps=fps, seconds=4, travel=s) for s in (1, -1))
    n = round(turn_s * fps)
    share = np.linspace(0, 1, n)[:, None, None]
    ends = there["position"].values[-1], back["position"].values[0]
    shift = (ends[0] - ends[1])[8]
    between = (1 - share) * ends[0] + share * (ends[1] + shift)
    names = there["keypoint"].values.tolist()
    wide = np.sin(np.pi * share[:, 0, 0]) * 60
    between[:, names.index("left_shoulder"), 0] += wide
    between[:, names.index("right_shoulder"), 0] -= wide
    position = np.concatenate(
        [there["position"].values, between, back["position"].values + shift]
    )
    clock = np.arange(len(position)) / fps
    walk = xr.concat([there, there.isel(time=slice(0, n)), back], "time")
    walk["position"].values[:] = position
    return walk.assign_coords(time=clock)


@pytest.mark.parametrize("travel", [1, -1])
@pytest.mark.parametrize(
    ("stems", "cue"),
    [
        ((), "foot"),
        (("heel",), "toe_ankle"),
        (FEET, "face"),
        ((*FEET, *FACE), "travel"),
    ],
)
def test_direction_falls_back_from_cue_to_cue(stick_walk, travel, stems, cue):
    walk = (
        hidden(stick_walk(travel=travel), *stems)
        if stems
        else stick_walk(travel=travel)
    )
    found = find_direction(mask_low_confidence(walk))
    assert set(found["direction"].values.tolist()) == {travel}
    assert found["direction"].dtype == np.int8
    used = read_audit(found)[-1]["frames_by_cue"]
    assert used[cue] == max(used.values()) == walk.sizes["time"]


def test_a_walk_without_feet_in_its_keypoint_set_gets_a_direction(stick_walk):
    walk = clean(convert_keypoints(stick_walk(travel=-1), "coco_17"))
    assert set(walk["direction"].values.tolist()) == {-1}
    assert set(walk["bout"].values.tolist()) == {0}


def test_without_any_cue_the_direction_is_unknown_and_nothing_is_a_pass(stick_walk):
    walk = clean(hidden(stick_walk(speed=0.0), *FEET, *FACE))
    assert set(walk["direction"].values.tolist()) == {0}
    assert set(walk["bout"].values.tolist()) == {-1}
    assert walk.sizes["bout"] == 0


def test_one_foot_pointing_the_wrong_way_does_not_turn_the_child_round(stick_walk):
    walk = stick_walk(fps=50)
    heel = walk["position"].sel(keypoint="left_heel").values
    walk["position"].loc[{"keypoint": "left_big_toe"}][100:112] = heel[100:112] - 40
    assert set(clean(walk)["direction"].values.tolist()) == {1}


def test_to_and_fro_is_two_passes_without_the_turn(stick_walk):
    walk = clean(to_and_fro(stick_walk))
    bout, direction = walk["bout"].values, walk["direction"].values
    assert walk.sizes["bout"] == 2
    assert set(direction[bout == 0]) == {1}
    assert set(direction[bout == 1]) == {-1}
    assert (bout[215:245] == -1).all()
    assert (bout[:190] == 0).all()
    assert (bout[-190:] == 1).all()


def test_a_view_from_the_front_is_excluded_by_the_shoulders(stick_walk):
    walk = stick_walk(fps=50, seconds=8)
    wide = np.zeros(400)
    wide[200:] = 60
    for side, sign in (("left", 1), ("right", -1)):
        at = {"keypoint": f"{side}_shoulder", "space": "x"}
        walk["position"].loc[at] += sign * wide
    bout = clean(walk)["bout"].values
    assert (bout[:190] == 0).all()
    assert (bout[210:] == -1).all()


def test_feet_seen_from_the_front_are_excluded_by_their_length(stick_walk):
    walk = stick_walk(fps=50, seconds=8)
    for side in ("left", "right"):
        heel = walk["position"].sel(keypoint=f"{side}_heel").values
        toe = {"keypoint": f"{side}_big_toe"}
        length = walk["position"].loc[toe].values - heel
        walk["position"].loc[toe][300:] = (heel + 0.5 * length)[300:]
    bout = clean(walk)["bout"].values
    assert (bout[:290] == 0).all()
    assert (bout[310:] == -1).all()


def test_nobody_is_no_pass_and_a_short_absence_does_not_end_one(stick_walk):
    walk = stick_walk(fps=50, seconds=10)
    walk["position"][:30] = np.nan
    walk["position"][200:220] = np.nan
    walk["position"][350:400] = np.nan
    bout = clean(walk)["bout"].values
    assert (bout[:30] == -1).all()
    assert (bout[30:350] == 0).all()
    assert (bout[350:400] == -1).all()


@pytest.mark.parametrize("seconds", [1.7, 0.8])
def test_a_short_clip_is_one_pass(stick_walk, seconds):
    assert set(clean(stick_walk(seconds=seconds))["bout"].values.tolist()) == {0}


def test_standing_is_no_pass_beside_a_walk(stick_walk):
    walk = stick_walk(fps=50, seconds=12)
    walk["position"][:200] = walk["position"][200]
    walk["position"][190:210] = np.nan
    walk["position"][150:190] = np.nan
    bout = clean(walk)["bout"].values
    assert (bout[:150] == -1).all()
    assert (bout[210:] == 0).all()


def test_a_step_to_gait_is_a_pass(stick_walk):
    walk = stick_walk(fps=50, seconds=6)
    for part in ("knee", "ankle", *FEET):
        walk["position"].loc[{"keypoint": f"left_{part}", "space": "x"}] += 220
    left, right = (
        walk["position"].sel(keypoint=f"{side}_ankle", space="x").values
        for side in ("left", "right")
    )
    assert (left > right).all()
    assert set(clean(walk)["bout"].values.tolist()) == {0}


@pytest.mark.parametrize(
    ("dimmed", "near"), [("left", "right"), ("right", "left"), ("none", "unsure")]
)
def test_the_audit_tells_which_leg_looks_nearer(stick_walk, dimmed, near):
    walk = stick_walk()
    for part in ("hip", "knee", "ankle"):
        if dimmed != "none":
            walk["confidence"].loc[{"keypoint": f"{dimmed}_{part}"}] = 0.7
    (audit,) = (r for r in read_audit(clean(walk)) if r["step"] == "passes")
    assert audit["near_side"] == [near]


def test_scale_is_the_ninetieth_percentile_of_each_pass(stick_walk):
    walk = to_and_fro(stick_walk)
    names = walk["keypoint"].values.tolist()
    hip = names.index("mid_hip")
    origin = walk["position"].values[260:, hip : hip + 1]
    walk["position"][260:] = origin + 0.8 * (walk["position"].values[260:] - origin)
    cleaned = clean(walk)
    assert cleaned["scale_px"].values == pytest.approx([200.0, 160.0], rel=0.01)


def test_leg_length_ignores_foreshortened_frames_and_missing_legs(stick_walk):
    walk = stick_walk(fps=50)
    knee = walk["position"].sel(keypoint="left_knee").values
    ankle = {"keypoint": "left_ankle"}
    shank = walk["position"].loc[ankle].values - knee
    walk["position"].loc[ankle][:100] = (knee + 0.5 * shank)[:100]
    assert leg_length_px(walk) == pytest.approx(200.0, rel=1e-4)
    assert leg_length_px(hidden(walk, "left_knee")) == pytest.approx(200.0, rel=1e-4)
    assert np.isnan(leg_length_px(hidden(walk, "knee")))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            find_passes,
            "`walk` must have the variable 'direction'; got a walk without it. "
            "Call `find_direction` first.",
        ),
        (
            scale_passes,
            "`walk` must have the variable 'bout'; got a walk without it. "
            "Call `find_passes` first.",
        ),
    ],
)
def test_steps_name_the_step_before(stick_walk, step, message):
    with pytest.raises(ValueError, match="must have") as error:
        step(stick_walk())
    assert str(error.value) == message
