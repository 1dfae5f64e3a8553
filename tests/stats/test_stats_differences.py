from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpexplore.stats import cliffs_delta, kruskal, pairwise, trend


def children(study, feature="knee"):
    """One row per child by hand; the levels of a child never change in the study."""
    features, index = study
    joined = index.assign(value=features[feature])
    table = joined.groupby("patient_id").agg(
        value=("value", "mean"), gmfcs=("gmfcs", "first")
    )
    return table.dropna()


@pytest.mark.parametrize("feature", ["knee", "cadence", "trunk"])
def test_trend_p_is_that_of_tied_kendall(study, feature):
    features, index = study
    row = trend(features[[feature]], index).iloc[0]
    table = children(study, feature)
    tau = stats.kendalltau(
        table["value"], table["gmfcs"].cat.codes, method="asymptotic"
    )
    assert row["p_value"] == pytest.approx(tau.pvalue, rel=1e-9)
    assert np.sign(row["estimate"]) == np.sign(tau.statistic)
    assert row["n_rows"] == row["n_patients"] == len(table)


def test_trend_of_the_knowledge_of_performance_example():
    """Hollander and Wolfe (1999), example 6.2: J = 79, mean 54, variance 150.29."""
    groups = {
        "none": [40, 35, 38, 43, 44, 41],
        "rough": [38, 40, 47, 44, 40, 42],
        "accurate": [48, 40, 45, 43, 46, 44],
    }
    values = np.concatenate(list(groups.values()))
    information = pd.Categorical(np.repeat(list(groups), 6), list(groups), ordered=True)
    index = pd.DataFrame({"information": information, "man": range(18)})
    features = pd.DataFrame({"pieces": values})
    row = trend(features, index, outcome="information", groups="man").iloc[0]
    assert row["estimate"] == pytest.approx((79 - 54) / np.sqrt(150.29), abs=1e-4)


@pytest.mark.parametrize("feature", ["knee", "cadence"])
def test_kruskal_equals_scipy_on_children(study, feature):
    features, index = study
    row = kruskal(features[[feature]], index).iloc[0]
    table = children(study, feature)
    h, p_value = stats.kruskal(
        *(part["value"] for _, part in table.groupby("gmfcs", observed=True))
    )
    assert row["statistic"] == pytest.approx(h)
    assert row["estimate"] == pytest.approx(h / (len(table) - 1))
    assert row["p_value"] == pytest.approx(p_value)


def test_pairs_equal_mann_whitney_and_the_formula_of_dunn(study):
    features, index = study
    table = pairwise(features[["knee"]], index, n_resamples=200, rng=0)
    by_child = children(study)
    ranks = by_child["value"].rank()
    n = len(ranks)
    pairs = [
        ("I", "II"),
        ("I", "III"),
        ("I", "IV"),
        ("II", "III"),
        ("II", "IV"),
        ("III", "IV"),
    ]
    assert list(zip(table["level"], table["other"], strict=True)) == pairs
    for row in table.to_dict("records"):
        low, high = (by_child["gmfcs"] == row[name] for name in ("level", "other"))
        u = stats.mannwhitneyu(
            by_child["value"][high], by_child["value"][low]
        ).statistic
        assert row["estimate"] == pytest.approx(2 * u / (low.sum() * high.sum()) - 1)
        error = np.sqrt(n * (n + 1) / 12 * (1 / low.sum() + 1 / high.sum()))
        z = (ranks[high].mean() - ranks[low].mean()) / error
        assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(z)))
        assert row["ci_low"] <= row["estimate"] <= row["ci_high"]


def test_cliffs_delta_by_counting_pairs(rng):
    lower, higher = rng.integers(0, 9, 7), rng.integers(2, 12, 5)
    wins = sum(int(b > a) - int(b < a) for a in lower for b in higher)
    assert cliffs_delta(lower, higher) == wins / 35
    assert cliffs_delta(higher, lower) == -wins / 35


def test_a_child_counts_once_at_its_usual_level():
    """Two walks at II outweigh one at I; between equals the milder level counts."""
    index = pd.DataFrame(
        {
            "gmfcs": pd.Categorical(
                ["I", "II", "II", "I", "II", "II"], ["I", "II"], ordered=True
            ),
            "patient_id": ["a", "a", "a", "b", "b", "c"],
        },
        index=list("uvwxyz"),
    )
    features = pd.DataFrame({"step": [9.0, 1.0, 3.0, 5.0, 9.0, 4.0]}, index=index.index)
    table = pairwise(features, index, n_resamples=10, rng=0)
    assert table.loc[0, "estimate"] == np.sign([2 - 5, 4 - 5]).mean()
    assert table.loc[0, "n_rows"] == 3


@pytest.mark.parametrize("function", [trend, kruskal])
def test_missing_tests_say_why(study, function):
    features, index = study
    only = features["knee"].where(index["gmfcs"] == "III")
    notes = function(features.assign(only=only), index).set_index("feature")["note"]
    assert notes["constant"] == "the feature is constant"
    assert notes["empty"] == "the feature is missing everywhere"
    assert notes["only"] == "only level III has the feature"
    assert notes["knee"] == ""


def test_pairs_without_children_say_so(study):
    features, index = study
    knee = features[["knee"]].where(index[["gmfcs"]].to_numpy() != "IV")
    table = pairwise(knee, index, n_resamples=10, rng=0).set_index(["level", "other"])
    for pair in combinations(["I", "II", "III", "IV"], 2):
        expected = "a level has no child with the feature" if "IV" in pair else ""
        assert table.loc[pair, "note"] == expected


@pytest.mark.parametrize("function", [trend, kruskal])
def test_order_of_rows_does_not_matter(study, function):
    features, index = study
    one = function(features, index)
    other = function(features.iloc[::-1], index.sort_values("age_years"))
    pd.testing.assert_frame_equal(one, other)
