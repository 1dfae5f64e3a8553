"""Physics and repeatability of simulated walks."""

import numpy as np
import pytest

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
