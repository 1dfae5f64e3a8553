"""Coordination of neighbouring segments and regularity of the stride.

The relative phase of two joints is the difference of their Hilbert phases; a regular
walk repeats itself after one stride, and a symmetric one after one step.
"""

import numpy as np
from scipy.signal import hilbert

from cpexplore.gait._body import Body
from cpexplore.gait._gait import Gait, Values, column_mean, detrended
from cpexplore.gait.features_variability import LEAST
from cpexplore.gait.kinematics import wrapped

JOINTS = ("hip", "knee", "ankle", "thigh", "shank")
"""Angles whose phase is taken: the first five of ``ANGLES``."""

PAIRS = {
    "hip_knee": ("hip", "knee"),
    "knee_ankle": ("knee", "ankle"),
    "thigh_shank": ("thigh", "shank"),
}
"""Proximal and distal angle of each coupling."""

_HARMONICS = np.arange(1, 11)
_SEARCH = 0.25
"""Largest relative distance of an autocorrelation peak from the expected lag."""


def coordination(gait: Gait) -> Values:
    """Compute continuous relative phase, autocorrelation and harmonic ratios.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Values
        Per stride ``marp_<pair>``, ``marp_stance_<pair>``, ``marp_swing_<pair>``; per
        side ``dp_<pair>``; per walk ``ac_step, ac_stride, ac_sym, hr_v, hr_ap, ihr_v``.
    """
    stride: dict[str, np.ndarray] = {}
    side: dict[str, np.ndarray] = {}
    stance = gait.stance[:, :100]
    phases = hilbert_phase(np.moveaxis(gait.curves[..., : len(JOINTS)], -1, 1))
    for name, pair in PAIRS.items():
        proximal, distal = (phases[:, JOINTS.index(joint)] for joint in pair)
        phase = wrapped(proximal - distal)
        size = np.abs(phase)
        stride[f"marp_{name}"] = size.mean(axis=1)
        stride[f"marp_stance_{name}"] = _share_mean(size, stance)
        stride[f"marp_swing_{name}"] = _share_mean(size, ~stance)
        side[f"dp_{name}"] = np.array(
            [deviation_phase(phase[gait.strides.side == s]) for s in range(2)]
        )
    return Values(stride=stride, side=side, walk=_regularity(gait))


def hilbert_phase(curves: np.ndarray) -> np.ndarray:
    """Phase of joints over the cycle; the difference of two is their relative phase.

    Parameters
    ----------
    curves : array of shape (stride, joint, 101)
        Degrees.

    Returns
    -------
    array of shape (stride, joint, 100)
        Degrees in (-180, 180]; NaN throughout where a point of the cycle is missing.

    Notes
    -----
    Each curve is centred on its mid-range. The Hilbert transform is periodic, so one
    cycle gives what three concatenated copies would give in the middle.

    Examples
    --------
    >>> turn = 2 * np.pi * np.arange(101) / 100
    >>> phase = hilbert_phase(np.cos(turn)[None, None])
    >>> round(float(phase[0, 0, 25]), 6)
    90.0
    """
    cycle = np.ascontiguousarray(curves[..., :100])
    known = np.isfinite(cycle).all(axis=-1, keepdims=True)
    whole = np.where(known, cycle, 0.0)
    ends = whole.min(axis=-1, keepdims=True), whole.max(axis=-1, keepdims=True)
    signal = np.asarray(hilbert(whole - sum(ends) / 2, axis=-1))
    return np.where(known, np.rad2deg(np.angle(signal)), np.nan)


def deviation_phase(phase: np.ndarray) -> float:
    """Mean over the cycle of the circular SD over strides, degrees.

    Parameters
    ----------
    phase : array of shape (stride, 100)
        Relative phase; strides with NaN are left out.

    Returns
    -------
    float
        NaN with fewer than five complete strides.
    """
    whole = phase[np.isfinite(phase).all(axis=1)]
    if len(whole) < LEAST:
        return np.nan
    length = np.abs(np.exp(1j * np.deg2rad(whole)).mean(axis=0))
    spread = np.sqrt(-2.0 * np.log(np.clip(length, 1e-12, 1.0)))
    return float(np.rad2deg(spread).mean())


def autocorrelation(signal: np.ndarray) -> np.ndarray:
    """Unbiased autocorrelation, 1 at lag 0.

    Parameters
    ----------
    signal : array of shape (time,)
        Without NaN.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(400) / 20)
    >>> autocorrelation(wave)[[0, 10, 20]].round(2).tolist()
    [1.0, -1.0, 1.0]
    """
    centred = signal - signal.mean()
    n = len(centred)
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    raw = np.fft.irfft(power)[:n] / (n - np.arange(n))
    return raw / raw[0] if raw[0] > 0 else np.full(n, np.nan)


def harmonic_ratio(curves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic ratio and improved harmonic ratio of acceleration over strides.

    Parameters
    ----------
    curves : array of shape (stride, 101)
        Vertical or forward displacement; its acceleration is taken in the spectrum.

    Returns
    -------
    tuple of array of shape (stride,)
        Sum of the even / sum of the odd amplitudes of the first ten harmonics, and the
        even share of power in percent; NaN where a point is missing. A walk whose two
        steps are alike has even harmonics only.
    """
    spectrum = np.abs(np.fft.rfft(detrended(curves)[:, :100], axis=1))[:, _HARMONICS]
    acceleration = spectrum * _HARMONICS**2
    even, odd = acceleration[:, 1::2], acceleration[:, 0::2]
    power = (acceleration**2).sum(axis=1)
    ratio = even.sum(axis=1) / np.where(odd.any(axis=1), odd.sum(axis=1), np.nan)
    share = (even**2).sum(axis=1) / np.where(power > 0, power, np.nan)
    return ratio, 100.0 * share


def _share_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of (stride, 100) over the part of the cycle in ``mask``."""
    return (values * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)


def _regularity(gait: Gait) -> dict[str, float]:
    body, least = gait.body, gait.min_cycles
    hip = body.point("mid_hip") / body.leg_length[:, None]
    curves = gait.over_cycle(hip)
    hr_v, ihr_v = harmonic_ratio(curves[..., 1])
    hr_ap, _ = harmonic_ratio(curves[..., 0])
    step, stride = _repetition(body, hip[:, 1], gait)
    return {
        "ac_step": step,
        "ac_stride": stride,
        "ac_sym": step / stride if stride > 0 else np.nan,
        "hr_v": float(column_mean(hr_v, least=least)),
        "hr_ap": float(column_mean(hr_ap, least=least)),
        "ihr_v": float(column_mean(ihr_v, least=least)),
    }


def _repetition(body: Body, height: np.ndarray, gait: Gait) -> tuple[float, float]:
    """Autocorrelation of the mid-hip's height after a step and after a stride.

    Weighted mean over passes of at least two strides; the height is taken about its
    line, so that walking towards or away from the camera does not count.
    """
    if not len(gait.strides):
        return np.nan, np.nan
    lag = float(np.median(gait.strides.duration)) * body.fps
    found, weight = [], []
    for frames in body.passes:
        known = np.isfinite(height[frames])
        if known.mean() < 0.8 or known.sum() < 2 * lag:
            continue
        at = np.arange(len(known))
        whole = np.interp(at, at[known], height[frames][known])
        line = np.polynomial.Polynomial.fit(at, whole, 1)
        curve = autocorrelation(whole - line(at))
        found.append([_peak(curve, lag / 2), _peak(curve, lag)])
        weight.append(len(at))
    if not found:
        return np.nan, np.nan
    step, stride = np.average(found, axis=0, weights=weight)
    return float(step), float(stride)


def _peak(curve: np.ndarray, lag: float) -> float:
    """Largest autocorrelation near a lag in frames."""
    low, high = int(np.floor(lag * (1 - _SEARCH))), int(np.ceil(lag * (1 + _SEARCH)))
    return float(curve[max(low, 1) : high + 1].max())
