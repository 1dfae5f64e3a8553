"""Losses against closed forms and torch."""

import math

import pytest
import torch
from torch.nn import functional as F

from cpexplore.models.losses import (
    LOSSES,
    LossConfig,
    cdw_ce,
    emd,
    logit_adjusted,
    make_criterion,
    soft_ordinal,
    triplet,
)

PRIORS = torch.tensor([0.5, 0.3, 0.15, 0.05])


def example(n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(n, 4, generator=generator)
    return logits, torch.arange(n) % 4


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_balanced_cross_entropy_is_torchs(balance):
    logits, target = example()
    config = LossConfig(balance=balance, label_smoothing=0.0)
    expected = F.cross_entropy(logits, target, weight=PRIORS**-balance)
    torch.testing.assert_close(make_criterion(config, PRIORS)(logits, target), expected)


def test_logit_adjustment_adds_the_log_shares():
    logits, target = example()
    config = LossConfig()  # whose smoothing is not for this loss
    result = logit_adjusted(logits, target, config=config, shares=PRIORS)
    proba = logits.exp() * PRIORS
    proba = proba / proba.sum(1, keepdim=True)
    torch.testing.assert_close(result, -proba[range(8), target].log())


def test_logit_adjustment_alone_makes_all_levels_count_alike():
    target = torch.arange(4).repeat_interleave((PRIORS * 100).round().long())
    config = LossConfig(name="logit_adjusted")
    criterion = make_criterion(config, PRIORS)
    logits = torch.zeros(4, requires_grad=True)  # of windows that say nothing

    criterion(logits.expand(len(target), 4), target).backward()

    torch.testing.assert_close(logits.grad, torch.zeros(4), atol=1e-6, rtol=0)


def test_soft_targets_decay_with_the_distance():
    config = LossConfig(name="soft_ordinal", slope=1.0)
    soft = torch.tensor([math.exp(-d) for d in (1, 0, 1, 2)])
    soft = soft / soft.sum()
    logits = soft.log()[None]
    result = soft_ordinal(logits, torch.tensor([1]), config=config, shares=PRIORS)
    entropy = -(soft * soft.log()).sum()
    torch.testing.assert_close(result, entropy[None])


def test_cdw_ce_is_the_published_formula():
    proba = torch.tensor([[0.1, 0.6, 0.2, 0.1]])
    config = LossConfig(name="cdw_ce", power=2.0)
    result = cdw_ce(proba.log(), torch.tensor([1]), config=config, shares=PRIORS)
    expected = -(math.log(0.9) + math.log(0.8) + 4 * math.log(0.9))
    torch.testing.assert_close(result, torch.tensor([expected]))


def test_emd_is_the_squared_cumulative_error():
    proba = torch.tensor([[0.1, 0.6, 0.2, 0.1]])
    config = LossConfig(name="emd")
    result = emd(proba.log(), torch.tensor([2]), config=config, shares=PRIORS)
    torch.testing.assert_close(result, torch.tensor([0.1**2 + 0.7**2 + 0.1**2]))


@pytest.mark.parametrize("gap", [14.0, 30.0])
def test_cdw_ce_pulls_at_answers_that_are_sure_and_wrong(gap):
    logits = torch.tensor([[0.0, 0, 0, gap]], requires_grad=True)
    criterion = make_criterion(LossConfig(name="cdw_ce"), PRIORS)
    criterion(logits, torch.tensor([0])).backward()
    torch.testing.assert_close(
        logits.grad, torch.tensor([[-3.0, -3.0, -3.0, 9.0]]), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses_are_computed_in_single_precision(name):
    logits, target = example()
    criterion = make_criterion(LossConfig(name=name), PRIORS)
    rounded = logits.bfloat16()
    assert criterion(rounded, target) == criterion(rounded.float(), target)


def test_metric_learning_is_in_single_precision_too(rng):
    near = torch.tensor(1 + 0.05 * rng.normal(size=(16, 8)), dtype=torch.float32)
    target, patient = torch.arange(16) % 4, torch.arange(16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = triplet(near, target, patient)
    assert inside == triplet(near, target, patient)


@pytest.mark.parametrize("name", ["soft_ordinal", "cdw_ce", "emd"])
def test_ordinal_losses_punish_distance(name):
    config = LossConfig(name=name, balance=0.0, label_smoothing=0.0)
    criterion = make_criterion(config, PRIORS)
    answers = 4.0 * torch.eye(4)
    losses = [criterion(answers[k : k + 1], torch.tensor([0])) for k in range(4)]
    assert losses == sorted(losses)
    assert losses[3] > losses[1]


@pytest.mark.parametrize("name", list(LOSSES))
def test_an_absent_level_and_certain_answers_stay_finite(name):
    criterion = make_criterion(LossConfig(name=name), torch.tensor([0.5, 0.5, 0, 0]))
    logits = torch.tensor([[60.0, 0, 0, -60], [-60.0, 0, 0, 60]], requires_grad=True)
    loss = criterion(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_triplet_uses_other_children_only():
    embedding = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, -1]], requires_grad=True)
    target, patient = torch.tensor([0, 0, 0, 1]), torch.tensor([7, 7, 8, 9])
    near, far = math.sqrt(2), 2.0
    pairs = [(near, near), (near, near), (near, far)]  # (positive, negative) of 0, 1, 2
    expected = sum(math.log1p(math.exp(p - n)) for p, n in pairs) / 3
    result = triplet(embedding, target, patient)
    torch.testing.assert_close(result, torch.tensor(expected))
    same_child = triplet(embedding, target, torch.zeros(4, dtype=torch.long))
    assert same_child == 0
    same_child.backward()
    assert embedding.grad.abs().sum() == 0


def test_unknown_losses_name_all_options():
    with pytest.raises(ValueError) as error:  # noqa: PT011
        LossConfig(name="focal")
    assert str(error.value) == (
        "`name` must be one of 'cross_entropy', 'logit_adjusted', 'soft_ordinal', "
        "'cdw_ce', 'emd'; got 'focal'."
    )
