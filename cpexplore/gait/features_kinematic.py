"""Angles over the gait cycle: every angle by phase, and the named clinical ones."""

import numpy as np

from cpexplore.gait._gait import (
    Gait,
    Values,
    average,
    column_mean,
    highest,
    in_phase,
    lowest,
    phase_of_highest,
)
from cpexplore.gait.cycles import PHASE, at_times

SHORT_NAMES = (
    "hip",
    "knee",
    "ankle",
    "thigh",
    "shank",
    "foot_pitch",
    "trunk_lean",
    "elbow",
    "shoulder",
)
"""First part of a feature's name for each angle, in the order of ``ANGLES``."""

SINGLE_STANCE = (PHASE >= 10) & (PHASE <= 62)
"""Where the knee extends most in stance, as in Kidzinski et al. 2020."""
_WHOLE = np.ones(len(PHASE), bool)

_FLAT_DEG = 5.0
_PUSH_OFF = 0.4
"""Share of swing in which the ankle may still go on to plantarflex."""
_HEEL_RISE_LL = 0.04
_FOOT_FLAT = np.linspace(0.15, 0.40, 26)
"""Part of the cycle in which the toe rests on the ground."""


def kinematic(gait: Gait) -> Values:
    """Compute value, extremes, ranges and velocities of every angle by phase.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Values
        Per stride and per side ``<angle>_<measure>`` for every angle of
        :data:`SHORT_NAMES` and every measure of :func:`phase_measures`, the named
        clinical ones, and what the foot does.

    Notes
    -----
    A side's value is that of its mean curve. The extreme of a single stride takes the
    tracker's noise with it: on simulated walks the mean of the strides' knee minima lay
    about 2 degrees too low, the minimum of the mean curve within 0.6 degrees of the
    truth. The strides keep their own values, for their spread.
    """
    n, strides = len(gait.strides), gait.strides
    lines = {"foot_off": strides.percent(strides.foot_off), "time": strides.duration}
    means = {name: gait.side_mean(values) for name, values in lines.items()}
    found = _angle_features(
        np.concatenate([gait.curves, gait.mean_curves]),
        foot_off=np.concatenate([lines["foot_off"], means["foot_off"]]),
        duration=np.concatenate([lines["time"], means["time"]]),
    )
    per_stride = {name: values[:n] for name, values in found.items()}
    per_side = {name: values[n:] for name, values in found.items()}
    lean, rom = (
        float(column_mean(per_side[f"trunk_lean_{name}"])) for name in ("mean", "rom")
    )
    return Values(
        stride=per_stride | _contact(per_stride["foot_pitch_ic"]) | _foot(gait),
        side=per_side,
        walk={"trunk_lean_mean": lean, "trunk_rom": rom},
    )


def _angle_features(
    curves: np.ndarray, *, foot_off: np.ndarray, duration: np.ndarray
) -> dict[str, np.ndarray]:
    """Every measure of every angle and the named ones, each (curve,)."""
    by_angle = np.ascontiguousarray(np.moveaxis(curves, -1, 1))
    stance = foot_off[:, None] >= PHASE
    measured = phase_measures(by_angle, stance=stance, duration=duration)
    measured["to"] = _at_percent(curves, foot_off)
    found = {
        f"{angle}_{measure}": values[:, a]
        for measure, values in measured.items()
        for a, angle in enumerate(SHORT_NAMES)
    }
    lean = by_angle[:, SHORT_NAMES.index("trunk_lean")]
    found["trunk_lean_mean"] = average(in_phase(lean, _WHOLE))
    return found | _named(by_angle, found, foot_off=foot_off, duration=duration)


def swing_share(foot_off: np.ndarray) -> np.ndarray:
    """How much of swing has passed at every percent of the cycle.

    Parameters
    ----------
    foot_off : array of shape (curve,)
        Percent of the cycle.

    Returns
    -------
    array of shape (curve, 101)
        0 at foot off, 1 at the next contact; negative in stance. Initial, mid and
        terminal swing are thirds of it, whatever the length of stance.
    """
    return (PHASE - foot_off[:, None]) / (100.0 - foot_off[:, None])


def _at_percent(curves: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """Value of curves (curve, 101, angle) at a percent of each: (curve, angle)."""
    known = np.isfinite(percent)
    before = np.clip(np.where(known, percent, 0.0).astype(int), 0, 99)
    at = np.arange(len(curves))
    share = (percent - before)[:, None]
    return (1 - share) * curves[at, before] + share * curves[at, before + 1]


def phase_measures(
    curves: np.ndarray, *, stance: np.ndarray, duration: np.ndarray
) -> dict[str, np.ndarray]:
    """Describe curves by stance and swing.

    Parameters
    ----------
    curves : array of shape (curve, angle, 101)
        Degrees, of single strides or means.
    stance : bool array of shape (curve, 101)
        Where the foot is on the ground.
    duration : array of shape (curve,)
        Stride time, s.

    Returns
    -------
    dict of str to array of shape (curve, angle)
        Degrees, degrees/s or percent of the cycle; NaN where less than 80 % of the
        phase was seen.
    """
    in_stance, in_swing = in_phase(curves, stance), in_phase(curves, ~stance)
    whole = in_phase(curves, _WHOLE)
    velocity = np.gradient(curves, axis=-1) * (100.0 / duration)[:, None, None]
    velocity = in_phase(velocity, _WHOLE)
    low_stance, high_stance = lowest(in_stance), highest(in_stance)
    low_swing, high_swing = lowest(in_swing), highest(in_swing)
    return {
        "ic": curves[..., 0],
        "mean_stance": average(in_stance),
        "mean_swing": average(in_swing),
        "min_stance": low_stance,
        "max_stance": high_stance,
        "t_min_stance": phase_of_highest(-in_stance),
        "t_max_stance": phase_of_highest(in_stance),
        "min_swing": low_swing,
        "max_swing": high_swing,
        "t_max_swing": phase_of_highest(in_swing),
        "rom_stance": high_stance - low_stance,
        "rom_swing": high_swing - low_swing,
        "rom": highest(whole) - lowest(whole),
        "peak_vel_flex": highest(velocity),
        "peak_vel_ext": -lowest(velocity),
    }


def strike(foot_pitch_ic: float) -> str:
    """Which part of the foot meets the ground first.

    Parameters
    ----------
    foot_pitch_ic : float
        Foot pitch at initial contact, degrees.

    Returns
    -------
    str
        "heel" above 5 degrees, "forefoot" below -5, else "flat" (thresholds
        unverified); "" for NaN.

    Examples
    --------
    >>> strike(16.0), strike(-12.0), strike(0.0)
    ('heel', 'forefoot', 'flat')
    """
    if np.isnan(foot_pitch_ic):
        return ""
    if abs(foot_pitch_ic) <= _FLAT_DEG:
        return "flat"
    return "heel" if foot_pitch_ic > 0 else "forefoot"


def _named(
    curves: np.ndarray,
    found: dict[str, np.ndarray],
    *,
    foot_off: np.ndarray,
    duration: np.ndarray,
) -> dict[str, np.ndarray]:
    """The clinical features that are no plain measure of one phase."""
    knee, ankle, shank = (
        curves[:, SHORT_NAMES.index(name)] for name in ("knee", "ankle", "shank")
    )
    knee_velocity = np.gradient(knee, axis=1) * (100.0 / duration)[:, None]
    terminal_swing = swing_share(foot_off) >= 2 / 3
    late_stance = (foot_off[:, None] >= PHASE) & (PHASE >= 40)
    push_off = (PHASE >= 50) & (swing_share(foot_off) <= _PUSH_OFF)
    return {
        "knee_min_stance": lowest(in_phase(knee, SINGLE_STANCE)),
        "knee_min": lowest(in_phase(knee, _WHOLE)),
        "knee_rom_early_swing": found["knee_max_swing"] - found["knee_to"],
        "knee_ext_vel_tsw": -lowest(in_phase(knee_velocity, terminal_swing)),
        "ankle_pushoff_rom": highest(in_phase(ankle, late_stance))
        - lowest(in_phase(ankle, push_off)),
        "sva_mst": -shank[:, 25],
    }


def _contact(foot_pitch_ic: np.ndarray) -> dict[str, np.ndarray]:
    """Percent of strides that begin with the heel or with the forefoot."""
    known = np.where(np.isnan(foot_pitch_ic), np.nan, 100.0)
    return {
        "heel_contact": known * (foot_pitch_ic > _FLAT_DEG),
        "forefoot_contact": known * (foot_pitch_ic < -_FLAT_DEG),
    }


def _foot(gait: Gait) -> dict[str, np.ndarray]:
    """Clearance of the toe, and when the heel leaves the ground."""
    leg = gait.stride_leg_length[:, None]
    toe = gait.own_side(gait.body.pair("big_toe")[..., 1]) / leg
    heel = gait.own_side(gait.body.pair("heel")[..., 1]) / leg
    swung = swing_share(gait.strides.percent(gait.strides.foot_off))
    mid_swing = (swung >= 1 / 3) & (swung <= 2 / 3)
    rest = lowest(in_phase(heel, gait.stance & (PHASE <= 40)))
    raised = in_phase(heel - rest[:, None], gait.stance) > _HEEL_RISE_LL
    raised &= PHASE > 12
    return {
        "foot_clearance": lowest(in_phase(toe, mid_swing)) - _ground(gait),
        "heel_rise_time": np.where(
            raised.any(axis=1), PHASE[raised.argmax(axis=1)], np.nan
        ),
    }


def _ground(gait: Gait) -> np.ndarray:
    """Height of the ground under the swinging toe, (stride,), leg lengths.

    On the line through the toe's heights in the stances before and after; the one
    before alone where the next stance is not seen.
    """
    strides = gait.strides
    flat = strides.start[:, None] + strides.duration[:, None] * _FOOT_FLAT
    toe = gait.body.pair("big_toe")[..., 1] / gait.body.leg_length[:, None]
    before, after = (
        average(at_times(gait.body, toe, flat + lag, side=strides.side))
        for lag in (0.0, strides.duration[:, None])
    )
    mid_swing = (strides.percent(strides.foot_off) + 100.0) / 200.0
    share = mid_swing - _FOOT_FLAT.mean()
    return before + share * np.where(np.isnan(after), 0.0, after - before)
