"""A run as one plotly figure of linked panels; reads tables, computes no statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from cpexplore import gmfcs
from cpexplore._validation import counted
from cpexplore.runs import Run
from cpexplore.view.labels import feature_label, model_label, readable
from cpexplore.view.player.clip import angle_label, level_label, method_label
from cpexplore.view.tables import confusion_counts

TOP_JOINTS = 12
"""How many joints the ranking shows."""

_INK, _MUTED, _GRID, _NEUTRAL = "#1c2430", "#68727f", "#e8ebef", "#5a6b7d"
_CELLS = ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the reader has chosen."""

    walk_id: str
    """The walk that is marked."""
    level: str
    """Level of the joint ranking, or ``"all"``."""
    method: str
    """Attribution method of the joint ranking."""
    feature: str
    """Feature that is shown by level, and along x in the scatter plot."""
    other: str
    """Feature along y in the scatter plot."""
    angle: str
    """Joint angle whose mean curves are shown."""
    model: str
    """Model of the confusion matrix."""


def association(run: Run) -> pd.DataFrame:
    """Features by strength of evidence, from the statistics of the run.

    Returns
    -------
    pandas.DataFrame
        Index ``feature``, smallest ``q_value`` first, then largest ``estimate``.

    Raises
    ------
    FileNotFoundError
        If the run has no such table.
    """
    if "association" not in run.statistics:
        raise FileNotFoundError(
            f"The run {str(run.path)!r} lacks 'statistics/association.csv'; finish it "
            f"with `cpexplore run --out {run.path}`."
        )
    table = run.statistics["association"].set_index("feature")
    size = -table["estimate"].abs()
    order = table.assign(size=size).sort_values(["q_value", "size"]).index
    return table.loc[[name for name in order if name in run.features]]


def figure_overview(run: Run, choice: Choice) -> go.Figure:
    """Draw joint ranking, feature by level, feature by feature, errors and curves.

    The number and order of the traces depend on the run alone, so that a figure on
    screen can be updated trace by trace. Traces of walks carry the walk ids as
    ``customdata``.

    Parameters
    ----------
    run : Run
        A finished run.
    choice : Choice
        What to show.

    Returns
    -------
    plotly.graph_objects.Figure
        Six panels in two rows.
    """
    figure = make_subplots(
        rows=2,
        cols=3,
        subplot_titles=_titles(run, choice),
        column_widths=[0.31, 0.345, 0.345],
        horizontal_spacing=0.085,
        vertical_spacing=0.24,
    )
    panels = (
        _ranking(run, choice),
        _feature_by_level(run, choice),
        _scatter(run, choice),
        [_confusion(run, choice)],
        _curves(run, choice, side="left"),
        _curves(run, choice, side="right"),
    )
    for traces, (row, col) in zip(panels, _CELLS, strict=True):
        for trace in traces:
            figure.add_trace(trace, row=row, col=col)
    _lay_out(figure, run, choice)
    return figure


def _titles(run: Run, choice: Choice) -> list[str]:
    found = association(run).loc[choice.feature]
    effect = (
        f"Spearman ρ {found['estimate']:.2f} "
        f"[{found['ci_low']:.2f}, {found['ci_high']:.2f}], q = {found['q_value']:.2g}"
    )
    level = "all levels" if choice.level == "all" else level_label(choice.level)
    return [
        _title("Where the network looks", f"{method_label(choice.method)}, {level}"),
        _title(feature_label(choice.feature), effect),
        _title("Two features", "one point per walk"),
        _title("Out-of-fold predictions", model_label(choice.model)),
        _title(f"{angle_label(choice.angle)}, left", "mean by level, left cycles"),
        _title(f"{angle_label(choice.angle)}, right", "mean by level, right cycles"),
    ]


def _title(text: str, detail: str) -> str:
    return (
        f"<b>{text}</b><br><span style='font-size:11px;color:{_MUTED}'>{detail}</span>"
    )


def _ranking(run: Run, choice: Choice) -> list[go.Bar]:
    table = run.ranking
    rows = (table["method"] == choice.method) & (table["level"] == choice.level)
    top = table.loc[rows].sort_values("estimate").iloc[-TOP_JOINTS:]
    hover = "%{y}: %{x:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra></extra>"
    bar = go.Bar(
        x=top["estimate"],
        y=[readable(keypoint) for keypoint in top["keypoint"]],
        orientation="h",
        marker_color=gmfcs.COLOURS.get(choice.level, _NEUTRAL),
        marker_opacity=0.8,
        customdata=top[["ci_low", "ci_high"]].to_numpy(),
        error_x={
            "array": top["ci_high"] - top["estimate"],
            "arrayminus": top["estimate"] - top["ci_low"],
            "color": _INK,
            "thickness": 1,
            "width": 0,
        },
        hovertemplate=hover,
        showlegend=False,
    )
    return [bar]


def _feature(run: Run, name: str) -> pd.Series:
    return cast(pd.Series, run.features[name])


def _walk_points(
    run: Run, x: Sequence[float] | np.ndarray, y: pd.Series, *, hover: str
) -> go.Scatter:
    levels = run.index["gmfcs"].reindex(y.index).astype(str)
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={
            "size": 6,
            "color": [gmfcs.COLOURS.get(level, _NEUTRAL) for level in levels],
            "opacity": 0.75,
            "line": {"width": 0.5, "color": "white"},
        },
        customdata=list(zip(y.index, levels, strict=True)),
        hovertemplate="%{customdata[0]}, GMFCS %{customdata[1]}<br>"
        + hover
        + "<extra></extra>",
        showlegend=False,
    )


def _ring(walk_id: str, x: pd.Series, y: pd.Series) -> go.Scatter:
    """Mark the chosen walk."""
    return go.Scatter(
        x=x.reindex([walk_id]),
        y=y.reindex([walk_id]),
        mode="markers",
        marker={
            "size": 13,
            "symbol": "circle-open",
            "color": _INK,
            "line": {"width": 2},
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _feature_by_level(run: Run, choice: Choice) -> list[go.Box | go.Scatter]:
    values = _feature(run, choice.feature)
    place = pd.Series(gmfcs.encode(run.index["gmfcs"]), run.index.index)
    place = place.reindex(values.index)
    boxes = [
        go.Box(
            y=values[place == code],
            x=np.full(int((place == code).sum()), code),
            width=0.55,
            boxpoints=False,
            line={"color": gmfcs.COLOURS[level], "width": 1.2},
            fillcolor="rgba(0,0,0,0)",
            hoverinfo="skip",
            showlegend=False,
        )
        for code, level in enumerate(gmfcs.LEVELS)
    ]
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(values))
    x = (place + spread).where(place >= 0)
    points = _walk_points(run, x.to_numpy(), values, hover="%{y:.3g}")
    return [*boxes, points, _ring(choice.walk_id, x, values)]


def _scatter(run: Run, choice: Choice) -> list[go.Scatter]:
    x, y = _feature(run, choice.feature), _feature(run, choice.other)
    points = _walk_points(run, x.to_numpy(), y, hover="%{x:.3g}, %{y:.3g}")
    return [points, _ring(choice.walk_id, x, y)]


def _confusion(run: Run, choice: Choice) -> go.Heatmap:
    oof = cast(pd.DataFrame, run.oof.loc[run.oof["model"] == choice.model])
    counts = confusion_counts(oof, cast(pd.Series, run.index["gmfcs"]))
    share = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    return go.Heatmap(
        z=share.to_numpy(),
        x=list(gmfcs.LEVELS),
        y=list(gmfcs.LEVELS),
        text=counts.to_numpy(),
        texttemplate="%{text}",
        colorscale="Cividis",
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
        hovertemplate="true %{y}, predicted %{x}: %{text} walks, "
        "%{z:.0%} of the level<extra></extra>",
    )


def _curves(run: Run, choice: Choice, *, side: str) -> list[go.Scatter]:
    curves = run.curves
    angle = curves[choice.angle].sel(side=side)
    height = [float(angle.quantile(share)) for share in (0.005, 0.995)]
    levels = run.index["gmfcs"].reindex(curves["walk"].values).astype(str).to_numpy()
    traces = _reference_band(run, choice.angle)
    for level in gmfcs.LEVELS:
        line = {"color": gmfcs.COLOURS[level], "width": 2}
        shared: dict[str, Any] = {"legendgroup": level, "line": line}
        foot_off = curves["foot_off_pct"].sel(side=side).values[levels == level]
        traces += [
            _mean_curve(angle[levels == level], level, shared, legend=side == "left"),
            _foot_off(foot_off, height, shared),
        ]
    return [*traces, _own_curve(run, choice, side=side)]


def _mean_curve(
    curves: xr.DataArray, level: str, shared: dict[str, Any], *, legend: bool
) -> go.Scatter:
    """The mean over the walks of a level that have a curve."""
    known = curves.dropna("walk")
    return go.Scatter(
        x=curves["phase"].values,
        y=known.mean("walk").values,
        name=f"GMFCS {level}",
        showlegend=legend,
        hovertemplate=f"GMFCS {level}, {counted(known.sizes['walk'], 'walk')}<br>"
        "%{x} % of the cycle: %{y:.1f}°<extra></extra>",
        **shared,
    )


def _foot_off(
    foot_off: np.ndarray, height: list[float], shared: dict[str, Any]
) -> go.Scatter:
    """A dashed line at the mean foot off of a level."""
    known = foot_off[np.isfinite(foot_off)]
    at = float(known.mean()) if len(known) else np.nan
    return go.Scatter(
        x=[at, at],
        y=height,
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        **{**shared, "line": {**shared["line"], "width": 1, "dash": "dash"}},
    )


def _reference_band(run: Run, angle: str) -> list[go.Scatter]:
    """Mean and SD of the reference, where the run has one."""
    if f"{angle}_reference_mean" not in run.curves:
        return []
    mean = run.curves[f"{angle}_reference_mean"].values
    sd = run.curves[f"{angle}_reference_sd"].values
    phase = run.curves["phase"].values
    band = go.Scatter(
        x=np.concatenate([phase, phase[::-1]]),
        y=np.concatenate([mean + sd, (mean - sd)[::-1]]),
        fill="toself",
        fillcolor="rgba(120,130,142,.22)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    return [band]


def _own_curve(run: Run, choice: Choice, *, side: str) -> go.Scatter:
    curves = run.curves
    known = choice.walk_id in curves["walk"].values
    own = curves[choice.angle].sel(side=side)
    return go.Scatter(
        x=curves["phase"].values,
        y=own.sel(walk=choice.walk_id).values if known else [],
        name="this walk",
        legendgroup="walk",
        showlegend=side == "left",
        line={"color": _INK, "width": 1.6, "dash": "dot"},
        hovertemplate="this walk<br>%{x} % of the cycle: %{y:.1f}°<extra></extra>",
    )


def _lay_out(figure: go.Figure, run: Run, choice: Choice) -> None:
    known = _feature(run, choice.feature).dropna().index
    levels = run.index["gmfcs"].reindex(known).astype(str).tolist()
    ticks = [f"{level}<br>n = {levels.count(level)}" for level in gmfcs.LEVELS]
    figure.update_layout(
        template="plotly_white",
        width=1080,
        height=740,
        margin={"l": 110, "r": 24, "t": 66, "b": 46},
        font={"family": "system-ui, Liberation Sans, sans-serif", "size": 12},
        font_color=_INK,
        legend={"orientation": "h", "y": -0.1, "x": 1, "xanchor": "right"},
        hoverlabel={"bgcolor": "white"},
        dragmode=False,
        uirevision="cpexplore",
    )
    figure.update_annotations(font_size=13, yshift=8)
    figure.for_each_xaxis(lambda axis: axis.update(title_font_size=12))
    figure.for_each_yaxis(lambda axis: axis.update(title_font_size=12))
    figure.update_xaxes(gridcolor=_GRID, zeroline=False, title_standoff=6)
    figure.update_yaxes(
        gridcolor=_GRID, zeroline=False, title_standoff=6, ticklabelstandoff=5
    )
    axes = {
        (1, 1): ({"title": "share of saliency (95 % interval)"}, {}),
        (1, 2): ({"tickvals": list(range(4)), "ticktext": ticks}, {}),
        (1, 3): (
            {"title": feature_label(choice.feature)},
            {"title": feature_label(choice.other)},
        ),
        (2, 1): (
            {"title": "predicted level"},
            {"title": "true level", "autorange": "reversed"},
        ),
        (2, 2): ({"title": "left gait cycle (%)"}, {"title": "degrees"}),
        (2, 3): ({"title": "right gait cycle (%)"}, {"matches": "y5"}),
    }
    for (row, col), (x, y) in axes.items():
        figure.update_xaxes(x, row=row, col=col)
        figure.update_yaxes(y, row=row, col=col)
