"""What statistics show: odds ratios, thresholds, curves by level, list of tables."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter, NullFormatter

from cpexplore import gmfcs
from cpexplore._validation import check_columns
from cpexplore.view import html
from cpexplore.view.labels import feature_label, readable

_MARKERS = ("o", "s", "^", "D", "v", "P")
_INTERVAL = ("feature", "estimate", "ci_low", "ci_high")
_ODDS = (*_INTERVAL, "ci_level")
_COVARIATES = {"age_years": "age", "leg_length_m": "leg length", "speed_llps": "speed"}
_SHADES = (0.0, 0.45, 0.75, 0.2, 0.6, 0.9)
"""Places in the colour map cividis, the most different ones first."""

_WIDEST = 200.0
"""Estimates and interval ends beyond it, up or down, become arrows at the axis end."""


def by_adjustment(statistics: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables of odds ratios by what they turned out to be adjusted for.

    Parameters
    ----------
    statistics : mapping of str to pandas.DataFrame
        The tables of a run; those named ``odds_ratios...`` are taken by name.

    Returns
    -------
    dict of str to pandas.DataFrame
        Labels are the covariates in the column ``adjusted_for`` of most features, not
        those that were asked for: one that is missing or constant is left out. A table
        with the covariates of an earlier one says nothing new and is left out.

    Raises
    ------
    ValueError
        If a table lacks the column ``adjusted_for``.

    Examples
    --------
    >>> table = pd.DataFrame({"adjusted_for": ["age_years + sex", "age_years + sex"]})
    >>> list(by_adjustment({"odds_ratios_adjusted": table}))
    ['age, sex']
    """
    found: dict[str, pd.DataFrame] = {}
    for name in sorted(statistics):
        if name.startswith("odds_ratios"):
            check_columns(statistics[name], ["adjusted_for"], name=name)
            found.setdefault(_adjustment(statistics[name]), statistics[name])
    return found


def surest_features(table: pd.DataFrame, *, n: int) -> list[str]:
    """The features whose odds ratios are the most standard errors away from 1.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`cpexplore.stats.ordinal_effects`.
    n : int
        How many at most; features without estimate are never among them.

    Returns
    -------
    list of str
        Largest ``|log OR| / SE`` first.

    Examples
    --------
    >>> table = pd.DataFrame({"feature": ["vague", "sure"], "estimate": [4.0, 2.0]})
    >>> surest_features(table.assign(ci_low=[0.5, 1.8], ci_high=[32, 2.2]), n=1)
    ['sure']
    """
    check_columns(table, _INTERVAL, name="table")
    ends = table[list(_INTERVAL[1:])].to_numpy(dtype=float)
    estimate, low, high = np.log(ends).T
    z = np.abs(estimate) / (high - low)
    order = np.argsort(-z, kind="stable")
    order = order[np.isfinite(z[order])][:n]
    return table["feature"].iloc[order].tolist()


def plot_odds_ratios(
    tables: Mapping[str, pd.DataFrame],
    *,
    features: Sequence[str],
    ax: Axes | None = None,
) -> Axes:
    """Draw odds ratios with intervals, a row per feature and a marker per table.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        From :func:`cpexplore.stats.ordinal_effects`, by what they are adjusted for,
        see :func:`by_adjustment`. A feature without estimate leaves a gap.
    features : sequence of str
        Rows, first on top.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
        The axes drawn on, with a logarithmic axis and a line at 1.

    Raises
    ------
    ValueError
        If a table lacks a column.
    """
    ax = ax or plt.gca()
    for number, (label, table) in enumerate(tables.items()):
        check_columns(table, _ODDS, name=f"tables[{label!r}]")
        rows = table.set_index("feature").reindex(list(features))
        _draw_series(rows, number, len(tables), label=label, ax=ax)
    return _finish(ax, features, tables=tables.values())


def plot_threshold_odds_ratios(
    table: pd.DataFrame,
    *,
    features: Sequence[str],
    common: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the odds ratio at each threshold beside the common one.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`cpexplore.stats.threshold_effects`.
    features : sequence of str
        Rows, first on top.
    common : pandas.DataFrame, optional
        From :func:`cpexplore.stats.ordinal_effects`: a vertical bar per feature. Where
        the thresholds do not scatter around it, one odds ratio hides something.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If a table lacks a column.
    """
    check_columns(table, (*_ODDS, "threshold"), name="table")
    ax = ax or plt.gca()
    if common is not None:
        check_columns(common, _INTERVAL, name="common")
        one = common.set_index("feature")["estimate"].reindex(list(features))
        row = np.arange(len(features))
        ax.vlines(one, row - 0.38, row + 0.38, color="0.75", lw=2.5, label="common")
    by_threshold = dict(
        list(table.dropna(subset="threshold").groupby("threshold", sort=False))
    )
    for number, (threshold, part) in enumerate(by_threshold.items()):
        rows = part.set_index("feature").reindex(list(features))
        _draw_series(rows, number, len(by_threshold), label=str(threshold), ax=ax)
    return _finish(ax, features, tables=[table])


def plot_level_curves(
    curves: pd.DataFrame,
    *,
    tests: pd.DataFrame | None = None,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
    max_q: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean curve of each level with its interval over the gait cycle.

    Parameters
    ----------
    curves : pandas.DataFrame
        Rows of one curve from :func:`cpexplore.stats.level_curves`.
    tests : pandas.DataFrame, optional
        Rows of the same curve from :func:`cpexplore.stats.compare_curves`: a black bar
        at the bottom covers the clusters whose p, and the q of whose curve, are at
        most ``max_q``.
    reference : pair of arrays of shape (phase,), optional
        Mean and SD of the reference, drawn as a grey band.
    max_q : float
        Largest p and q of a cluster that is drawn.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If a table lacks a column.
    """
    check_columns(curves, ("level", "phase", *_INTERVAL[1:]), name="curves")
    ax = ax or plt.gca()
    levels = list(dict.fromkeys(curves["level"]))
    colours = level_colours(levels)
    if reference is not None:
        phase = np.unique(curves["phase"])
        mean, sd = reference
        ax.fill_between(phase, mean - sd, mean + sd, color="0.88", lw=0, zorder=0)
    for level in levels:
        own = curves[curves["level"] == level]
        colour = colours[str(level)]
        band = np.asarray(own[["ci_low", "ci_high"]], dtype=float).T
        ax.fill_between(own["phase"], *band, color=colour, alpha=0.22, lw=0)
        ax.plot(own["phase"], own["estimate"], color=colour, label=str(level))
    if tests is not None:
        check_columns(tests, ("phase", "cluster", "p_value", "q_value"), name="tests")
        sure = tests[
            (tests["cluster"] > 0)
            & (tests[["p_value", "q_value"]] <= max_q).all(axis=1)
        ]
        ends = sure.groupby("cluster")["phase"].agg(["min", "max"])
        ax.hlines(
            np.full(len(ends), 0.02),
            ends["min"],
            ends["max"],
            color="black",
            lw=2.0,
            transform=ax.get_xaxis_transform(),
        )
    ax.set_xlim(0, 100)
    ax.set_xlabel("gait cycle (%)")
    return ax


def question_grid(statistics: Mapping[str, pd.DataFrame]) -> html.Grid | None:
    """List the statistical tables of a run: what each answers, or why it cannot.

    Parameters
    ----------
    statistics : mapping of str to pandas.DataFrame
        The tables of a run, see :attr:`cpexplore.runs.Run.statistics`.

    Returns
    -------
    Grid or None
        For a page; nothing where the run lacks the list of questions.
    """
    if "questions" not in statistics:
        return None
    asked = statistics["questions"]
    asked = asked.assign(problem=asked["problem"].astype(object).fillna(""))
    rows = [
        [
            row["question"],
            f"statistics/{row['table']}.csv" if row["table"] in statistics else "–",
            html.number(row["n_tests"], 0),
            row["problem"],
        ]
        for row in asked.to_dict("records")
    ]
    head = ["question", "table", "tests", "remark"]
    return html.Grid(head=head, rows=rows, text=frozenset({0, 1, 3}))


def level_colours(levels: Sequence[object]) -> dict[str, str]:
    """Give each level of a scale its colour; GMFCS levels have theirs everywhere.

    Examples
    --------
    >>> level_colours(["I", "IV"])["IV"]
    '#D55E00'
    >>> level_colours(["mild", "severe"])
    {'mild': '#00224e', 'severe': '#fee838'}
    """
    names = [str(level) for level in levels]
    if set(names) <= set(gmfcs.LEVELS):
        return {name: gmfcs.COLOURS[name] for name in names}
    places = np.linspace(0, 1, len(names))
    shades = mpl.colormaps["cividis"](places)
    return {name: to_hex(shade) for name, shade in zip(names, shades, strict=True)}


def _adjustment(table: pd.DataFrame) -> str:
    """Covariates of most features in words; a covariate lacks itself."""
    asked = str(table["adjusted_for"].astype(object).fillna("").mode().iloc[0])
    words = [_COVARIATES.get(name, readable(name)) for name in asked.split(" + ")]
    return ", ".join(filter(None, words)) or "unadjusted"


def _draw_series(
    rows: pd.DataFrame, number: int, of: int, *, label: str, ax: Axes
) -> None:
    """One marker and interval per row, moved off its line so that series stay apart.

    An estimate or an end of an interval outside the axis is an arrow at its end.
    """
    place = np.arange(len(rows)) + 0.22 * (number - (of - 1) / 2)
    ends = rows[["estimate", "ci_low", "ci_high"]].to_numpy(dtype=float)
    estimate, low, high = np.clip(ends, 1 / _WIDEST, _WIDEST).T
    colour = mpl.colormaps["cividis"](_SHADES[number % len(_SHADES)])
    marker = _MARKERS[number % len(_MARKERS)]
    ax.hlines(place, low, high, color=colour, lw=0.8)
    inside = ends[:, 0] == estimate
    ax.plot(estimate[inside], place[inside], marker, color=colour, ms=2.8, label=label)
    left, right = ends < 1 / _WIDEST, ends > _WIDEST
    for outside, arrow, end in ((left, "<", 1 / _WIDEST), (right, ">", _WIDEST)):
        there = place[outside.any(axis=1)]
        ax.plot(np.full(len(there), end), there, arrow, color=colour, ms=2.8)


def _finish(
    ax: Axes, features: Sequence[str], *, tables: Iterable[pd.DataFrame]
) -> Axes:
    shares = sorted({100 * level for table in tables for level in table["ci_level"]})
    nominal = ", ".join(f"{share:g} %" for share in shares)
    ax.axvline(1, color="0.6", lw=0.6, zorder=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(features)), labels=[feature_label(f) for f in features])
    ax.set_ylim(len(features) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"odds ratio of a higher level per SD ({nominal} CI)")
    return ax
