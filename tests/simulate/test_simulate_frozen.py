"""The simulator is frozen: change it only for a published number, and say which one.

Results are computed on its walks. The hashes see parameters and constants, the golden
walks every other number and step. Write them anew with
``python tests/simulate/test_simulate_frozen.py``, and name the reason in the changelog.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore.simulate import (
    CONSTANTS,
    PARAMETERS,
    draw_children,
    simulate_walk,
    td_children,
)
from cpexplore.simulate.planted import planted_children

GOLDEN = Path(__file__).parents[1] / "golden" / "simulated_walks.csv"


def walks() -> pd.DataFrame:
    """Positions (px) and confidence of every 20th frame of five different walks."""
    drawn = draw_children(24, seed=0)
    children = [
        next(child for child in drawn if child.device == "none"),
        next(child for child in drawn if child.device == "walker"),
        draw_children(8, seed=1, world="beyond_catalogue")[2],
        planted_children("level_specific", 8, seed=0)[3],
        td_children(1, seed=0)[0],
    ]
    return pd.concat(
        [every_20th_frame(replace(child, n_frames=250)) for child in children],
        ignore_index=True,
    )


def every_20th_frame(child) -> pd.DataFrame:
    walk = simulate_walk(child)[0].isel(time=slice(None, None, 20))
    position, confidence = walk["position"].values, walk["confidence"].values
    return pd.DataFrame(
        {
            "walk_id": child.walk_id,
            "frame": np.repeat(20 * np.arange(len(position)), 25),
            "keypoint": np.tile(walk["keypoint"].values, len(position)),
            "x": position[..., 0].ravel(),
            "y": position[..., 1].ravel(),
            "confidence": confidence.ravel(),
        }
    )


def test_parameters_and_constants_are_frozen():
    assert PARAMETERS.hash() == "4bed1dd262d1"
    assert CONSTANTS.hash() == "6d23e7338b90"


def test_walks_are_frozen():
    golden, made = pd.read_csv(GOLDEN), walks()
    names = ["walk_id", "frame", "keypoint"]
    pd.testing.assert_frame_equal(made[names], golden[names])
    for column in ("x", "y", "confidence"):
        np.testing.assert_allclose(made[column], golden[column], atol=0.002)


if __name__ == "__main__":
    walks().to_csv(GOLDEN, index=False, float_format="%.3f")
