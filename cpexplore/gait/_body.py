"""A cleaned walk as plain arrays, turned so that everyone walks to the right.

xarray stays at the doors of :mod:`cpexplore.gait`; inside, a :class:`Body` holds the
forward and upward coordinate of every keypoint.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from cpexplore.skeleton import DERIVED
from cpexplore.walks import is_cleaned, validate_walk

SIDES = ("left", "right")
"""Order of the side axis of every array in :mod:`cpexplore.gait`."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """Keypoints of a walk in the direction of travel, px, y up."""

    time: np.ndarray
    """(T,) seconds on the original clock."""
    fps: float
    """Frames per second."""
    bout: np.ndarray
    """(T,) number of the pass, -1 outside passes."""
    direction: np.ndarray
    """(T,) +1 to the right, -1 to the left, 0 unknown."""
    leg_length: np.ndarray
    """(T,) leg length of the pass in px; NaN outside passes."""
    keypoint_set: str
    """Name of the keypoint set."""
    points: dict[str, np.ndarray]
    """Keypoint to (T, 2) forward and up in px; NaN where missing."""
    observed: dict[str, np.ndarray]
    """Keypoint to (T,) whether the detector saw it (not filled)."""

    def point(self, name: str) -> np.ndarray:
        """(T, 2) of one keypoint; all NaN if the set lacks it."""
        found = self.points.get(name)
        return np.full((len(self.time), 2), np.nan) if found is None else found

    def pair(self, stem: str) -> np.ndarray:
        """(T, side, 2) of the left and the right keypoint of this name."""
        return np.stack([self.point(f"{side}_{stem}") for side in SIDES], axis=1)

    @property
    def passes(self) -> list[slice]:
        """Frames of every pass, in order."""
        inside = np.concatenate([[-1], self.bout, [-1]])
        edges = np.flatnonzero(np.diff(inside))
        return [slice(a, b) for a, b in pairwise(edges) if self.bout[a] >= 0]


def make_body(walk: xr.Dataset) -> Body:
    """Turn a cleaned walk into plain arrays.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk that :func:`cpexplore.preprocessing.clean` has made.

    Raises
    ------
    ValueError
        If the walk is not valid or not cleaned.
    """
    validate_walk(walk)
    if not is_cleaned(walk):
        raise ValueError(
            "`walk` must be cleaned; got a raw walk. Call "
            "`cpexplore.preprocessing.clean` first."
        )
    direction = walk["direction"].values.astype(float)
    position = walk["position"].transpose("time", "keypoint", "space").values
    turned = position.astype(float)
    turned[..., 0] *= np.where(direction == 0, np.nan, direction)[:, None]
    turned[..., 1] *= -1.0
    names = walk["keypoint"].values.tolist()
    points = {name: turned[:, v] for v, name in enumerate(names)}
    seen = walk["observed"].transpose("time", "keypoint").values
    for name, parents in DERIVED.items():
        if name not in points and points.keys() >= set(parents):
            points[name] = (points[parents[0]] + points[parents[1]]) / 2
    bout = walk["bout"].values
    scale = np.append(walk["scale_px"].values, np.nan)
    return Body(
        time=walk["time"].values,
        fps=float(walk.attrs["fps"]),
        bout=bout,
        direction=walk["direction"].values,
        leg_length=scale[bout],
        keypoint_set=walk.attrs["keypoint_set"],
        points=points,
        observed={name: seen[:, v] for v, name in enumerate(names)},
    )
