"""The audit of a run's saliency on the page: every check beside its controls."""

import pandas as pd

from cpexplore._validation import check_columns
from cpexplore.view import html
from cpexplore.view.player.clip import method_label

_COLUMNS = {
    ("deletion", ""): "taken away (low)",
    ("insertion", ""): "given back (high)",
    ("randomisation", "head"): "last layer drawn anew",
    ("randomisation", "input"): "all layers drawn anew (0)",
    ("noise", ""): "noise (1)",
    ("mirror", ""): "mirrored (1)",
    ("complexity", ""): "keypoints that share",
}
"""Check and detail, and what stands above them."""

_WAYS = {"deletion": "taken away", "insertion": "given back"}
"""What a lead is measured by."""


def audit_grid(table: pd.DataFrame) -> html.Grid:
    """Show an audit: a row per method, a column per check, controls below.

    Parameters
    ----------
    table : DataFrame
        From :func:`cpexplore.pipeline.audit_run`.

    Returns
    -------
    Grid
        Mean over patients with its interval.

    Raises
    ------
    ValueError
        If the table lacks a column, as one of an earlier version does.
    """
    needed = (
        "check",
        "method",
        "detail",
        "is_control",
        "estimate",
        "ci_low",
        "ci_high",
    )
    check_columns(table, needed, name="audit")
    details = table["detail"].fillna("")
    cells = {
        (row["method"], row["check"], detail): _cell(row)
        for detail, (_, row) in zip(details, table.iterrows(), strict=True)
    }
    own, controls = (
        table.loc[table["is_control"] == kind, "method"].unique()
        for kind in (False, True)
    )
    labels = {method: method_label(method) for method in own}
    labels |= {method: f"{method_label(method)} (control)" for method in controls}
    shown = {key: name for key, name in _COLUMNS.items() if key[0] in set(table.check)}
    rows = [
        [label, *(cells.get((method, *key), "–") for key in shown)]
        for method, label in labels.items()
    ]
    return html.Grid(head=["method", *shown.values()], rows=rows)


def lead_lines(table: pd.DataFrame) -> list[str]:
    """Say by how much each method is ahead of the best control, one line each.

    Parameters
    ----------
    table : DataFrame
        From :func:`cpexplore.pipeline.audit_run`.

    Returns
    -------
    list of str
        Empty if no method was set beside a control.

    Raises
    ------
    ValueError
        If the table lacks a column, as one of an earlier version does.

    Examples
    --------
    >>> row = {"check": "insertion", "method": "occlusion", "control": "random"}
    >>> leads = {"lead": 0.12, "lead_low": 0.04, "lead_high": 0.2}
    >>> lead_lines(pd.DataFrame([row | leads]))
    ['Occlusion: 0.12 [0.04, 0.20] given back (random order)']
    """
    needed = ("check", "method", "control", "lead", "lead_low", "lead_high")
    check_columns(table, needed, name="audit")
    return [
        f"{method_label(str(method))}: "
        f"{', '.join(_lead(row) for _, row in rows.iterrows())}"
        for method, rows in table.dropna(subset="lead").groupby("method", sort=False)
    ]


def _lead(row: pd.Series) -> str:
    lead, low, high = (
        html.number(row[name], 2) for name in ("lead", "lead_low", "lead_high")
    )
    control = method_label(row["control"])
    return f"{lead} [{low}, {high}] {_WAYS[row['check']]} ({control.lower()})"


def _cell(row: pd.Series) -> str:
    digits = 1 if row["check"] == "complexity" else 2
    low, high = (html.number(row[name], digits) for name in ("ci_low", "ci_high"))
    bracket = f"[{low},\N{NO-BREAK SPACE}{high}]"
    return f"{html.number(row['estimate'], digits)} {bracket}"
