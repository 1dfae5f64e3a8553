"""Smoothness of the ankle in swing and of the mid-hip: SPARC and LDLJ.

Both are negative; more negative is *less* smooth. Both depend on the low-pass filter
and, weakly, on the frame rate: compare walks that were cleaned alike.
"""

import numpy as np

from cpexplore.gait._gait import Gait, Values, rate

_AMPLITUDE = 0.05
_HIGHEST_HZ = 8.0
_SHARE_OF_NYQUIST = 0.8
_FEWEST_FRAMES = 6


def smoothness(gait: Gait) -> Values:
    """Compute SPARC and LDLJ per stride.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Values
        Per stride ``sparc_ankle``, ``ldlj_ankle`` (speed of the ankle relative to the
        mid-hip in swing) and ``sparc_pelvis``, ``ldlj_pelvis`` (vertical speed of the
        mid-hip over the cycle).
    """
    body, strides = gait.body, gait.strides
    hip = body.point("mid_hip")
    leg = body.leg_length[:, None]
    ankle = (body.pair("ankle") - hip[:, None]) / leg[..., None]
    ankle_speed = np.linalg.norm(rate(ankle, fps=body.fps), axis=-1)
    hip_speed = np.abs(rate(hip[:, 1] / leg[:, 0], fps=body.fps))
    swing = _pieces(ankle_speed, gait, strides.foot_off)
    cycle = _pieces(np.stack([hip_speed, hip_speed], axis=1), gait, strides.start)
    return Values(
        stride={
            "sparc_ankle": spectral_arc_length(swing, fps=body.fps),
            "ldlj_ankle": log_dimensionless_jerk(swing, fps=body.fps),
            "sparc_pelvis": spectral_arc_length(cycle, fps=body.fps),
            "ldlj_pelvis": log_dimensionless_jerk(cycle, fps=body.fps),
        }
    )


def spectral_arc_length(speed: np.ndarray, *, fps: float) -> np.ndarray:
    """Spectral arc length (SPARC) of speed profiles.

    Parameters
    ----------
    speed : array of shape (movement, time)
        Speed, any unit; NaN after the end of a movement, which is the padding. A
        profile with NaN inside, or of less than 6 frames, gives NaN.
    fps : float
        Frames per second.

    Returns
    -------
    array of shape (movement,)
        Negative; more negative = less smooth.

    Notes
    -----
    Balasubramanian et al. 2015 (unverified): length of the amplitude spectrum,
    normalised by its value at 0 Hz, up to min(8 Hz, 80 % of the Nyquist frequency) or
    the last frequency with an amplitude of at least 0.05, frequency scaled to [0, 1].

    Examples
    --------
    >>> t = np.arange(100) / 100
    >>> bell = np.exp(-0.5 * ((t - 0.5) / 0.15) ** 2)
    >>> shaken = bell * (1 + 0.3 * np.sin(2 * np.pi * 6 * t))
    >>> smooth, rough = spectral_arc_length(np.stack([bell, shaken]), fps=100)
    >>> bool(rough < smooth < 0)
    True
    """
    if not speed.size:
        return np.full(len(speed), np.nan)
    usable = _usable(speed)
    n_fft = 2 ** (int(np.ceil(np.log2(speed.shape[1]))) + 4)
    padded = np.where(usable[:, None], np.nan_to_num(speed), 0.0)
    frequency = np.fft.rfftfreq(n_fft, 1 / fps)
    keep = frequency <= min(_HIGHEST_HZ, _SHARE_OF_NYQUIST * fps / 2)
    spectrum = np.abs(np.fft.rfft(padded, n_fft)[:, keep])
    at_zero = spectrum[:, :1]
    usable &= at_zero[:, 0] > 0
    spectrum = spectrum / np.where(at_zero > 0, at_zero, 1.0)
    loud = spectrum >= _AMPLITUDE
    last = loud.shape[1] - 1 - loud[:, ::-1].argmax(axis=1)
    last = np.maximum(last, 1)
    inside = np.arange(1, loud.shape[1])[None] <= last[:, None]
    step = np.hypot(1 / last[:, None], np.diff(spectrum, axis=1))
    return np.where(usable, -np.where(inside, step, 0.0).sum(axis=1), np.nan)


def log_dimensionless_jerk(speed: np.ndarray, *, fps: float) -> np.ndarray:
    """Log dimensionless jerk (LDLJ) of speed profiles.

    Parameters
    ----------
    speed : array of shape (movement, time)
        As for :func:`spectral_arc_length`.
    fps : float
        Frames per second.

    Returns
    -------
    array of shape (movement,)
        -ln(T^3 / v_peak^2 * integral of (d2v/dt2)^2); more negative = less smooth.
    """
    if not speed.size:
        return np.full(len(speed), np.nan)
    usable = _usable(speed)
    known = np.isfinite(speed)
    duration = (known.sum(axis=1) - 1) / fps
    bend = np.diff(speed, n=2, axis=1) * fps**2
    jerk = np.where(np.isfinite(bend), bend, 0.0)
    integral = (jerk**2).sum(axis=1) / fps
    peak = np.where(known, speed, 0.0).max(axis=1)
    usable &= (peak > 0) & (integral > 0)
    scaled = np.where(usable, duration**3 * integral, 1.0)
    return np.where(usable, -np.log(scaled / np.where(usable, peak, 1.0) ** 2), np.nan)


def _pieces(speed: np.ndarray, gait: Gait, start: np.ndarray) -> np.ndarray:
    """Cut (time, side) from ``start`` to the end of each stride: (stride, frames)."""
    clock, strides = gait.body.time, gait.strides
    first = np.searchsorted(clock, start)[:, None]
    last = np.searchsorted(clock, strides.end, side="right")[:, None]
    frames = first + np.arange(int((last - first).max(initial=0)))
    inside = frames < last
    picked = speed[np.minimum(frames, len(clock) - 1), strides.side[:, None]]
    hidden = (np.isnan(picked) & inside).any(axis=1, keepdims=True)
    return np.where(inside & ~hidden, picked, np.nan)


def _usable(speed: np.ndarray) -> np.ndarray:
    """Movements without NaN before their end and with enough frames."""
    known = np.isfinite(speed)
    n = known.sum(axis=1)
    unbroken = np.cumprod(known, axis=1).sum(axis=1)
    return (n == unbroken) & (n >= _FEWEST_FRAMES)
