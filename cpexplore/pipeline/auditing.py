"""Can the saliency of a run be trusted: the audit of every fold's network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from cpexplore import attribution, learning
from cpexplore.io.files import check_new_file, write_atomic
from cpexplore.learning.threads import one_thread
from cpexplore.models import STGCN
from cpexplore.pipeline.saliency import MODEL
from cpexplore.runs import Run
from cpexplore.view.report import write_report
from cpexplore.windows import WindowConfig, Windows, make_windows

RESAMPLES = 200
"""Of the interval inside a fold, which the summary over folds does not use."""


def audit_run(run: Run, *, n_jobs: int = 1) -> pd.DataFrame:
    """Audit the skeleton network of every fold on the children it has not seen.

    Parameters
    ----------
    run : Run
        A finished run.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        ``check, method, detail, estimate, lowest, highest, n_folds, n_walks``: mean
        and range over folds; see :func:`cpexplore.attribution.audit` for the checks.
        ``is_control``; ``n_ahead``: in how many folds the method does better than
        every control in deletion or insertion, missing for controls and other checks.
    """
    seed = int(min(run.folds["seed"]))
    models = learning.load_fold_models(run, seed=seed)
    done: Any = Parallel(n_jobs=n_jobs)(
        delayed(_audit_fold)(fold.backbones[MODEL], _held_out(run, fold), run)
        for fold in models
    )
    by_fold = [table.assign(fold=number) for number, table in enumerate(done)]
    return over_folds(pd.concat(by_fold, ignore_index=True))


def over_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Join the audits of folds, told apart by the column ``fold``."""
    table = table.assign(is_control=table["method"].isin(attribution.CONTROLS))
    keys = ["check", "method", "detail", "is_control"]
    joined = (
        table.groupby(keys, sort=False, dropna=False)
        .agg(
            estimate=("estimate", "mean"),
            lowest=("estimate", "min"),
            highest=("estimate", "max"),
            n_folds=("estimate", "size"),
            n_walks=("n_walks", "sum"),
        )
        .reset_index()
    )
    return joined.merge(_ahead(table), how="left", on=["check", "method"])


def _ahead(table: pd.DataFrame) -> pd.DataFrame:
    """In how many folds a method does better than the best control."""
    asked = table[table["check"].isin(["deletion", "insertion"])]
    low_is_good = asked["check"] == "deletion"
    scores = asked.assign(score=asked["estimate"].mask(low_is_good, -asked["estimate"]))
    is_control = scores["is_control"]
    by_fold = scores[is_control].groupby(["check", "fold"], as_index=False)
    best = pd.DataFrame(by_fold.agg(best=("score", "max")))
    others = scores[~is_control].merge(best)
    ahead = others.assign(n_ahead=others["score"] > others["best"])
    by_method = ahead.groupby(["check", "method"], as_index=False)
    return pd.DataFrame(by_method.agg(n_ahead=("n_ahead", "sum")))


def audit_to_file(run: Run, *, out: Path | None = None, n_jobs: int = 1) -> Path:
    """Write the audit of a run as CSV and show it in the run's report."""
    if out is not None:
        check_new_file(out, name="out")
    table = audit_run(run, n_jobs=n_jobs)
    target = out or run.path / "statistics" / "audit.csv"
    write_atomic(target, lambda file: table.to_csv(file, index=False))
    write_report(Run(run.path))
    return target


def _held_out(run: Run, models: learning.FoldModels) -> Windows:
    """The first window of every walk that the models' fold held out."""
    of_seed = run.folds["seed"] == models.seed
    own = run.folds[of_seed & (run.folds["fold"] == models.fold)]
    config = WindowConfig(**run.config["windows"])
    windows = make_windows(run.walks, own["walk_id"].tolist(), config)
    return windows.select(np.unique(windows.walk_id, return_index=True)[1])


def _audit_fold(model: STGCN, windows: Windows, run: Run) -> pd.DataFrame:
    with one_thread():
        return attribution.audit(
            model,
            windows,
            groups=run.index["patient_id"],
            n_resamples=RESAMPLES,
            rng=0,
        )
