"""A cohort as a folder of its own: index, labels, walks, and the truth if simulated."""

from pathlib import Path

import pandas as pd

from cpexplore import gmfcs
from cpexplore.cohort import Cohort
from cpexplore.io.files import check_new_folder, write_folder_atomic
from cpexplore.io.store import WalkStore, write_store
from cpexplore.simulate import SimulatedWalks

INDEX, LABELS, WALKS = "index.parquet", "labels.parquet", "walks.zarr"
EVENTS, PARAMETERS = "truth_events.parquet", "truth_parameters.parquet"


def is_native(root: Path) -> bool:
    """Whether a folder was written by :func:`write_native`."""
    return (root / INDEX).is_file() and (root / WALKS).is_dir()


def write_native(cohort: Cohort, root: str | Path) -> Path:
    """Write a cohort as a folder; nothing is left if it fails.

    Parameters
    ----------
    cohort : Cohort
        Simulated cohorts also write their true events and parameters.
    root : str or path
        A new or empty folder.

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
    return write_folder_atomic(root, lambda folder: _write(cohort, folder))


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
    )


def _write(cohort: Cohort, folder: Path) -> None:
    write_store(
        folder / WALKS, (cohort.walk(walk_id) for walk_id in cohort.index.index)
    )
    cohort.labels.to_parquet(folder / LABELS)
    if isinstance(cohort.walks, SimulatedWalks):
        truths = {walk_id: cohort.walks.truth(walk_id) for walk_id in cohort.walks}
        parameters = pd.DataFrame({k: t.parameters for k, t in truths.items()}).T
        parameters.rename_axis("walk_id").to_parquet(folder / PARAMETERS)
        events = pd.concat({k: t.events for k, t in truths.items()}, names=["walk_id"])
        events.reset_index("walk_id").to_parquet(folder / EVENTS, index=False)
    cohort.index.to_parquet(folder / INDEX)
