import numpy as np
import pytest
from scipy import stats

from cpexplore.stats import permutation_p
from cpexplore.stats.permutation import exchangeable, permutations


def test_p_equals_scipy_when_every_patient_has_one_row(rng):
    y = np.repeat([0.0, 1.0, 2.0], 4)
    x = rng.normal(size=12) + 0.5 * y

    def rho(other):
        return stats.spearmanr(x, other).statistic

    expected = stats.permutation_test(
        (y,), rho, permutation_type="pairings", n_resamples=4000, rng=1
    ).pvalue
    got = permutation_p(x[:, None], y, groups=np.arange(12), n_permutations=4000, rng=2)
    assert got[0] == pytest.approx(expected, abs=0.02)


def test_p_is_exact_for_all_orders_of_four():
    """Of 24 orders of 4 patients 2 are as extreme as the perfect one."""
    x = np.arange(4.0)[:, None]
    got = permutation_p(
        x, np.arange(4), groups=[1, 2, 3, 4], n_permutations=20000, rng=0
    )
    assert got[0] == pytest.approx(2 / 24, abs=0.008)


def test_sequences_move_between_patients_of_the_same_length(rng):
    patients = np.repeat(np.arange(13), [1] * 6 + [2] * 7)
    outcome = rng.normal(size=len(patients))
    rows, strata = exchangeable(patients)
    assert rows.tolist() == list(range(20))
    sequences = {tuple(outcome[patients == p]) for p in range(13)}
    for order in permutations(strata, n=30, rng=rng):
        for column in order.T:
            moved = outcome[column]
            assert sorted(moved) == sorted(outcome)
            assert {tuple(moved[patients == p]) for p in range(13)} == sequences


def test_rare_lengths_are_cut_to_one_row_and_pooled():
    patients = np.array([0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6])
    rows, strata = exchangeable(patients)
    assert rows.tolist() == [0, 1, *range(4, 14)]
    assert [stratum.shape for stratum in strata] == [(2, 1), (5, 2)]


def test_missing_values_stay_and_constants_have_no_p(rng):
    """A feature missing at random keeps its size; a shared constant has none."""
    y = rng.integers(0, 3, 60).astype(float)
    X = np.column_stack(
        [y + rng.normal(size=60), np.full(60, 2.0), np.full(60, np.nan)]
    )
    X[::3, 0] = np.nan
    p = permutation_p(X, y, groups=np.arange(60), n_permutations=500, rng=0)
    assert p[0] < 0.05
    assert np.isnan(p[1:]).all()


def test_rejects_at_the_nominal_rate_when_walks_are_clustered():
    rejected, naive = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        child = np.repeat(np.arange(50), rng.integers(1, 5, 50))
        y = rng.integers(0, 4, 50)[child].astype(float)
        x = rng.normal(size=50)[child] + 0.8 * rng.normal(size=len(child))
        p = permutation_p(x[:, None], y, groups=child, n_permutations=199, rng=seed)
        rejected += p[0] <= 0.05
        naive += stats.spearmanr(x, y).pvalue <= 0.05
    assert 0.02 <= rejected / 300 <= 0.08
    assert naive / 300 > 0.10
