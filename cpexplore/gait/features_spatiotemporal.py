"""Times, lengths and speeds of walking, in seconds, percent and leg lengths.

Lengths are differences between the two ankles at one instant, so that a panning camera
changes nothing.
"""

import numpy as np

from cpexplore.gait._gait import Gait, Values, column_mean
from cpexplore.gait.cycles import at_times

GRAVITY_MPS2 = 9.81
"""For dimensionless speed and cadence."""

_MID_STANCE = (0.15, 0.45)
"""Part of the cycle in which the stance foot does not move."""


def spatiotemporal(gait: Gait) -> Values:
    """Compute the spatiotemporal features of GAIT conventions.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Values
        Per stride: times, phases, lengths; per walk: cadence, speed and what follows
        from them.
    """
    per_stride = {**_times(gait), **_lengths(gait)}
    per_walk = {"cadence": cadence(gait), **_passes(gait)}
    per_stride["stride_speed"] = per_stride["stride_length"] / gait.strides.duration
    per_walk["speed"] = float(
        column_mean(per_stride["stride_speed"], least=gait.min_cycles)
    )
    step = float(column_mean(per_stride["step_length"], least=gait.min_cycles))
    per_walk["walk_ratio"] = step / per_walk["cadence"]
    per_walk["double_support"] = float(
        column_mean(per_stride["initial_double_support"], least=gait.min_cycles)
        + column_mean(per_stride["terminal_double_support"], least=gait.min_cycles)
    )
    per_walk["stance_height_offset"] = _stance_height_offset(gait)
    per_walk.update(_dimensionless(per_walk, leg_length_m=gait.leg_length_m))
    return Values(stride=per_stride, walk=per_walk)


def cadence(gait: Gait) -> float:
    """Steps per minute: two steps in every accepted stride of either leg.

    Strides, not single contacts, are counted: a contact that was missed or invented at
    the end of a pass spoils no accepted stride.
    """
    duration = column_mean(gait.strides.duration, least=gait.min_cycles)
    return float(120.0 / duration)


def _times(gait: Gait) -> dict[str, np.ndarray]:
    """Durations in s and phases in percent of the cycle."""
    strides = gait.strides
    foot_off = strides.percent(strides.foot_off)
    opposite_off = strides.percent(strides.opposite_off)
    opposite_contact = strides.percent(strides.opposite_contact)
    return {
        "stride_time": strides.duration,
        "step_time": strides.end - strides.opposite_contact,
        "stance": foot_off,
        "swing": 100.0 - foot_off,
        "initial_double_support": opposite_off,
        "terminal_double_support": foot_off - opposite_contact,
        "single_support": opposite_contact - opposite_off,
    }


def _lengths(gait: Gait) -> dict[str, np.ndarray]:
    """Step and stride length in leg lengths, stance-foot speed in leg lengths/s."""
    body, strides = gait.body, gait.strides
    ankle = body.pair("ankle")[..., 0] / body.leg_length[:, None]
    lead = ankle - ankle[:, ::-1]
    own_step = at_times(body, lead, strides.end, side=strides.side)
    opposite_step = at_times(
        body, lead, strides.opposite_contact, side=1 - strides.side
    )
    from_hip = ankle - (body.point("mid_hip")[:, 0] / body.leg_length)[:, None]
    low, high = (strides.start + share * strides.duration for share in _MID_STANCE)
    moved = at_times(body, from_hip, low, side=strides.side) - at_times(
        body, from_hip, high, side=strides.side
    )
    return {
        "step_length": own_step,
        "stride_length": own_step + opposite_step,
        "stance_foot_speed": moved / (high - low),
    }


def _passes(gait: Gait) -> dict[str, float]:
    """How much of the walk could be used."""
    usable = gait.body.bout >= 0
    return {
        "n_strides": float(len(gait.strides)),
        "n_passes": float(len(np.unique(gait.body.bout[usable]))),
        "usable": 100.0 * float(usable.mean()),
    }


def _stance_height_offset(gait: Gait) -> float:
    """Vertical image distance of the two feet in stance, leg lengths, mean of passes.

    Perspective lifts the farther foot in the image; no measure of step width.
    """
    body, strides = gait.body, gait.strides
    height = body.pair("ankle")[..., 1] / body.leg_length[:, None]
    moment = strides.start + 0.3 * strides.duration
    stance = at_times(body, height, moment, side=strides.side)
    offsets = []
    for bout in np.unique(strides.bout):
        left, right = (
            column_mean(stance[(strides.bout == bout) & (strides.side == s)])
            for s in range(2)
        )
        offsets.append(np.abs(left - right))
    return float(column_mean(np.array(offsets)))


def _dimensionless(walk: dict[str, float], *, leg_length_m: float) -> dict[str, float]:
    """Hof's size-free speed and cadence, and the Froude number."""
    speed = walk["speed"] * np.sqrt(leg_length_m / GRAVITY_MPS2)
    return {
        "speed_dimensionless": speed,
        "froude": speed**2,
        "cadence_dimensionless": walk["cadence"]
        / 60.0
        * np.sqrt(leg_length_m / GRAVITY_MPS2),
    }
