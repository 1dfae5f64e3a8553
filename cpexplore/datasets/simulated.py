"""The built-in cohort of simulated children."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import xarray as xr
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from cpexplore.cohort import Cohort
from cpexplore.datasets.truth import TruthRows, TruthWriter, truth_rows
from cpexplore.simulate import (
    Child,
    SimulatedWalks,
    cohort_of,
    draw_children,
    simulate_walk,
)

_AT_ONCE = 8


def simulated_cohort(
    *,
    n_patients: int = 96,
    seed: int = 0,
    world: str = "standard",
    min_per_level: int = 5,
) -> Cohort:
    """Make the built-in cohort of simulated children with cerebral palsy.

    Parameters
    ----------
    n_patients : int
        Number of patients, at least 4; each has 1.8 walks on average.
    seed : int
        The same seed gives the same cohort.
    world : {"standard", "no_device", "beyond_catalogue", "null"}
        What carries the level, see :mod:`cpexplore.simulate.children`.
    min_per_level : int
        Least number of patients of each level, so that a small cohort can be split
        into folds; beyond it levels have the public shares.

    Returns
    -------
    Cohort
        Walks are simulated when asked for. Its ``labels`` are what a gait laboratory
        would have measured: speed (m/s), cadence (strides/s), GDI and
        ``KneeFlex_maxExtension`` (deg) by side.

    Raises
    ------
    ValueError
        If ``n_patients`` < 4 or there is no such world.

    Notes
    -----
    A result on simulated walks is a result about the method, never about children.

    Examples
    --------
    >>> from cpexplore.datasets import simulated_cohort
    >>> cohort = simulated_cohort(n_patients=8, min_per_level=2, seed=3)
    >>> patients = cohort.index.drop_duplicates("patient_id")
    >>> patients["gmfcs"].value_counts(sort=False).to_dict()
    {'I': 2, 'II': 2, 'III': 2, 'IV': 2}
    >>> cohort.name, cohort.simulated
    ('simulated-standard-8-3', True)
    """
    children = draw_children(
        n_patients, seed=seed, world=world, min_per_level=min_per_level
    )
    return cohort_of(children, name=f"simulated-{world}-{n_patients}-{seed}")


def walks_to_write(
    cohort: Cohort, truth: Path, *, n_jobs: int = 1, progress: bool = False
) -> Iterator[xr.Dataset]:
    """Fetch all walks of a cohort once, in order.

    Parameters
    ----------
    cohort : Cohort
        Any cohort; simulated walks are simulated here, several at a time.
    truth : path
        A folder to make for the truth of simulated walks, see
        :mod:`cpexplore.datasets.truth`; nothing is made for others.
    n_jobs : int
        Processes; see :class:`joblib.Parallel`. The walks do not depend on it.
    progress : bool
        Whether to show a bar.

    Yields
    ------
    xarray.Dataset
        One walk after another.
    """
    walk_ids = tqdm(cohort.index.index, desc="walks", disable=not progress)
    if not isinstance(cohort.walks, SimulatedWalks):
        yield from (cohort.walk(walk_id) for walk_id in walk_ids)
        return
    children = [cohort.walks.child(walk_id) for walk_id in cohort.index.index]
    chunks = [children[i : i + _AT_ONCE] for i in range(0, len(children), _AT_ONCE)]
    made = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_simulated)(chunk) for chunk in chunks
    )
    plants = {child.plant for child in children if child.plant is not None}
    told = TruthWriter(truth, cohort=cohort.name, plants=plants)
    with told as writer, walk_ids as bar:
        for chunk in cast("Iterable[list[tuple[xr.Dataset, TruthRows]]]", made):
            for walk, rows in chunk:
                writer.add(rows)
                bar.update()
                yield walk


def _simulated(children: list[Child]) -> list[tuple[xr.Dataset, TruthRows]]:
    pairs = map(simulate_walk, children)
    return [(walk, truth_rows(truth)) for walk, truth in pairs]
