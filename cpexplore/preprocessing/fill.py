"""Short gaps are filled, longer ones stay missing."""

import numpy as np
import xarray as xr
from scipy.interpolate import PchipInterpolator

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import with_audit, with_values
from cpexplore.preprocessing.frames import frames_of, runs


def fill_gaps(walk: xr.Dataset, *, max_gap_s: float = 0.12) -> xr.Dataset:
    """Fill short gaps of each keypoint by monotone cubic interpolation (PCHIP).

    Parameters
    ----------
    walk : xarray.Dataset
        A walk with missing points.
    max_gap_s : float
        Longest run of missing frames to fill, s, >= 0 (Stenum et al. 2021: 0.12 s).

    Returns
    -------
    xarray.Dataset
        Filled points are finite and have confidence 0. Nothing is extrapolated.

    Raises
    ------
    ValueError
        If ``max_gap_s`` is negative.

    Examples
    --------
    At 25 Hz a gap of three frames is filled, one of four frames stays:

    >>> import numpy as np
    >>> from cpexplore.preprocessing import fill_gaps
    >>> from cpexplore.walks import make_walk
    >>> position = np.tile(10.0 * np.arange(30)[:, None, None], (1, 17, 2))
    >>> position[5:8] = position[15:19] = np.nan
    >>> about = {"fps": 25, "keypoint_set": "coco_17", "walk_id": "w1"}
    >>> filled = fill_gaps(make_walk(position, np.ones((30, 17)), **about))
    >>> x = filled["position"].values[:, 0, 0]
    >>> x[4:9].round(3).tolist(), int(np.isnan(x).sum())
    ([40.0, 50.0, 60.0, 70.0, 80.0], 4)
    """
    check_range("max_gap_s", max_gap_s, low=0)
    longest = frames_of(max_gap_s, walk.attrs["fps"], least=0)
    position = walk["position"].values.astype(float)
    starts, lengths, keypoints = _gaps(position, longest)
    for length in np.unique(lengths):
        chosen = lengths == length
        _fill(position, starts[chosen], keypoints[chosen], int(length))
    filled = with_values(walk, {"position": position.astype(np.float32)})
    return with_audit(
        filled, "fill", gaps=len(lengths), points=int(lengths.sum()), frames=longest
    )


def _gaps(
    position: np.ndarray, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First frame, length and keypoint of every inner gap that is short enough."""
    missing = np.isnan(position[..., 0])
    n_frames = len(missing)
    fenced = np.zeros((missing.shape[1], n_frames + 1), bool)
    fenced[:, :-1] = missing.T
    found = runs(fenced.ravel())
    keypoints, starts = np.divmod(found[:, 0], n_frames + 1)
    lengths = found[:, 1] - found[:, 0]
    inner = (starts > 0) & (starts + lengths < n_frames) & (lengths <= longest)
    return starts[inner], lengths[inner], keypoints[inner]


def _fill(
    position: np.ndarray, starts: np.ndarray, keypoints: np.ndarray, length: int
) -> None:
    """Fill gaps of one length from the two points on either side of each."""
    last, n_frames = starts - 1, len(position)
    stencil = np.array([-1, 0, length + 1, length + 2])
    near = position[np.clip(last + stencil[:, None], 0, n_frames - 1), keypoints]
    secant = (near[2] - near[1]) / (length + 1)
    near[0] = np.where(np.isnan(near[0]), near[1] - secant, near[0])
    near[3] = np.where(np.isnan(near[3]), near[2] + secant, near[3])
    inside = np.arange(1, length + 1)
    position[last + inside[:, None], keypoints] = PchipInterpolator(stencil, near)(
        inside
    )
