"""From the windows that a network saw back to the frames of the walk."""

import numpy as np
import xarray as xr

from cpexplore.runs import Run

_LONGEST_GAP_S = 0.1


def walk_saliency(run: Run, walk_id: str) -> xr.DataArray | None:
    """Lay the window maps of a run over one walk.

    Parameters
    ----------
    run : Run
        A run with saliency.
    walk_id : str
        A walk that is kept with the run.

    Returns
    -------
    xarray.DataArray of shape (method, level, time, keypoint), or None
        Mean over the windows that show a frame, on the walk's own clock and in the
        keypoints of the windows; NaN where no window is. None if the run has no
        window of this walk.

    Notes
    -----
    Windows run at 25 frames/s. Frames of a faster recording that lie between two
    window frames, at most 0.1 s apart, are interpolated.
    """
    if not run.has("saliency"):
        return None
    windows = run.saliency["window_saliency"].reset_coords(drop=True)
    mine = np.flatnonzero(run.saliency["window_walk_id"].values == walk_id)
    if not len(mine):
        return None
    clock = run.walk(walk_id)["time"].values
    times = run.saliency["window_time_s"].values[mine]
    maps = windows.isel(window=mine).transpose(
        "window", "time", "method", "level", "keypoint"
    )
    return _mean_by_frame(maps, times, clock)


def _mean_by_frame(
    maps: xr.DataArray, times: np.ndarray, clock: np.ndarray
) -> xr.DataArray:
    """Average all window frames at the walk frame that each is nearest to."""
    values = maps.values.reshape(-1, *maps.shape[2:])
    steps = np.abs(times.reshape(-1, 1) - clock)
    frames = steps.argmin(axis=1)
    known = np.isfinite(times).ravel()
    total = np.zeros((len(clock), *values.shape[1:]))
    count = np.zeros_like(total)
    np.add.at(total, frames[known], np.nan_to_num(values[known]))
    np.add.at(count, frames[known], np.isfinite(values[known]))
    with np.errstate(invalid="ignore"):
        mean = total / count
    dims = ("time", "method", "level", "keypoint")
    labels = {dim: maps[dim].values for dim in ("method", "level", "keypoint")}
    laid = xr.DataArray(mean, {"time": clock, **labels}, dims)
    filled = laid.interpolate_na("time", max_gap=_LONGEST_GAP_S)
    return filled.transpose("method", "level", "time", "keypoint").astype(np.float32)
