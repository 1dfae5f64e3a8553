import numpy as np
import pytest
from scipy import stats

from cpexplore.stats.resampling import (
    cluster_bootstrap,
    cluster_weights,
)

ORACLES = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}


def rows(rng, n_patients=30):
    """Features with ties, NaN and none of both; 1 to 4 rows per patient."""
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
    weights = cluster_weights(groups, n_resamples=20, rng=7)
    got = cluster_bootstrap(
        X, y, groups=groups, statistic=statistic, n_resamples=20, rng=7
    )
    for replicate, weight in zip(got, weights, strict=True):
        drawn = np.repeat(np.arange(len(y)), weight)
        for column, value in enumerate(replicate):
            known = drawn[np.isfinite(X[drawn, column])]
            expected = ORACLES[statistic](X[known, column], y[known]).statistic
            assert value == pytest.approx(expected, abs=1e-12)
