"""Passes: stretches of walking one way, seen from the side."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import check_after, with_audit
from cpexplore.preprocessing.frames import (
    distance,
    frames_of,
    keypoint_xy,
    odd_window,
    rolling_median,
    runs,
    schmitt,
)
from cpexplore.preprocessing.scale import leg_length_px, long_length

_WINDOW_S = 0.5
_LONGEST_ABSENCE_S = 0.5
_CROSSING_LL = 0.05
_FEWEST_STEPS = 3
_CLEARLY_NEARER = 0.02


def find_passes(
    walk: xr.Dataset, *, max_out_of_plane: float = 0.35, min_foot_share: float = 0.6
) -> xr.Dataset:
    """Number the passes and exclude turns, oblique views and empty frames.

    Parameters
    ----------
    walk : xarray.Dataset
        With ``direction (time)``, see :func:`find_direction`.
    max_out_of_plane : float
        Largest horizontal distance of the shoulders, in trunk lengths, > 0.
    min_foot_share : float
        Smallest foot length as a share of its 90th percentile, 0 to 1.

    Returns
    -------
    xarray.Dataset
        With ``bout (time)``: 0, 1, 2... in order of time; -1 is excluded.

    Raises
    ------
    ValueError
        If an option is out of range or the direction is not known.

    Notes
    -----
    A pass keeps one direction and holds at least two strides (three crossings of the
    ankles, as the first and last are cut). If no stretch has that many, as in a clip
    of one short walk, the one with the most crossings is the only pass.

    The audit tells which leg looked nearer to the camera in each pass. Seen from the
    side that leg changes with the direction; where it does not, the detector may have
    exchanged the legs of a whole pass, which motion cannot show. It is not repaired.

    A recording whose hips are below its ankles has no pass: it was stored with y up.

    Examples
    --------
    A walk past the camera and, as the way back, its mirror image; in the frames between
    the two there is nobody:

    >>> import numpy as np
    >>> from itertools import groupby
    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import find_direction, find_passes
    >>> from cpexplore.walks import make_walk
    >>> there = datasets.sample_walk("sports2d")
    >>> xy = there["position"].values
    >>> about = {"fps": 30, "keypoint_set": "blazepose_33", "walk_id": "w1"}
    >>> both = np.concatenate([xy, xy * [-1, 1]])
    >>> walk = make_walk(both, np.tile(there["confidence"], (2, 1)), **about)
    >>> walk = find_passes(find_direction(walk))
    >>> [number for number, _ in groupby(walk["bout"].values.tolist())]
    [-1, 0, -1, 1]
    """
    check_range("max_out_of_plane", max_out_of_plane, low=0, inclusive=False)
    check_range("min_foot_share", min_foot_share, low=0, high=1)
    check_after(walk, "direction", "find_direction")
    window = odd_window(_WINDOW_S, walk.attrs["fps"])
    direction = walk["direction"].values
    absent = _absent(walk)
    oblique = rolling_median(_out_of_plane(walk), window) > max_out_of_plane
    turned = rolling_median(_foot_share(walk), window) < min_foot_share
    usable = ~absent & ~oblique & ~turned & is_upright(walk)
    found = np.concatenate([runs(usable & (direction == s)) for s in (-1, 1)])
    found = found[np.argsort(found[:, 0])]
    steps = _steps(walk, found)
    fewest = min(_FEWEST_STEPS, max(steps.max(initial=0), 1))
    bout = np.full(walk.sizes["time"], -1)
    for number, (start, stop) in enumerate(found[steps >= fewest]):
        bout[start:stop] = number
    return with_audit(
        walk.assign_coords(bout=("time", bout)),
        "passes",
        n_passes=int(bout.max() + 1),
        excluded=int((bout < 0).sum()),
        absent=int(absent.sum()),
        oblique=int(oblique.sum()),
        turned=int(turned.sum()),
        unknown_direction=int((direction == 0).sum()),
        steps=steps[steps >= fewest].tolist(),
        near_side=_near_sides(walk, bout),
    )


def is_upright(walk: xr.Dataset) -> bool:
    """Whether the hips are above the ankles in the image, by the median frame.

    Parameters
    ----------
    walk : xarray.Dataset
        Any walk; one that shows no leg counts as upright.
    """
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    hip, left, right = (
        keypoint_xy(position, names, name)[:, 1]
        for name in ("mid_hip", "left_ankle", "right_ankle")
    )
    below = np.fmin(left, right) - hip
    known = below[np.isfinite(below)]
    return bool(np.median(known) > 0) if len(known) else True


def _absent(walk: xr.Dataset) -> np.ndarray:
    """Frames of long stretches without a pelvis or without any leg, (time,)."""
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    absent = np.isnan(keypoint_xy(position, names, "mid_hip")[:, 0])
    for part in ("knee", "ankle"):
        left, right = (
            np.isnan(keypoint_xy(position, names, f"{side}_{part}")[:, 0])
            for side in ("left", "right")
        )
        absent = absent | (left & right)
    longest = frames_of(_LONGEST_ABSENCE_S, walk.attrs["fps"])
    for start, stop in runs(absent):
        if stop - start <= longest and start > 0 and stop < len(absent):
            absent[start:stop] = False
    return absent


def _out_of_plane(walk: xr.Dataset) -> np.ndarray:
    """Horizontal distance of the shoulders in trunk lengths, (time, 1)."""
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    left, right = (
        keypoint_xy(position, names, f"{side}_shoulder") for side in ("left", "right")
    )
    trunk = distance(position, names, ("neck", "mid_hip"))
    return np.abs(left - right)[:, :1] / long_length(trunk)


def _foot_share(walk: xr.Dataset) -> np.ndarray:
    """Length of the longer foot as a share of its 90th percentile, (time, 1)."""
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    feet = [
        distance(position, names, (f"{side}_heel", f"{side}_big_toe"))
        for side in ("left", "right")
    ]
    longer = np.fmax(*feet)
    return (longer / long_length(longer))[:, None]


def _steps(walk: xr.Dataset, stretches: np.ndarray) -> np.ndarray:
    """How often one ankle passes the other in each stretch."""
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    left, right = (
        keypoint_xy(position, names, f"{side}_ankle")[:, 0]
        for side in ("left", "right")
    )
    ahead, least = left - right, _CROSSING_LL * leg_length_px(walk)
    counts = [_crossings(ahead[start:stop], least) for start, stop in stretches]
    return np.array(counts, int)


def _crossings(ahead: np.ndarray, least: float) -> int:
    """Changes of side about the median: in a step-to gait one ankle stays ahead."""
    known = ahead[np.isfinite(ahead)]
    if not len(known):
        return 0
    return int(np.count_nonzero(np.diff(schmitt(known - np.median(known), least))))


def _near_sides(walk: xr.Dataset, bout: np.ndarray) -> list[str]:
    """The leg with the higher median confidence in each pass, or ``"unsure"``."""
    names, confidence = walk["keypoint"].values.tolist(), walk["confidence"].values
    legs = {
        side: [names.index(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
        for side in ("left", "right")
    }
    near = []
    for number in range(bout.max(initial=-1) + 1):
        left, right = (
            np.median(confidence[bout == number][:, columns])
            for columns in legs.values()
        )
        clear = abs(left - right) > _CLEARLY_NEARER
        near.append(("left" if left > right else "right") if clear else "unsure")
    return near
