"""The audit on the page: one row per method, controls last, and what it comes to."""

import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.view.saliency_audit import audit_grid, lead_lines


@pytest.fixture
def table():
    columns = ["check", "method", "detail", "estimate", "lead"]
    rows = [
        ("deletion", "random", np.nan, 0.5, np.nan),
        ("deletion", "grad_cam", np.nan, 0.4, 0.1),
        ("insertion", "random", np.nan, 0.6, np.nan),
        ("insertion", "grad_cam", np.nan, 0.6, -0.001),
        ("randomisation", "grad_cam", "head", 0.9, np.nan),
        ("randomisation", "grad_cam", "block 0", 0.5, np.nan),
        ("complexity", "grad_cam", np.nan, 7.25, np.nan),
    ]
    made = pd.DataFrame(rows, columns=columns)
    return made.assign(
        ci_low=made["estimate"] - 0.1,
        ci_high=made["estimate"] + 0.1,
        lead_low=made["lead"] - 0.02,
        lead_high=made["lead"] + 0.02,
        control="random",
        is_control=made["method"] == "random",
    )


def test_controls_stand_below_and_what_was_not_asked_is_a_dash(table):
    grid = audit_grid(table)
    assert grid.head[:3] == ["method", "taken away (low)", "given back (high)"]
    assert [row[0] for row in grid.rows] == ["Grad-CAM", "Random order (control)"]
    grad_cam = dict(zip(grid.head, grid.rows[0], strict=True))
    assert grad_cam["taken away (low)"] == "0.40 [0.30,\N{NO-BREAK SPACE}0.50]"
    assert grad_cam["last layer drawn anew"] == "0.90 [0.80,\N{NO-BREAK SPACE}1.00]"
    assert grad_cam["all layers drawn anew (0)"] == "–"
    assert grad_cam["keypoints that share"] == "7.2 [7.2,\N{NO-BREAK SPACE}7.3]"
    assert "noise (1)" not in grid.head


def test_a_line_says_the_lead_over_the_best_control(table):
    assert lead_lines(table) == [
        "Grad-CAM: 0.10 [0.08, 0.12] taken away (random order), "
        "0.00 [−0.02, 0.02] given back (random order)"
    ]
    assert lead_lines(table[table["is_control"]]) == []


def test_an_audit_of_an_earlier_version_is_refused_in_a_sentence(table):
    message = (
        "`audit` lacks the columns 'is_control'; it has 'check', 'method', 'detail', "
        "'estimate', 'ci_low', 'ci_high'."
    )
    old = table[["check", "method", "detail", "estimate", "ci_low", "ci_high"]]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        audit_grid(old)
    with pytest.raises(ValueError, match="lacks the columns 'control', 'lead'"):
        lead_lines(old)
