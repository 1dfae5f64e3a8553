"""The audit of a run's saliency on the page: every check beside its controls."""

import pandas as pd

from cpexplore._validation import check_columns
from cpexplore.view import html
from cpexplore.view.player.clip import method_label

_COLUMNS = {
    ("deletion", ""): "taken away (low)",
    ("insertion", ""): "given back (high)",
    ("randomisation", "head"): "head drawn anew",
    ("randomisation", "input"): "all drawn anew (0)",
    ("noise", ""): "noise (1)",
    ("mirror", ""): "mirrored (1)",
    ("complexity", ""): "keypoints",
}
"""Check and detail, and what stands above them."""


_NEEDED = ("check", "method", "detail", "is_control", "n_ahead", "n_folds")


def audit_grid(table: pd.DataFrame) -> html.Grid:
    """Show an audit: a row per method, a column per check, controls below.

    Parameters
    ----------
    table : DataFrame
        From :func:`cpexplore.pipeline.audit_run`.

    Returns
    -------
    Grid
        Mean over folds with the lowest and highest fold in brackets.

    Raises
    ------
    ValueError
        If the table lacks a column, as one of an earlier version does.
    """
    check_columns(table, (*_NEEDED, "estimate", "lowest", "highest"), name="audit")
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


def audit_note(table: pd.DataFrame) -> str:
    """Say in how many folds a method names keypoints that count, beside the controls.

    Parameters
    ----------
    table : DataFrame
        From :func:`cpexplore.pipeline.audit_run`, with deletion and insertion.

    Raises
    ------
    ValueError
        If the table lacks a column, as one of an earlier version does.

    Examples
    --------
    >>> table = pd.DataFrame({"check": ["deletion", "insertion"], "n_ahead": [1, 2]})
    >>> table = table.assign(method="grad_cam", detail="", is_control=False, n_folds=5)
    >>> audit_note(table).split(": ")[1]
    'Grad-CAM 1 and 2.'
    """
    check_columns(table, _NEEDED, name="audit")
    own = table[~table["is_control"]]
    n_ahead = own.set_index(["method", "check"])["n_ahead"]
    told = [
        f"{method_label(method)} {n_ahead[method, 'deletion']:.0f} and "
        f"{n_ahead[method, 'insertion']:.0f}"
        for method in own["method"].drop_duplicates()
    ]
    return (
        f"In how many of {table['n_folds'].max()} folds the keypoints that a method "
        "names first count more than those of every control, when their movement is "
        f"taken away and when it is given back: {', '.join(told)}."
    )


def _cell(row: pd.Series) -> str:
    digits = 1 if row["check"] == "complexity" else 2
    low, high = (html.number(row[name], digits) for name in ("lowest", "highest"))
    bracket = f"[{low},\N{NO-BREAK SPACE}{high}]"
    return f"{html.number(row['estimate'], digits)} {bracket}"
