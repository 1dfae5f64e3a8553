"""Windows: fixed-length, normalised pieces of walks, what a network sees.

A window is taken from a cleaned walk at 25 Hz and lies inside one pass. x and y are
relative to the mid-hip of the same frame, in leg lengths, and x is multiplied by the
direction of travel so that everyone walks to the right; y stays down. Left and right
stay anatomical.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import xarray as xr
from joblib import Parallel, delayed

from cpexplore._validation import check_range
from cpexplore.preprocessing import clean, resample
from cpexplore.skeleton import keypoint_set
from cpexplore.walks import convert_keypoints

FPS = 25.0
"""Frames per second of the network clock."""

_SHORTEST_PASS = 50
_JUDGED = ("ankle", "knee", "hip", "big_toe")


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """How walks are cut into windows.

    Raises
    ------
    ValueError
        If a number is out of range or the keypoint set unknown.

    Examples
    --------
    >>> config = WindowConfig()
    >>> config.length / FPS, config.stride / FPS  # in s
    (4.96, 1.24)
    """

    length: int = 124
    """Frames per window, >= 8."""
    stride: int = 31
    """Frames from one window to the next, >= 1."""
    max_missing: float = 0.25
    """Largest share of missing frames of any ankle, knee, hip or big toe, 0 to 1;
    those that the detector does not have are not judged."""
    keypoint_set: str = "body_25"
    """Keypoints of the window."""

    def __post_init__(self) -> None:
        check_range("length", self.length, low=8)
        check_range("stride", self.stride, low=1)
        check_range("max_missing", self.max_missing, low=0, high=1)
        keypoint_set(self.keypoint_set)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of many walks, aligned by position along N."""

    x: np.ndarray
    """float32 (N, 3, T, V): x, y in leg lengths and confidence."""
    walk_id: np.ndarray
    """str (N,): the walk of each window."""
    start: np.ndarray
    """int64 (N,): first frame on the 25 Hz clock of the walk."""
    padded_pct: np.ndarray
    """float32 (N,): share of frames played again to reach the length, 0 to 100."""
    time: np.ndarray
    """float64 (N, T): time of each frame on the walk's own clock, s."""
    keypoint: tuple[str, ...]
    """Names along V."""

    def __len__(self) -> int:
        return len(self.x)

    def select(self, keep: np.ndarray) -> "Windows":
        """Keep the windows at these positions (bool mask or integers)."""
        return Windows(
            x=self.x[keep],
            walk_id=self.walk_id[keep],
            start=self.start[keep],
            padded_pct=self.padded_pct[keep],
            time=self.time[keep],
            keypoint=self.keypoint,
        )

    def of(self, walk_ids: list[str]) -> "Windows":
        """Keep the windows of these walks, in window order."""
        return self.select(np.isin(self.walk_id, walk_ids))


def walk_windows(walk: xr.Dataset, config: WindowConfig | None = None) -> Windows:
    """Cut one walk into windows.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk; cleaned first when it is not.
    config : WindowConfig, optional
        Lengths and limits.

    Returns
    -------
    Windows
        Perhaps none: a walk without a usable pass keeps its row in the cohort with
        ``n_windows = 0``.

    Raises
    ------
    ValueError
        If ``walk`` does not keep the walk contract.

    Notes
    -----
    If no pass is long enough, the longest one of at least 50 frames is played forwards
    and backwards. Missing points are interpolated in time, else take the window's mean
    pose, with confidence 0.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> windows = walk_windows(datasets.sample_walk("sports2d"))  # a real healthy adult
    >>> windows.x.shape, windows.start.tolist()  # in frames of the 25 Hz clock
    ((1, 3, 124, 25), [23])
    >>> hip = windows.keypoint.index("mid_hip")
    >>> bool((windows.x[0, :2, :, hip] == 0).all())  # where x and y are measured from
    True
    """
    config = config or WindowConfig()
    tracked = keypoint_set(walk.attrs["keypoint_set"]).keypoints
    walk = resample(convert_keypoints(clean(walk), config.keypoint_set), FPS)
    names = keypoint_set(config.keypoint_set).keypoints
    judged = [
        v
        for v, name in enumerate(names)
        if name.endswith(_JUDGED) and name != "mid_hip" and name in tracked
    ]
    pose, clock = _normalised(walk), walk["time"].values
    pieces: list[tuple[np.ndarray, int, float, np.ndarray]] = []
    for frames, padded in _frames(walk["bout"].values, config):
        piece = pose[:, frames]
        missing = np.isnan(piece[:2][..., judged]).any(axis=0).mean(axis=0)
        if missing.max(initial=0.0) <= config.max_missing:
            pieces.append((_filled(piece), int(frames[0]), padded, clock[frames]))
    n, t, v = len(pieces), config.length, len(names)
    return Windows(
        x=np.array([p[0] for p in pieces], np.float32).reshape(n, 3, t, v),
        walk_id=np.array([walk.attrs["walk_id"]] * n, dtype=np.str_),
        start=np.array([p[1] for p in pieces], dtype=np.int64),
        padded_pct=np.array([p[2] for p in pieces], dtype=np.float32),
        time=np.array([p[3] for p in pieces], dtype=np.float64).reshape(n, t),
        keypoint=names,
    )


def make_windows(
    walks: Mapping[str, xr.Dataset],
    walk_ids: list[str],
    config: WindowConfig,
    *,
    n_jobs: int = 1,
) -> Windows:
    """Cut many walks into windows, in the order of ``walk_ids``.

    Parameters
    ----------
    walks : mapping of str to xarray.Dataset
        Walks by id; cleaned first when they are not.
    walk_ids : list of str
        The walks to cut, perhaps none.
    config : WindowConfig
        Lengths and limits.
    n_jobs : int
        Processes, see :class:`joblib.Parallel`; the result does not depend on it.

    Returns
    -------
    Windows
        A walk without a usable pass has none.

    Raises
    ------
    KeyError
        If ``walks`` lacks a walk.
    ValueError
        If a walk does not keep the walk contract.

    Examples
    --------
    One real walk, tracked by two models; shorter windows fit more often:

    >>> from cpexplore import datasets
    >>> names = ["sports2d", "sports2d_lite"]
    >>> walks = {name: datasets.sample_walk(name) for name in names}
    >>> windows = make_windows(walks, names, WindowConfig(length=62))
    >>> windows.walk_id.tolist(), windows.start.tolist()
    (['sports2d', 'sports2d', 'sports2d_lite', 'sports2d_lite'], [23, 54, 23, 54])
    """
    chunks = np.array_split(
        np.array(walk_ids, dtype=object), max(1, len(walk_ids) // 8)
    )
    done = Parallel(n_jobs=n_jobs)(
        delayed(_chunk)(walks, list(chunk), config) for chunk in chunks
    )
    parts = [part for chunk in cast("list[list[Windows]]", done) for part in chunk]
    names = keypoint_set(config.keypoint_set).keypoints
    empty = np.zeros((0, 3, config.length, len(names)), np.float32)
    return Windows(
        x=np.concatenate([empty, *(p.x for p in parts)]),
        walk_id=np.concatenate([np.array([], np.str_), *(p.walk_id for p in parts)]),
        start=np.concatenate([np.array([], np.int64), *(p.start for p in parts)]),
        padded_pct=np.concatenate(
            [np.array([], np.float32), *(p.padded_pct for p in parts)]
        ),
        time=np.concatenate([np.zeros((0, config.length)), *(p.time for p in parts)]),
        keypoint=names,
    )


def _chunk(
    walks: Mapping[str, xr.Dataset], walk_ids: list[str], config: WindowConfig
) -> list[Windows]:
    return [walk_windows(walks[walk_id], config) for walk_id in walk_ids]


def _normalised(walk: xr.Dataset) -> np.ndarray:
    """Pose (3, time, keypoint): mid-hip origin, leg lengths, walking to the right."""
    position = walk["position"].transpose("space", "time", "keypoint").values
    names = walk["keypoint"].values.tolist()
    if "mid_hip" in names:
        origin = position[..., names.index("mid_hip")]
    else:
        hips = [names.index("left_hip"), names.index("right_hip")]
        origin = position[..., hips].mean(axis=-1)
    scale = np.append(walk["scale_px"].values, np.nan)[walk["bout"].values]
    pose = (position - origin[..., None]) / scale[:, None]
    pose[0] *= walk["direction"].values[:, None]
    confidence = np.where(np.isnan(pose[0]), 0.0, walk["confidence"].values)
    return np.concatenate([pose, confidence[None]]).astype(np.float32)


def _frames(bout: np.ndarray, config: WindowConfig) -> list[tuple[np.ndarray, float]]:
    """Frame numbers of every window and its padded share in percent."""
    passes = [np.flatnonzero(bout == n) for n in np.unique(bout[bout >= 0])]
    windows = [
        (frames[start : start + config.length], 0.0)
        for frames in passes
        for start in range(0, len(frames) - config.length + 1, config.stride)
    ]
    longest = max(passes, key=len, default=np.array([], int))
    if windows or len(longest) < _SHORTEST_PASS:
        return windows
    there_and_back = np.concatenate([longest, longest[-2:0:-1]])
    frames = np.resize(there_and_back, config.length)
    return [(frames, 100.0 * (1 - len(longest) / config.length))]


def _filled(piece: np.ndarray) -> np.ndarray:
    """Fill missing points in time, else with the mean of all points of the window."""
    filled = piece.copy()
    steps = np.arange(piece.shape[1])
    known = np.isfinite(piece[0]) & np.isfinite(piece[1])
    with np.errstate(invalid="ignore"):
        centre = np.nanmean(np.where(known, piece[:2], np.nan), axis=(1, 2))
    for v in range(piece.shape[2]):
        seen = known[:, v]
        for c in range(2):
            if seen.any():
                filled[c, :, v] = np.interp(steps, steps[seen], piece[c, seen, v])
            else:
                filled[c, :, v] = np.nan_to_num(centre[c])
        filled[2, ~seen, v] = 0.0
    return filled
