"""The statistics of a study: one table per question, written as CSV."""

import pandas as pd

from cpexplore import gait, stats
from cpexplore.gait.kinematics import ANGLES
from cpexplore.io.files import write_atomic
from cpexplore.runs import Run

COVARIATES = ("age_years", "sex", "leg_length_m", "speed_llps")
"""What odds ratios are adjusted for, with and without the device."""

ADJUSTMENTS = {"adjusted": COVARIATES, "adjusted_device": (*COVARIATES, "device")}
"""Covariates by the end of the table's name."""

GIVEN = (("speed_llps",), ("age_years", "leg_length_m"))
"""What partial associations hold constant: is it more than speed, than size?"""


def study_statistics(
    run: Run, *, seed: int, n_jobs: int = 1
) -> dict[str, pd.DataFrame]:
    """Relate the core features and the joint-angle curves of a run to GMFCS.

    Parameters
    ----------
    run : Run
        With index, features and curves.
    seed : int
        Of resampling and permutation.
    n_jobs : int
        Processes; the result does not depend on it.

    Returns
    -------
    dict of str to pandas.DataFrame
        See :func:`cpexplore.stats.severity_tables`. Curves are means of both sides.
    """
    return stats.severity_tables(
        pd.DataFrame(run.features[gait.feature_columns(core=True).index]),
        run.index,
        curves=run.curves[list(ANGLES)].mean("side"),
        adjustments=ADJUSTMENTS,
        given=GIVEN,
        seed=seed,
        n_jobs=n_jobs,
    )


def write_statistics(run: Run, *, seed: int, n_jobs: int = 1) -> None:
    """Write :func:`study_statistics` to ``statistics/``, the list of questions last."""
    for name, table in study_statistics(run, seed=seed, n_jobs=n_jobs).items():
        target = run.path / "statistics" / f"{name}.csv"
        write_atomic(target, lambda file, t=table: t.to_csv(file, index=False))
