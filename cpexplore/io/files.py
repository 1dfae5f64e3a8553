"""Files and folders that are either complete or absent."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import xarray as xr


def check_new_folder(path: Path, *, name: str) -> None:
    """Raise unless a folder may be written at ``path`` without losing anything.

    Raises
    ------
    FileExistsError
        If ``path`` is a file, or a folder that holds something.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(
            f"`{name}` must be a new or empty folder; {str(path)!r} is not. "
            "Choose another one."
        )


def check_new_file(path: Path, *, name: str) -> None:
    """Raise unless a file may be written at ``path`` without losing anything.

    Raises
    ------
    FileExistsError
        If there is a file or a folder at ``path``.
    """
    if path.exists():
        kind = "folder" if path.is_dir() else "file"
        raise FileExistsError(
            f"`{name}` must be a new file; {str(path)!r} is a {kind} already. Choose "
            "another name."
        )


def write_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file so that it is either complete or absent.

    Parameters
    ----------
    path : path
        Where the file shall be; its folder is made.
    write : callable
        Called with a temporary path in the same folder; must write the file there.

    Returns
    -------
    path
        The same ``path``, for chaining.

    Raises
    ------
    OSError
        If the disk is full or not writable; what was there before is still there.
    """
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # hidden, so that what a killed process leaves is not taken for a table
        temporary = path.with_name(f".{path.stem}-{token_hex(4)}{path.suffix}")
        try:
            temporary.touch(exist_ok=False)  # with the rights that the user's files get
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def write_netcdf(path: Path, dataset: xr.Dataset) -> Path:
    """Write a Dataset as netCDF, atomically.

    It is made in memory first: HDF5 ends the process where a disk is full.
    """
    content = dataset.to_netcdf(engine="h5netcdf")
    return write_atomic(path, lambda file: file.write_bytes(content))


def write_folder_atomic(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a folder so that it is either complete or absent.

    Parameters
    ----------
    path : path
        Where the folder shall be. A folder of that name is replaced once the new one
        is complete; the caller decides whether that may happen.
    write : callable
        Called with a temporary folder beside ``path``; must fill it.

    Returns
    -------
    path
        The same ``path``, for chaining.

    Raises
    ------
    FileExistsError
        If ``path`` is the working directory or a mount point.
    OSError
        If the disk is full or not writable; what was there before is still there.
    """
    if path.is_mount() or path.resolve() == Path.cwd():
        raise FileExistsError(
            f"A folder is written anew and cannot be {str(path)!r}, where you are or "
            "where a disk is mounted. Name a new folder."
        )
    with _telling(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
        made, old = workshop / "new", workshop / "old"
        made.mkdir()
        try:
            write(made)
            if path.exists():
                path.replace(old)
            made.replace(path)
        finally:
            if old.exists() and not path.exists():
                old.replace(path)
            shutil.rmtree(workshop)
    return path


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say which file a disk refused, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not _concerns(error, path.parent):
            raise  # a sentence already, or something that could not be read
        raise type(error)(
            f"{str(path)!r} could not be written ({os.strerror(error.errno)}). What "
            "was finished before is kept; make room or choose another place, and start "
            "again."
        ) from error


def _concerns(error: OSError, folder: Path) -> bool:
    """Whether an error names nothing, or something in a folder or on the way to it."""
    if error.filename is None:
        return True
    named, folder = Path(error.filename).resolve(), folder.resolve()
    return named.is_relative_to(folder) or folder.is_relative_to(named)
