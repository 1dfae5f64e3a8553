"""The built-in cohort of simulated children."""

from cpexplore.cohort import Cohort
from cpexplore.simulate import cohort_of, draw_children


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
        Number of patients; each has 1.8 walks on average.
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

    Notes
    -----
    A result on simulated walks is a result about the method, never about children.
    """
    children = draw_children(
        n_patients, seed=seed, world=world, min_per_level=min_per_level
    )
    return cohort_of(children, name=f"simulated-{world}-{n_patients}-{seed}")
