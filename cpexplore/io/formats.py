"""One door for every format: read a walk, write a walk."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from cpexplore._validation import check_option, quoted
from cpexplore.io.files import write_atomic, write_netcdf
from cpexplore.io.openpose import read_openpose_folder
from cpexplore.io.pose_json import read_pose_json
from cpexplore.io.problems import check_file, wrong
from cpexplore.io.store import WalkStore, is_store, write_store
from cpexplore.io.tables import read_csv, read_parquet, write_csv, write_parquet
from cpexplore.io.track import Track, known_fps, nobody, walk_of_track
from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import SCHEMA, validate_walk

SUFFIXES = (".csv", ".json", ".nc", ".parquet")
"""Files that :func:`read_walk` understands; folders are OpenPose or a walk store."""

_WRITABLE = (".csv", ".nc", ".parquet", ".zarr")


def read_walk(
    path: str | Path,
    *,
    fps: float | None = None,
    keypoint_set: str | None = None,
    walk_id: str | None = None,
) -> xr.Dataset:
    """Read a walk from whatever tracked it.

    Parameters
    ----------
    path : str or path
        A folder of OpenPose JSON files or a walk store; or a file: CSV (75 columns
        without header, MediaPipe ``*_vis``, wide ``<keypoint>_x,_y,_confidence``),
        Parquet (wide), JSON (AlphaPose, MMPose) or netCDF (own).
    fps : float, optional
        Frames per second, Hz, 1 to 1000. Must be given where the file does not say it.
    keypoint_set : str, optional
        The keypoint set of a wide table whose columns fit several; for other formats
        it must be the one found.
    walk_id : str, optional
        Name of the walk, default the file's own or its stem; which walk of a store.

    Returns
    -------
    xarray.Dataset
        A valid walk. A point at ``0, 0`` is missing (NaN), except in netCDF and stores.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If ``fps`` is unknown or contradicts the file, the content is damaged or of
        another format, or nobody is in any frame; the message names file and remedy.
    KeyError
        If a walk store has no walk of that ``walk_id``.

    Warns
    -----
    UserWarning
        If the tracked person jumps from one frame to the next, as happens when files
        of another video are in the folder.

    Examples
    --------
    A made-up table of 75 columns, x, y and confidence of 25 keypoints; in frame 10
    nobody was found:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from cpexplore.io import read_walk
    >>> table = np.ones((50, 75))
    >>> table[10] = 0
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savetxt(Path(folder) / "walk.csv", table, delimiter=",")
    ...     walk = read_walk(Path(folder) / "walk.csv", fps=25)
    >>> walk.attrs["keypoint_set"], walk.attrs["walk_id"]
    ('body_25', 'walk')
    >>> np.flatnonzero(walk["position"].isnull().all(("keypoint", "space"))).tolist()
    [10]
    """
    path = Path(path)
    if keypoint_set is not None:
        check_option("keypoint_set", keypoint_set, tuple(KEYPOINT_SETS))
    if not path.exists():
        raise FileNotFoundError(
            f"`path` must be an existing file or folder; got {str(path)!r}. "
            "Check the spelling."
        )
    if path.suffix == ".nc" or is_store(path):
        own = _from_store if is_store(path) else _from_netcdf
        walk = own(path, walk_id)
        known_fps(path, stored=walk.attrs["fps"], given=fps)
    else:
        track = _track(path, keypoint_set)
        walk = walk_of_track(track, path, fps=fps, walk_id=walk_id)
        _warn_of_jumps(walk, path)
    if not np.isfinite(walk["position"].values).any():
        raise nobody(path, walk.sizes["time"])
    found = walk.attrs["keypoint_set"]
    if keypoint_set not in (None, found):
        raise ValueError(
            f"`keypoint_set` must be {found!r}, as in {str(path)!r}; got "
            f"{keypoint_set!r}. Leave it out and use `convert_keypoints`."
        )
    return walk


def write_walk(walk: xr.Dataset, path: str | Path) -> Path:
    """Write a walk; the suffix decides the format, and nothing is left half-written.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk. Tables (``.csv``, ``.parquet``) hold raw walks, ``.nc`` and ``.zarr``
        cleaned ones too.
    path : str or path
        Where to write; an existing file or walk store is replaced.

    Returns
    -------
    path
        Where the walk is; :func:`read_walk` gives it back exactly.

    Raises
    ------
    ValueError
        If the suffix is unknown, the walk is invalid or does not fit the format.
    FileExistsError
        If a ``.zarr`` folder is there that is no walk store.
    OSError
        If the disk is full or not writable.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore import datasets
    >>> from cpexplore.io import read_walk, write_walk
    >>> walk = datasets.sample_walk("sports2d")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = read_walk(write_walk(walk, Path(folder) / "walk.csv"))
    >>> again.identical(walk)
    True
    """
    path = Path(path)
    check_option("path suffix", path.suffix, _WRITABLE)
    validate_walk(walk)
    if path.suffix == ".zarr":
        return write_store(path, [walk])
    if path.suffix == ".nc":
        return write_netcdf(path, walk)
    write = write_csv if path.suffix == ".csv" else write_parquet
    return write_atomic(path, lambda file: write(walk, file))


def _track(path: Path, keypoint_set: str | None) -> Track:
    if path.is_dir():
        if not any(path.glob("*.json")):
            raise wrong(
                path,
                "must hold OpenPose *_keypoints.json files or be a walk store.",
                "Give a cohort folder to `cpexplore run --cohort DIR`.",
            )
        return read_openpose_folder(path)
    if path.suffix == ".csv":
        return read_csv(path, name=keypoint_set)
    if path.suffix == ".parquet":
        return read_parquet(path, name=keypoint_set)
    if path.suffix == ".json":
        return read_pose_json(path)
    raise wrong(
        path,
        f"must be a folder or end in one of {quoted(SUFFIXES)}.",
        "Track a video with `cpexplore pose`; pickles are never opened.",
    )


def _from_netcdf(path: Path, walk_id: str | None) -> xr.Dataset:
    check_file(path)
    try:
        # h5netcdf cannot close a file that was cut short, h5py can
        with path.open("rb") as file, h5py.File(file):
            walk = xr.load_dataset(file, engine="h5netcdf").drop_encoding()
        walk.attrs = {name: _plain(value) for name, value in walk.attrs.items()}
        if walk_id is not None:
            walk = walk.assign_attrs(walk_id=walk_id)
        validate_walk(walk)
    except (ValueError, TypeError, OSError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise wrong(
            path,
            f"must be a netCDF file of one walk, schema {SCHEMA}; {reason}.",
            "Write it again with `write_walk`.",
        ) from None
    return walk


def _from_store(path: Path, walk_id: str | None) -> xr.Dataset:
    store = WalkStore(path)
    if walk_id is None and len(store) != 1:
        raise ValueError(
            f"`walk_id` must name one of the {len(store)} walks of {str(path)!r}; "
            "got None."
        )
    return store[next(iter(store)) if walk_id is None else walk_id]


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _warn_of_jumps(walk: xr.Dataset, path: Path) -> None:
    jumps = [frame for frame in walk.attrs.get("person_jumps", "").split(",") if frame]
    if jumps:
        warnings.warn(
            f"The person in {str(path)!r} jumps at {len(jumps)} of "
            f"{walk.sizes['time']} frames ({', '.join(jumps[:5])}); are files of "
            "another video in the folder?",
            UserWarning,
            stacklevel=3,
        )
