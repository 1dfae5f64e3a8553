"""What kinds of skeleton networks see of a window, by value."""

import numpy as np
import pytest
import torch

from cpexplore.learning.backbones import seen_by
from cpexplore.learning.data import WalkSet
from cpexplore.skeleton import KEYPOINT_SETS, keypoint_set, mirror_index


def view(x: torch.Tensor, kind: str, name: str) -> torch.Tensor:
    n = len(x)
    walks = WalkSet(
        walk_id=tuple(map(str, range(n))),
        x=x,
        row=torch.arange(n),
        features=torch.empty(n, 0),
        target=torch.zeros(n, dtype=torch.int64),
        patient=torch.arange(n),
    )
    return seen_by(walks, kind, name).x


def draw(rng, name: str) -> torch.Tensor:
    return torch.tensor(rng.random((2, 3, 6, len(keypoint_set(name).keypoints))))


def test_a_bone_leads_from_the_neighbour_nearer_the_centre(rng):
    x = draw(rng, "body_25")
    bones = view(x, "bone", "body_25")
    at = keypoint_set("body_25").keypoints.index
    for outer, inner in (
        ("left_knee", "left_hip"),
        ("left_hip", "mid_hip"),
        ("neck", "mid_hip"),
        ("right_wrist", "right_elbow"),
    ):
        expected = x[:, :2, :, at(outer)] - x[:, :2, :, at(inner)]
        torch.testing.assert_close(bones[:, :2, :, at(outer)], expected)
    assert not bones[:, :2, :, at("mid_hip")].any()
    assert torch.equal(bones[:, 2], x[:, 2])


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
@pytest.mark.parametrize("kind", ["bone", "motion", "legs"])
def test_views_know_no_side_and_no_place(kind, name, rng):
    x, swap = draw(rng, name), torch.tensor(mirror_index(name))
    seen = view(x, kind, name)
    torch.testing.assert_close(view(x[..., swap], kind, name), seen[..., swap])
    if kind != "legs":
        far = torch.cat([x[:, :2] + 7, x[:, 2:]], dim=1)
        torch.testing.assert_close(view(far, kind, name), seen)


def test_motion_is_the_change_since_the_frame_before(rng):
    x = draw(rng, "coco_17")
    motion = view(x, "motion", "coco_17")
    np.testing.assert_array_equal(motion[:, :2, 0], 0)
    np.testing.assert_array_equal(motion[:, :2, 1:], np.diff(x[:, :2], axis=2))
    assert torch.equal(motion[:, 2], x[:, 2])
