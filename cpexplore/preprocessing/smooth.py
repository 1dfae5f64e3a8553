"""Zero-lag low-pass filter over each stretch without gaps."""

from functools import lru_cache
from typing import cast

import numpy as np
import xarray as xr
from scipy.signal import butter, lfilter, lfilter_zi

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import with_audit, with_values
from cpexplore.preprocessing.frames import runs

TWO_PASSES = 0.802
"""Two passes of a second-order Butterworth lower its -3 dB point by this factor."""

_SHORTEST_RUN = 13
_PAD = 9
_HIGHEST = 0.95


def smooth(walk: xr.Dataset, *, cutoff_hz: float = 6.0) -> xr.Dataset:
    """Smooth the tracks with a zero-lag Butterworth filter of effective order 4.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk whose short gaps are filled.
    cutoff_hz : float
        -3 dB frequency of the two passes together, Hz, > 0, at high frame rates; see
        the notes for low ones. Each pass is designed
        at ``cutoff_hz / 0.802``; where that is beyond 95 % of the Nyquist frequency,
        it is lowered to there and the audit says so.

    Returns
    -------
    xarray.Dataset
        Each finite run of more than 12 frames is smoothed on its own; shorter ones
        and gaps stay as they are.

    Raises
    ------
    ValueError
        If ``cutoff_hz`` is not positive.

    Notes
    -----
    The factor 0.802 is that of an analogue filter. At a low frame rate the filter
    passes a little more than it says: with 6 Hz the -3 dB point lies at 6.0 Hz for 100
    frames per second, at 6.2 for 50, 6.4 for 30 and 6.6 for 25.

    Examples
    --------
    At 100 frames per second a movement of 1 Hz is kept, one of 6 Hz comes out at 71 %
    (-3 dB) and jitter of 20 Hz is gone:

    >>> import numpy as np
    >>> from cpexplore.preprocessing import smooth
    >>> from cpexplore.walks import make_walk
    >>> clock = np.arange(400) / 100
    >>> position = np.zeros((400, 17, 2))
    >>> position[:, :3, 0] = np.sin(2 * np.pi * np.outer(clock, [1, 6, 20]))
    >>> about = {"fps": 100, "keypoint_set": "coco_17", "walk_id": "w1"}
    >>> smoothed = smooth(make_walk(position, np.ones((400, 17)), **about))
    >>> middle = smoothed["position"].values[100:300, :3, 0]
    >>> (middle.std(axis=0) * np.sqrt(2)).round(2).tolist()
    [1.0, 0.71, 0.01]
    """
    check_range("cutoff_hz", cutoff_hz, low=0, inclusive=False)
    nyquist = walk.attrs["fps"] / 2
    design = min(cutoff_hz / TWO_PASSES, _HIGHEST * nyquist)
    b, a = _low_pass(round(design / nyquist, 9))
    position = walk["position"].values
    series = position.reshape(len(position), -1).T.astype(float)
    filtered = _filtfilt_runs(b, a, series).T.reshape(position.shape)
    smoothed = with_values(walk, {"position": filtered.astype(np.float32)})
    return with_audit(smoothed, "smooth", cutoff_hz=design * TWO_PASSES)


@lru_cache(maxsize=64)
def _low_pass(cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of one pass; ``cutoff`` in Nyquist frequencies."""
    b, a = cast("tuple[np.ndarray, np.ndarray]", butter(2, cutoff))
    return b, a


def _filtfilt_runs(b: np.ndarray, a: np.ndarray, series: np.ndarray) -> np.ndarray:
    """``filtfilt`` over each finite run of (series, time), runs of like length at once.

    The runs of one batch stand in the rows of a matrix, so that the number of calls
    does not grow with the number of gaps.
    """
    n_frames = series.shape[1]
    fenced = np.full((len(series), n_frames + 1), np.nan)
    fenced[:, :-1] = series
    flat = fenced.ravel()
    found = runs(np.isfinite(flat))
    length = found[:, 1] - found[:, 0]
    found, length = found[length >= _SHORTEST_RUN], length[length >= _SHORTEST_RUN]
    batch = np.ceil(np.log2(length))
    for size in np.unique(batch):
        starts, lengths = found[batch == size, 0], length[batch == size]
        _filter_batch(b, a, flat, starts, lengths)
    return flat.reshape(fenced.shape)[:, :-1]


def _filter_batch(
    b: np.ndarray,
    a: np.ndarray,
    flat: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
) -> None:
    step = np.arange(-_PAD, lengths.max() + _PAD)
    last = lengths[:, None] - 1
    reflected = np.where(step > last, 2 * last - step, np.abs(step))
    inside = starts[:, None] + np.clip(reflected, 0, last)
    rows = flat[inside]
    first, final = flat[starts, None], flat[starts + lengths - 1][:, None]
    rows = np.where(step < 0, 2 * first - rows, rows)
    rows = np.where(step > last, 2 * final - rows, rows)
    width = lengths[:, None] + 2 * _PAD
    backwards = np.clip(width - 1 - np.arange(len(step)), 0, None)
    for _ in range(2):
        zi = lfilter_zi(b, a)[None] * rows[:, :1]
        rows, _ = lfilter(b, a, rows, axis=1, zi=zi)
        rows = np.take_along_axis(rows, backwards, axis=1)
    kept = (step >= 0) & (step <= last)
    flat[inside[kept]] = rows[kept]
