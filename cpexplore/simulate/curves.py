"""Sagittal joint curves over the gait cycle: patterns, speed, stiffness, deviation.

A limb's cycle is an array of shape (4, 100): hip, knee, ankle and pelvis in degrees at
0, 1, ..., 99 % of a nominal cycle whose foot-off is at 60 %.
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.interpolate import CubicSpline

CHANNELS = ("hip", "knee", "ankle", "pelvis")
"""Rows of a limb's cycle."""

PATTERNS = ("true_equinus", "jump", "apparent_equinus", "crouch", "recurvatum")
"""Gait patterns that a typical cycle can be blended with."""

NOMINAL_FOOT_OFF = 0.60
"""Where foot-off lies in the nominal cycle."""

PHASE = np.arange(100) / 100

_FREE_SPEED = 0.43
_SPEEDS = (0.18, 0.295, 0.43, 0.57)


@cache
def pattern_cycle(pattern: str) -> np.ndarray:
    """Read the cycle of ``"TD"`` or of one of :data:`PATTERNS`.

    Returns
    -------
    numpy.ndarray of shape (4, 100)
        Degrees, read-only; a periodic cubic spline through the control points.
    """
    text = files("cpexplore.simulate").joinpath("curves.json").read_text()
    points = json.loads(text)[pattern]
    cycle = np.array([_through(points[channel]) for channel in CHANNELS])
    cycle.setflags(write=False)
    return cycle


def blended_cycle(pattern: str, weight: float) -> np.ndarray:
    """Blend the typical cycle with a pattern, ``TD + weight * (pattern - TD)``.

    Examples
    --------
    >>> bool((blended_cycle("crouch", 0.0) == pattern_cycle("TD")).all())
    True
    """
    typical = pattern_cycle("TD")
    return typical + weight * (pattern_cycle(pattern) - typical)


def at_speed(cycle: np.ndarray, froude_speed: float) -> np.ndarray:
    """Scale swing knee flexion and push-off as typical children do with speed.

    Parameters
    ----------
    cycle : array of shape (4, 100)
        Degrees, at free speed.
    froude_speed : float
        Speed / sqrt(g * leg length).

    Notes
    -----
    Knee swing peak 45, 55, 59, 61 and push-off trough 6, 14, 20, 22 degrees at very
    slow, slow, free and fast speed (Schwartz 2008); the speeds of the four classes
    are unverified.
    """
    knee = np.interp(froude_speed, _SPEEDS, (45, 55, 59, 61)) / 59
    push_off = np.interp(froude_speed, _SPEEDS, (6, 14, 20, 22)) / 20
    scaled = cycle.copy()
    scaled[1] *= 1 - (1 - knee) * bump(0.72, 0.22)
    scaled[2] -= (1 - push_off) * bump(0.62, 0.12) * np.minimum(cycle[2], 0)
    return scaled


def stiffened(cycle: np.ndarray) -> np.ndarray:
    """Make the knee stiff: swing peak x 0.65 and 6 % of the cycle later."""
    stiff = cycle.copy()
    swing = bump(0.75, 0.24)
    later = np.interp(PHASE - 0.06 * swing, PHASE, cycle[1], period=1)
    stiff[1] = later * (1 - 0.35 * swing)
    return stiff


def smooth_deviation(rng: np.random.Generator, *, sd: np.ndarray) -> np.ndarray:
    """Draw a periodic Gaussian process over the cycle, length scale 12 % of it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the Fourier coefficients come from.
    sd : array of shape (J,)
        Standard deviation of each curve, degrees.

    Returns
    -------
    numpy.ndarray of shape (J, 100)
        Degrees.
    """
    order = np.arange(7)
    power = np.exp(-0.5 * (2 * np.pi * order * 0.12) ** 2)
    power[0] /= 2
    scale = np.sqrt(power / power.sum())
    cosine, sine = rng.standard_normal((2, len(sd), len(order)))
    angle = 2 * np.pi * np.outer(order, PHASE)
    waves = (scale * cosine) @ np.cos(angle) + (scale * sine) @ np.sin(angle)
    return np.asarray(sd)[:, None] * waves


def stance_fraction(froude_speed: float) -> float:
    """Share of the cycle in stance at a speed / sqrt(g * leg length).

    Foot-off 59, 62 and 68 % at free, slow and very slow speed (Schwartz 2008); beyond
    that extrapolated and kept between 56 and 74 %.
    """
    slow, free = (68 - 62) / (0.18 - 0.295), (62 - 59) / (0.295 - 0.43)
    pct = (
        62 + slow * (froude_speed - 0.295)
        if froude_speed < 0.295
        else 59 + free * (froude_speed - _FREE_SPEED)
    )
    return float(np.clip(pct, 56, 74)) / 100


def bump(centre: float, half_width: float) -> np.ndarray:
    """Raised cosine over the cycle, 1 at ``centre``, 0 beyond ``half_width``."""
    distance = np.abs((PHASE - centre + 0.5) % 1 - 0.5)
    return np.cos(np.clip(distance / half_width, 0, 1) * np.pi / 2) ** 2


def _through(points: list[list[float]]) -> np.ndarray:
    pct, degrees = np.array(points, dtype=float).T
    closed = CubicSpline(
        np.append(pct, pct[0] + 100),
        np.append(degrees, degrees[0]),
        bc_type="periodic",
    )
    return closed(100 * PHASE)
