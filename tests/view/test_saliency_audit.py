"""The audit on the page: one row per method, controls last, and what it comes to."""

import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.view.saliency_audit import audit_grid, audit_note


@pytest.fixture
def table():
    columns = ["check", "method", "detail", "estimate", "n_ahead"]
    rows = [
        ("deletion", "random", np.nan, 0.5, np.nan),
        ("deletion", "grad_cam", np.nan, 0.4, 3),
        ("insertion", "random", np.nan, 0.6, np.nan),
        ("insertion", "grad_cam", np.nan, 0.7, 4),
        ("randomisation", "grad_cam", "head", 0.9, np.nan),
        ("randomisation", "grad_cam", "block 0", 0.5, np.nan),
        ("complexity", "grad_cam", np.nan, 7.25, np.nan),
    ]
    made = pd.DataFrame(rows, columns=columns)
    low, high = made["estimate"] - 0.1, made["estimate"] + 0.1
    made["is_control"] = made["method"] == "random"
    return made.assign(lowest=low, highest=high, n_folds=5)


def test_controls_stand_below_and_what_was_not_asked_is_a_dash(table):
    grid = audit_grid(table)
    assert grid.head[:3] == ["method", "taken away (low)", "given back (high)"]
    assert [row[0] for row in grid.rows] == ["Grad-CAM", "Random (control)"]
    grad_cam = dict(zip(grid.head, grid.rows[0], strict=True))
    assert grad_cam["taken away (low)"] == "0.40 [0.30,\N{NO-BREAK SPACE}0.50]"
    assert grad_cam["head drawn anew"] == "0.90 [0.80,\N{NO-BREAK SPACE}1.00]"
    assert grad_cam["all drawn anew (0)"] == "–"
    assert grad_cam["keypoints"] == "7.2 [7.2,\N{NO-BREAK SPACE}7.3]"
    assert "noise (1)" not in grid.head


def test_the_note_counts_folds(table):
    assert audit_note(table) == (
        "In how many of 5 folds the keypoints that a method names first count more "
        "than those of every control, when their movement is taken away and when it is "
        "given back: Grad-CAM 3 and 4."
    )


@pytest.mark.parametrize("show", [audit_grid, audit_note])
def test_an_audit_of_an_earlier_version_is_refused_in_a_sentence(table, show):
    old = table.drop(columns=["is_control", "n_ahead"])
    message = (
        "`audit` lacks the columns 'is_control', 'n_ahead'; it has 'check', 'method', "
        "'detail', 'estimate', 'lowest', 'highest', 'n_folds'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        show(old)
