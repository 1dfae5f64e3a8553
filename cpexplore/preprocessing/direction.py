"""The direction in which a person walks through the image."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import with_audit
from cpexplore.preprocessing.frames import (
    keypoint_xy,
    odd_window,
    rolling_median,
    schmitt,
)
from cpexplore.preprocessing.scale import leg_length_px

WINDOW_S = 0.5

_CUES_LL = {"foot": 0.06, "toe_ankle": 0.06, "face": 0.03, "travel": 0.10}
"""What tells the direction, best first, and how many leg lengths decide."""

_ENDS = {
    "foot": (("left_big_toe", "right_big_toe"), ("left_heel", "right_heel")),
    "toe_ankle": (("left_big_toe", "right_big_toe"), ("left_ankle", "right_ankle")),
    "face": (("nose", "nose"), ("left_ear", "right_ear")),
}


def find_direction(walk: xr.Dataset, *, window_s: float = WINDOW_S) -> xr.Dataset:
    """Find the direction of travel in each frame.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk whose short gaps are filled.
    window_s : float
        Width of the window whose median decides, s, > 0.

    Returns
    -------
    xarray.Dataset
        With ``direction (time)`` int8: +1 to the right, -1 to the left, 0 unknown.

    Raises
    ------
    ValueError
        If ``window_s`` is not positive.

    Notes
    -----
    The sign of the confidence-weighted median of toe - heel over both feet; where no
    foot is seen, of toe - ankle, then nose - ears, then the way the pelvis moved in
    the window. The direction changes only once the cue passes a threshold on the
    other side, so that a foot pointing at the camera does not turn the child round.

    Examples
    --------
    The adult of the sample walks to the left; nobody is seen in the first 28 frames,
    and no direction told until the window reaches somebody. In a mirror image the same
    person walks to the right.

    >>> from collections import Counter
    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import find_direction
    >>> walk = datasets.sample_walk("sports2d")
    >>> mirrored = walk.assign(position=walk["position"] * [-1, 1])
    >>> Counter(find_direction(walk)["direction"].values.tolist())
    Counter({-1: 145, 0: 21})
    >>> Counter(find_direction(mirrored)["direction"].values.tolist())
    Counter({1: 145, 0: 21})
    """
    check_range("window_s", window_s, low=0, inclusive=False)
    direction, used = direction_signs(walk, window_s=window_s)
    found = walk.assign(direction=("time", direction))
    return with_audit(
        found, "direction", frames_by_cue=used, unknown=int((direction == 0).sum())
    )


def direction_signs(
    walk: xr.Dataset, *, window_s: float = WINDOW_S
) -> tuple[np.ndarray, dict[str, int]]:
    """Direction (time,) int8 of :func:`find_direction`, and the frames by cue."""
    window = odd_window(window_s, walk.attrs["fps"])
    scale = leg_length_px(walk)
    signal = np.full(walk.sizes["time"], np.nan)
    used = dict.fromkeys(_CUES_LL, 0)
    for name, limit in _CUES_LL.items():
        if not np.isnan(signal).any():
            break
        cue = _cue(walk, name, window)
        taken = np.isnan(signal) & np.isfinite(cue)
        used[name] = int(taken.sum())
        signal = np.where(taken, cue / (scale * limit), signal)
    return schmitt(signal, 1.0), used


def _cue(walk: xr.Dataset, name: str, window: int) -> np.ndarray:
    """Forward distance (time,) in px, + to the right; NaN where not seen."""
    if name == "travel":
        return _travel(walk, window)
    front, back = _ENDS[name]
    return _median_ahead(walk, front, back, window)


def _median_ahead(
    walk: xr.Dataset, front: tuple[str, ...], back: tuple[str, ...], window: int
) -> np.ndarray:
    names = walk["keypoint"].values.tolist()
    if not {*front, *back} <= set(names):
        return np.full(walk.sizes["time"], np.nan)
    at = [[names.index(name) for name in ends] for ends in (front, back)]
    x, confidence = walk["position"].values[..., 0], walk["confidence"].values
    ahead = x[:, at[0]].astype(float) - x[:, at[1]]
    weight = np.minimum(confidence[:, at[0]], confidence[:, at[1]])
    return rolling_median(ahead, window, weights=weight)


def _travel(walk: xr.Dataset, window: int) -> np.ndarray:
    """Distance of the pelvis from where it was, to where it will be."""
    position, names = walk["position"].values, walk["keypoint"].values.tolist()
    x = keypoint_xy(position, names, "mid_hip")[:, 0].astype(float)
    around = np.pad(x, window // 2, constant_values=np.nan)
    view = np.lib.stride_tricks.sliding_window_view(around, window)
    known = np.isfinite(view)
    first = np.take_along_axis(view, known.argmax(1)[:, None], axis=1)[:, 0]
    last = view[np.arange(len(x)), window - 1 - known[:, ::-1].argmax(1)]
    return last - first
