"""One child's gait as a gait laboratory draws it: curves, events, profile, table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes

from cpexplore._validation import check_columns
from cpexplore.gait import CATALOGUE, Reference, default_reference
from cpexplore.gait.features_deviation import MAP_ANGLES
from cpexplore.gait.features_kinematic import SHORT_NAMES
from cpexplore.view.labels import readable
from cpexplore.view.plots import SIDE_COLOURS, plot_curves

SPATIOTEMPORAL = (
    "cadence",
    "speed",
    "double_support",
    "step_length",
    "step_time",
    "stance",
    "single_support",
)
"""Features of :func:`spatiotemporal_table`, by their names in the catalogue."""

_ROWS = {"left": 1, "right": 0}
_HATCH = {"left": "////", "right": ""}


def plot_joint_angle(
    curves: xr.Dataset,
    angle: str,
    *,
    reference: Reference | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one joint angle of both legs beside the reference.

    Parameters
    ----------
    curves : xarray.Dataset
        From :func:`cpexplore.gait.mean_curves`: dims (side, phase).
    angle : str
        One of its variables.
    reference : Reference, optional
        Drawn as a grey band; default :func:`cpexplore.gait.default_reference`.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        With foot off of each leg as a dashed line; a leg without strides is left out.
    """
    reference = reference or default_reference()
    bands = reference.bands()
    mean, sd = (bands[f"{angle}_reference_{part}"].values for part in ("mean", "sd"))
    foot_off = curves["foot_off_pct"].to_series()
    walked = curves.sel(side=curves["n_strides"] > 0)
    ax = plot_curves(
        walked[angle],
        reference=(mean, sd),
        reference_label=reference.label,
        foot_off_pct={str(side): off for side, off in foot_off.items()},
        ax=ax,
    )
    ax.set_ylabel(f"{readable(angle.removesuffix('_deg'))} (°)")
    return ax


def plot_events(
    events: pd.DataFrame, *, cycles: xr.Dataset | None = None, ax: Axes | None = None
) -> Axes:
    """Draw initial contacts (filled) and foot offs (open) of both feet.

    Parameters
    ----------
    events : pandas.DataFrame
        From :func:`cpexplore.gait.detect_events`.
    cycles : xarray.Dataset, optional
        From :func:`cpexplore.gait.gait_cycles`: the stance of every accepted stride is
        drawn as a bar.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        Events fade with their confidence.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    check_columns(events, ("side", "event", "time_s", "confidence"), name="events")
    ax = ax or plt.gca()
    for side, row in _ROWS.items():
        colour = SIDE_COLOURS[side]
        if cycles is not None:
            own = cycles["side"].values == side
            start, stop = (cycles[at].values[own] for at in ("start_s", "foot_off_s"))
            stance = list(zip(start, stop - start, strict=True))
            style = {"facecolor": colour, "alpha": 0.3, "hatch": _HATCH[side]}
            ax.broken_barh(stance, (row - 0.2, 0.4), **style)
        for event, face in (("initial_contact", colour), ("foot_off", "white")):
            at = events[(events["side"] == side) & (events["event"] == event)]
            dots = ax.scatter(
                at["time_s"],
                np.full(len(at), row),
                facecolor=face,
                edgecolor=colour,
                label=f"{side}, {readable(event)}",
                zorder=2,
            )
            dots.set(alpha=np.clip(np.asarray(at["confidence"]), 0.2, 1))
    ax.set_yticks(list(_ROWS.values()), labels=list(_ROWS))
    ax.set_ylim(-0.6, 1.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("time (s)")
    return ax


def plot_profile(
    features: pd.Series,
    *,
    reference: Reference | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the movement analysis profile: how far each angle is from the reference.

    Parameters
    ----------
    features : pandas.Series
        From :func:`cpexplore.gait.gait_features`.
    reference : Reference, optional
        The one that the features were computed with; default
        :func:`cpexplore.gait.default_reference`. The black lines are its usual scores:
        the mean distance of its own limbs, times its ``sd_scale`` where simulated limbs
        are more alike than real ones.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        One pair of bars per angle, degrees, and one for their root mean square (sGPS);
        a score that is missing has no bar.
    """
    ax = ax or plt.gca()
    reference = reference or default_reference()
    usual = pd.Series(reference.usual_scores, SHORT_NAMES)[list(MAP_ANGLES)]
    place = np.arange(len(MAP_ANGLES) + 1)
    for side, shift in (("left", -0.2), ("right", 0.2)):
        names = [f"gvs_{angle}_{side}_deg" for angle in MAP_ANGLES]
        ax.bar(
            place + shift,
            features[[*names, f"sgps_{side}_deg"]],
            width=0.36,
            color=SIDE_COLOURS[side],
            hatch=_HATCH[side],
            edgecolor="white",
            label=side,
        )
    ax.hlines(
        usual, place[:-1] - 0.45, place[:-1] + 0.45, "black", label=reference.label
    )
    ax.set_xticks(place, labels=[*map(readable, MAP_ANGLES), "sGPS"], rotation=30)
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("distance from reference (°)")
    return ax


def spatiotemporal_table(
    features: pd.Series, *, reference: Reference | None = None
) -> pd.DataFrame:
    """Set times and lengths of both legs beside those of the reference.

    Parameters
    ----------
    features : pandas.Series
        From :func:`cpexplore.gait.gait_features`.
    reference : Reference, optional
        Default :func:`cpexplore.gait.default_reference`.

    Returns
    -------
    pandas.DataFrame
        Index: name and unit; columns ``left``, ``right``, ``walk`` (features that have
        no side), ``reference`` (mean at own pace) and ``reference_at_speed`` (mean at
        the speed of this walk; NaN outside the range of the reference). The name of the
        columns says who the reference is.
    """
    reference = reference or default_reference()
    measured = features.to_dict()
    at_speed = reference.at_speed(measured["speed_llps"])
    rows = {}
    for name in SPATIOTEMPORAL:
        unit = CATALOGUE.at[name, "unit"]
        rows[f"{readable(name)} ({unit})"] = {
            "left": measured.get(f"{name}_left_{unit}", np.nan),
            "right": measured.get(f"{name}_right_{unit}", np.nan),
            "walk": measured.get(f"{name}_{unit}", np.nan),
            "reference": reference.usual[name],
            "reference_at_speed": at_speed[name],
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(columns=f"reference: {reference.source}")
