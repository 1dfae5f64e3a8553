"""Another frame rate on the same clock."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.walks import is_cleaned


def resample(walk: xr.Dataset, fps: float) -> xr.Dataset:
    """Resample a cleaned walk to another frame rate by linear interpolation.

    Parameters
    ----------
    walk : xarray.Dataset
        A cleaned walk: it holds nothing above the filter's cut-off, so no further
        filter is needed.
    fps : float
        New frame rate, Hz, > 0.

    Returns
    -------
    xarray.Dataset
        From the first to the last frame of the same clock. A point is missing where
        one of the two frames around it is; confidence is that of the lesser, and
        ``observed``, ``direction`` and ``bout`` are those of the nearest frame.

    Raises
    ------
    ValueError
        If the walk has not been cleaned or ``fps`` is not positive.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import clean, resample
    >>> walk = clean(datasets.sample_walk("sports2d"))
    >>> slower = resample(walk, 25)
    >>> walk.sizes["time"], slower.sizes["time"]
    (166, 138)
    >>> float(walk["time"][-1].round(2)), float(slower["time"][-1].round(2))
    (5.5, 5.48)
    """
    check_range("fps", fps, low=0, inclusive=False)
    if not is_cleaned(walk):
        raise ValueError("`walk` must be cleaned; got a raw one. Call `clean` first.")
    if walk.attrs["fps"] == fps:
        return walk.copy()
    clock = walk["time"].values
    steps = np.arange(int(np.floor((clock[-1] - clock[0]) * fps + 1e-6)) + 1)
    wanted = clock[0] + steps / fps
    before, after, share = _neighbours(clock, wanted)
    nearest = np.where(share < 0.5, before, after)
    sampled = walk.isel(time=nearest).assign_coords(time=wanted)
    position, confidence = walk["position"].values, walk["confidence"].values
    weight = share[:, None, None].astype(position.dtype)
    between = (1 - weight) * position[before] + weight * position[after]
    least = np.minimum(confidence[before], confidence[after])
    return sampled.assign(
        position=(walk["position"].dims, between),
        confidence=(walk["confidence"].dims, least),
    ).assign_attrs(fps=float(fps))


def _neighbours(
    clock: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames around each wanted time, and how far between them it lies."""
    after = np.clip(np.searchsorted(clock, wanted), 1, max(len(clock) - 1, 1))
    after = np.minimum(after, len(clock) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, clock[after] - clock[before], 1.0)
    share = np.clip((wanted - clock[before]) / span, 0, 1)
    share = np.where(np.abs(share - np.round(share)) < 1e-6, np.round(share), share)
    exact = np.where(share == 1, after, before)
    on_frame = np.isin(share, (0.0, 1.0))
    return np.where(on_frame, exact, before), np.where(on_frame, exact, after), share
