"""Small tools on arrays along time that several steps share."""

import numpy as np

from cpexplore.skeleton import DERIVED


def frames_of(seconds: float, fps: float, *, least: int = 1) -> int:
    """Count the whole frames that fit into a duration, at least ``least``."""
    return max(least, int(np.floor(seconds * fps + 1e-6)))


def odd_window(seconds: float, fps: float, *, least: int = 1) -> int:
    """Odd number of frames nearest a duration, at least ``least``."""
    return max(least, 2 * round((seconds * fps - 1) / 2) + 1)


def runs(mask: np.ndarray) -> np.ndarray:
    """Find the stretches where a mask holds.

    Parameters
    ----------
    mask : bool array of shape (time,)

    Returns
    -------
    int array of shape (run, 2)
        First frame and the frame after the last one.

    Examples
    --------
    >>> runs(np.array([True, True, False, True])).tolist()
    [[0, 2], [3, 4]]
    """
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return edges.reshape(-1, 2)


def keypoint_xy(position: np.ndarray, names: list[str], keypoint: str) -> np.ndarray:
    """Track (time, 2) of a keypoint; derived from its parents or NaN where absent."""
    if keypoint in names:
        return position[:, names.index(keypoint)]
    parents = DERIVED.get(keypoint, ())
    if parents and set(parents) <= set(names):
        first, second = (position[:, names.index(parent)] for parent in parents)
        return (first + second) / 2
    return np.full((len(position), 2), np.nan)


def distance(
    position: np.ndarray, names: list[str], pair: tuple[str, str]
) -> np.ndarray:
    """Distance (time,) between two keypoints, px."""
    first, second = (keypoint_xy(position, names, keypoint) for keypoint in pair)
    return np.hypot(*(first - second).T)


def rolling_median(
    values: np.ndarray, window: int, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """Median of all finite values in a centred window, weighted.

    Parameters
    ----------
    values : array of shape (time, series)
        Pooled over the series; NaN is left out.
    window : int
        Odd number of frames.
    weights : array of shape (time, series), optional
        Not negative; default 1.

    Returns
    -------
    array of shape (time,)
        NaN where the window holds no weight.
    """
    weight = np.isfinite(values) * (1.0 if weights is None else weights)
    half = ((window // 2, window // 2), (0, 0))
    padded = np.pad(np.where(weight > 0, values, np.inf), half, constant_values=np.inf)
    share = np.pad(weight, half)
    view = np.lib.stride_tricks.sliding_window_view
    pooled = view(padded, window, axis=0).reshape(len(values), -1)
    share = view(share, window, axis=0).reshape(len(values), -1)
    order = np.argsort(pooled, axis=1)
    pooled = np.take_along_axis(pooled, order, axis=1)
    total = np.cumsum(np.take_along_axis(share, order, axis=1), axis=1)
    middle = total[:, -1:] / 2
    lower = np.take_along_axis(pooled, (total >= middle).argmax(1)[:, None], axis=1)
    upper = np.take_along_axis(pooled, (total > middle).argmax(1)[:, None], axis=1)
    return np.where(middle > 0, (lower + upper) / 2, np.nan)[:, 0]


def schmitt(signal: np.ndarray, threshold: float) -> np.ndarray:
    """Sign of a signal that changes only when the other threshold is passed.

    Frames before the first decision take it; NaN and an undecided signal give 0.

    Examples
    --------
    >>> schmitt(np.array([0.1, 2.0, -0.5, -2.0, 0.5]), 1.0).tolist()
    [1, 1, 1, -1, -1]
    """
    decided = np.where(np.abs(signal) > threshold, np.sign(signal), 0)
    known = np.flatnonzero(decided)
    if not len(known):
        return np.zeros(len(signal), np.int8)
    last = np.searchsorted(known, np.arange(len(signal)), side="right") - 1
    state = decided[known[np.maximum(last, 0)]]
    return np.where(np.isfinite(signal), state, 0).astype(np.int8)
