"""Physics and repeatability of simulated walks."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter1d

from cpexplore.simulate import draw_children, simulate_walk, td_children
from cpexplore.walks import validate_walk

CHILDREN = [*draw_children(16, seed=3)[::5], *td_children(1, seed=1)]


@pytest.fixture(scope="module", params=CHILDREN, ids=lambda child: child.walk_id)
def simulated(request):
    return simulate_walk(request.param)


def test_a_simulated_walk_is_a_valid_walk_that_says_so(simulated):
    walk, truth = simulated
    validate_walk(walk)
    assert walk.attrs["simulated"] == 1
    assert walk.attrs["source"] == "simulated (cpexplore)"
    assert walk.sizes["time"] == truth.child.n_frames
    assert (
        walk["confidence"].values[np.isnan(walk["position"].values[..., 0])] == 0
    ).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_point_in_contact_does_not_slip(simulated, side):
    _, truth = simulated
    foot = truth.points.sel(keypoint=[f"{side}_heel", f"{side}_big_toe"])
    stays = truth.contact.sel(side=side).values
    stays = stays[1:] & stays[:-1]
    down = foot.sel(axis="y").values < 1e-3
    pinned = stays[:, None] & down[1:] & down[:-1]
    moved = np.hypot(
        *np.diff(foot.sel(axis=["x", "z"]).values, axis=0).transpose(2, 0, 1)
    )
    assert pinned.sum() > 20
    assert moved[pinned].max() < 0.01 * truth.child.leg_length_m


def test_nobody_sinks_and_bones_keep_their_length(simulated):
    _, truth = simulated
    assert float(truth.points.sel(axis="y").min()) > -0.005
    for upper, lower in (("hip", "knee"), ("knee", "ankle"), ("ankle", "heel")):
        for side in ("left", "right"):
            bone = truth.points.sel(keypoint=f"{side}_{upper}") - truth.points.sel(
                keypoint=f"{side}_{lower}"
            )
            assert np.ptp(np.linalg.norm(bone.values, axis=1)) < 1e-9


def test_the_same_child_gives_the_same_bytes_and_another_seed_does_not():
    children = draw_children(8, seed=5)
    first, again = (simulate_walk(children[2])[0] for _ in range(2))
    assert first.identical(again)
    other = simulate_walk(draw_children(8, seed=6)[2])[0]
    assert not first["position"].equals(other["position"])


@pytest.fixture(scope="module")
def fast():
    """A child filmed at 100 Hz, to see the moment of contact."""
    child = next(c for c in draw_children(16, seed=3) if c.gmfcs == "I")
    return simulate_walk(replace(child, fps=100.0, n_frames=900))[1]


def test_a_severe_child_stands_on_the_ground_at_a_high_frame_rate():
    """Full steps of the chain's closure swing to and fro here; half steps settle."""
    children = draw_children(797, seed=0, min_per_level=0)
    severe = next(child for child in children if child.gmfcs == "IV")
    _, truth = simulate_walk(replace(severe, fps=100.0, n_frames=800))
    ends = ["left_heel", "left_big_toe", "right_heel", "right_big_toe"]
    heights = truth.points.sel(keypoint=ends, axis="y").values / severe.leg_length_m
    lowest = np.stack([heights[:, :2].min(axis=1), heights[:, 2:].min(axis=1)], axis=1)
    assert lowest[truth.contact.values].max() < 0.003


def test_feet_touch_and_leave_the_ground_when_the_events_say(fast):
    time, late = fast.bout["time"].values, []
    for side in ("left", "right"):
        foot = fast.points.sel(keypoint=[f"{side}_heel", f"{side}_big_toe"], axis="y")
        down = (foot.min("keypoint") < 0.0015 * fast.child.leg_length_m).values
        lands, lifts = (np.flatnonzero(np.diff(down.astype(int)) == k) for k in (1, -1))
        events = fast.events.query("side == @side and 0.3 < time_s < 8.7")
        for event, when in zip(events["event"], events["time_s"], strict=True):
            edges = lands if event == "initial_contact" else lifts
            moments = (time[edges] + time[edges + 1]) / 2
            late.append(np.abs(moments - when).min())
    assert len(late) > 20
    assert np.median(late) < 0.006
    assert np.mean(np.array(late) < 0.010) > 0.9


@pytest.mark.parametrize("side", ["left", "right"])
def test_angles_come_back_from_the_points(fast, side):
    along = fast.points.sel(keypoint="mid_hip", axis="x").values
    heading = np.sign(np.gradient(gaussian_filter1d(along, 20)))
    straight = fast.bout.values >= 0

    def inclination(upper, lower):
        bone = fast.points.sel(keypoint=lower) - fast.points.sel(keypoint=upper)
        ahead = bone.sel(axis="x").values * heading
        return np.degrees(np.arctan2(ahead, -bone.sel(axis="y").values))

    thigh = inclination(f"{side}_hip", f"{side}_knee")
    knee = thigh - inclination(f"{side}_knee", f"{side}_ankle")
    for name, angle in (("thigh_deg", thigh), ("knee_flexion_deg", knee)):
        true = fast.angles[name].sel(side=side).values
        np.testing.assert_allclose(angle[straight], true[straight], atol=0.1)
    trunk = inclination("neck", "mid_hip")
    np.testing.assert_allclose(
        -trunk[straight], fast.angles["trunk_lean_deg"].values[straight], atol=0.1
    )


def test_corrections_are_small_and_speed_is_as_wanted(simulated):
    _, truth = simulated
    walking = truth.bout.values >= 0
    bent = np.abs(truth.correction.values[walking])
    assert np.median(bent, axis=(0, 1)).max() < 6
    wanted = truth.child
    assert truth.parameters["speed_mps"] == pytest.approx(wanted.speed_mps, rel=0.2)
    assert truth.parameters["cadence_spm"] == pytest.approx(
        wanted.cadence_spm, rel=0.05
    )


def test_nothing_of_the_truth_is_in_the_walk(simulated):
    walk, _ = simulated
    assert set(walk.variables) == {
        *("position", "confidence"),
        *("time", "keypoint", "space"),
    }
    assert set(walk.attrs) == {
        *("fps", "walk_id", "patient_id", "keypoint_set"),
        *("source", "simulated", "schema"),
    }


def test_the_truth_can_be_written_and_read_back(fast, tmp_path):
    fast.dataset.to_netcdf(tmp_path / "truth.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "truth.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(
            back["knee_flexion_deg"], fast.dataset["knee_flexion_deg"]
        )
        assert back.attrs["speed_mps"] == fast.parameters["speed_mps"]
