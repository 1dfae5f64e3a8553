"""Spikes: single points far from where the keypoint is just before and after."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import check_after, with_audit, with_values
from cpexplore.preprocessing.frames import odd_window
from cpexplore.preprocessing.scale import leg_length_px

_MAD_TO_SD = 1.4826


def despike(
    walk: xr.Dataset,
    *,
    window_s: float = 0.28,
    n_mad: float = 3.0,
    floor_ll: float = 0.03,
) -> xr.Dataset:
    """Remove points that a Hampel filter calls outliers, in x or in y.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk whose legs are no longer swapped.
    window_s : float
        Width of the centred window, s; an odd number of at least 5 frames.
    n_mad : float
        Limit on the distance from the median, in scaled median absolute deviations.
    floor_ll : float
        A point nearer to the median than this share of the leg length is never a
        spike.

    Returns
    -------
    xarray.Dataset
        Spikes are missing: NaN, confidence 0, not ``observed``.

    Raises
    ------
    ValueError
        If an option is negative or the walk has not been masked.

    Notes
    -----
    Differs from Hampel's rule by the floor: a foot at rest has a deviation of nearly
    zero, and without a floor its first and last moving frames would be spikes. A point
    is not judged where less than half of the window before or after it is known: the
    median of one side of a movement is not where the point should be.

    Points are judged in image coordinates: a camera that pans changes how fast they
    move, and with it, now and then, which one is a spike.

    Examples
    --------
    A body that moves 10 px per frame; its left knee is 200 px off in one of them:

    >>> import numpy as np
    >>> from cpexplore.preprocessing import despike, mask_low_confidence
    >>> from cpexplore.walks import make_walk
    >>> position = np.zeros((31, 17, 2))
    >>> position[..., 0] = 10.0 * np.arange(31)[:, None]
    >>> position[15, 13, 0] += 200
    >>> about = {"fps": 25, "keypoint_set": "coco_17", "walk_id": "w1"}
    >>> walk = make_walk(position, np.ones((31, 17)), **about)
    >>> kept = despike(mask_low_confidence(walk))["observed"].values
    >>> np.argwhere(~kept).tolist()
    [[15, 13]]
    """
    for name, value in (
        ("window_s", window_s),
        ("n_mad", n_mad),
        ("floor_ll", floor_ll),
    ):
        check_range(name, value, low=0)
    check_after(walk, "observed", "mask_low_confidence")
    position = walk["position"].values
    window = odd_window(window_s, walk.attrs["fps"], least=5)
    floor = floor_ll * np.nan_to_num(leg_length_px(walk))
    outlier = _hampel(position.reshape(len(position), -1), window, n_mad, floor)
    x_or_y = outlier.reshape(position.shape)
    spike = x_or_y[..., 0] | x_or_y[..., 1]
    despiked = with_values(
        walk,
        {
            "position": np.where(spike[..., None], np.float32(np.nan), position),
            "confidence": np.where(spike, np.float32(0), walk["confidence"].values),
            "observed": walk["observed"].values & ~spike,
        },
    )
    return with_audit(despiked, "despike", spikes=int(spike.sum()), window=window)


def _hampel(series: np.ndarray, window: int, n_mad: float, floor: float) -> np.ndarray:
    """Outliers among series of shape (time, series); NaN is left out."""
    half = window // 2
    padded = np.pad(series, ((half, half), (0, 0)), constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    apart: np.ndarray = np.abs(series - _median(view))
    outlier = apart > floor
    near, far = view[outlier], apart[outlier]
    before, after = (np.isfinite(w).sum(axis=1) for w in np.split(near, [half], axis=1))
    spread = _median(np.abs(near - _median(near)[:, None]))
    judged = np.minimum(before, after - 1) >= max(half // 2, 2)
    outlier[outlier] = judged & (far > n_mad * _MAD_TO_SD * spread)
    return outlier


def _median(windows: np.ndarray) -> np.ndarray:
    """Median over the last axis, of odd length; NaN left out (it sorts to the end)."""
    ordered = np.sort(windows, axis=-1)
    median = ordered[..., ordered.shape[-1] // 2].copy()
    partial = np.isnan(ordered[..., -1])
    some = ordered[partial]
    count = np.isfinite(some).sum(axis=-1)
    rows = np.arange(len(some))
    lower, upper = some[rows, np.maximum(count - 1, 0) // 2], some[rows, count // 2]
    median[partial] = (lower + upper) / 2
    return median
