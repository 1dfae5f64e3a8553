"""What is wrong with an input, all of it, without stopping at the first."""

import warnings
from pathlib import Path

import xarray as xr

from cpexplore.io.formats import read_walk
from cpexplore.io.problems import InputError, Problem
from cpexplore.io.release import VIDEOS, find_release, left_out, scan_release
from cpexplore.io.store import WalkStore, is_store
from cpexplore.io.track import UnknownFpsError

_FEW_FRAMES = 50
_SEEN = 0.5
_ANY_FPS = 25.0
_SIDES = ("left", "right")
_LEGS = tuple(f"{s}_{joint}" for s in _SIDES for joint in ("hip", "knee", "ankle"))
_FEET = tuple(f"{s}_{part}" for s in _SIDES for part in ("heel", "big_toe"))


def check_path(
    path: str | Path, *, fps: float | None = None, keypoint_set: str | None = None
) -> list[Problem]:
    """Say what is wrong with a recording or a cohort folder.

    Parameters
    ----------
    path : str or path
        Anything that :func:`cpexplore.io.read_walk` reads, a walk store or a folder
        that holds some, or a folder in the layout of the Gillette release.
    fps : float, optional
        Frames per second, Hz, where the file does not say it.
    keypoint_set : str, optional
        See :func:`cpexplore.io.read_walk`.

    Returns
    -------
    list of Problem
        Errors stop reading, warnings deserve a look; empty when all is well.

    Examples
    --------
    A table in the layout of OpenPose, made here, that does not say its frame rate:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from cpexplore.io import check_path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "walk.csv"
    ...     np.savetxt(file, np.ones((50, 75)), delimiter=",")
    ...     unsaid, said = check_path(file), check_path(file, fps=25)
    >>> unsaid[0].severity, unsaid[0].what, len(said)
    ('warning', 'does not say its frame rate.', 0)
    >>> print(*check_path("no_such_walk.csv"))
    'no_such_walk.csv' does not exist. Check the spelling.
    """
    path = Path(path)
    if not path.exists():
        return [
            Problem(where=str(path), what="does not exist.", fix="Check the spelling.")
        ]
    if (path / VIDEOS).is_dir():
        return [
            Problem(
                where=str(path),
                what="is the inside of a release, not a recording.",
                fix="Give the folder above it.",
            )
        ]
    if find_release(path) is not None:
        return _check_release(path)
    stores = [folder for folder in (path, *path.glob("*.zarr")) if is_store(folder)]
    if stores:
        return [problem for store in stores for problem in _check_store(store)]
    return _check_walk(path, fps=fps, keypoint_set=keypoint_set)


def _check_release(root: Path) -> list[Problem]:
    try:
        release = scan_release(root)
    except FileNotFoundError as error:
        return [_failure(root, error)]
    if release.problems:
        return list(release.problems)
    return [
        Problem(
            where=str(root),
            what=f"leaves out {clause}.",
            fix="Nothing needs to be done.",
            severity="warning",
        )
        for clause in left_out(release)
    ]


def _check_store(path: Path) -> list[Problem]:
    store = WalkStore(path)
    found: list[Problem] = []
    try:
        walk_ids = list(store)
    except (ValueError, OSError) as error:
        return [_failure(path, error)]
    for walk_id in walk_ids:
        try:
            found += doubts_about(store[walk_id], f"{path}: {walk_id}")
        except (ValueError, OSError, KeyError) as error:
            found.append(_failure(path, error))
    return found


def _check_walk(
    path: Path, *, fps: float | None, keypoint_set: str | None
) -> list[Problem]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            walk = read_walk(path, fps=fps, keypoint_set=keypoint_set)
        except UnknownFpsError:
            again = _check_walk(path, fps=_ANY_FPS, keypoint_set=keypoint_set)
            return [_unknown_fps(path), *again]
        except (ValueError, OSError) as error:
            return [_failure(path, error)]
    said = [
        Problem(
            where=str(path),
            what=str(warning.message),
            fix="Look at the recording.",
            severity="warning",
        )
        for warning in caught
    ]
    return [*said, *doubts_about(walk, str(path))]


def _unknown_fps(path: Path) -> Problem:
    return Problem(
        where=str(path),
        what="does not say its frame rate.",
        fix="Give the frame rate of the video with `fps` (--fps).",
        severity="warning",
    )


def _failure(path: Path, error: Exception) -> Problem:
    if isinstance(error, InputError):
        return error.problem
    return Problem(where=str(path), what=f"cannot be read: {error}", fix="")


def doubts_about(walk: xr.Dataset, where: str) -> list[Problem]:
    """What makes a readable walk hard to analyse, as warnings about ``where``."""
    doubts = {}
    if walk.sizes["time"] < _FEW_FRAMES:
        doubts[f"has only {walk.sizes['time']} frames."] = "Record several strides."
    seen = walk["position"].notnull().all("space").mean("time")
    share = {str(k): float(seen.sel(keypoint=k)) for k in _keypoints(walk, _LEGS)}
    poor = [f"{k} {100 * s:.0f} %" for k, s in share.items() if s < _SEEN]
    if poor:
        doubts[f"sees few frames of {', '.join(poor)}."] = "Check light and clothing."
    feet = _keypoints(walk, _FEET)
    if not feet or not seen.sel(keypoint=feet).any():
        doubts["has no heels and toes."] = "Expect no foot angles; events are weaker."
    return [
        Problem(where=where, what=what, fix=fix, severity="warning")
        for what, fix in doubts.items()
    ]


def _keypoints(walk: xr.Dataset, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in walk["keypoint"].values]
