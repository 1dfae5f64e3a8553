"""A stick figure that walks past the camera: every track is known in closed form."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import make_walk

LEG_PX = 200.0
STRIDE_S = 1.0


def _down(angle_deg: np.ndarray, length: float) -> np.ndarray:
    angle = np.deg2rad(angle_deg)
    return length * np.stack([np.sin(angle), np.cos(angle)], axis=-1)


def _leg(hip: np.ndarray, phase: np.ndarray) -> dict[str, np.ndarray]:
    turn = 2 * np.pi * phase
    thigh = 5 + 25 * np.cos(turn)
    knee = 25 + 20 * np.cos(turn - 4.4) + 8 * np.cos(2 * turn)
    knee_at = hip + _down(thigh, LEG_PX / 2)
    ankle = knee_at + _down(thigh - knee, LEG_PX / 2)
    heel = ankle + np.array([-12.0, 10.0])
    return {"hip": hip, "knee": knee_at, "ankle": ankle, "heel": heel} | {
        "big_toe": heel + np.array([45.0, 2.0]),
        "small_toe": heel + np.array([40.0, 2.0]),
    }


def stick_figure(
    *, fps: float = 50.0, seconds: float = 4.0, travel: int = 1, speed: float = 250.0
) -> xr.Dataset:
    """Make a raw BODY_25 walk without noise, confidence 0.9."""
    time = np.arange(round(seconds * fps)) / fps
    hip = np.stack([speed * time, 4 * np.cos(4 * np.pi * time / STRIDE_S)], axis=-1)
    neck = hip + np.array([5.0, -120.0])
    parts = {"neck": neck, "mid_hip": hip, "nose": neck + np.array([25.0, -30.0])}
    for side, lead, near in (("left", 0.0, 3.0), ("right", 0.5, -3.0)):
        leg = _leg(hip, time / STRIDE_S + lead)
        parts |= {f"{side}_{part}": points for part, points in leg.items()}
        for part, offset in (("shoulder", [near, 0]), ("elbow", [0, 60])):
            parts[f"{side}_{part}"] = neck + offset
        parts[f"{side}_wrist"] = neck + np.array([15.0, 110.0])
        parts[f"{side}_eye"] = neck + np.array([20.0, -35.0])
        parts[f"{side}_ear"] = neck + np.array([0.0, -33.0])
    names = KEYPOINT_SETS["body_25"].keypoints
    position = np.stack([parts[name] for name in names], axis=1)
    return make_walk(
        position * [travel, 1] + [600.0, 400.0],
        np.full(position.shape[:2], 0.9),
        fps=fps,
        keypoint_set="body_25",
        walk_id="stick",
    )


@pytest.fixture
def stick_walk() -> Callable[..., xr.Dataset]:
    """Make stick-figure walks."""
    return stick_figure
