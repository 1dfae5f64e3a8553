"""A study: features, skeleton network, saliency, fusion, statistics, report.

Every stage writes its files atomically and is skipped when they exist, so that an
interrupted study resumes where it stopped.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from cpexplore import gait, learning
from cpexplore._validation import check_option, check_range
from cpexplore.cohort import Cohort, make_folds
from cpexplore.io.files import write_atomic, write_netcdf
from cpexplore.io.store import write_store
from cpexplore.learning.fold_task import INNER_SPLITS
from cpexplore.learning.processes import n_processes
from cpexplore.models import STGCNConfig
from cpexplore.pipeline.calibrating import calibration_tables
from cpexplore.pipeline.records import claim, config_of, environment
from cpexplore.pipeline.saliency import (
    joint_ranking,
    select_by_joints,
    study_saliency,
)
from cpexplore.pipeline.statistics import write_statistics
from cpexplore.preprocessing import clean
from cpexplore.runs import FILES, Run, load_run, write_json, write_table
from cpexplore.view.report import write_report
from cpexplore.windows import Windows

PRESETS = ("quick", "paper")


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the stages need: the cohort, where to write, and how."""

    cohort: Cohort
    """Walks with a level only."""
    out: Path
    """The run directory."""
    preset: str
    """``quick`` or ``paper``."""
    folds: int
    """Patient-grouped folds."""
    seed: int
    """Of folds, training and resampling."""
    epochs: int | None
    """Epochs of every network; the recipe's own number when None."""
    n_jobs: int
    """Processes."""

    @property
    def finished(self) -> Run:
        """What is on disk by now."""
        return load_run(self.out)

    @cached_property
    def cleaned(self) -> Cohort:
        """The cohort with the cleaned walks of the first stage."""
        return replace(self.cohort, walks=self.finished.walks)

    @cached_property
    def windows(self) -> Windows:
        """All windows, cut once."""
        return self.cleaned.windows(n_jobs=self.n_jobs)

    @cached_property
    def core_features(self) -> pd.DataFrame:
        """The side-free features that models and statistics use."""
        core = gait.feature_columns(core=True).index.tolist()
        return pd.DataFrame(self.finished.features[core])

    @property
    def spec(self) -> learning.CrossvalSpec:
        """What is trained in every fold."""
        recipe = learning.FitConfig()
        if self.epochs is not None:
            recipe = replace(recipe, epochs=self.epochs)
        frugal = self.preset == "paper"  # 1.5 GB for each process, not 4
        backbone = STGCNConfig.preset(self.preset, recompute=frugal)
        return learning.CrossvalSpec(backbone=backbone, fit=recipe)


def run(
    cohort: Cohort,
    *,
    out: str | Path,
    preset: str = "quick",
    folds: int = 5,
    seed: int = 0,
    epochs: int | None = None,
    n_jobs: int = 1,
) -> Run:
    """Run the whole method on a cohort, or finish a run that was interrupted.

    Parameters
    ----------
    cohort : Cohort
        Walks; those without a level are left out of the study.
    out : str or path
        Run directory; made when absent.
    preset : {"quick", "paper"}
        Size of the skeleton network.
    folds : int
        Patient-grouped folds, at least 2.
    seed : int
        Seed of folds, training and resampling.
    epochs : int, optional
        Epochs of every network; default the recipe's own.
    n_jobs : int
        Processes; the result does not depend on it.

    Returns
    -------
    Run
        The finished run directory.

    Raises
    ------
    ValueError
        If ``preset`` is unknown, no walk has a level, the cohort is too small for the
        folds, ``out`` holds another study, or several processes were launched.
    FileExistsError
        If ``out`` holds something that is no run.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> cohort = datasets.simulated_cohort(n_patients=96)  # doctest: +SKIP
    >>> made = run(cohort, out="runs/demo")  # doctest: +SKIP
    >>> made.metrics.query("metric == 'accuracy'")  # doctest: +SKIP
    """
    check_option("preset", preset, PRESETS)
    check_range("folds", folds, low=2)
    if n_processes() > 1:
        raise ValueError(
            "A whole study must run in one process; only `learning.cross_validate` "
            f"shares its folds, and {n_processes()} were launched. Use `n_jobs`."
        )
    study = Study(
        cohort=_with_levels(cohort),
        out=Path(out),
        preset=preset,
        folds=folds,
        seed=seed,
        epochs=epochs,
        n_jobs=n_jobs,
    )
    _check_size(study.cohort.index, folds=folds, seed=seed)
    asked = {"preset": preset, "folds": folds, "seed": seed, "epochs": epochs}
    claim(study.out, config_of(study.cohort, asked))
    bar = tqdm(_STAGES, desc="study")
    for name, files, stage in bar:
        bar.set_postfix_str(name)
        done = all((study.out / file).exists() for file in files)
        if not done or (stage is _models and not learning.is_finished(study.out)):
            stage(study)
    return study.finished


def _with_levels(cohort: Cohort) -> Cohort:
    labelled = cohort.labelled()
    if not len(labelled):
        raise ValueError(
            f"`cohort` must have walks with a GMFCS level; none of the {len(cohort)} "
            f"walks of {cohort.name!r} has one."
        )
    return labelled


def _check_size(index: pd.DataFrame, *, folds: int, seed: int) -> None:
    """Fail before anything is written; every training set is split in five again."""
    levels = pd.Series(index["gmfcs"])
    most = [levels.value_counts().max()]
    if most[0] >= folds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            split = make_folds(index, folds=folds, seed=seed).set_index("walk_id")
        held_out = split["fold"].reindex(levels.index)
        most += [levels.loc[held_out != k].value_counts().max() for k in range(folds)]
    if most[0] < folds or min(most) < INNER_SPLITS:
        raise ValueError(
            f"`cohort` must have more walks of one level for {folds} folds; a training "
            f"set has at most {min(most)}. Use more patients or fewer folds."
        )


def _records(study: Study) -> None:
    write_json(study.out / FILES["environment"], environment())
    write_table(study.out / FILES["index"], study.cohort.index)


def _clean(study: Study) -> None:
    write_store(study.out / FILES["walks"], _cleaned_walks(study))


def _cleaned_walks(study: Study) -> Iterator[xr.Dataset]:
    """Clean all walks, a few at a time, in the order of the index."""
    walk_ids = study.cohort.index.index.to_numpy()
    chunks = np.array_split(walk_ids, max(1, len(walk_ids) // 8))
    done = Parallel(n_jobs=study.n_jobs, return_as="generator")(
        delayed(_clean_chunk)(study.cohort.walks, chunk.tolist()) for chunk in chunks
    )
    bar = tqdm(done, desc="clean", total=len(chunks), leave=False)
    for chunk in cast("Iterable[list[xr.Dataset]]", bar):
        yield from chunk


def _clean_chunk(walks: Any, walk_ids: list[str]) -> list[xr.Dataset]:
    return [clean(walks[walk_id]) for walk_id in walk_ids]


def _features(study: Study) -> None:
    analysis = gait.analyse_cohort(study.cleaned, n_jobs=study.n_jobs)
    curves = gait.default_reference().with_bands(analysis.curves)
    write_netcdf(study.out / FILES["curves"], curves)
    write_table(study.out / FILES["feature_reasons"], analysis.reasons)
    write_table(study.out / FILES["features"], analysis.features)


def _models(study: Study) -> None:
    learning.cross_validate(
        study.cleaned,
        study.spec,
        folds=study.folds,
        seed=study.seed,
        features=study.core_features,
        windows=study.windows,
        select=select_by_joints,
        out=study.out,
        n_jobs=study.n_jobs,
        progress=True,
    )


def _calibration(study: Study) -> None:
    for name, table in calibration_tables(study.finished, seed=study.seed).items():
        target = study.out / "calibration" / f"{name}.csv"
        write_atomic(target, lambda file, t=table: t.to_csv(file, index=False))


def _saliency(study: Study) -> None:
    saliency = study_saliency(
        study.finished, study.windows, study.cleaned, n_jobs=study.n_jobs
    )
    ranking = joint_ranking(saliency, study.cohort.index, seed=study.seed)
    write_table(study.out / FILES["ranking"], ranking)
    write_netcdf(study.out / FILES["saliency"], saliency)


def _statistics(study: Study) -> None:
    write_statistics(study.finished, seed=study.seed, n_jobs=study.n_jobs)


def _report(study: Study) -> None:
    write_report(study.finished)


def _files(*names: str) -> tuple[str, ...]:
    return tuple(FILES[name] for name in names)


_OF_MODELS = ("folds", "training", "selection", "oof", "comparisons", "metrics")

_STAGES: tuple[tuple[str, tuple[str, ...], Callable[[Study], None]], ...] = (
    ("records", _files("environment", "index"), _records),
    ("clean", _files("walks"), _clean),
    ("features", _files("curves", "feature_reasons", "features"), _features),
    ("models", _files(*_OF_MODELS), _models),
    ("calibration", ("calibration/risk.csv",), _calibration),
    ("saliency", _files("ranking", "saliency"), _saliency),
    ("statistics", ("statistics/questions.csv",), _statistics),
    ("report", ("report.html",), _report),
)
"""Name, files that show that it is done, function."""
