"""Walks that come with the project."""

from importlib.resources import as_file, files
from types import MappingProxyType

import xarray as xr

from cpexplore._validation import check_option
from cpexplore.io import read_walk

SAMPLES = MappingProxyType(
    {
        "sports2d": "walk_mediapipe_full.csv",
        "sports2d_lite": "walk_mediapipe_lite.csv",
    }
)
"""Bundled recordings by name."""

FPS = 30.0
"""Frames per second of the video behind the bundled recordings, Hz."""

_SOURCE = "demo video of sports2d 0.8.34, tracked with MediaPipe Pose 0.10.21"
_LICENSE = "BSD-3-Clause, (c) 2022 perfanalytics"


def sample_walk(name: str) -> xr.Dataset:
    """Read a bundled recording: a healthy adult walking past a camera.

    Parameters
    ----------
    name : {"sports2d", "sports2d_lite"}
        The same 166 frames, tracked by the full or the lite MediaPipe model.

    Returns
    -------
    xarray.Dataset
        A raw ``blazepose_33`` walk; ``source`` and ``license`` in its attributes.

    Raises
    ------
    ValueError
        If there is no sample of that name.

    Notes
    -----
    A real recording with real faults: nobody in the first 28 frames, legs exchanged
    where they cross, more often in the lite track, weak trailing heel and toe.

    Examples
    --------
    >>> from cpexplore.datasets import sample_walk
    >>> walk = sample_walk("sports2d")
    >>> dict(walk.sizes)
    {'time': 166, 'keypoint': 33, 'space': 2}
    >>> walk.attrs["fps"], walk.attrs["keypoint_set"], walk.attrs["simulated"]
    (30.0, 'blazepose_33', 0)
    """
    check_option("name", name, tuple(SAMPLES))
    bundled = files("cpexplore.datasets") / "samples" / SAMPLES[name]
    with as_file(bundled) as path:
        walk = read_walk(path, fps=FPS, walk_id=name)
    model = name.partition("_")[2] or "full"
    return walk.assign_attrs(
        patient_id="sports2d_adult",
        source=f"{_SOURCE} ({model})",
        license=_LICENSE,
    )
