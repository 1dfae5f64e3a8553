"""From the windows that a network saw back to the frames of the walk."""

import numpy as np
import xarray as xr

from cpexplore.runs import Run
from cpexplore.view.player.clip import on_clock


def walk_saliency(run: Run, walk_id: str) -> xr.DataArray | None:
    """Lay the window maps of a run over one walk.

    Parameters
    ----------
    run : Run
        A finished run.
    walk_id : str
        A walk that is kept with the run.

    Returns
    -------
    xarray.DataArray of shape (method, level, time, keypoint), or None
        Mean over the windows that show a frame, on the walk's own clock and in the
        keypoints of the windows; NaN where no window is. None if the run kept no
        window of this walk.

    Notes
    -----
    Windows run at 25 frames/s; a frame of the walk takes the nearest frame of each
    window. Where a short pass was padded by playing it again, the first time counts.
    """
    if not run.has("saliency"):
        return None
    maps = run.saliency["window_saliency"]
    mine = np.flatnonzero(maps["window_walk_id"].values == walk_id)
    if not len(mine):
        return None
    walk = run.walk(walk_id)
    laid = [on_clock(_in_time(maps, int(k)), walk, name="saliency") for k in mine]
    mean = xr.concat(laid, dim="window").mean("window")
    return mean.transpose("method", "level", "time", "keypoint")


def _in_time(maps: xr.DataArray, window: int) -> xr.DataArray:
    """One window with its frames in order of the walk's clock, each moment once."""
    clock, first = np.unique(maps["window_time_s"].values[window], return_index=True)
    one = maps.isel(window=window, time=first).reset_coords(drop=True)
    return one.assign_coords(time=clock)
