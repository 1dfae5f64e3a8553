"""Left-right swaps: built ones are found, real motion is left alone."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpexplore.preprocessing import mask_low_confidence, read_audit, unswap_legs
from cpexplore.preprocessing.frames import runs
from cpexplore.skeleton import mirror_index
from cpexplore.walks import convert_keypoints

LEGS = ("hip", "knee", "ankle", "heel", "big_toe", "small_toe")


def swap(walk, frames):
    """Exchange position and confidence of both legs in some frames."""
    names = walk["keypoint"].values.tolist()
    parts = [part for part in LEGS if f"left_{part}" in names]
    left = [names.index(f"left_{part}") for part in parts]
    right = [names.index(f"right_{part}") for part in parts]
    swapped = walk.copy(deep=True)
    for variable in ("position", "confidence"):
        values = swapped[variable].values
        values[np.ix_(frames, left + right)] = values[np.ix_(frames, right + left)]
    return swapped


def noisy(walk, rng, share=0.015):
    walk = walk.copy(deep=True)
    walk["position"] += rng.normal(scale=share * 200, size=walk["position"].shape)
    return walk


def ankles_apart(walk, least=0.1):
    left, right = (
        walk["position"].sel(keypoint=f"{side}_ankle").values
        for side in ("left", "right")
    )
    return np.hypot(*(left - right).T) > least * 200


def found(walk):
    marked = np.zeros(walk.sizes["time"], bool)
    for start, stop in read_audit(walk)[-1]["swapped"]:
        marked[start:stop] = True
    return marked


@pytest.mark.parametrize("fps", [25.0, 50.0, 100.0])
@pytest.mark.parametrize("travel", [1, -1])
def test_swaps_are_found_at_every_frame_rate(stick_walk, rng, fps, travel):
    walk = noisy(stick_walk(fps=fps, seconds=8, travel=travel), rng)
    frames = np.zeros(walk.sizes["time"], bool)
    for start_s, long_s in ((0.8, 0.04), (2.1, 0.12), (3.33, 0.2), (5.7, 0.8)):
        frames[round(start_s * fps) : round((start_s + long_s) * fps)] = True
    repaired = unswap_legs(mask_low_confidence(swap(walk, np.flatnonzero(frames))))
    judged = ankles_apart(walk)
    np.testing.assert_array_equal(found(repaired)[judged], frames[judged])
    assert judged.mean() > 0.7


@pytest.mark.parametrize("fps", [50.0, 100.0])
def test_a_long_swap_does_not_cost_more_because_frames_are_many(stick_walk, rng, fps):
    walk = noisy(stick_walk(fps=fps, seconds=12), rng)
    frames = np.zeros(walk.sizes["time"], bool)
    frames[round(3 * fps) : round(6.2 * fps)] = True
    marked = found(unswap_legs(mask_low_confidence(swap(walk, np.flatnonzero(frames)))))
    judged = ankles_apart(walk)
    np.testing.assert_array_equal(marked[judged], frames[judged])


@pytest.mark.parametrize("fps", [12.5, 25.0])
def test_without_feet_hips_knees_and_ankles_are_enough(stick_walk, rng, fps):
    walk = convert_keypoints(noisy(stick_walk(fps=fps, seconds=8), rng), "coco_17")
    frames = np.arange(round(2 * fps), round(2.5 * fps))
    marked = found(unswap_legs(mask_low_confidence(swap(walk, frames))))
    judged = ankles_apart(walk)
    wanted = np.isin(np.arange(walk.sizes["time"]), frames)
    np.testing.assert_array_equal(marked[judged], wanted[judged])


def test_a_walk_without_swaps_is_left_as_it_is(stick_walk, rng):
    walk = mask_low_confidence(noisy(stick_walk(fps=25, seconds=12), rng))
    repaired = unswap_legs(walk)
    assert read_audit(repaired)[-1]["n_swapped"] == 0
    xr.testing.assert_equal(repaired, walk)


def test_confidence_and_observed_travel_with_the_leg(stick_walk):
    walk = stick_walk(fps=50)
    walk["confidence"].loc[{"keypoint": "right_knee"}] = 0.6
    walk["confidence"][:, list(walk["keypoint"].values).index("left_heel")] = 0.1
    repaired = unswap_legs(mask_low_confidence(swap(walk, range(60, 64))))
    wanted = mask_low_confidence(walk)
    xr.testing.assert_equal(repaired, wanted)


def test_both_labels_on_one_leg_for_a_frame_do_not_reverse_the_rest(stick_walk, rng):
    walk = noisy(stick_walk(fps=30, seconds=6), rng)
    for part in ("knee", "ankle", "heel", "big_toe"):
        at = walk["position"].sel(keypoint=f"right_{part}").values[64]
        walk["position"].loc[{"keypoint": f"left_{part}"}][64] = at
    assert found(unswap_legs(mask_low_confidence(walk))).sum() <= 1


def test_a_spike_does_not_buy_a_swap(stick_walk):
    walk = stick_walk(fps=25)
    walk["position"].loc[{"keypoint": "left_ankle"}][40] += 500
    assert found(unswap_legs(mask_low_confidence(walk))).sum() == 0


def test_stretches_after_a_long_gap_are_decided_apart(stick_walk):
    walk = swap(stick_walk(fps=50), range(30, 34))
    walk["position"][90:110] = np.nan
    walk = swap(walk, range(150, 153))
    audit = read_audit(unswap_legs(mask_low_confidence(walk)))[-1]
    assert audit["swapped"] == [[30, 34], [150, 153]]


def test_a_stretch_swapped_for_the_most_part_is_called_unsure(stick_walk):
    walk = swap(stick_walk(fps=50, seconds=4), range(60, 150))
    audit = read_audit(unswap_legs(mask_low_confidence(walk)))[-1]
    assert audit["n_unsure"] == 200


def relabelled(walk):
    index = mirror_index(walk.attrs["keypoint_set"])
    return walk.assign(
        {
            name: (walk[name].dims, walk[name].values[:, index])
            for name in ("position", "confidence", "observed")
        }
    )


@given(starts=st.lists(st.integers(5, 190), max_size=4), seed=st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_relabelling_every_frame_relabels_the_result(stick_walk, starts, seed):
    walk = noisy(stick_walk(), np.random.default_rng(seed))
    for start in starts:
        walk = swap(walk, range(start, start + 3))
    masked = mask_low_confidence(walk)
    first, second = unswap_legs(masked), unswap_legs(relabelled(masked))
    xr.testing.assert_equal(relabelled(first), second)


def test_the_audit_lists_the_frames(stick_walk):
    walk = mask_low_confidence(swap(stick_walk(fps=50), [*range(70, 75), 120]))
    audit = read_audit(unswap_legs(walk))[-1]
    assert audit["n_swapped"] == 6
    assert runs(found(unswap_legs(walk))).tolist() == audit["swapped"]


def with_near_limb(walk, rng):
    """Right leg, near the camera of a child that walks right, seen better."""
    walk = walk.copy(deep=True)
    names = walk["keypoint"].values
    for side, level in (("left", 0.6), ("right", 0.8)):
        own = [name.startswith(side) for name in names]
        noise = rng.normal(scale=0.05, size=(walk.sizes["time"], 1))
        walk["confidence"][:, own] = np.clip(level + noise, 0.35, 1)
    return walk


def test_the_near_limb_tells_which_piece_beside_a_gap_is_swapped(stick_walk, rng):
    walk = with_near_limb(noisy(stick_walk(fps=25, seconds=8), rng), rng)
    walk = swap(walk, range(60, 84))
    walk["position"][[*range(52, 60), *range(94, 102)]] = np.nan
    frames = np.isin(np.arange(200), range(60, 84))
    judged = ankles_apart(walk)
    marked = found(unswap_legs(mask_low_confidence(walk)))
    np.testing.assert_array_equal(marked[judged], frames[judged])


@given(seed=st.integers(0, 99), start=st.integers(10, 100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_confidence_alone_buys_no_swap(stick_walk, seed, start):
    walk = with_near_limb(stick_walk(fps=25, seconds=8), np.random.default_rng(seed))
    names = walk["keypoint"].values
    near = [name.startswith("right") for name in names]
    walk["confidence"][start : start + 75, near] = 0.4
    assert found(unswap_legs(mask_low_confidence(walk))).sum() == 0


@pytest.mark.parametrize("start", [51, 56, 61, 66])
def test_someone_beside_the_child_is_not_taken_for_a_swap(stick_walk, start):
    """One leg of the other person lies where the child's other leg was."""
    walk = stick_walk(fps=25, seconds=8)
    ankles = walk["position"].sel(keypoint=["left_ankle", "right_ankle"], space="x")
    aside = float(ankles[start, 0] - ankles[start, 1])
    walk["position"][start : start + 25, :, 0] += aside
    assert found(unswap_legs(mask_low_confidence(walk))).sum() == 0


@pytest.mark.parametrize("fps", [25.0, 50.0, 100.0])
@pytest.mark.parametrize("near", [0.9, 0.7])
def test_confidence_that_never_varies_decides_nothing(stick_walk, fps, near):
    walk = stick_walk(fps=fps, seconds=6)
    names = walk["keypoint"].values
    walk["confidence"][:, [name.startswith("right") for name in names]] = near
    frames = np.arange(round(2 * fps), round(2.4 * fps))
    marked = found(unswap_legs(mask_low_confidence(swap(walk, frames))))
    judged = ankles_apart(walk)
    wanted = np.isin(np.arange(walk.sizes["time"]), frames)
    np.testing.assert_array_equal(marked[judged], wanted[judged])


@pytest.mark.parametrize("fps", [25.0, 100.0])
def test_missing_hips_neither_jump_nor_hide_a_swap(stick_walk, rng, fps):
    walk = noisy(stick_walk(fps=fps, seconds=8), rng)
    walk["position"].loc[{"keypoint": "left_hip"}][round(fps) : round(5 * fps)] = np.nan
    frames = np.arange(round(2 * fps), round(2.5 * fps))
    marked = found(unswap_legs(mask_low_confidence(swap(walk, frames))))
    judged = ankles_apart(walk)
    wanted = np.isin(np.arange(walk.sizes["time"]), frames)
    np.testing.assert_array_equal(marked[judged], wanted[judged])


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 4])
def test_too_few_frames_to_judge_are_left_as_they_are(stick_walk, n_frames):
    walk = mask_low_confidence(stick_walk(fps=25).isel(time=slice(n_frames)))
    xr.testing.assert_equal(unswap_legs(walk), walk)
