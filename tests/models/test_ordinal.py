"""Models that know the order of levels, against other people's."""

import numpy as np
import pytest
import torch
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel
from torch.nn import functional as F

from cpexplore.models.ordinal import (
    exceedance_log_proba,
    fit_ordinal,
    make_head,
    threshold_log_proba,
)


def problem(rng, n=400):
    scores = rng.normal(size=(n, 3))
    severity = scores @ [1.0, -0.5, 0.0] + rng.logistic(size=n)
    return scores, np.digitize(severity, [-1.0, 0.5, 2.0])


def test_without_a_penalty_it_is_statsmodels(rng, monkeypatch):
    monkeypatch.setattr("cpexplore.models.ordinal.STRENGTHS", (1e6,))
    scores, target = problem(rng)
    model = fit_ordinal(scores, target, inner=(scores, target), balance=0.0)
    oracle = OrderedModel(target, scores, distr="logit")
    fitted = oracle.fit(method="bfgs", disp=0)
    np.testing.assert_allclose(model.coef[:3], fitted.params[:3], atol=1e-3)
    thresholds = oracle.transform_threshold_params(fitted.params[3:])[1:-1]
    np.testing.assert_allclose(model.thresholds, thresholds, atol=1e-3)
    proba = np.exp(model.log_proba(scores))
    np.testing.assert_allclose(proba, fitted.predict(), atol=1e-3)


def test_the_inner_part_chooses_how_much_noise_may_say(rng):
    scores, target = rng.normal(size=(60, 40)), rng.integers(0, 4, 60)
    inner = rng.normal(size=(60, 40)), rng.integers(0, 4, 60)
    model = fit_ordinal(scores, target, inner=inner)
    assert np.abs(model.coef).max() < 0.1


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_absent_level_keeps_a_small_probability(levels, rng):
    scores, target = problem(rng)
    target = np.minimum(target, levels - 1)
    scores[::7, 1] = np.nan
    model = fit_ordinal(scores, target, inner=(scores, target))
    proba = np.exp(model.log_proba(scores))
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-9)
    assert (proba[:, levels:] > 0).all()
    assert (proba[:, levels:] < 0.01).all()


def test_the_severest_scores_get_the_highest_levels(rng):
    scores, target = problem(rng)
    model = fit_ordinal(scores, target, inner=(scores, target))
    expected = np.exp(model.log_proba(scores)) @ np.arange(4)
    assert stats.spearmanr(expected, scores @ [1.0, -0.5, 0.0]).statistic > 0.95


def test_cross_entropy_of_exceedances_is_corns_sum_of_binary_losses(rng):
    logits = torch.tensor(rng.normal(size=(50, 3)))
    target = torch.tensor(rng.integers(0, 4, 50))
    binary = torch.zeros(())
    for k in range(3):
        at_least = target >= k
        beyond = (target[at_least] > k).double()
        binary = binary + F.binary_cross_entropy_with_logits(
            logits[at_least, k], beyond, reduction="sum"
        )
    ours = F.nll_loss(exceedance_log_proba(logits), target, reduction="sum")
    torch.testing.assert_close(ours, binary)


def test_levels_lie_between_thresholds_of_a_logistic_severity(rng):
    severity, thresholds = rng.normal(size=20), np.array([-1.0, 0.2, 2.0])
    cumulative = stats.logistic.cdf(thresholds - severity[:, None])
    padded = np.hstack([np.zeros((20, 1)), cumulative, np.ones((20, 1))])
    ours = threshold_log_proba(torch.tensor(severity), torch.tensor(thresholds))
    np.testing.assert_allclose(ours.exp(), np.diff(padded, axis=1), atol=1e-12)


def test_extreme_severities_stay_finite():
    severity = torch.tensor([-500.0, 500.0], requires_grad=True)
    log_proba = threshold_log_proba(severity, torch.tensor([-1.0, 0.0, 1.0]))
    log_proba.sum().backward()
    assert log_proba.isfinite().all()
    assert severity.grad.isfinite().all()


@pytest.mark.parametrize(
    ("answer", "numbers"), [("levels", 4), ("corn", 3), ("proportional_odds", 1)]
)
def test_heads_answer_for_all_levels_from_as_many_numbers(answer, numbers):
    head = make_head(8, n_levels=4, answer=answer)
    assert head.weight.shape == (numbers, 8)
    told = head(torch.randn(5, 8))
    assert told.shape == (5, 4)
    told.log_softmax(1)[:, 1].sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_an_unknown_answer_is_refused():
    with pytest.raises(ValueError, match="`answer` must be one of"):
        make_head(8, n_levels=4, answer="conr")
