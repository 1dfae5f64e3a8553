"""Can the saliency of a run be trusted: the audit of every fold's network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from cpexplore import attribution, learning
from cpexplore.attribution.clinical import DEFAULT_METHODS as METHODS
from cpexplore.io.files import check_new_file, write_atomic
from cpexplore.learning.threads import one_thread
from cpexplore.models import STGCN
from cpexplore.pipeline.records import window_config
from cpexplore.pipeline.saliency import MODEL
from cpexplore.runs import Run
from cpexplore.view import html
from cpexplore.view.report import write_report
from cpexplore.view.saliency_audit import lead_lines
from cpexplore.windows import WindowConfig, Windows, make_windows

AUDIT = Path("statistics", "audit.csv")
"""Where a run keeps its audit."""


def audit_run(run: Run, *, n_jobs: int = 1) -> pd.DataFrame:
    """Audit the skeleton network of every fold on the children it has not seen.

    Parameters
    ----------
    run : Run
        A finished run.
    n_jobs : int
        Processes; the result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        The walks of all folds together, as :func:`cpexplore.attribution.audit` gives
        those of one network. Intervals resample children, not trainings.

    Raises
    ------
    ValueError
        If the run is no study.
    FileNotFoundError
        If the run is not finished.

    Examples
    --------
    >>> from cpexplore.runs import load_run
    >>> audit_run(load_run("runs/demo")).head()  # doctest: +SKIP
    """
    config = window_config(run)
    seed = int(min(run.folds["seed"]))
    models = learning.load_fold_models(run, seed=seed)
    done: Any = Parallel(n_jobs=n_jobs)(
        delayed(_check_fold)(fold.backbones[MODEL], _held_out(run, fold, config))
        for fold in models
    )
    return attribution.summarise_checks(
        pd.concat(done), groups=run.index["patient_id"], rng=0
    )


def audit_to_file(run: Run, *, out: Path | None = None, n_jobs: int = 1) -> Path:
    """Write the audit of a run as CSV; without ``out``, the run's report shows it.

    Parameters
    ----------
    run, n_jobs
        As for :func:`audit_run`.
    out : path, optional
        A new file; default :data:`AUDIT` in the run, written anew, as is the report.

    Returns
    -------
    path
        The table.

    Raises
    ------
    FileExistsError
        If ``out`` exists.
    ValueError
        If the run is no study.
    FileNotFoundError
        If the run is not finished.

    Examples
    --------
    >>> from cpexplore.runs import load_run
    >>> audit_to_file(load_run("runs/demo"))  # doctest: +SKIP
    PosixPath('runs/demo/statistics/audit.csv')
    """
    if out is not None:
        check_new_file(out, name="out")
    table = audit_run(run, n_jobs=n_jobs)
    target = out or run.path / AUDIT
    write_atomic(target, lambda file: table.to_csv(file, index=False))
    if out is None:
        write_report(Run(run.path))
    return target


def audit_lines(run: Run, *, out: Path | None = None, n_jobs: int = 1) -> list[str]:
    """Audit a run as :func:`audit_to_file` does; returns what to tell the user.

    Parameters
    ----------
    run, out, n_jobs
        As for :func:`audit_to_file`.

    Returns
    -------
    list of str
        Lines: whose data and for what use; by how much each method leads over the best
        control, in mean probability (0 to 1); where the files are.

    Raises
    ------
    FileExistsError
        If ``out`` exists.
    ValueError
        If the run is no study.
    FileNotFoundError
        If the run is not finished.

    Examples
    --------
    >>> from cpexplore.runs import load_run
    >>> lines = audit_lines(load_run("runs/demo"), n_jobs=2)  # doctest: +SKIP
    >>> [line for line in lines if "report" in line]  # doctest: +SKIP
    ['report: runs/demo/report.html']
    """
    file = audit_to_file(run, out=out, n_jobs=n_jobs)
    return [
        *html.banner(simulated=run.simulated),
        "Lead over the best control when keypoints are taken away and given back, in "
        "mean probability of the predicted level:",
        *lead_lines(pd.read_csv(file)),
        f"table: {file}",
        *([f"report: {run.path / 'report.html'}"] if out is None else []),
    ]


def _held_out(run: Run, models: learning.FoldModels, config: WindowConfig) -> Windows:
    """The first window of every walk that the models' fold held out."""
    of_seed = run.folds["seed"] == models.seed
    own = run.folds[of_seed & (run.folds["fold"] == models.fold)]
    windows = make_windows(run.walks, own["walk_id"].tolist(), config)
    return windows.select(np.unique(windows.walk_id, return_index=True)[1])


def _check_fold(model: STGCN, windows: Windows) -> pd.DataFrame:
    with one_thread():
        return attribution.check_walks(
            model, windows, methods=(*METHODS, *attribution.CONTROLS), rng=0
        )
