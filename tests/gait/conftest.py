"""Walks whose angles, events and lengths are known because they were built."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.interpolate import CubicSpline

from cpexplore.simulate.curves import pattern_cycle
from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import convert_keypoints, make_walk

PERIOD_S = 1.0
STANCE = 0.6
THIGH, SHANK, TRUNK = 100.0, 100.0, 120.0


@dataclass(frozen=True)
class Built:
    """A cleaned walk and its construction."""

    walk: xr.Dataset
    events: pd.DataFrame
    cycle: np.ndarray
    """(4, 100) hip, knee, ankle, pelvis of the construction, degrees."""


def _angle(cycle: np.ndarray, phase: np.ndarray) -> np.ndarray:
    knots = np.arange(101) / 100
    spline = CubicSpline(knots, np.append(cycle, cycle[0]), bc_type="periodic")
    return spline(phase % 1.0)


def _segment(angle_deg: np.ndarray, length: float) -> np.ndarray:
    """Vector of a segment that hangs down, (time, 2) forward and up."""
    angle = np.deg2rad(angle_deg)
    return length * np.stack([np.sin(angle), -np.cos(angle)], axis=-1)


def _leg(hip: np.ndarray, phase: np.ndarray, cycle: np.ndarray) -> dict:
    hip_flexion, knee, ankle, pelvis = (_angle(row, phase) for row in cycle)
    thigh = hip_flexion - pelvis
    shank = thigh - knee
    pitch = np.deg2rad(shank + ankle)
    foot = 40.0 * np.stack([np.cos(pitch), np.sin(pitch)], axis=-1)
    knee_at = hip + _segment(thigh, THIGH)
    ankle_at = knee_at + _segment(shank, SHANK)
    heel = ankle_at - 0.3 * foot - [0.0, 12.0]
    return {"hip": hip, "knee": knee_at, "ankle": ankle_at} | {
        "heel": heel,
        "big_toe": heel + foot,
        "small_toe": heel + 0.9 * foot,
    }


def _upper_body(hip: np.ndarray, turn: np.ndarray) -> dict[str, np.ndarray]:
    neck = hip + np.array([5.0, TRUNK])
    parts = {"neck": neck, "mid_hip": hip, "nose": neck + np.array([12.0, 30.0])}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = _segment(-sign * 20.0 * np.cos(turn), 60.0)
        parts[f"{side}_shoulder"] = neck
        parts[f"{side}_elbow"] = neck + arm
        parts[f"{side}_wrist"] = neck + 2 * arm
        parts[f"{side}_eye"] = neck + np.array([10.0, 35.0])
        parts[f"{side}_ear"] = neck + np.array([0.0, 33.0])
    return parts


def build(
    *,
    cycles: tuple[np.ndarray, np.ndarray] | None = None,
    n_strides: int = 6,
    fps: float = 100.0,
    travel: int = 1,
    step: float = 70.0,
    keypoint_set: str = "body_25",
) -> Built:
    """Build a walk of one pass at one stride per second, left contact at 0 s."""
    cycles = cycles or (pattern_cycle("TD"), pattern_cycle("TD"))
    time = np.arange(round(n_strides * PERIOD_S * fps) + 1) / fps
    turn = 2 * np.pi * time / PERIOD_S
    hip = np.stack([2 * step * time, 300.0 + 4.0 * np.cos(2 * turn)], axis=-1)
    parts = _upper_body(hip, turn)
    for side, cycle, shift in zip(("left", "right"), cycles, (0.0, 0.5), strict=True):
        leg = _leg(hip, time / PERIOD_S + shift, cycle)
        parts |= {f"{side}_{name}": points for name, points in leg.items()}
    names = KEYPOINT_SETS["body_25"].keypoints
    position = np.stack([parts[name] for name in names], axis=1)
    position = position * [travel, -1.0] + [500.0, 600.0]
    walk = make_walk(
        position, np.ones(position.shape[:2]), fps=fps, keypoint_set="body_25",
        walk_id="built",
    )  # fmt: skip
    return Built(
        walk=convert_keypoints(_declare_clean(walk, travel), keypoint_set),
        events=_events(n_strides),
        cycle=cycles[0],
    )


def _declare_clean(walk: xr.Dataset, travel: int) -> xr.Dataset:
    n = walk.sizes["time"]
    seen = np.isfinite(walk["position"].values).all(axis=-1)
    return (
        walk.assign(
            observed=(("time", "keypoint"), seen),
            direction=("time", np.full(n, travel, np.int8)),
            scale_px=("bout", np.array([THIGH + SHANK])),
        )
        .assign_coords(bout=("time", np.zeros(n, int)))
        .assign_attrs(cleaned="built", cleaning_audit="{}")
    )


def _events(n_strides: int) -> pd.DataFrame:
    rows = []
    for side, shift in (("left", 0.0), ("right", 0.5)):
        contacts = np.arange(n_strides + 1) * PERIOD_S - shift
        offs = contacts + STANCE * PERIOD_S
        for event, times in (("initial_contact", contacts), ("foot_off", offs)):
            inside = times[(times >= 0) & (times <= n_strides * PERIOD_S)]
            rows += [(side, event, float(time), 1.0) for time in inside]
    columns = ["side", "event", "time_s", "confidence"]
    return pd.DataFrame(rows, columns=columns).sort_values("time_s", ignore_index=True)


@pytest.fixture
def built_walk() -> Callable[..., Built]:
    """Build a cleaned walk with known angles and events."""
    return build
