"""The table that compares the simulator with published numbers."""

import pandas as pd
import pytest

from cpexplore.simulate import (
    draw_children,
    measure,
    plausibility,
    td_children,
    typical_plausibility,
)


@pytest.fixture(scope="module")
def children():
    return draw_children(32, seed=0, min_per_level=6)


@pytest.fixture(scope="module")
def measured(children):
    return measure(children)


def test_one_row_per_published_number_and_most_are_kept(measured, children):
    table = plausibility(measured, children)
    assert list(table) == [
        *("quantity", "level", "published", "tolerance", "simulated", "source"),
        "within",
    ]
    assert not table.duplicated(["quantity", "level"]).any()
    assert table["simulated"].notna().all()
    physics = table["quantity"].str.startswith("median correction")
    assert physics.sum() == 3
    assert (table.loc[physics, "simulated"] < 4).all()


def test_speed_and_stance_follow_the_level(measured):
    by_level = measured.groupby("gmfcs")[["speed_mps", "stance_pct"]].mean()
    assert by_level["speed_mps"].is_monotonic_decreasing
    assert by_level["stance_pct"].is_monotonic_increasing


def test_the_number_of_processes_changes_nothing(measured, children):
    pd.testing.assert_frame_equal(measure(children[:4], n_jobs=2), measured.iloc[:4])


def test_typical_children_stand_longer_when_slow():
    table = typical_plausibility(measure(td_children(4, seed=1)))
    stance = table[table["quantity"] == "stance, % of cycle"].set_index("level")
    assert (stance["simulated"] - stance["published"]).abs().max() < 2.5
