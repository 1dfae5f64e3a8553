"""A cohort as a folder of its own: index, labels, walks, and the truth if simulated."""

from pathlib import Path

import pandas as pd

from cpexplore import gmfcs
from cpexplore.cohort import Cohort
from cpexplore.datasets.simulated import walks_to_write
from cpexplore.datasets.truth import FOLDER as TRUTH
from cpexplore.datasets.truth import simulator_notes
from cpexplore.io.files import check_new_folder, write_folder_atomic
from cpexplore.io.store import WalkStore, write_store

INDEX, LABELS, WALKS = "index.parquet", "labels.parquet", "walks.zarr"


def is_native(root: Path) -> bool:
    """Whether a folder was written by :func:`write_native`."""
    return (root / INDEX).is_file() and (root / WALKS).is_dir()


def write_native(
    cohort: Cohort, root: str | Path, *, n_jobs: int = 1, progress: bool = False
) -> Path:
    """Write a cohort as a folder; nothing is left if it fails.

    Parameters
    ----------
    cohort : Cohort
        Simulated cohorts also write their truth, see :mod:`cpexplore.datasets.truth`.
    root : str or path
        A new or empty folder.
    n_jobs : int
        Processes that simulate; the files do not depend on it.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    path
        ``root``.

    Raises
    ------
    FileExistsError
        If ``root`` holds something.
    """
    root = Path(root)
    check_new_folder(root, name="root")
    return write_folder_atomic(
        root, lambda folder: _write(cohort, folder, n_jobs=n_jobs, progress=progress)
    )


def load_native(root: str | Path) -> Cohort:
    """Load a cohort that :func:`write_native` wrote.

    Parameters
    ----------
    root : str or path
        The folder.

    Returns
    -------
    Cohort
        Its walks are read when asked for.

    Raises
    ------
    FileNotFoundError
        If the folder is no such cohort.
    """
    root = Path(root)
    if not is_native(root):
        raise FileNotFoundError(
            f"`root` must be a folder with {INDEX!r} and {WALKS!r}; got {str(root)!r}. "
            "Make one with `cpexplore simulate`."
        )
    index = pd.read_parquet(root / INDEX)
    return Cohort(
        index=index.assign(gmfcs=index["gmfcs"].astype(gmfcs.DTYPE)),
        walks=WalkStore(root / WALKS),
        labels=pd.read_parquet(root / LABELS),
        name=root.name,
        notes=simulator_notes(root / TRUTH),
    )


def _write(cohort: Cohort, folder: Path, *, n_jobs: int, progress: bool) -> None:
    walks = walks_to_write(cohort, folder / TRUTH, n_jobs=n_jobs, progress=progress)
    write_store(folder / WALKS, walks)
    cohort.labels.to_parquet(folder / LABELS)
    cohort.index.to_parquet(folder / INDEX)
