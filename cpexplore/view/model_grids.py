"""Tables of the report about models: metrics, recalls, paired differences."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from cpexplore import gmfcs
from cpexplore.view import html
from cpexplore.view.labels import model_label
from cpexplore.view.tables import rows_where

FUSION, SKELETON, MAJORITY = "fusion_cross_attention", "skeleton", "majority"
ORDINAL, SELECTED = "features_ordinal", "fusion_selected_features"

_METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "linear_kappa": "linear κ",
    "quadratic_kappa": "quadratic κ",
    "mae": "MAE (levels)",
    "within_one": "within one",
}
_FURTHER_METRICS = {
    "macro_f1": "macro F1",
    "macro_mae": "macro MAE",
    "rps": "RPS",
    "brier": "Brier",
    "nll": "NLL",
    "ece": "ECE",
    "ordinal_auroc": "ordinal AUROC",
}


def model_grid(metrics: pd.DataFrame) -> html.Grid:
    """What most readers ask for: accuracy, agreement, error and recall by level."""
    return _grid(
        metrics, _METRICS, head="recall I / II / III / IV", last=_recalls(metrics)
    )


def further_grid(metrics: pd.DataFrame) -> html.Grid:
    """All other metrics, and the seconds that an epoch of each network took."""
    seconds = metrics.groupby("model")["seconds_per_epoch"].first().dropna().to_dict()
    told = {str(model): html.number(value, 2) for model, value in seconds.items()}
    return _grid(metrics, _FURTHER_METRICS, head="s / epoch", last=told)


def _grid(
    metrics: pd.DataFrame,
    names: Mapping[str, str],
    *,
    head: str,
    last: Mapping[str, str],
) -> html.Grid:
    """Some metrics of all models, best first, and a last column by model."""
    known = set(metrics["metric"])
    names = {name: label for name, label in names.items() if name in known}
    accuracy = rows_where(metrics, metric="accuracy")
    order = accuracy.sort_values("estimate", ascending=False)["model"].tolist()
    rows = []
    for model in order:
        overall = rows_where(metrics, model=model, level="all").set_index("metric")
        cells = [html.interval(overall.loc[name]) for name in names]
        rows.append([model_label(model), *cells, last.get(model, "")])
    bold = {i for i, model in enumerate(order) if model in (FUSION, SKELETON)}
    columns = ["model", *names.values(), head]
    return html.Grid(head=columns, rows=rows, bold=frozenset(bold))


def _recalls(metrics: pd.DataFrame) -> dict[str, str]:
    """Recall of the levels, by model."""
    column = {}
    for model, rows in rows_where(metrics, metric="recall").groupby("model"):
        by_level = dict(zip(rows["level"], rows["estimate"], strict=True))
        levels = "{} / {} /@{} / {}".format(
            *(html.number(by_level.get(k), 2) for k in gmfcs.LEVELS)
        )
        unbroken = levels.replace(" ", "\N{NO-BREAK SPACE}").replace("@", " ")
        column[str(model)] = unbroken
    return column


def difference_grid(comparisons: pd.DataFrame) -> html.Grid:
    """Accuracy and κ of the fusion minus those of every other model."""
    chosen = rows_where(comparisons, model_a=FUSION)
    rows = [
        [
            " − ".join(model_label(row[m]) for m in ("model_a", "model_b")),
            _METRICS[row["metric"]],
            html.interval(row),
            *("" if pd.isna(p) else html.p_value(p) for p in _p_values(row)),
        ]
        for row in chosen.to_dict("records")
        if row["metric"] in ("accuracy", "linear_kappa")
    ]
    head = ["models", "metric", "difference", "p, walks", "p, folds"]
    return html.Grid(head=head, rows=rows)


def _p_values(row: dict[Hashable, Any]) -> tuple[float, float]:
    """Of McNemar's test over walks, and of the corrected t-test over folds."""
    return row["p_value"], row.get("p_folds", math.nan)
