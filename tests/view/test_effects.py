"""Pictures of effects: the artists carry the numbers of the tables."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cpexplore import gmfcs
from cpexplore.view.effects import (
    by_adjustment,
    plot_level_curves,
    plot_odds_ratios,
    plot_threshold_odds_ratios,
    question_grid,
    surest_features,
)

NAMES = ["speed_llps", "cadence_spm", "sway"]


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def odds(*estimates, **columns):
    table = pd.DataFrame(
        {"feature": NAMES, "estimate": estimates, "ci_level": 0.9}
    ).assign(**columns)
    return table.assign(ci_low=table["estimate"] / 2, ci_high=table["estimate"] * 2)


def series(ax):
    """Estimates and rows of every labelled marker series."""
    return {
        line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
        for line in ax.lines
        if not line.get_label().startswith("_") and len(line.get_xdata())
    }


def test_odds_ratios_have_a_row_per_feature_and_a_marker_per_table(ax):
    tables = {"alone": odds(0.5, 2.0, 3.0), "adjusted": odds(0.8, np.nan, 1.5)}
    assert plot_odds_ratios(tables, features=NAMES[::-1], ax=ax) is ax
    drawn = series(ax)
    assert drawn["alone"] == ([3.0, 2.0, 0.5], [-0.11, 0.89, 1.89])
    assert drawn["adjusted"] == ([1.5, 0.8], [0.11, 2.11])
    ends = [s[:, 0].tolist() for s in ax.collections[0].get_segments()]
    assert ends == [[1.5, 6.0], [1.0, 4.0], [0.25, 1.0]]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["sway", "cadence (steps/min)", "speed (LL/s)"]
    assert ax.get_xscale() == "log"
    assert ax.get_ylim() == (2.5, -0.5)
    assert ax.get_xlabel() == "odds ratio of a higher level per SD (90 % CI)"


def test_an_adjustment_is_named_by_what_was_held_constant_not_by_what_was_asked():
    full = "age_years + sex + leg_length_m + speed_llps"
    own = ["age_years + sex + leg_length_m", full, full]
    tables = {
        "odds_ratios_adjusted_device": odds(9, 9, 9, adjusted_for=own),  # no device
        "odds_ratios_adjusted": odds(1, 1, 1, adjusted_for=own),
        "odds_ratios": odds(2, 2, 2, adjusted_for=np.nan),
        "threshold_odds_ratios": odds(3, 3, 3),
    }
    found = by_adjustment(tables)
    assert list(found) == ["unadjusted", "age, sex, leg length, speed"]
    assert found["age, sex, leg length, speed"] is tables["odds_ratios_adjusted"]
    with pytest.raises(ValueError, match=r"^`odds_ratios` lacks .* 'adjusted_for'"):
        by_adjustment({"odds_ratios": odds(1, 1, 1)})


def test_the_surest_features_are_the_most_standard_errors_from_one():
    table = odds(9.0, 0.4, np.nan).assign(ci_low=[0.5, 0.3, 1], ci_high=[162, 0.53, 2])
    assert surest_features(table, n=5) == ["cadence_spm", "speed_llps"]
    assert surest_features(table, n=1) == ["cadence_spm"]


def test_what_is_beyond_the_axis_becomes_an_arrow_at_its_end(ax):
    plot_odds_ratios({"alone": odds(1e-7, 2.0, 1e9)}, features=NAMES, ax=ax)
    assert series(ax)["alone"] == ([2.0], [1.0])
    arrows = {
        line.get_marker(): line.get_xdata().tolist()
        for line in ax.lines
        if line.get_marker() in "<>"
    }
    assert arrows == {"<": [1 / 200], ">": [200.0]}


def test_an_end_of_an_interval_beyond_the_axis_has_its_arrow_too(ax):
    table = odds(0.5, 2.0, 3.0).assign(ci_low=[0.1, 1e-3, 1], ci_high=[9, 1e3, 1e4])
    plot_odds_ratios({"alone": table}, features=NAMES, ax=ax)
    assert series(ax)["alone"][0] == [0.5, 2.0, 3.0]
    arrows = {line.get_marker(): list(line.get_ydata()) for line in ax.lines}
    assert arrows["<"] == [1.0]
    assert arrows[">"] == [1.0, 2.0]


def test_thresholds_stand_beside_the_common_odds_ratio(ax):
    table = pd.concat(
        [
            odds(0.5, 2.0, 3.0, threshold="above mild"),
            odds(0.6, 2.5, 4.0, threshold="above moderate"),
        ]
    )
    common = odds(0.55, 2.2, 3.3)
    plot_threshold_odds_ratios(table, features=NAMES, common=common, ax=ax)
    assert series(ax)["above mild"][0] == [0.5, 2.0, 3.0]
    assert series(ax)["above moderate"][0] == [0.6, 2.5, 4.0]
    bars = ax.collections[0]
    assert bars.get_label() == "common"
    assert [s[0, 0] for s in bars.get_segments()] == [0.55, 2.2, 3.3]


@pytest.fixture
def curves():
    phase = np.arange(0, 101, 10)
    parts = [
        pd.DataFrame({"level": level, "phase": phase, "estimate": mean + phase / 10})
        for level, mean in (("I", 5.0), ("III", 9.0))
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(ci_low=table["estimate"] - 1, ci_high=table["estimate"] + 1)


def test_levels_have_their_colour_their_mean_and_their_band(ax, curves):
    band = (np.zeros(11), np.ones(11))
    plot_level_curves(curves, reference=band, ax=ax)
    drawn = {line.get_label(): line for line in ax.lines}
    assert list(drawn) == ["I", "III"]
    for level, line in drawn.items():
        own = curves[curves["level"] == level]
        assert line.get_ydata().tolist() == own["estimate"].tolist()
        assert to_hex(line.get_color()) == gmfcs.COLOURS[level].lower()
    reference, mild, _ = ax.collections
    assert reference.get_paths()[0].vertices[:, 1].max() == 1
    assert mild.get_paths()[0].vertices[:, 1].min() == 4
    assert ax.get_xlim() == (0, 100)


def test_a_bar_covers_only_clusters_that_are_sure(ax, curves):
    phase = np.arange(0, 101, 10)
    cluster = np.array([1, 1, 0, 2, 2, 2, 0, 0, 3, 3, 3])
    p_value = np.array([np.nan, 0.01, 0.2, 0.05])[cluster]
    tests = pd.DataFrame({"phase": phase, "cluster": cluster, "p_value": p_value})
    tests["q_value"] = np.where(cluster > 0, 0.03, np.nan)
    plot_level_curves(curves, tests=tests, ax=ax)
    ends = [s[:, 0].tolist() for s in ax.collections[-1].get_segments()]
    assert ends == [[0, 10], [80, 100]]
    ax.clear()
    plot_level_curves(curves, tests=tests.assign(q_value=0.06), ax=ax)
    assert not ax.collections[-1].get_segments()


def test_tables_without_a_column_are_refused(ax, curves):
    sentence = re.escape(
        "`tables['alone']` lacks the columns 'ci_low', 'ci_high', 'ci_level';"
    )
    with pytest.raises(ValueError, match=f"^{sentence}"):
        plot_odds_ratios(
            {"alone": odds(1, 1, 1)[["feature", "estimate"]]}, features=NAMES, ax=ax
        )
    with pytest.raises(ValueError, match=r"^`table` lacks the columns 'threshold';"):
        plot_threshold_odds_ratios(odds(1, 1, 1), features=NAMES, ax=ax)
    with pytest.raises(ValueError, match=r"^`curves` lacks the columns 'level';"):
        plot_level_curves(curves.drop(columns="level"), ax=ax)


@pytest.mark.parametrize(("problem", "shown"), [("two vary", "two vary"), (None, "")])
def test_every_table_is_listed_with_what_it_answers_or_why_not(
    problem, shown, tmp_path
):
    asked = pd.DataFrame(
        {
            "table": ["trend", "redundancy"],
            "question": ["Do means rise?", "Which say the same?"],
            "n_tests": [59, None],
            "problem": ["", problem],
        }
    )
    asked.to_csv(tmp_path / "questions.csv", index=False)
    asked = pd.read_csv(tmp_path / "questions.csv")
    grid = question_grid({"trend": asked, "questions": asked})
    assert grid.rows == [
        ["Do means rise?", "statistics/trend.csv", "59", ""],
        ["Which say the same?", "–", "–", shown],
    ]
    assert question_grid({"trend": asked}) is None
