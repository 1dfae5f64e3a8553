"""The plausibility page shows every row, marks what is doubtful, and is never stale."""

import json
import re
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cpexplore.simulate import PARAMETERS
from cpexplore.view.plausibility import STATUS, list_assumptions, plot_plausibility

ROOT = Path(__file__).parents[2]


@pytest.fixture
def table():
    rows = [
        ("speed, m/s", "I", 1.0, 0.1, 1.05, 1.0, 1.1, True, "published", "A"),
        ("speed, m/s", "IV", 0.5, 0.1, 0.7, 0.6, 0.8, False, "unverified", "B"),
    ]
    columns = ["quantity", "level", "published", "tolerance", "simulated"]
    columns += ["low", "high", "within", "status", "source"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def axes():
    figure, axes = plt.subplots(1, 3)
    yield axes
    plt.close(figure)


def test_points_are_in_units_of_the_tolerance_and_marked_by_status(table, axes):
    ax = plot_plausibility(table, ax=axes[0])
    lines = {line.get_label(): line for line in ax.lines}
    sure, doubtful = lines["published"], lines["rests on an assumption"]
    np.testing.assert_allclose(sure.get_xdata(), [0.5])
    np.testing.assert_allclose(doubtful.get_xdata(), [2.0])
    assert doubtful.get_markerfacecolor() == STATUS["unverified"]["mfc"] == "white"
    low, high = ax.get_xlim()
    assert low < -3 < 3 < high


def test_every_row_says_number_and_source_and_a_miss_is_bold(table, axes):
    ax = plot_plausibility(table, ax=axes[0])
    written = {text.get_text(): text.get_weight() for text in ax.texts}
    assert {"speed, m/s", "I", "IV", "A", "B"} <= set(written)
    assert written["1 ± 0.1"] == written["1.05"] == "normal"
    assert written["0.7"] == "bold"


def test_all_assumed_parameters_are_listed(axes):
    parameters = PARAMETERS.table()
    list_assumptions(parameters, axes=(axes[1], axes[2]))
    written = {text.get_text() for ax in axes[1:] for text in ax.texts}
    assumed = parameters.index[parameters["status"] == "assumed"]
    assert {name.replace("_", " ") for name in assumed} <= written
    assert "11, 4" in written
    assert "0.009 to 0.015" in written


def test_the_shipped_table_belongs_to_the_simulator_as_it_is():
    made = json.loads((ROOT / "figures" / "simulator_plausibility.json").read_text())
    assert made["parameters"] == PARAMETERS.hash()
    assert made["patients"] == 797
    assert made["command"].startswith("python benchmarks/simulator_plausibility.py")
    rows = pd.DataFrame(made["rows"])
    assert len(rows) > 40
    assert rows["within"].all()


def test_a_stale_table_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    figure = import_module("figures.fig_08_simulator")
    stale = tmp_path / "simulator_plausibility.json"
    stale.write_text(json.dumps({"parameters": "old", "command": "make it"}))
    monkeypatch.setattr(figure, "TABLE", stale)
    sentence = (
        "'simulator_plausibility.json' must be made with the simulator's parameters "
        f"{PARAMETERS.hash()}; got old. Run `make it`."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        figure.main(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
