"""Swap repair and tracks against the truth of simulated children."""

import numpy as np
import pytest

from cpexplore.preprocessing import clean, leg_length_px, read_audit
from cpexplore.simulate import draw_children, simulate_walk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recordings():
    children = draw_children(8, seed=3, min_per_level=2)
    return [simulate_walk(child) for child in children[:5]]


def marked(walk):
    frames = np.zeros(walk.sizes["time"], bool)
    (audit,) = (r for r in read_audit(walk) if r["step"] == "unswap")
    for start, stop in audit["swapped"]:
        frames[start:stop] = True
    return frames


def visible(truth, walk):
    """Frames in which a swap moves ankle or knee by more than 0.1 leg lengths."""
    gaps = [
        truth.clean.sel(keypoint=f"left_{part}").values
        - truth.clean.sel(keypoint=f"right_{part}").values
        for part in ("knee", "ankle")
    ]
    apart = np.hypot(*np.moveaxis(np.array(gaps), -1, 0)).max(axis=0)
    return apart > 0.1 * leg_length_px(walk)


def test_swaps_are_repaired_and_nothing_else(recordings):
    hit = missed = invented = 0
    for walk, truth in recordings:
        found, real = marked(clean(walk)), truth.swapped.values
        seen = visible(truth, walk) & np.isfinite(
            walk["position"].sel(keypoint=["left_ankle", "right_ankle"])
        ).values.all(axis=(1, 2))
        hit += (found & real & seen).sum()
        missed += (~found & real & seen).sum()
        invented += (found & ~real & seen).sum()
    assert hit > 20
    assert hit / (hit + missed) >= 0.95
    assert hit / (hit + invented) >= 0.95


def test_cleaning_brings_the_tracks_nearer_to_the_truth(recordings):
    for walk, truth in recordings:
        cleaned = clean(walk)
        ankle = {"keypoint": ["left_ankle", "right_ankle"]}
        raw, after = (
            np.nanmedian(np.abs(w["position"].sel(ankle) - truth.clean.sel(ankle)))
            for w in (walk, cleaned)
        )
        assert after < raw


def test_passes_and_direction_agree_with_the_course(recordings):
    for walk, truth in recordings:
        cleaned = clean(walk)
        bout, real = cleaned["bout"].values, truth.bout.values
        assert (bout[real >= 0] >= 0).mean() > 0.7
        assert (real[bout >= 0] >= 0).mean() > 0.8
        hip = truth.clean.sel(keypoint="mid_hip", space="x").values
        for number in range(cleaned.sizes["bout"]):
            inside = np.flatnonzero(bout == number)
            travelled = np.sign(hip[inside[-1]] - hip[inside[0]])
            assert set(cleaned["direction"].values[inside]) == {travelled}
