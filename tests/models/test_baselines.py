"""Models of tables."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cpexplore.models.baselines import STRENGTHS, fit_boosting, fit_logit


def problem(rng, n=200, levels=4):
    target = rng.integers(0, levels, n)
    scores = rng.normal(size=(n, 3))
    scores[:, 0] += 1.5 * target
    scores[rng.random((n, 3)) < 0.1] = np.nan
    return scores, target


def test_logit_is_scikit_learns_at_the_strength_the_inner_part_likes(rng):
    scores, target = problem(rng)
    inner = problem(rng, n=100)
    flags = np.isnan(scores)
    x = np.hstack([np.nan_to_num(scores), flags])
    inner_x = np.hstack([np.nan_to_num(inner[0]), np.isnan(inner[0])])
    oracles = [LogisticRegression(C=c, max_iter=2000).fit(x, target) for c in STRENGTHS]
    proba = [oracle.predict_log_proba(inner_x) for oracle in oracles]
    best = np.argmax([p[np.arange(100), inner[1]].mean() for p in proba])
    model = fit_logit(scores, target, inner=inner, balance=0.0)
    np.testing.assert_allclose(model.log_proba(inner[0]), proba[best], atol=1e-6)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_absent_level_keeps_a_small_probability(levels, rng):
    scores, target = problem(rng, levels=levels)
    for model in (
        fit_logit(scores, target, inner=(scores, target)),
        *([fit_boosting(scores, target)] if levels > 1 else []),
    ):
        proba = np.exp(model.log_proba(scores))
        np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
        assert (proba[:, levels:] > 0).all()
        assert proba[:, levels:].max() < 0.01


def test_two_levels_equal_the_binary_regression(rng):
    scores, target = problem(rng, levels=2)
    model = fit_logit(scores, target, inner=(scores, target), balance=0.0)
    odds = model.log_proba(scores)[:, 1] - model.log_proba(scores)[:, 0]
    assert ((odds > 0) == target).mean() > 0.7
    np.testing.assert_allclose(
        odds.mean(), np.log(target.mean() / (1 - target.mean())), atol=0.5
    )


def test_boosting_learns_and_takes_missing_values(rng):
    scores, target = problem(rng, n=400)
    model = fit_boosting(scores[:300], target[:300])
    answer = model.log_proba(scores[300:]).argmax(1)
    assert (answer == target[300:]).mean() > 0.45


def test_without_features_the_shares_answer():
    target, nothing = np.array([0, 0, 0, 1]), np.empty((4, 0))
    model = fit_logit(nothing, target, inner=(nothing, target))
    proba = np.exp(model.log_proba(nothing))
    np.testing.assert_allclose(proba, [[0.75, 0.25, 0, 0]] * 4, atol=1e-3)
