"""Who was measured: the people of an index table, for pages."""

from typing import Any

import pandas as pd

from cpexplore._validation import counted
from cpexplore.view import html


def cohort_note(index: pd.DataFrame) -> str:
    """Say why the levels together have more patients than there are, if they do."""
    levels = index.groupby("patient_id")["gmfcs"].nunique().tolist()
    several = [number for number in levels if number > 1]
    if not several:
        return ""
    return (
        f"{len(several)} of {counted(len(levels), 'patient')} changed level between "
        "visits and are counted at each of their levels."
    )


def cohort_grid(index: pd.DataFrame) -> html.Grid:
    """Count walks and patients of each level; mean age, devices, median duration."""
    groups = index.assign(level=index["gmfcs"].astype(str)).groupby("level")
    rows = [[str(level), *_cohort_cells(group)] for level, group in groups]
    head = ["GMFCS level", "walks", "patients"]
    head += ["age, years (SD)", "device", "length, s"]
    return html.Grid(head=head, rows=rows)


def _cohort_cells(group: Any) -> list[str]:
    age = group["age_years"]
    return [
        str(len(group)),
        str(group["patient_id"].nunique()),
        f"{html.number(age.mean(), 1)} ({html.number(age.std(), 1)})",
        _device_share(group["device"].dropna()),
        html.number((group["n_frames"] / group["fps"]).median(), 1),
    ]


def _device_share(known: pd.Series) -> str:
    """How many walks with a recorded device, ``none`` included, are walked with one."""
    if known.empty:
        return "not recorded"
    return f"{100 * known.isin(['crutches', 'walker']).mean():.0f} %"
