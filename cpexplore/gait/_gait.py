"""What every family of features reads: one walk, its strides and its curves."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from cpexplore.gait._body import Body
from cpexplore.gait.cycles import (
    COVERAGE,
    PHASE,
    Strides,
    angle_curves,
    at_times,
    event_times,
    find_strides,
)
from cpexplore.gait.kinematics import ANGLES, angle_array


@dataclass(frozen=True, kw_only=True)
class Gait:
    """One walk, measured: the input of every family of features."""

    body: Body
    """Keypoints in the direction of travel."""
    contacts: tuple[np.ndarray, np.ndarray]
    """Times of initial contact of the left and of the right leg, s."""
    strides: Strides
    """Accepted strides of both legs."""
    angles: np.ndarray
    """(time, side, angle) in degrees."""
    curves: np.ndarray
    """(stride, 101, angle) in degrees."""
    min_cycles: int
    """Cycles that a side needs for a mean."""
    leg_length_m: float = np.nan
    """True leg length; NaN if unknown."""

    def curve(self, angle: str) -> np.ndarray:
        """(stride, 101) of one angle."""
        return self.curves[..., ANGLES.index(angle)]

    def side_mean(self, values: np.ndarray) -> np.ndarray:
        """(2, ...) mean of (stride, ...) over the strides of each side."""
        return by_side(values, self.strides.side, min_cycles=self.min_cycles)

    @cached_property
    def mean_curves(self) -> np.ndarray:
        """(2, 101, angle) mean curves of the left and the right leg, degrees."""
        return self.side_mean(self.curves)

    @cached_property
    def stance(self) -> np.ndarray:
        """(stride, 101) whether the foot is on the ground."""
        off = self.strides.percent(self.strides.foot_off)
        return PHASE[None] <= off[:, None]

    def over_cycle(self, values: np.ndarray) -> np.ndarray:
        """Sample signals (time, ...) or, per side, (time, side, ...) over the cycle."""
        return at_times(self.body, values, self.strides.phases)

    def own_side(self, values: np.ndarray) -> np.ndarray:
        """Sample (time, side, ...) over the cycle, each stride's own side."""
        side = self.strides.side
        return at_times(self.body, values, self.strides.phases, side=side)

    @property
    def stride_leg_length(self) -> np.ndarray:
        """(stride,) leg length of the pass in px."""
        frame = np.searchsorted(self.body.time, self.strides.start)
        return self.body.leg_length[frame]


@dataclass(frozen=True, kw_only=True)
class Values:
    """Raw values of one family of features, by base name."""

    stride: dict[str, np.ndarray] = field(default_factory=dict)
    """(stride,): a side's value is the mean over its strides."""
    side: dict[str, np.ndarray] = field(default_factory=dict)
    """(2,): already one value per side."""
    walk: dict[str, float] = field(default_factory=dict)
    """One value for the whole walk."""


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What the families have found for one walk."""

    stride: dict[str, np.ndarray]
    """(stride,) value of every feature that is measured stride by stride."""
    sided: dict[str, np.ndarray]
    """(2,) left and right value of every sided feature."""
    whole: dict[str, float]
    """Features of the whole walk."""


def make_gait(
    body: Body, events: pd.DataFrame, *, min_cycles: int, leg_length_m: float
) -> Gait:
    """Measure angles, strides and curves of a walk."""
    angles = angle_array(body)
    strides = find_strides(body, events, angles=angles, min_cycles=min_cycles)
    return Gait(
        body=body,
        contacts=event_times(events, "initial_contact"),
        strides=strides,
        angles=angles,
        curves=angle_curves(body, strides, angles=angles),
        min_cycles=min_cycles,
        leg_length_m=leg_length_m,
    )


def by_side(values: np.ndarray, side: np.ndarray, *, min_cycles: int) -> np.ndarray:
    """Mean over the strides of each side, NaN with fewer than ``min_cycles`` values.

    Parameters
    ----------
    values : array of shape (stride, ...)
        One value per stride; NaN where it could not be measured.
    side : array of shape (stride,)
        0 left, 1 right.
    min_cycles : int
        Values that a mean needs.

    Returns
    -------
    array of shape (2, ...)
        Left and right.

    Examples
    --------
    >>> by_side(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), min_cycles=2).tolist()
    [2.0, nan]
    """
    return np.stack(
        [column_mean(values[side == s], least=min_cycles) for s in range(2)]
    )


def column_mean(values: np.ndarray, *, least: int = 1) -> np.ndarray:
    """Mean over the first axis without NaN; NaN with fewer than ``least`` values."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(n >= max(least, 1), total / np.maximum(n, 1), np.nan)


def column_sd(values: np.ndarray, *, least: int = 2) -> np.ndarray:
    """Sample SD over the first axis without NaN; NaN with fewer than ``least``."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
    return np.where(n >= max(least, 2), np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def in_phase(curves: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Keep part of each curve, if enough of it was seen.

    Parameters
    ----------
    curves : array of shape (stride, ..., 101)
        Curves over the cycle.
    mask : bool array of shape (stride, 101) or (101,)
        The part of the cycle.

    Returns
    -------
    array like ``curves``
        NaN outside the part; NaN throughout if less than 80 % of the part was seen.
    """
    if mask.ndim == 2:
        mask = mask.reshape(len(mask), *[1] * (curves.ndim - 2), mask.shape[-1])
    part = np.where(mask, curves, np.nan)
    seen = np.isfinite(part).sum(axis=-1)
    enough = (seen >= COVERAGE * mask.sum(axis=-1)) & (seen > 0)
    return np.where(enough[..., None], part, np.nan)


def lowest(part: np.ndarray) -> np.ndarray:
    """Smallest value over the cycle (last axis), without NaN."""
    return np.fmin.reduce(part, axis=-1)


def highest(part: np.ndarray) -> np.ndarray:
    """Largest value over the cycle (last axis), without NaN."""
    return np.fmax.reduce(part, axis=-1)


def average(part: np.ndarray) -> np.ndarray:
    """Mean over the cycle (last axis), without NaN."""
    known = np.isfinite(part)
    n = known.sum(axis=-1)
    total = np.where(known, part, 0.0).sum(axis=-1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def phase_of_highest(part: np.ndarray) -> np.ndarray:
    """Percent of the cycle at which the largest value occurs; NaN if none."""
    known = np.isfinite(part).any(axis=-1)
    at = np.where(np.isnan(part), -np.inf, part).argmax(axis=-1)
    return np.where(known, PHASE[at], np.nan)


def rate(values: np.ndarray, *, fps: float) -> np.ndarray:
    """Change per second of signals (time, ...); NaN for a single frame."""
    if len(values) < 2:
        return np.full(values.shape, np.nan)
    return np.gradient(values, 1.0 / fps, axis=0)


def detrended(curves: np.ndarray) -> np.ndarray:
    """Remove the line from the first to the last point of each curve (stride, 101)."""
    share = np.linspace(0.0, 1.0, curves.shape[1])
    return curves - curves[:, :1] - share * (curves[:, -1:] - curves[:, :1])
