"""What the HTML pages share: escaping, tables, numbers, pictures in the page."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cpexplore.view.publication import publication_style

SIMULATED = (
    "Simulated children: every number is a result about the method, never about "
    "children."
)
REAL = "Recordings as given by the user, taken for real ones."
RESEARCH = "Research use only; not a medical device."


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of a page."""

    head: Sequence[str]
    """Column titles."""
    rows: Sequence[Sequence[str]]
    """Cells as shown."""
    text: frozenset[int] = frozenset({0})
    """Columns that are set flush left."""
    bold: frozenset[int] = field(default_factory=frozenset)
    """Rows that stand out."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a page, contained in the page."""

    src: str
    """A ``data:`` address."""
    caption: str
    """What it shows, n and interval type."""


def render(template: str, **content: Any) -> str:
    """Fill a page template; every string is escaped.

    Parameters
    ----------
    template : str
        File name in ``cpexplore/view/templates``.
    **content
        What the template asks for.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cpexplore.view"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template(template)
    return page.render(version=version("cpexplore"), **content)


def banner(*, simulated: bool) -> list[str]:
    """The two lines on top of every page: whose data, what use."""
    return [SIMULATED if simulated else REAL, RESEARCH]


def number(value: float | None, digits: int = 3) -> str:
    """Show a number with a true minus sign; missing is a dash.

    Examples
    --------
    >>> number(-0.12345, 2), number(-0.001, 2), number(float("nan"))
    ('−0.12', '0.00', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:z.{digits}f}".replace("-", "−")


def p_value(value: float | None) -> str:
    """Show a p or q value; never as 0.

    Examples
    --------
    >>> p_value(0.0002), p_value(0.0312)
    ('<0.001', '0.031')
    """
    return "<0.001" if value is not None and value < 0.0005 else number(value)


def interval(row: Any, digits: int = 3) -> str:
    """Show ``estimate`` of a row with ``ci_low`` and ``ci_high`` in brackets."""
    low, high = number(row["ci_low"], digits), number(row["ci_high"], digits)
    return f"{number(row['estimate'], digits)} [{low},\N{NO-BREAK SPACE}{high}]"


def grid_of(table: pd.DataFrame, *, text: Iterable[str] = (), digits: int = 3) -> Grid:
    """Make a page table of a DataFrame: floats rounded for showing, text escaped."""
    names = list(table.columns)
    rows = [
        [
            number(value, digits) if isinstance(value, float) else str(value)
            for value in row
        ]
        for row in table.itertuples(index=False)
    ]
    flush = frozenset({0, *(names.index(name) for name in text)})
    head = [str(name).replace("_", " ") for name in names]
    return Grid(head=head, rows=rows, text=flush)


def picture(draw: Any, *, caption: str, size: tuple[float, float]) -> Picture:
    """Draw a figure and put it into the page as SVG.

    Parameters
    ----------
    draw : callable
        Called with an empty matplotlib Figure.
    caption : str
        Shown below; also the text alternative.
    size : pair of float
        Width and height in inches.
    """
    with publication_style():
        figure = plt.figure(figsize=size, layout="constrained")
        draw(figure)
        return Picture(src=_data_address(figure), caption=caption)


def _data_address(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    content = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/svg+xml;base64,{content}"
