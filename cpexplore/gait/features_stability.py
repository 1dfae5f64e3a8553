"""Stability of the upper body, arm swing and what the hands hold on to.

All of them grow or shrink with speed as well as with severity: compare at equal speed.
The hands are proxies: a still hand suggests a walker, it does not show one.
"""

from itertools import pairwise

import numpy as np

from cpexplore.gait._body import Body
from cpexplore.gait._gait import (
    Gait,
    Values,
    average,
    column_mean,
    detrended,
    highest,
    in_phase,
    lowest,
)
from cpexplore.gait.cycles import PHASE
from cpexplore.gait.kinematics import inclination, pitch, trunk_lean

_WHOLE = np.ones(len(PHASE), bool)
_FEWEST_FRAMES = 10


def stability(gait: Gait) -> Values:
    """Compute sway of trunk and head, pelvic excursion, arm swing, hand proxies.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Values
        Per stride: arms and hands; per walk: trunk, head, pelvis, missing keypoints.
    """
    walk = {**_sway(gait), "pelvis_vert_exc": _pelvic_excursion(gait)}
    walk["hands_r"] = _hands_correlation(gait)
    walk["legs_missing"] = _legs_missing(gait.body)
    return Values(stride=_arms(gait), walk=walk)


def head_pitch(body: Body) -> np.ndarray:
    """Pitch of the line from the ears to the nose, (time,), degrees, up positive."""
    ears = body.pair("ear")
    return pitch(column_mean(np.moveaxis(ears, 1, 0)), body.point("nose"))


def pass_length(body: Body, *chain: np.ndarray) -> np.ndarray:
    """90th percentile over each pass of the length of a chain of points.

    Parameters
    ----------
    body : Body
        The walk.
    *chain : array of shape (time, side, 2)
        Consecutive ends of the segments.

    Returns
    -------
    array of shape (time, side)
        px, the same within a pass; a percentile because foreshortening only shortens.
    """
    segments = [np.linalg.norm(b - a, axis=-1) for a, b in pairwise(chain)]
    length = np.sum(segments, axis=0)
    longest = np.full(length.shape, np.nan)
    for frames in body.passes:
        for s in range(length.shape[1]):
            known = length[frames, s][np.isfinite(length[frames, s])]
            if len(known):
                longest[frames, s] = np.percentile(known, 90)
    return longest


def _sway(gait: Gait) -> dict[str, float]:
    """SD of trunk and head angle about their line in each pass, and head anchoring."""
    trunk, head = trunk_lean(gait.body), -head_pitch(gait.body)
    trunk_sd, head_sd, relative_sd = (
        _pass_sd(gait.body, angle) for angle in (trunk, head, head - trunk)
    )
    variances = relative_sd**2, head_sd**2
    return {
        "trunk_sway_sd": trunk_sd,
        "head_sway_sd": head_sd,
        "head_anchor": (variances[0] - variances[1]) / sum(variances),
    }


def _pass_sd(body: Body, angle: np.ndarray) -> float:
    """SD about a straight line in each pass, pooled over passes."""
    squares, n = 0.0, 0
    for frames in body.passes:
        known = np.isfinite(angle[frames])
        if known.sum() < _FEWEST_FRAMES:
            continue
        time, values = body.time[frames][known], angle[frames][known]
        time = time - time.mean()
        slope = time @ values / (time @ time)
        squares += float(((values - values.mean() - slope * time) ** 2).sum())
        n += len(values) - 2
    return float(np.sqrt(squares / n)) if n else np.nan


def _pelvic_excursion(gait: Gait) -> float:
    """Vertical range of the mid-hip over a stride, without its drift, leg lengths."""
    height = gait.body.point("mid_hip")[:, 1] / gait.body.leg_length
    part = in_phase(detrended(gait.over_cycle(height)), _WHOLE)
    return float(column_mean(highest(part) - lowest(part), least=gait.min_cycles))


def _arms(gait: Gait) -> dict[str, np.ndarray]:
    body = gait.body
    shoulder, elbow, wrist = (body.pair(k) for k in ("shoulder", "elbow", "wrist"))
    hip = body.point("mid_hip")[:, None]
    arm = pass_length(body, shoulder, elbow, wrist)
    trunk = pass_length(body, body.point("neck")[:, None], hip)
    leg = body.leg_length[:, None]
    ground = np.fmin.reduce(body.pair("ankle")[..., 1], axis=1)[:, None]
    signals = np.stack(
        [
            (wrist - shoulder)[..., 0] / arm,
            (wrist - hip)[..., 1] / trunk,
            (wrist - hip)[..., 0] / leg,
            (wrist[..., 1] - ground) / leg,
            inclination(shoulder, wrist),
            inclination(body.pair("hip"), body.pair("knee"))[:, ::-1],
        ],
        axis=-1,
    )
    curves = in_phase(np.moveaxis(gait.own_side(signals), -1, 1), _WHOLE)
    swing, guard, ahead, height, arm_at, thigh_at = np.moveaxis(curves, 1, 0)
    return {
        "arm_swing": highest(swing) - lowest(swing),
        "arm_guard": average(guard),
        "elbow_flex_mean": average(in_phase(gait.curve("elbow_flexion_deg"), _WHOLE)),
        "wrist_ahead": average(ahead),
        "hand_lock": _spread(ahead),
        "hand_height_cv": 100.0 * _spread(height) / np.abs(average(height)),
        "arm_leg_phase": phase_difference(arm_at, thigh_at),
    }


def phase_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Lag between two curves at stride frequency.

    Parameters
    ----------
    first, second : array of shape (stride, 101)
        Curves over the cycle.

    Returns
    -------
    array of shape (stride,)
        Degrees in [0, 180]: 0 = in phase, 180 = opposite; NaN if a point is missing.

    Examples
    --------
    >>> turn = 2 * np.pi * np.arange(101)[None] / 100
    >>> phase_difference(np.sin(turn), -np.sin(turn)).round(6).tolist()
    [180.0]
    """
    wave = np.exp(-2j * np.pi * np.arange(100) / 100)
    product = (first[:, :100] @ wave) * np.conj(second[:, :100] @ wave)
    return np.abs(np.rad2deg(np.angle(product)))


def _spread(curves: np.ndarray) -> np.ndarray:
    """SD over the cycle, (stride,)."""
    squares = average(curves**2) - average(curves) ** 2
    return np.sqrt(np.maximum(squares, 0.0))


def _hands_correlation(gait: Gait) -> float:
    """Correlation of the two hands ahead of the mid-hip over all passes."""
    ahead = gait.body.pair("wrist")[..., 0] - gait.body.point("mid_hip")[:, :1]
    ahead = ahead[(gait.body.bout >= 0) & np.isfinite(ahead).all(axis=1)]
    if len(ahead) < _FEWEST_FRAMES or not ahead.std(axis=0).all():
        return np.nan
    return float(np.corrcoef(ahead.T)[0, 1])


def _legs_missing(body: Body) -> float:
    """Share of leg keypoints not seen by the detector in passes, percent."""
    inside = body.bout >= 0
    legs = [
        body.observed[f"{side}_{joint}"][inside]
        for side in ("left", "right")
        for joint in ("hip", "knee", "ankle")
    ]
    return 100.0 * (1.0 - float(np.mean(legs))) if inside.any() else np.nan
