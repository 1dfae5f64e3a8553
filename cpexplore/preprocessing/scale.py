"""The length of the leg in the image, the unit of every other length."""

import numpy as np
import xarray as xr

from cpexplore.preprocessing.audit import check_after, with_audit
from cpexplore.preprocessing.frames import distance

PERCENTILE = 90
"""Foreshortening only shortens, so a high percentile is nearest the true length."""


def leg_length_px(walk: xr.Dataset) -> float:
    """Length of the leg over the whole walk, px.

    Parameters
    ----------
    walk : xarray.Dataset
        Any walk.

    Returns
    -------
    float
        Mean over the sides of the 90th percentile of thigh + shank; NaN where no leg
        of any length was seen.

    Examples
    --------
    A thigh of 40 px and a shank of 35 px:

    >>> import numpy as np
    >>> from cpexplore.preprocessing import leg_length_px
    >>> from cpexplore.walks import make_walk
    >>> position = np.full((10, 17, 2), 100.0)
    >>> position[:, [13, 14], 1] = 140  # knees
    >>> position[:, [15, 16], 1] = 175  # ankles
    >>> about = {"fps": 25, "keypoint_set": "coco_17", "walk_id": "w1"}
    >>> leg_length_px(make_walk(position, np.ones((10, 17)), **about))
    75.0
    """
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    return _scale(leg_lengths(position, names))


def leg_lengths(position: np.ndarray, names: list[str]) -> np.ndarray:
    """Thigh + shank (time, side) of both legs in each frame, px."""
    return np.stack(
        [
            distance(position, names, (f"{side}_hip", f"{side}_knee"))
            + distance(position, names, (f"{side}_knee", f"{side}_ankle"))
            for side in ("left", "right")
        ],
        axis=-1,
    )


def scale_passes(walk: xr.Dataset) -> xr.Dataset:
    """Measure the leg length of each pass.

    Parameters
    ----------
    walk : xarray.Dataset
        With ``bout (time)``, see :func:`find_passes`.

    Returns
    -------
    xarray.Dataset
        With ``scale_px (bout)``: entry b belongs to pass b.

    Raises
    ------
    ValueError
        If the passes are not known.

    Examples
    --------
    On the second pass the child is further away and looks smaller:

    >>> import numpy as np
    >>> from cpexplore.preprocessing import scale_passes
    >>> from cpexplore.walks import make_walk
    >>> position = np.full((20, 17, 2), 100.0)
    >>> position[:, [13, 14], 1], position[:, [15, 16], 1] = 140, 175
    >>> position[10:] *= 0.8
    >>> about = {"fps": 25, "keypoint_set": "coco_17", "walk_id": "w1"}
    >>> walk = make_walk(position, np.ones((20, 17)), **about)
    >>> walk = walk.assign_coords(bout=("time", np.repeat([0, 1], 10)))
    >>> scale_passes(walk)["scale_px"].values.round(1).tolist()
    [75.0, 60.0]
    """
    check_after(walk, "bout", "find_passes")
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    lengths, bout = leg_lengths(position, names), walk["bout"].values
    scale = [_scale(lengths[bout == b]) for b in range(bout.max(initial=-1) + 1)]
    scaled = walk.assign(scale_px=("bout", np.array(scale, float)))
    return with_audit(scaled, "scale", scale_px=[round(length, 2) for length in scale])


def long_length(lengths: np.ndarray) -> float:
    """90th percentile of the known lengths; NaN without one above zero."""
    known = lengths[np.isfinite(lengths)]
    length = float(np.percentile(known, PERCENTILE)) if len(known) else np.nan
    return length if length > 0 else np.nan


def _scale(lengths: np.ndarray) -> float:
    long = [long_length(side) for side in lengths.T]
    known = [length for length in long if np.isfinite(length)]
    return float(np.mean(known)) if known else np.nan
