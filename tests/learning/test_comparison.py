"""Comparisons of models against textbook tests and scikit-learn's counts."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats import contingency_tables

from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import compare, score
from cpexplore.learning.comparison import corrected_t, ensemble, mcnemar


def test_compare_is_the_paired_difference(rng, two_models):
    oof = two_models(rng)
    table = compare(oof, "b", "a", n_resamples=300).set_index("metric")
    scores = score(oof, n_resamples=10)
    estimate = scores[scores["level"] == "all"].pivot_table(
        index="metric", columns="model", values="estimate"
    )
    difference = estimate["b"] - estimate["a"]
    np.testing.assert_allclose(table["estimate"], difference[table.index])
    assert table["p_value"].notna().sum() == table["p_folds"].notna().sum() == 1
    plain = compare(oof.drop(columns=["seed", "fold"]), "b", "a", n_resamples=10)
    assert plain["p_folds"].isna().all()  # it does not say which folds there were
    assert (table["model_a"] == "b").all()
    same = compare(oof, "a", "a", n_resamples=50)
    assert (same[["estimate", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_compare_refuses_different_walks(rng, two_models):
    oof = two_models(rng)
    message = (
        "`a` and `b` must have judged the same walks; 'a' has 59 rows and 'b' has 60."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        compare(oof.iloc[1:], "a", "b")
    message = "`b` must be one of 'a', 'b'; got 'c'."
    with pytest.raises(ValueError, match=re.escape(message)):
        compare(oof, "a", "c")


def test_mcnemar_with_one_row_per_patient_is_the_textbook_test(rng):
    right_a, right_b = rng.random((2, 200)) < [[0.7], [0.5]]
    table = sk.confusion_matrix(right_a, right_b)
    oracle = contingency_tables.mcnemar(table, exact=False, correction=False)
    result = mcnemar(right_a, right_b, groups=np.arange(200))
    assert result == pytest.approx(oracle.pvalue)
    assert mcnemar(right_a, right_a, groups=np.arange(200)) == 1.0


def test_mcnemar_holds_its_level_under_clustering(rng):
    rejected = 0
    for _ in range(400):
        lean = rng.normal(0, 0.4, 60)  # some children suit one model, some the other
        chance = np.clip(0.5 + np.stack([lean, -lean]) / 2, 0, 1)
        right = rng.random((2, 60, 4)) < chance[..., None]
        groups = np.repeat(np.arange(60), 4)
        p_value = mcnemar(right[0].ravel(), right[1].ravel(), groups=groups)
        rejected += p_value < 0.05
    assert rejected / 400 < 0.08


def test_the_corrected_t_is_the_plain_one_shrunk_by_the_shared_training(rng):
    difference = rng.normal(0.03, 0.05, 15)
    plain = stats.ttest_1samp(difference, 0)
    shrunk = plain.statistic * np.sqrt((1 / 15) / (1 / 15 + 0.25))
    expected = 2 * stats.t.sf(abs(shrunk), 14)
    assert corrected_t(difference, test_share=0.25) == pytest.approx(expected)
    assert corrected_t(difference, test_share=0.0) == pytest.approx(plain.pvalue)


def test_the_corrected_t_at_its_ends():
    assert corrected_t(np.zeros(5), test_share=0.25) == 1.0
    assert corrected_t(np.full(5, 0.1), test_share=0.25) < 1e-6
    assert np.isnan(corrected_t(np.array([0.1]), test_share=0.25))


def test_folds_are_compared_by_their_own_accuracies(rng, two_models):
    oof = two_models(rng)
    table = compare(oof, "b", "a", n_resamples=10).set_index("metric")
    right = oof[["p_I", "p_II", "p_III", "p_IV"]].to_numpy().argmax(1)
    oof["right"] = right == oof["gmfcs"].astype("category").cat.codes
    by_fold = oof.pivot_table(index="fold", columns="model", values="right")
    expected = corrected_t((by_fold["b"] - by_fold["a"]).to_numpy(), test_share=0.25)
    assert table["p_folds"]["accuracy"] == pytest.approx(expected)


def test_an_ensemble_is_the_mean_log_probability(rng, two_models):
    oof = two_models(rng)
    joined = ensemble(oof.sample(frac=1, random_state=0), ["a", "b"], name="both")
    assert set(joined["model"]) == {"both"}
    columns = list(PROBABILITIES)
    a, b = (
        oof[oof["model"] == m].set_index("walk_id").loc[joined["walk_id"], columns]
        for m in "ab"
    )
    product = np.sqrt(a.to_numpy() * b.to_numpy())
    expected = product / product.sum(1, keepdims=True)
    np.testing.assert_allclose(joined[columns], expected, rtol=1e-9)


def test_an_ensemble_of_one_is_that_model(rng, two_models):
    oof = two_models(rng)
    joined = ensemble(oof, ["a"], name="alone").set_index("walk_id")
    columns = list(PROBABILITIES)
    own = oof[oof["model"] == "a"].set_index("walk_id").loc[joined.index, columns]
    np.testing.assert_allclose(joined[columns], own, rtol=1e-9)
