"""Matplotlib pictures of finished tables: they draw, they compute no statistics."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_option
from cpexplore.skeleton import keypoint_set
from cpexplore.view.labels import feature_label, readable
from cpexplore.view.tables import rows_where

SIDE_COLOURS = {"left": "#D55E00", "right": "#0072B2"}
"""Left red, right blue; line style says the same."""

SIDE_STYLES = {"left": "--", "right": "-"}


def plot_intervals(
    table: pd.DataFrame, *, labels: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Draw estimates with intervals, one row per line of the table, first on top.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``estimate, ci_low, ci_high``.
    labels : sequence of str
        One per row.
    ax : matplotlib Axes, optional
        Where to draw; a new one when not given.

    Returns
    -------
    matplotlib Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If a column is missing, or the number of labels is not that of the rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"estimate": [0.6], "ci_low": [0.5], "ci_high": [0.7]})
    >>> ax = plot_intervals(table, labels=["fusion"], ax=Figure().subplots())
    >>> ax.get_yticklabels()[0].get_text(), ax.collections[0].get_segments()[0].tolist()
    ('fusion', [[0.5, 0.0], [0.7, 0.0]])
    """
    check_columns(table, ("estimate", "ci_low", "ci_high"), name="table")
    ax = ax or plt.gca()
    rows = np.arange(len(table))
    ax.hlines(rows, table["ci_low"], table["ci_high"], color="0.35", linewidth=1.0)
    ax.plot(table["estimate"], rows, "o", color="black", markersize=3)
    ax.set_yticks(rows, labels=list(labels))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_joint_ranking(
    ranking: pd.DataFrame,
    *,
    method: str = "grad_cam",
    level: str = "all",
    top: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw the joints that a method ranks highest, with patient-bootstrap intervals.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From ``rank_joints``: ``method, level, keypoint, estimate, ci_low, ci_high``.
    method, level : str
        Which rows.
    top : int
        How many joints.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on, highest joint on top.

    Raises
    ------
    ValueError
        If a column is missing, or the ranking has no such method or level.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> joints = {"keypoint": ["nose", "left_hip", "neck"], "estimate": [0.1, 0.6, 0.3]}
    >>> ranking = pd.DataFrame(joints).assign(ci_low=0.1, ci_high=0.7, level="all")
    >>> ranking["method"] = "grad_cam"
    >>> ax = plot_joint_ranking(ranking, top=2, ax=Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['left hip', 'neck']
    """
    check_columns(ranking, ("method", "level", "keypoint"), name="ranking")
    for name, wanted in (("method", method), ("level", level)):
        check_option(name, wanted, tuple(ranking[name].unique()))
    chosen = rows_where(ranking, method=method, level=level).nlargest(top, "estimate")
    ax = plot_intervals(chosen, labels=[readable(k) for k in chosen["keypoint"]], ax=ax)
    ax.set_xlabel("share of saliency (95 % CI)")
    ax.set_xlim(left=0)
    return ax


def plot_saliency_skeleton(
    pose: np.ndarray,
    saliency: pd.Series,
    *,
    keypoints: str = "body_25",
    vmax: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a skeleton whose joints are coloured and sized by saliency.

    Parameters
    ----------
    pose : array of shape (keypoint, 2)
        x right, y down, any unit; NaN = missing.
    saliency : pandas.Series
        Non-negative, indexed by keypoint name.
    keypoints : str
        The keypoint set of ``pose``.
    vmax : float, optional
        Value of the brightest colour; default the largest value.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on; a joint that ``saliency`` does not name has 0.

    Raises
    ------
    ValueError
        If there is no such keypoint set, the pose has another number of keypoints, or
        ``saliency`` names one twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from cpexplore import datasets
    >>> walk = datasets.sample_walk("sports2d").isel(time=100)
    >>> made_up = pd.Series({"left_knee": 0.2, "right_knee": 0.4})
    >>> options = {"keypoints": "blazepose_33", "ax": Figure().subplots()}
    >>> ax = plot_saliency_skeleton(walk["position"].values, made_up, **options)
    >>> str(walk["keypoint"].values[ax.collections[1].get_sizes().argmax()])
    'right_knee'
    """
    ax = ax or plt.gca()
    names = keypoint_set(keypoints).keypoints
    place = dict(zip(names, pose, strict=True))
    bones = [[place[a], place[b]] for a, b in keypoint_set(keypoints).edges]
    ax.add_collection(LineCollection(bones, colors="0.75", linewidths=1.2, zorder=1))
    value = saliency.reindex(list(names)).fillna(0.0).to_numpy()
    top = vmax or max(float(value.max()), 1e-12)
    ax.scatter(
        *pose.T,
        c=value,
        s=4 + 50 * np.clip(value / top, 0, 1),
        cmap="cividis",
        vmin=0,
        vmax=top,
        zorder=2,
        edgecolors="black",
        linewidths=0.3,
    )
    ax.set_aspect("equal")
    ax.margins(0.15)
    ax.invert_yaxis()
    ax.axis("off")
    return ax


def plot_phase_saliency(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw saliency over the gait cycle: joints down, phase across.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows = keypoints, columns = equal bins that span the cycle, 0 to 100 %.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on, with a colour bar beside them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import pandas as pd
    >>> table = pd.DataFrame([[0.1, 0.4], [0.3, 0.2]], ["left_knee", "nose"], [25, 75])
    >>> ax = plot_phase_saliency(table, ax=plt.figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.images[0].get_extent()
    (['left knee', 'nose'], [0, 100, 1.5, -0.5])
    >>> plt.close(ax.figure)
    """
    ax = ax or plt.gca()
    image = ax.imshow(
        table.to_numpy(float),
        aspect="auto",
        cmap="cividis",
        vmin=0,
        interpolation="nearest",
        extent=(0, 100, len(table) - 0.5, -0.5),
    )
    ax.set_yticks(range(len(table)), labels=[readable(k) for k in table.index])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("gait cycle (%)")
    plt.colorbar(image, ax=ax, label="saliency", shrink=0.8, pad=0.02)
    return ax


def plot_feature_by_level(
    values: pd.Series, levels: pd.Series, *, ax: Axes | None = None
) -> Axes:
    """Draw one feature against GMFCS: a point per walk, the box of each level.

    Parameters
    ----------
    values, levels : pandas.Series
        Aligned by walk id; levels are ordered GMFCS levels, and the name of ``values``
        is the feature column. A walk without a value or a level is left out.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on; points are spread sideways, the same way on every call.

    Raises
    ------
    ValueError
        If ``levels`` has a walk id twice.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> levels = pd.Series(["I", "I", "IV", "IV"], ["a", "b", "c", "d"])
    >>> cadence = pd.Series({"a": 120, "b": 110, "c": 80}, name="cadence_spm")
    >>> ax = plot_feature_by_level(cadence, levels, ax=Figure().subplots())
    >>> [len(points.get_offsets()) for points in ax.collections], ax.get_ylabel()
    ([2, 0, 0, 1], 'cadence (steps/min)')
    """
    ax = ax or plt.gca()
    table = pd.DataFrame({"value": values, "level": levels.reindex(values.index)})
    table = table.dropna()
    table["level"] = table["level"].astype(str)
    rng = np.random.default_rng(0)
    for place, level in enumerate(gmfcs.LEVELS):
        own = table.loc[table["level"] == level, "value"].to_numpy()
        colour = gmfcs.COLOURS[level]
        if len(own):
            ax.boxplot(
                own,
                positions=[place],
                widths=0.55,
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.35, "linewidth": 0.6},
                medianprops={"color": "black", "linewidth": 1.0},
                whiskerprops={"linewidth": 0.6},
                capprops={"linewidth": 0.6},
            )
        spread = place + rng.uniform(-0.18, 0.18, len(own))
        ax.scatter(spread, own, s=3, color=colour, linewidths=0, alpha=0.8, zorder=3)
    ax.set_xticks(range(len(gmfcs.LEVELS)), labels=list(gmfcs.LEVELS))
    ax.set_xlim(-0.6, len(gmfcs.LEVELS) - 0.4)
    ax.set(xlabel="GMFCS level", ylabel=feature_label(str(values.name)))
    return ax


def plot_confusion(counts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a confusion matrix: numbers are walks, colour is the share of the row.

    Parameters
    ----------
    counts : pandas.DataFrame
        Rows = true level, columns = predicted level; of integer type.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on, first true level on top.

    Raises
    ------
    ValueError
        If the counts are not of integer type.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> counts = pd.DataFrame([[8, 2], [1, 4]], ["I", "II"], ["I", "II"])
    >>> ax = plot_confusion(counts, ax=Figure().subplots())
    >>> ax.texts[0].get_text(), ax.collections[0].get_array().tolist()
    ('8', [[0.8, 0.2], [0.2, 0.8]])
    """
    ax = ax or plt.gca()
    total = counts.sum(axis=1).clip(lower=1)
    sns.heatmap(
        counts.div(total, axis=0),
        annot=counts.to_numpy(),
        fmt="d",
        cmap="cividis",
        vmin=0,
        vmax=1,
        cbar=False,
        square=True,
        ax=ax,
    )
    ax.set(xlabel="predicted level", ylabel="true level")
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
    return ax


def plot_curves(
    curves: xr.DataArray,
    *,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
    reference_label: str = "reference",
    foot_off_pct: dict[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one joint angle over the gait cycle, left and right.

    Parameters
    ----------
    curves : xarray.DataArray of shape (side, phase)
        Degrees; ``side`` is left or right, ``phase`` percent of the cycle.
    reference : pair of arrays of shape (phase,), optional
        Mean and SD of the reference, degrees, drawn as a grey band.
    reference_label : str
        What the legend calls the band, as :attr:`cpexplore.gait.Reference.label`.
    foot_off_pct : dict, optional
        Foot off by side, percent of the cycle, drawn as a vertical dashed line.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        The axes drawn on; neither legend nor name of the angle.

    Raises
    ------
    KeyError
        If a side is neither left nor right, or a coordinate is missing.
    ValueError
        If the reference has another length than the curves.

    Examples
    --------
    >>> import xarray as xr
    >>> from matplotlib.figure import Figure
    >>> coords = [("side", ["left", "right"]), ("phase", [0, 72, 100])]
    >>> knees = xr.DataArray([[5, 60, 5], [5, 30, 5]], coords)  # a stiff right one
    >>> ax = plot_curves(knees, foot_off_pct={"left": 60}, ax=Figure().subplots())
    >>> [(line.get_label(), int(max(line.get_ydata()))) for line in ax.lines[::2]]
    [('left', 60), ('right', 30)]
    """
    ax = ax or plt.gca()
    phase = curves["phase"].values
    if reference is not None:
        mean, sd = reference
        label = f"{reference_label} ±1 SD"
        ax.fill_between(phase, mean - sd, mean + sd, color="0.88", lw=0, label=label)
    for side in curves["side"].values.tolist():
        colour, style = SIDE_COLOURS[side], SIDE_STYLES[side]
        ax.plot(phase, curves.sel(side=side), color=colour, ls=style, label=side)
        foot_off = (foot_off_pct or {}).get(side, np.nan)
        if np.isfinite(foot_off):
            ax.axvline(foot_off, color=colour, linestyle=(0, (4, 3)), lw=0.7)
    ax.set(xlim=(0, 100), xlabel="gait cycle (%)")
    return ax
