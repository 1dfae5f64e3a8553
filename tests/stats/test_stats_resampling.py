import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cpexplore.stats import cluster_bootstrap, cluster_weights, percentile_interval
from cpexplore.stats.resampling import weighted_midranks

ORACLES = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}


def rows(rng, n_patients=30):
    """Features without ties, with ties and with NaN; 1 to 4 rows per patient."""
    groups = np.repeat(np.arange(n_patients), rng.integers(1, 5, n_patients))
    rng.shuffle(groups)
    y = rng.integers(0, 4, len(groups)).astype(float)
    X = rng.normal(size=(len(groups), 3)) + 0.5 * y[:, None]
    X[:, 1] = X[:, 1].round()
    X[rng.random(len(groups)) < 0.2, 2] = np.nan
    return X, y, groups


@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
@pytest.mark.parametrize("continuous", [False, True])
def test_bootstrap_equals_scipy_on_the_expanded_resample(rng, statistic, continuous):
    X, y, groups = rows(rng)
    if continuous:
        y = y + rng.normal(size=len(y))
    weights = cluster_weights(groups, n_resamples=40, rng=7)
    got = cluster_bootstrap(
        X, y, groups=groups, statistic=statistic, n_resamples=40, rng=7
    )
    for replicate, weight in zip(got, weights, strict=True):
        drawn = np.repeat(np.arange(len(y)), weight)
        for column, value in enumerate(replicate):
            known = drawn[np.isfinite(X[drawn, column])]
            expected = ORACLES[statistic](X[known, column], y[known]).statistic
            assert value == pytest.approx(expected, abs=1e-12)


def test_bootstrap_ignores_the_order_of_rows(rng):
    X, y, groups = rows(rng)
    order = rng.permutation(len(y))
    one = cluster_bootstrap(X, y, groups=groups, n_resamples=50, rng=3)
    other = cluster_bootstrap(
        X[order], y[order], groups=groups[order], n_resamples=50, rng=3
    )
    np.testing.assert_allclose(one, other, atol=1e-14)


@given(scale=st.floats(0.01, 100), power=st.sampled_from([1, 3]))
def test_bootstrap_ignores_monotone_transformations(scale, power):
    X, y, groups = rows(np.random.default_rng(5))
    one = cluster_bootstrap(X, y, groups=groups, n_resamples=5, rng=3)
    other = cluster_bootstrap(
        scale * X**power - 4, 2 * y + 1, groups=groups, n_resamples=5, rng=3
    )
    np.testing.assert_allclose(one, other, atol=1e-13)


@pytest.mark.parametrize("statistic", ["spearman", "kendall"])
def test_constant_and_empty_features_have_no_correlation(statistic):
    X = np.column_stack([np.ones(6), np.full(6, np.nan), np.arange(6)])
    got = cluster_bootstrap(
        X, np.arange(6), groups=np.arange(6), statistic=statistic, n_resamples=9, rng=0
    )
    assert np.isnan(got[:, :2]).all()
    np.testing.assert_allclose(got[:, 2], 1.0)


def test_weights_draw_whole_patients():
    groups = np.array(["b", "a", "b", "c", "b"])
    weights = cluster_weights(groups, n_resamples=4000, rng=1)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.06)
    np.testing.assert_allclose(weights[:, 1].var(), 1 - 1 / 3, atol=0.06)


def test_midranks_equal_those_of_the_copies(rng):
    values = rng.integers(0, 5, 20)
    weights = rng.integers(0, 4, (20, 7))
    got = weighted_midranks(values, weights)
    for column, weight in enumerate(weights.T):
        copies = np.repeat(np.arange(20), weight)
        expected = stats.rankdata(values[copies])
        np.testing.assert_array_equal(got[copies, column], expected)


def test_interval_covers_the_mean_as_often_as_promised(rng):
    covered = 0
    for _ in range(300):
        sample = rng.normal(size=40)
        weights = cluster_weights(np.arange(40), n_resamples=400, rng=rng)
        low, high = percentile_interval(weights @ sample / 40, ci_level=0.9)
        covered += low <= 0 <= high
    assert 0.84 <= covered / 300 <= 0.95


def test_interval_leaves_undefined_replicates_out():
    replicates = np.array([[np.nan, np.nan], [0.0, np.nan], [1.0, np.nan]])
    low, high = percentile_interval(replicates, ci_level=0.5)
    np.testing.assert_allclose(low, [0.25, np.nan])
    np.testing.assert_allclose(high, [0.75, np.nan])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: cluster_weights([], n_resamples=1, rng=0),
            "`groups` must name the patient of every row; got 0 missing of 0 rows.",
        ),
        (
            lambda: cluster_weights(["a", None], n_resamples=1, rng=0),
            "`groups` must name the patient of every row; got 1 missing of 2 rows.",
        ),
        (
            lambda: cluster_weights(["a"], n_resamples=0, rng=0),
            "`n_resamples` must be a finite number and >= 1; got 0.",
        ),
        (
            lambda: percentile_interval([1.0], ci_level=1.0),
            "`ci_level` must be a finite number and > 0 and < 1; got 1.0.",
        ),
        (
            lambda: cluster_bootstrap(np.ones((2, 1)), [1, 2, 3], groups=[1, 2]),
            "`y` must have one entry per row of `X`; got 3 for 2 rows.",
        ),
        (
            lambda: cluster_bootstrap(np.ones((2, 1)), [1, 2], groups=[1]),
            "`groups` must have one entry per row of `X`; got 1 for 2 rows.",
        ),
        (
            lambda: cluster_bootstrap(np.ones(2), [1, 2], groups=[1, 2]),
            "`X` must have the shape (row, feature) and `y` the shape (row,); "
            "got (2,) and (2,).",
        ),
        (
            lambda: cluster_bootstrap(
                np.ones((2, 1)), [1, 2], groups=[1, 2], statistic="kendal"
            ),
            "`statistic` must be one of 'spearman', 'kendall'; got 'kendal'. "
            "Did you mean 'kendall'?",
        ),
    ],
)
def test_wrong_input_is_named(call, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        call()
