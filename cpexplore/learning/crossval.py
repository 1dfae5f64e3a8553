"""Patient-grouped cross-validation of all models under one protocol."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from cpexplore._validation import check_range, quoted
from cpexplore.cohort import Cohort, make_folds
from cpexplore.learning.comparison import compare, pairs
from cpexplore.learning.fold_task import FoldTask, Selector, fold_name, is_done
from cpexplore.learning.folds import run_fold
from cpexplore.learning.metrics import score
from cpexplore.learning.processes import Team
from cpexplore.learning.tables import metadata_table, missingness_table, speed_table
from cpexplore.learning.variants import SECOND_TRAINING, CrossvalSpec
from cpexplore.runs import (
    ELSEWHERE,
    FILES,
    Run,
    read_json,
    read_table,
    undamaged,
    write_atomic,
    write_json,
    write_table,
)
from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.windows import Windows


def cross_validate(
    cohort: Cohort,
    spec: CrossvalSpec | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    repeats: int = 1,
    features: pd.DataFrame | None = None,
    windows: Windows | None = None,
    select: Selector | None = None,
    backbones: Run | str | Path | None = None,
    out: str | Path = "runs/crossval",
    n_jobs: int = 1,
    progress: bool = False,
) -> Run:
    """Train all models in every fold; each walk is judged by those without its child.

    Parameters
    ----------
    cohort : Cohort
        Walks without a level are left out.
    spec : CrossvalSpec, optional
        Which models, and how they are trained.
    folds : int
        Number of patient-grouped, level-stratified folds.
    seed : int
        Seed of the split and of everything trained.
    repeats : int
        How many splits, with the seeds ``seed``, ``seed + 1``, ...
    features : pandas.DataFrame, optional
        The gait features that models may use, a row per walk, index ``walk_id``; by
        default the core features of the catalogue, extracted here.
    windows : Windows, optional
        Of the cohort; cut here by default.
    select : callable, optional
        ``select(skeleton model, inner windows, inner index)`` returns a table with
        ``feature``, ``kept`` and ``score``: what ``fusion_selected_features`` and its
        control may use. All features by default, as for the other fusions.
    backbones : Run or path, optional
        A finished run with the same folds whose trained skeleton networks are taken as
        they are, so that fusions can be compared without training them again.
    out : path
        Run directory. Finished folds in it are kept, an unfinished one is resumed.
    n_jobs : int
        Folds at a time, see :class:`joblib.Parallel`; the result does not depend on it.
    progress : bool
        Whether to show bars.

    Returns
    -------
    Run
        With ``index``, ``folds``, ``oof``, ``selection``, ``metrics`` (also as CSV,
        with the seconds that an epoch took) and ``comparisons``; trained models in
        ``checkpoints``.

    Raises
    ------
    ValueError
        If ``out`` holds another study, ``backbones`` has other folds, ``features``
        lacks a walk, has one twice or holds text or infinite values, ``windows`` hold
        NaN, or the cohort is too small for the folds.

    Notes
    -----
    Started in several processes, as by ``torchrun --nproc-per-node 2 script.py``, each
    process trains its share of the folds; the result is that of one process.

    Examples
    --------
    What the true speed of simulated children tells; no network, so no windows:

    >>> from tempfile import TemporaryDirectory
    >>> from cpexplore import datasets
    >>> from cpexplore.windows import WindowConfig, make_windows
    >>> cohort = datasets.simulated_cohort(n_patients=20)
    >>> speed = cohort.labels[["speed"]].rename(columns={"speed": "speed_llps"})
    >>> asked = {"spec": CrossvalSpec(models=("majority", "speed_only")), "folds": 2}
    >>> asked |= {"features": speed, "windows": make_windows({}, [], WindowConfig())}
    >>> with TemporaryDirectory() as out:
    ...     oof = cross_validate(cohort, **asked, out=out).oof
    >>> oof["model"].value_counts().to_dict()  # each walk is judged once
    {'majority': 30, 'speed_only': 30}
    """
    spec, out = spec or CrossvalSpec(), Path(out)
    check_range("repeats", repeats, low=1)
    cohort = cohort.labelled()
    if windows is None:
        windows = cohort.windows(n_jobs=n_jobs)
    _check_finite(windows)
    if features is None:
        features = _core_features(cohort, n_jobs=n_jobs)
    features = _of_walks(features, cohort.index.index)
    seeds = range(seed, seed + repeats)
    splits = [make_folds(cohort.index, folds=folds, seed=each) for each in seeds]
    table = pd.concat(splits, ignore_index=True)
    network = _network(spec, cohort.index, windows)
    trained = None if backbones is None else _trained(backbones, table, network)
    given = (table, cohort.index, features)
    study = _fingerprint(spec, given, windows=windows, select=select, trained=trained)
    _claim(out, {"fingerprint": study, "network": network})
    tables = _tables(cohort, features, spec)
    tasks = [
        FoldTask(
            seed=of_seed,
            fold=int(str(fold)),
            index=cohort.index,
            held_out=tuple(rows["walk_id"]),
            windows=windows,
            features=features,
            tables=tables,
            spec=spec,
            keypoint_set=_keypoint_set(windows),
            select=select,
            out=out,
            backbones=trained,
            progress=progress and n_jobs == 1,
        )
        for of_seed, split in zip(seeds, splits, strict=True)
        for fold, rows in split.groupby("fold")
    ]
    team = Team.join()
    _run_folds(team.share(tasks), n_jobs=n_jobs, progress=progress)
    team.wait()
    if team.is_first:
        _collect(out, tasks, index=cohort.index, folds=table)
    team.wait()
    return Run(out)


def is_finished(out: Path) -> bool:
    """Whether every fold of a study was finished in ``out`` and lost no file since.

    Parameters
    ----------
    out : Path
        A run directory.

    Returns
    -------
    bool
        Whether :func:`cross_validate` has nothing left to train there.

    Raises
    ------
    DamagedFileError
        If the table of folds, or what a fold notes of its files, is damaged.

    Examples
    --------
    >>> is_finished(Path("runs/not_begun"))
    False
    """
    if not (out / FILES["folds"]).exists():
        return False
    folds = read_table(out / FILES["folds"])[["seed", "fold"]].drop_duplicates()
    return all(is_done(out, fold_name(*of)) for of in folds.itertuples(index=False))


def _check_finite(windows: Windows) -> None:
    """Refuse windows that a network would answer with NaN: nothing is missing there."""
    low, high = (f(windows.x, axis=(1, 2, 3)) for f in (np.min, np.max))
    broken = ~(np.isfinite(low) & np.isfinite(high))
    if broken.any():
        raise ValueError(
            f"`windows` must be finite; {broken.sum()} of {len(windows)} are not, the "
            f"first is of walk {str(windows.walk_id[broken][0])!r}. Fill or drop them."
        )


def _of_walks(features: pd.DataFrame, walk_ids: pd.Index) -> pd.DataFrame:
    """Features in the order of the walks; a walk without a row is a mistake."""
    lacking = walk_ids.difference(features.index, sort=False)
    if len(lacking):
        raise ValueError(
            "`features` must have a row for each walk with a level; "
            f"{len(lacking)} of {len(walk_ids)} have none, the first is "
            f"{lacking[0]!r}. Give a row of NaN to a walk without features."
        )
    for labels, what in ((features.index, "walks"), (features.columns, "columns")):
        if twice := labels[labels.duplicated()].unique().tolist():
            raise ValueError(
                f"`features` must have each of its {what} once; got "
                f"{quoted(twice[:5])} again."
            )
    numeric = features.select_dtypes(["number", "bool"]).columns
    if text := features.columns.difference(numeric).tolist():
        raise ValueError(
            f"`features` must have numbers only; got other values in {quoted(text)}."
        )
    values = features.astype("float64")
    if infinite := [name for name in values if np.isinf(values[name]).any()]:
        raise ValueError(
            "`features` must be finite, or NaN where missing; got infinite values in "
            f"{quoted(infinite)}."
        )
    return features.reindex(walk_ids)


def _core_features(cohort: Cohort, *, n_jobs: int) -> pd.DataFrame:
    from cpexplore.gait import extract_features, feature_columns

    features = extract_features(cohort, n_jobs=n_jobs)
    return features.filter(items=list(feature_columns(core=True).index))


def _tables(
    cohort: Cohort, features: pd.DataFrame, spec: CrossvalSpec
) -> Mapping[str, pd.DataFrame]:
    """Tables of the tabular models that are asked for."""
    make = {
        "missingness_only": lambda: missingness_table(cohort),
        "speed_only": lambda: speed_table(features),
        "metadata_only": lambda: metadata_table(cohort.index),
        "features_logit": lambda: features,
        "features_boosting": lambda: features,
        "features_ordinal": lambda: features,
    }
    return {name: make[name]() for name in spec.models if name in make}


def _keypoint_set(windows: Windows) -> str:
    for name, known in KEYPOINT_SETS.items():
        if known.keypoints == tuple(windows.keypoint):
            return name
    raise ValueError(
        "`windows` must have the keypoints of one of "
        f"{', '.join(map(repr, KEYPOINT_SETS))}, in order; got "
        f"{len(windows.keypoint)} others."
    )


def _fingerprint(
    spec: CrossvalSpec,
    tables: tuple[pd.DataFrame, ...],
    *,
    windows: Windows,
    select: Selector | None,
    trained: Path | None,
) -> str:
    """What a run directory must have been started with, to be resumed."""
    settings: dict[str, Any] = asdict(spec) | {"select": _name(select)}
    del settings["backbone"]["recompute"]  # the same result
    if trained is not None:
        settings["backbones"] = _claimed(trained)["fingerprint"]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in (*(table.sort_index() for table in tables), windows.walk_id):
        digest.update(pd.DataFrame(part).to_csv().encode())
    digest.update(np.ascontiguousarray(windows.x).tobytes())
    return digest.hexdigest()


def _name(select: Selector | None) -> str:
    """What a selector is called; never its address, which changes from run to run."""
    if isinstance(select, partial):
        return f"{_name(select.func)} {select.args} {select.keywords}"
    return getattr(select, "__qualname__", type(select).__qualname__)


def _network(spec: CrossvalSpec, index: pd.DataFrame, windows: Windows) -> str:
    """What skeleton networks depend on beside the folds."""
    settings = asdict(spec.backbone) | asdict(spec.fit)
    del settings["recompute"]  # the same result
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in (index[["patient_id", "gmfcs"]].sort_index(), windows.walk_id):
        digest.update(pd.DataFrame(part).to_csv().encode())
    digest.update(np.ascontiguousarray(windows.x).tobytes())
    return digest.hexdigest()


def _trained(run: Run | str | Path, table: pd.DataFrame, network: str) -> Path:
    """The path of a run whose networks have not seen who is held out here."""
    run = run if isinstance(run, Run) else Run(Path(run))
    keys = ["seed", "fold", "walk_id"]
    had = run.folds[run.folds["seed"].isin(list(table["seed"]))]
    same = set(had[keys].itertuples(index=False)) == set(
        table[keys].itertuples(index=False)
    )
    if not same or _claimed(run.path)["network"] != network:
        raise ValueError(
            f"`backbones` must have the same walks, folds and recipe; those of "
            f"{str(run.path)!r} are others, so its networks may have been trained on "
            "held-out walks."
        )
    return run.path


def _claimed(out: Path) -> dict[str, str]:
    file = out / "parts" / "study.json"
    with undamaged(file, remedy=ELSEWHERE):
        study = read_json(file, remedy=ELSEWHERE)
        return {name: study[name] for name in ("fingerprint", "network")}


def _claim(out: Path, study: dict[str, str]) -> None:
    file = out / "parts" / "study.json"
    begun = any(file.parent.glob("[!.]*.parquet"))
    if not file.exists() and not begun:
        write_json(file, study)
    elif not file.exists() or _claimed(out)["fingerprint"] != study["fingerprint"]:
        raise ValueError(
            f"`out` must be empty or hold the same study to be resumed; {str(out)!r} "
            "was made with other data, folds or settings. Choose another directory."
        )


def _run_folds(tasks: Sequence[FoldTask], *, n_jobs: int, progress: bool) -> None:
    running = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(run_fold)(task) for task in tasks
    )
    for _ in tqdm(running, desc="folds", total=len(tasks), disable=not progress):
        pass


def _collect(
    out: Path, tasks: list[FoldTask], *, index: pd.DataFrame, folds: pd.DataFrame
) -> None:
    """Join the tables of the folds and score them."""
    write_table(out / FILES["index"], index)
    write_table(out / FILES["folds"], folds)
    for kind in ("oof", "selection"):
        if table := _joined(tasks, kind):
            write_table(out / FILES[kind], pd.concat(table, ignore_index=True))
    history = pd.DataFrame({"model": [], "seconds": []})
    if parts := _joined(tasks, "training"):
        history = pd.concat(parts, ignore_index=True)
        # without the clock: all tables but the metrics are the same when repeated
        write_table(out / FILES["training"], history.drop(columns="seconds"))
    seconds = _seconds_per_epoch(history)
    run = Run(out)
    models = list(dict.fromkeys(run.oof["model"]))
    compared = [compare(run.oof, a, b) for a, b in pairs(models)]
    if compared:
        table = pd.concat(compared, ignore_index=True)
        write_table(out / FILES["comparisons"], table)
    metrics = score(run.oof)
    metrics["seconds_per_epoch"] = [seconds.get(m, np.nan) for m in metrics["model"]]
    write_atomic(out / "metrics.csv", lambda file: metrics.to_csv(file, index=False))
    if not run.has("config"):
        study = {"spec": asdict(tasks[0].spec), "folds": folds["fold"].nunique()}
        write_json(out / FILES["config"], study)
    write_table(out / FILES["metrics"], metrics)  # last: it says that all is done


def _seconds_per_epoch(history: pd.DataFrame) -> dict[str, float]:
    """Median over epochs; of a model in two trainings, of both together."""
    seconds: dict[str, float] = {}
    for name, epochs in history.groupby("model")["seconds"]:
        model = str(name).removesuffix(SECOND_TRAINING)
        seconds[model] = seconds.get(model, 0.0) + float(np.median(epochs))
    return seconds


def _joined(tasks: list[FoldTask], kind: str) -> list[pd.DataFrame]:
    return [read_table(t.part(kind)) for t in tasks if t.part(kind).exists()]
