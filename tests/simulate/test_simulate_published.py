"""The table that compares the simulator with published numbers."""

from dataclasses import replace

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
    drawn = draw_children(28, seed=0, min_per_level=6)
    return [replace(child, n_frames=300) for child in drawn]


@pytest.fixture(scope="module")
def measured(children):
    return measure(children)


def test_one_row_per_published_number_and_most_are_kept(measured, children):
    table = plausibility(measured, children)
    assert list(table) == [
        *("quantity", "level", "published", "tolerance", "simulated"),
        *("status", "source", "within"),
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


def test_typical_children_stand_longer_when_slow():
    children = [replace(child, n_frames=300) for child in td_children(3, seed=1)]
    table = typical_plausibility(measure(children))
    timing = table[table["quantity"].str.endswith("% of cycle")]
    assert timing["level"].tolist() == 2 * ["free", "slow", "very_slow"]
    assert (timing["simulated"] - timing["published"]).abs().max() < 4
    assert set(timing["status"]) == {"unverified"}


def test_the_status_says_what_to_doubt(measured, children):
    table = plausibility(measured, children).set_index(["quantity", "level"])
    assert set(table["status"]) == {"published", "derived", "unverified", "own"}
    assert table.loc[("speed, m/s", "IV"), "status"] == "unverified"
    assert table.loc[("r(speed, cadence)", "all"), "status"] == "published"
    assert (table["source"].str.len() > 0).all()
