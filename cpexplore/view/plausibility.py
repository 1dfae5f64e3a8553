"""The plausibility page: the simulator beside published numbers and its assumptions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

STATUS: Mapping[str, dict[str, Any]] = {
    "published": {"marker": "o", "color": "black"},
    "derived": {"marker": "s", "color": "#0072B2"},
    "unverified": {"marker": "o", "color": "#D55E00", "mfc": "white"},
    "own": {"marker": "D", "color": "0.45", "mfc": "white"},
}
"""How the number of a row is drawn, by how far it can be trusted."""

_MEANING = {
    "published": "published",
    "derived": "derived from published numbers",
    "unverified": "rests on an assumption",
    "own": "promise of the simulator",
}
_COLUMNS = {
    "quantity": (-1.72, "left"),
    "level": (-0.80, "right"),
    "published": (-0.40, "right"),
    "simulated": (-0.06, "right"),
    "source": (1.04, "left"),
}
"""Where the columns of text begin or end, in widths of the plot."""


def plot_plausibility(table: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw how far each simulated number is from the published one.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`cpexplore.simulate.plausibility`, with ``low`` and ``high``, the
        range over several cohorts.
    ax : matplotlib Axes
        Where to draw; numbers and sources are written beside it.

    Returns
    -------
    matplotlib Axes
        x is in units of the tolerance, so that the band of -1 to 1 is what the
        simulator promises.
    """
    rows = np.arange(len(table))
    scaled = {
        name: (table[name] - table["published"]) / table["tolerance"].replace(0, 1)
        for name in ("simulated", "low", "high")
    }
    ax.axvspan(-1, 1, color="0.92", lw=0)
    ax.axvline(0, color="0.6", lw=0.6)
    ax.hlines(rows, scaled["low"], scaled["high"], color="0.5", lw=0.8)
    for status, look in STATUS.items():
        own = (table["status"] == status).to_numpy()
        if own.any():
            label = _MEANING[status]
            ax.plot(
                scaled["simulated"][own], rows[own], ls="", ms=3, label=label, **look
            )
    _write_columns(table, ax)
    reach = max(1.3, 1.05 * float(np.abs(list(scaled.values())).max()))
    ax.set(xlim=(-reach, reach), ylim=(len(table) - 0.3, -0.7))
    ax.set_xlabel("(simulated − published) / tolerance")
    ax.legend(loc="upper center", bbox_to_anchor=(0.2, -0.04), ncols=4)
    return ax


def list_assumptions(parameters: pd.DataFrame, *, axes: tuple[Axes, Axes]) -> None:
    """Write the parameters that no publication gives, name and value, in two columns.

    Parameters
    ----------
    parameters : pandas.DataFrame
        From ``PARAMETERS.table()``.
    axes : tuple of two matplotlib Axes
        Their frames are taken away.
    """
    assumed = parameters[parameters["status"] == "assumed"]
    half = (len(assumed) + 1) // 2
    for ax, part in zip(axes, (assumed[:half], assumed[half:]), strict=True):
        ax.set(xlim=(0, 1), ylim=(half - 0.3, -0.7))
        ax.set_axis_off()
        for row, (name, value) in enumerate(pd.Series(part["value"]).items()):
            ax.text(0.0, row, str(name).replace("_", " "), va="center")
            ax.text(0.32, row, in_words(value), va="center", color="0.25")


def in_words(value: Any) -> str:
    """A parameter's value on one line.

    Examples
    --------
    >>> in_words({"I": 2.0, "II": 3.5})
    'I 2, II 3.5'
    >>> in_words((0.009, 0.015)), in_words(0.5)
    ('0.009 to 0.015', '0.5')
    """
    if isinstance(value, Mapping):
        if any(isinstance(one, tuple) for one in value.values()):
            return "shares by level, in the CSV"
        return ", ".join(f"{key} {one:g}" for key, one in value.items())
    if isinstance(value, tuple):
        joint = " to " if len(value) == 2 and value[0] < value[1] else ", "
        return joint.join(f"{one:g}" for one in value)
    return f"{value:g}"


def _write_columns(table: pd.DataFrame, ax: Axes) -> None:
    """Quantity, level, published and simulated number at the left, source right."""
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    place = ax.get_yaxis_transform()
    for head, (x, ha) in _COLUMNS.items():
        ax.text(x, -1.6, head, transform=place, ha=ha, va="center", weight="bold")
    before = None
    for row, values in enumerate(table.to_dict("records")):
        published = f"{values['published']:.4g} ± {values['tolerance']:.3g}"
        cells = {
            "quantity": values["quantity"] if values["quantity"] != before else "",
            "level": values["level"].replace("_", " "),
            "published": published.replace("-", "−"),
            "simulated": f"{values['simulated']:.3g}".replace("-", "−"),
            "source": values["source"],
        }
        before = values["quantity"]
        for head, text in cells.items():
            x, ha = _COLUMNS[head]
            cell = ax.text(x, row, text, transform=place, ha=ha, va="center")
            if head == "simulated" and not values["within"]:
                cell.set_fontweight("bold")
            if head == "source":
                cell.set_fontsize(5)
