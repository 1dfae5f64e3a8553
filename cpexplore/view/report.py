"""``report.html``: what was run, on what, what came out and how far to trust it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpexplore import gmfcs
from cpexplore._validation import counted
from cpexplore.gait import detect_events, joint_angles
from cpexplore.io.files import write_atomic
from cpexplore.runs import Run
from cpexplore.view import html, plots
from cpexplore.view.confidence import confidence_pictures
from cpexplore.view.effects import question_grid
from cpexplore.view.labels import feature_label, model_label
from cpexplore.view.model_grids import (
    FUSION,
    MAJORITY,
    ORDINAL,
    SELECTED,
    SKELETON,
    difference_grid,
    further_grid,
    model_grid,
)
from cpexplore.view.people import cohort_grid, cohort_note
from cpexplore.view.player import Clip, html_fragments, make_clip, walk_saliency
from cpexplore.view.player.clip import method_label
from cpexplore.view.saliency_audit import audit_grid, lead_lines
from cpexplore.view.tables import (
    PROBABILITIES,
    confusion_counts,
    predicted_level,
    rows_where,
)

_PUBLISHED = (
    "For comparison only, on other data that cannot be shipped: arXiv 2603.22371 "
    "reports 70.86 % and +5.6 points over skeleton-only; Zhao 2024 reports 76.6 %, "
    "linear κ .733. Parent and researcher agree at linear κ .75 (McDowell 2007)."
)

_LIMITS = (
    "GMFCS describes daily-life function; one walk on a walkway shows only part of it.",
    "A single sagittal camera sees projections: out-of-plane rotation biases angles.",
    "Saliency describes the network, not the cause of the impairment.",
    "Hands on a walker nearly define level III: a model may recognise the device.",
)

_SIMULATED_LIMITS = (
    "The children are simulated from published means, SDs and correlations; what has "
    "no published number is an assumption. Nothing here is evidence about children.",
)


def write_report(run: Run, *, out: Path | None = None) -> Path:
    """Write the self-contained page of a finished run.

    Parameters
    ----------
    run : Run
        A run with all tables.
    out : path, optional
        Where to write; default ``report.html`` in the run directory.

    Returns
    -------
    path
        The page: one file, no outside address, same bytes on every call.

    Raises
    ------
    FileNotFoundError
        If the run lacks a table, its walks or its saliency.
    KeyError
        If it lacks ``statistics/association.csv`` or ``statistics/odds_ratios.csv``.

    Examples
    --------
    >>> from cpexplore.runs import load_run
    >>> from cpexplore.view import write_report
    >>> write_report(load_run("runs/demo"))  # doctest: +SKIP
    PosixPath('runs/demo/report.html')
    """
    audit = run.statistics.get("audit")
    page = html.render(
        "report.html.j2",
        title="GMFCS level from walking videos: what this run found",
        subtitle=f"{run.config['cohort']} · preset {run.config['preset']} · "
        f"run {run.path.name}",
        banner=html.banner(simulated=run.simulated),
        headline=headline(run),
        context=_PUBLISHED,
        cards=_cards(run),
        cohort=cohort_grid(run.index),
        cohort_note=cohort_note(run.index),
        notes=run.config.get("notes", []),
        models=model_grid(run.metrics),
        further=further_grid(run.metrics),
        differences=difference_grid(run.comparisons),
        model_plots=_model_plots(run),
        confidence_plots=confidence_pictures(run.calibration),
        saliency_plots=_saliency_plots(run),
        players=_players(run),
        association=_association_grid(run),
        feature_plots=_feature_plots(run),
        selection_note=_selection_note(run),
        selection=_selection_grid(run.selection),
        missing=_missing_grid(run.features, run.feature_reasons),
        questions=question_grid(run.statistics),
        audit=None if audit is None else audit_grid(audit),
        leads=[] if audit is None else lead_lines(audit),
        limits=[*_LIMITS, *(_SIMULATED_LIMITS if run.simulated else ())],
    )
    return write_atomic(
        out or run.path / "report.html", lambda file: file.write_text(page)
    )


def headline(run: Run) -> str:
    """Whether fusion beats the skeleton alone, in the words that the interval allows.

    Parameters
    ----------
    run : Run
        With metrics and comparisons.

    Returns
    -------
    str
        Says "cannot be told apart" where the interval of the paired difference in
        accuracy contains 0.
    """
    metrics = rows_where(run.metrics, metric="accuracy").set_index("model")
    row: Any = rows_where(
        run.comparisons, model_a=FUSION, model_b=SKELETON, metric="accuracy"
    ).iloc[0]
    p_folds = row.get("p_folds", float("nan"))
    if row["ci_low"] > 0 and p_folds >= 0.05:
        verdict = (
            "the interval excludes 0, but over folds p is "
            f"{html.p_value(p_folds)}: a gain by fusion is not established"
        )
    elif row["ci_low"] > 0:
        verdict = "fusion beats the skeleton alone"
    elif row["ci_high"] < 0:
        verdict = "fusion is worse than the skeleton alone"
    else:
        verdict = "the two cannot be told apart: fusion does not beat the skeleton here"
    points = 100 * row[["estimate", "ci_low", "ci_high"]].astype(float)
    kind = ("simulated child", "simulated children")
    children = counted(
        row["n_patients"], *(kind if run.simulated else ("recorded patient",))
    )
    return (
        f"On {counted(row['n_walks'], 'walk')} of {children}, cross-attention "
        f"fusion told the four levels apart in "
        f"{_percent(metrics.loc[FUSION])}, the skeleton alone in "
        f"{_percent(metrics.loc[SKELETON])}{_chance(metrics)}. "
        f"The paired difference is {html.number(points['estimate'], 1)} points "
        f"[{html.number(points['ci_low'], 1)}, {html.number(points['ci_high'], 1)}]: "
        f"{verdict}.{_beyond_its_start(run)}"
    )


def _chance(metrics: pd.DataFrame) -> str:
    """What an answer that looks at nothing reaches, where the run has it."""
    if MAJORITY not in metrics.index:
        return ""
    estimate = html.number(100 * metrics.loc[MAJORITY, "estimate"], 1)
    return f" (always answering the most common level: {estimate} %)"


def _percent(row: Any) -> str:
    low, high = (html.number(100 * row[end], 1) for end in ("ci_low", "ci_high"))
    return f"{html.number(100 * row['estimate'], 1)} % [{low}, {high}]"


def _cards(run: Run) -> list[dict[str, str]]:
    seen = rows_where(run.oof, model=SKELETON).query("n_windows > 0")["walk_id"]
    entries = {
        "patients": run.index["patient_id"].nunique(),
        "walks": len(run.index),
        "walks without a window": len(run.index) - len(set(seen)),
        "patient-grouped folds": run.folds["fold"].nunique(),
        "seeds": run.folds["seed"].nunique(),
        "gait features": run.features.shape[1],
    }
    one = {"seeds": "seed", "walks without a window": "walk without a window"}
    return [
        {"label": one.get(label, label) if value == 1 else label, "value": str(value)}
        for label, value in entries.items()
    ]


def _model_plots(run: Run) -> list[html.Picture]:
    levels = pd.Series(run.index["gmfcs"])
    counts = {
        model: confusion_counts(rows_where(run.oof, model=model), levels)
        for model in (FUSION, SKELETON)
    }
    return [
        html.picture(
            lambda figure, c=count: plots.plot_confusion(c, ax=figure.subplots()),
            caption=f"Confusion of {model_label(model)}; numbers are walks.",
            size=(2.6, 2.4),
        )
        for model, count in counts.items()
    ]


def _saliency_plots(run: Run) -> list[html.Picture]:
    ranking = run.ranking
    return [
        html.picture(
            lambda figure, m=method: plots.plot_joint_ranking(
                ranking, method=m, ax=figure.subplots()
            ),
            caption=f"Joints by {method_label(method)}, all levels; 95 % interval, "
            "patients resampled.",
            size=(3.4, 2.5),
        )
        for method in ranking["method"].unique()[:2]
    ]


def _players(run: Run) -> list[dict[str, str]]:
    walk_ids = list(dict.fromkeys(run.saliency["window_walk_id"].values.tolist()))
    levels = run.index["gmfcs"].astype(str)
    first = {levels[walk_id]: walk_id for walk_id in reversed(walk_ids)}
    chosen = [first[level] for level in gmfcs.LEVELS if level in first]
    answers = _answers(run)
    fragments = html_fragments([first_window(run, walk_id) for walk_id in chosen])
    return [
        {
            "title": f"Walk {walk_id}, GMFCS {levels[walk_id]}, fusion says "
            f"{answers[walk_id]}",
            "html": fragment,
        }
        for walk_id, fragment in zip(chosen, fragments, strict=True)
    ]


def _answers(run: Run) -> pd.Series:
    by_walk = rows_where(run.oof, model=FUSION).groupby("walk_id")
    mean = pd.DataFrame(by_walk[PROBABILITIES].mean())
    return pd.Series(predicted_level(mean).astype(str), mean.index)


def first_window(run: Run, walk_id: str) -> Clip:
    """Cut a walk to the first window with a saliency map, so that a page stays small.

    Parameters
    ----------
    run : Run
        A finished run.
    walk_id : str
        A walk with at least one window map.

    Returns
    -------
    Clip
        For :func:`cpexplore.view.player.html_fragments`.
    """
    saliency = run.saliency
    window = int(np.flatnonzero(saliency["window_walk_id"].values == walk_id)[0])
    clock = saliency["window_time_s"].values[window]
    inside = slice(clock.min() - 1e-6, clock.max() + 1e-6)
    whole = run.walk(walk_id)
    walk = whole.sel(time=inside)
    maps = walk_saliency(run, walk_id)
    events = detect_events(whole)
    return make_clip(
        walk,
        None if maps is None else maps.sel(time=inside),
        angles=joint_angles(walk),
        events=events.query("@inside.start <= time_s <= @inside.stop"),
        level=str(run.index.loc[walk_id, "gmfcs"]),
    )


def _strongest(run: Run, n: int) -> pd.DataFrame:
    """The associations with the largest absolute correlation."""
    table = run.statistics["association"].dropna(subset=["estimate"])
    return table.sort_values("estimate", key=abs, ascending=False, kind="stable").head(
        n
    )


def _association_grid(run: Run) -> html.Grid:
    odds = run.statistics["odds_ratios"].set_index("feature")
    rows = []
    for row in _strongest(run, 20).to_dict("records"):
        effect = odds.loc[row["feature"]] if row["feature"] in odds.index else None
        rows.append(
            [
                feature_label(row["feature"]),
                html.interval(row, 2),
                html.p_value(row["q_value"]),
                "–" if effect is None else html.interval(effect, 2),
                str(row["n_rows"]),
                str(row["n_missing"]),
            ]
        )
    head = ["feature", "Spearman ρ", "q", "odds ratio per SD", "walks", "missing"]
    return html.Grid(head=head, rows=rows)


def _feature_plots(run: Run) -> list[html.Picture]:
    levels = pd.Series(run.index["gmfcs"])
    return [
        html.picture(
            lambda figure, f=feature: plots.plot_feature_by_level(
                pd.Series(run.features[f]), levels, ax=figure.subplots()
            ),
            caption=f"{feature_label(feature)}: one point per walk, box = quartiles.",
            size=(2.6, 2.2),
        )
        for feature in _strongest(run, 3)["feature"]
    ]


def _beyond_its_start(run: Run) -> str:
    """What fusion adds to the model of the features that it starts from."""
    found = rows_where(
        run.comparisons, model_a=FUSION, model_b=ORDINAL, metric="accuracy"
    )
    if found.empty:
        return ""
    points = 100 * found.iloc[0][["estimate", "ci_low", "ci_high"]].astype(float)
    number, low, high = (html.number(value, 1) for value in points)
    return (
        " To the ordinal logit of the gait features, from which it starts, it adds "
        f"{number} points [{low}, {high}]."
    )


def _selection_note(run: Run) -> str:
    kept = pd.Series(run.selection.groupby(["seed", "fold"])["kept"].sum())
    span = " to ".join(str(number) for number in sorted({min(kept), max(kept)}))
    note = (
        f"Inside each of the {len(kept)} training sets the joint ranking kept "
        f"{span} of {run.selection['feature'].nunique()} core features; listed is in "
        "how many."
    )
    if SELECTED in set(run.metrics["model"]):
        note += f" Only the model {model_label(SELECTED)!r} was confined to them."
    return note


def _selection_grid(selection: pd.DataFrame) -> html.Grid:
    table = selection.groupby("feature").agg(
        kept=("kept", "sum"), offered=("kept", "size"), score=("score", "mean")
    )
    table = table.sort_values(["kept", "score"], ascending=False).head(15).reset_index()
    table["feature"] = table["feature"].map(feature_label)
    table["kept"] = table["kept"].astype(int)
    return html.grid_of(table)


def _missing_grid(features: pd.DataFrame, reasons: pd.DataFrame) -> html.Grid:
    share = pd.Series(100 * features.isna().mean())
    share = share.sort_values(ascending=False, kind="stable").head(12)
    rows = [
        [
            feature_label(str(feature)),
            f"{percent:.1f} %",
            _most_common(rows_where(reasons, feature=str(feature))),
        ]
        for feature, percent in share.items()
        if percent > 0
    ]
    head = ["feature", "missing", "most common reason"]
    return html.Grid(head=head, rows=rows, text=frozenset({0, 2}))


def _most_common(reasons: pd.DataFrame) -> str:
    common = pd.Series(reasons["reason"]).mode()
    return str(common.iloc[0]) if len(common) else "–"
