"""Losses for ordered levels: one logit per level, so that Grad-CAM stays unchanged."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cpexplore._validation import check_option, check_range

Criterion = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, K) and target (N,) to one number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Which loss, and how much the rare levels count."""

    name: str = "cross_entropy"
    """``cross_entropy``, ``logit_adjusted``, ``soft_ordinal``, ``cdw_ce``, ``emd``."""
    balance: float = 0.5
    """Weight of a level = its share to the power of minus this, 0 (none) to 1; not for
    ``logit_adjusted``, which allows for rare levels by itself."""
    label_smoothing: float = 0.1
    """Share of a target that ``cross_entropy`` spreads over all levels, 0 to 0.5."""
    slope: float = 2.0
    """Decay of ``soft_ordinal`` targets per level of distance, > 0."""
    power: float = 2.0
    """Growth of the ``cdw_ce`` penalty with the distance, > 0."""

    def __post_init__(self) -> None:
        check_option("name", self.name, tuple(LOSSES))
        check_range("balance", self.balance, low=0, high=1)
        check_range("label_smoothing", self.label_smoothing, low=0, high=0.5)
        for name in ("slope", "power"):
            check_range(name, getattr(self, name), low=0, inclusive=False)


def make_criterion(config: LossConfig, priors: Tensor) -> Criterion:
    """Make the loss of a training set.

    Parameters
    ----------
    config : LossConfig
        Which loss.
    priors : Tensor of shape (K,)
        Share of each level among the training walks; a level may be absent.

    Returns
    -------
    callable
        ``criterion(logits (N, K), target (N,))``: the mean of the examples' losses,
        weighted by level.
    """
    shares = priors.clamp(min=1e-3)
    balance = 0.0 if config.name == "logit_adjusted" else config.balance
    weights = shares.pow(-balance)
    per_example = LOSSES[config.name]

    def criterion(logits: Tensor, target: Tensor) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weight = weights[target]
        losses = per_example(logits, target, config=config, shares=shares)
        return (weight * losses).sum() / weight.sum()

    return criterion


def cross_entropy(
    logits: Tensor, target: Tensor, *, config: LossConfig, shares: Tensor
) -> Tensor:
    """Cross-entropy with label smoothing, by example (N,)."""
    smoothing = config.label_smoothing
    return F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")


def logit_adjusted(
    logits: Tensor, target: Tensor, *, config: LossConfig, shares: Tensor
) -> Tensor:
    """Cross-entropy of logits to which the log shares of the levels are added.

    The bare logits then answer as if all levels were equally frequent. Labels are not
    smoothed: towards equal shares it would tilt that answer to the rare levels.

    References
    ----------
    Menon et al., Long-tail learning via logit adjustment, ICLR 2021.
    """
    return F.cross_entropy(logits + shares.log(), target, reduction="none")


def soft_ordinal(
    logits: Tensor, target: Tensor, *, config: LossConfig, shares: Tensor
) -> Tensor:
    """Cross-entropy with targets that decay exponentially with the distance in levels.

    References
    ----------
    Diaz and Marathe, Soft labels for ordinal regression, CVPR 2019.
    """
    soft = (-config.slope * level_distance(target, logits.shape[1])).softmax(1)
    return -(soft * logits.log_softmax(1)).sum(1)


def cdw_ce(
    logits: Tensor, target: Tensor, *, config: LossConfig, shares: Tensor
) -> Tensor:
    """Class-distance weighted cross-entropy: probability far from the truth costs most.

    References
    ----------
    Polat et al., Class distance weighted cross-entropy loss for ulcerative colitis
    severity estimation, MIUA 2022.
    """
    distance = level_distance(target, logits.shape[1]).pow(config.power)
    # log(1 - p) from the other logits: 1 - p rounds to 0 where an answer is sure
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    others = logits[:, None].masked_fill(itself, -torch.inf).logsumexp(2)
    complement = others - logits.logsumexp(1, keepdim=True)
    return -(distance * complement).sum(1)


def emd(
    logits: Tensor, target: Tensor, *, config: LossConfig, shares: Tensor
) -> Tensor:
    """Squared earth mover's distance between prediction and truth along the levels.

    References
    ----------
    Hou, Yu and Samaras, Squared earth mover's distance-based loss, 2016.
    """
    truth = F.one_hot(target, logits.shape[1]).to(logits.dtype)
    return (logits.softmax(1) - truth).cumsum(1).square().sum(1)


def triplet(embedding: Tensor, target: Tensor, patient: Tensor) -> Tensor:
    """Triplet loss of the hardest positive and the hardest negative in the batch.

    Parameters
    ----------
    embedding : Tensor of shape (N, D)
        Compared on the unit sphere.
    target : Tensor of int64, shape (N,)
        Level codes.
    patient : Tensor of int64, shape (N,)
        Patient codes. A positive is never the same child, which would reward
        recognising people; a negative may be, at another level.

    Returns
    -------
    Tensor of shape ()
        Mean softplus of the distance to the positive minus that to the negative; 0
        (with gradient) where no example has both.

    References
    ----------
    Hermans, Beyer and Leibe, In defense of the triplet loss, 2017.
    """
    with torch.autocast(embedding.device.type, enabled=False):
        unit = F.normalize(embedding.float(), dim=1)
        distance = (2 - 2 * unit @ unit.T).clamp(min=1e-6).sqrt()
    same_level = target[:, None] == target
    positive = same_level & (patient[:, None] != patient)
    hardest_positive = distance.masked_fill(~positive, -torch.inf).amax(1)
    hardest_negative = distance.masked_fill(same_level, torch.inf).amin(1)
    usable = positive.any(1) & ~same_level.all(1)
    if not usable.any():
        return 0.0 * embedding.sum()
    return F.softplus((hardest_positive - hardest_negative)[usable]).mean()


def level_distance(target: Tensor, n_levels: int) -> Tensor:
    """Distance in levels of every level from the true one (N, K).

    Examples
    --------
    >>> level_distance(torch.tensor([1]), 4).tolist()
    [[1.0, 0.0, 1.0, 2.0]]
    """
    levels = torch.arange(n_levels, device=target.device)
    return (levels - target[:, None]).abs().float()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "logit_adjusted": logit_adjusted,
    "soft_ordinal": soft_ordinal,
    "cdw_ce": cdw_ce,
    "emd": emd,
}
"""Losses by example, by name."""
