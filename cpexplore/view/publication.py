"""Figures as a journal wants them: exact width, small type, byte-identical files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from cpexplore._validation import check_option, counted
from cpexplore.io.files import write_atomic
from cpexplore.runs import Run, write_json

WIDTH_MM = {"single": 89.0, "double": 183.0}
"""Column widths of a journal page."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 6.5,
    "axes.labelsize": 6.5,
    "axes.titlesize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "patch.linewidth": 0.6,
    "figure.dpi": 150,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "cpexplore",
    "savefig.dpi": 300,
}


@contextmanager
def publication_style() -> Iterator[None]:
    """Draw with the type sizes and line widths of a journal page; nothing leaks out."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: str = "double", *, height_mm: float) -> Figure:
    """Make an empty figure of an exact page width.

    Parameters
    ----------
    width : {"single", "double"}
        89 or 183 mm.
    height_mm : float
        Height in mm.

    Raises
    ------
    ValueError
        If ``width`` is unknown.
    """
    check_option("width", width, tuple(WIDTH_MM))
    size = (WIDTH_MM[width] / 25.4, height_mm / 25.4)
    return plt.figure(figsize=size, layout="constrained")


def letter(ax: Axes, text: str) -> None:
    """Put a bold lower-case panel letter outside the upper left corner."""
    ax.set_title(text, loc="left", fontsize=8, fontweight="bold")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the numbers of a figure come from, when not from a run."""

    statement: str
    """What they are about, as :func:`data_statement` says it of a run."""
    config: Mapping[str, Any]
    """What was asked for."""
    name: str
    """Of the file that holds them."""


def save_figure(
    figure: Figure,
    stem: Path,
    *,
    run: Run | Origin,
    data: Mapping[str, pd.DataFrame],
    caption: str,
) -> list[Path]:
    """Write a figure as PDF, SVG and PNG with its record, caption and numbers.

    Parameters
    ----------
    figure : matplotlib Figure
        The drawing; closed afterwards.
    stem : path
        Folder and name without suffix.
    run : Run or Origin
        Where the numbers come from.
    data : mapping of str to DataFrame
        The plotted numbers; written as ``<stem>_<name>.csv``.
    caption : str
        What is shown, n and interval type; simulated or real is put in front.

    Returns
    -------
    list of path
        All files written. Running twice gives identical bytes.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    _settle(figure)
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    files = []
    for suffix, metadata in dateless.items():
        files.append(
            write_atomic(
                stem.with_suffix(f".{suffix}"),
                lambda file, m=metadata: figure.savefig(file, metadata=m),
            )
        )
    plt.close(figure)
    for name, table in data.items():
        target = stem.with_name(f"{stem.name}_{name}.csv")
        files.append(write_atomic(target, lambda f, t=table: t.to_csv(f, index=False)))
    return [*files, write_json(stem.with_suffix(".json"), _record(run, data, caption))]


def _settle(figure: Figure) -> None:
    """Lay the figure out once and for all: the solver's last digits vary by run."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        place = ax.get_position(original=True)
        ax.set_position(Bbox(np.round(place.get_points(), 6)))


def data_statement(run: Run) -> str:
    """Say what the numbers of a run are about: simulated or real, and how many."""
    kind = "Simulated children" if run.simulated else "Real recordings"
    index = run.index
    patients = counted(len(index["patient_id"].unique()), "patient")
    return f"{kind}: {patients}, {counted(len(index), 'walk')}."


def _record(
    source: Run | Origin, data: Mapping[str, pd.DataFrame], caption: str
) -> dict[str, Any]:
    if isinstance(source, Run):
        source = Origin(
            statement=data_statement(source),
            config=source.config,
            name=source.path.name,
        )
    digest = sha256()
    for name in sorted(data):
        digest.update(data[name].to_csv(index=False).encode())
    packages = ("cpexplore", "matplotlib", "numpy", "pandas", "seaborn")
    return {
        "caption": f"{source.statement} {caption}",
        "config": dict(source.config),
        "data_sha256": digest.hexdigest(),
        "run": source.name,
        "versions": {package: version(package) for package in packages},
    }


def read_caption(record: Path) -> str:
    """Read the caption out of a figure's JSON record."""
    return json.loads(record.read_text())["caption"]
