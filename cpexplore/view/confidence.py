"""Pictures of how sure one may be: reliability, coverage of sets, abstention."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cpexplore import gmfcs
from cpexplore._validation import check_columns
from cpexplore.view import html
from cpexplore.view.labels import model_label

MODEL_STYLES: Mapping[str, dict[str, Any]] = {
    "features_logit": {"color": "#E69F00", "linestyle": ":", "marker": "^"},
    "skeleton": {"color": "#0072B2", "linestyle": "--", "marker": "s"},
    "fusion_cross_attention": {"color": "#111111", "linestyle": "-", "marker": "o"},
}
"""Colour, line and marker of each model, so that no colour is needed to tell them."""


def plot_reliability(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how often answers of a stated confidence are right.

    Parameters
    ----------
    table : pandas.DataFrame
        ``model, confidence, accuracy, n_rows``; bins of equal mass.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
    """
    check_columns(table, ("model", "confidence", "accuracy"), name="table")
    ax = ax or plt.gca()
    ax.plot([0, 1], [0, 1], color="0.7", lw=0.6, zorder=0)
    for model, rows in table.groupby("model", sort=False):
        ax.plot(rows["confidence"], rows["accuracy"], ms=3, **_style(str(model)))
    low = min(table["confidence"].min(), table["accuracy"].min())
    ax.set(xlim=(low - 0.03, 1.03), ylim=(low - 0.03, 1.03))
    ax.set(xlabel="stated confidence", ylabel="share right")
    return ax


def plot_coverage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how often the sets of levels hold the truth, by level, beside the promise.

    Parameters
    ----------
    table : pandas.DataFrame
        ``model, level, estimate, ci_low, ci_high, n_patients, mean_size, nominal``; the
        mean size of the sets is that of the last model.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
    """
    check_columns(
        table, ("model", "level", "estimate", "ci_low", "ci_high"), name="table"
    )
    ax = ax or plt.gca()
    models = list(dict.fromkeys(table["model"]))
    ax.axhline(table["nominal"].iloc[0], color="0.6", lw=0.6)
    for place, model in enumerate(models):
        rows = table.loc[table["model"] == model]
        x = gmfcs.encode(rows["level"]) + 0.18 * (place - (len(models) - 1) / 2)
        style = _style(model, linestyle="")
        ax.vlines(x, rows["ci_low"], rows["ci_high"], color=style["color"], lw=0.9)
        ax.plot(x, rows["estimate"], ms=3, **style)
    last = table.loc[table["model"] == models[-1]].set_index("level")
    labels = [
        f"{level}\n{row['n_patients']}\n{row['mean_size']:.1f}"
        for level, row in last.to_dict("index").items()
    ]
    ax.set_xticks(gmfcs.encode(last.index), labels=labels)
    ax.set(xlabel="GMFCS level, children, mean size", ylabel="sets that hold it")
    ax.set_ylim(min(0.5, *table["ci_low"]) - 0.02, 1.02)
    return ax


def plot_risk_coverage(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the error among the surest walks, for every share that is answered.

    Parameters
    ----------
    table : pandas.DataFrame
        ``model, coverage, risk, ci_low, ci_high``; the band is that of the last model.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
    """
    check_columns(
        table, ("model", "coverage", "risk", "ci_low", "ci_high"), name="table"
    )
    ax = ax or plt.gca()
    rows = table
    for model, rows in table.groupby("model", sort=False):
        ax.plot(rows["coverage"], rows["risk"], **_style(str(model), marker=""))
    ax.fill_between(
        rows["coverage"], rows["ci_low"], rows["ci_high"], color="0.5", alpha=0.18, lw=0
    )
    ax.set(xlim=(0, 1), ylim=(0, None))
    ax.set(xlabel="share of walks answered", ylabel="share wrong")
    return ax


def confidence_pictures(tables: Mapping[str, pd.DataFrame]) -> list[html.Picture]:
    """The three pictures of a page; none for a run without these tables.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``reliability``, ``coverage`` and ``risk``.
    """
    if not tables:
        return []
    nominal = tables["coverage"]["nominal"].iloc[0]
    drawn = {
        "reliability": (plot_reliability, "Stated confidence against the share right."),
        "coverage": (
            plot_coverage,
            f"Share of {nominal:.0%} sets that hold the level (cross-conformal, "
            "approximate; with 22 or more other children of a level, wide enough for 9 "
            "of 10 such runs); binomial 95 % interval, which ignores that sets share "
            "thresholds. A level with fewer than 9 other children is in every set. "
            "Below: children, mean number of levels in a set of fusion.",
        ),
        "risk": (
            plot_risk_coverage,
            "Share wrong if only the surest walks are answered; band: 95 %, patients "
            "resampled, of fusion.",
        ),
    }

    def draw(figure: Figure, name: str) -> None:
        axes = drawn[name][0](tables[name], ax=figure.subplots())
        if name == "reliability":
            axes.legend(loc="upper left")

    return [
        html.picture(partial(draw, name=name), caption=caption, size=(2.7, 2.3))
        for name, (_, caption) in drawn.items()
    ]


def _style(model: str, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"color": "0.5", "linestyle": "-", "marker": "."}
    return MODEL_STYLES.get(model, plain) | {"label": model_label(model)} | changes
