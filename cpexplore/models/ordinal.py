"""Answers and models that know that levels have an order."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import optimize
from torch import Tensor, nn
from torch.nn import functional as F

from cpexplore._validation import check_option
from cpexplore.models.baselines import (
    FLOOR,
    STRENGTHS,
    class_weights,
    design,
    likeliest,
)

ANSWERS = ("levels", "corn", "proportional_odds")
"""How a network may answer: with a logit per level, with the odds of going beyond each
level in turn, or with one severity between thresholds. The last two give
log-probabilities, which serve as logits."""

_PACE = 10.0
"""Steps of thresholds per step of a weight: an optimiser moves all parameters alike,
but one severity spans many units of the log-odds."""


def make_head(
    width: int, *, n_levels: int, answer: str = "levels", at_zero: bool = False
) -> nn.Linear:
    """Make the last layer of a network: (N, width) to (N, n_levels).

    Parameters
    ----------
    width : int
        Numbers that it reads.
    n_levels : int
        Number of levels, >= 2.
    answer : str
        One of :data:`ANSWERS`.
    at_zero : bool
        Whether its weights start at 0.

    Raises
    ------
    ValueError
        If there is no such answer.
    """
    check_option("answer", answer, ANSWERS)
    heads = {"corn": CornHead, "proportional_odds": SeverityHead}
    head = heads.get(answer, nn.Linear)(width, n_levels)
    if at_zero:
        nn.init.zeros_(head.weight)
        if head.bias is not None:
            nn.init.zeros_(head.bias)
    return head


class CornHead(nn.Linear):
    """The odds of going beyond each level in turn, see :func:`exceedance_log_proba`.

    The cross-entropy of its levels is the sum of the published binary losses, each
    level weighed as one; label smoothing and class weights, if asked for, come on top.
    """

    def __init__(self, width: int, n_levels: int) -> None:
        super().__init__(width, n_levels - 1)

    def forward(self, input: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Log-probabilities (N, K) of an embedding (N, D)."""
        return exceedance_log_proba(super().forward(input))


class SeverityHead(nn.Linear):
    """One severity, and thresholds between the levels: proportional odds."""

    def __init__(self, width: int, n_levels: int) -> None:
        super().__init__(width, 1, bias=False)
        start = torch.full((n_levels - 1,), math.log(3.0))
        start[0] = 1.5 * (2 - n_levels)
        self.thresholds = nn.Parameter(start / _PACE)

    def forward(self, input: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Log-probabilities (N, K) of an embedding (N, D)."""
        severity = super().forward(input)[:, 0]
        return threshold_log_proba(severity, ascending(_PACE * self.thresholds))


def exceedance_log_proba(logits: Float[Tensor, "N K-1"]) -> Float[Tensor, "N K"]:
    """Log-probabilities of K levels from the odds of going beyond each of K - 1.

    Number k is the log-odds that a child is beyond level k, given that it is not
    below. The cross-entropy of the result is the sum of the binary losses of CORN.

    Notes
    -----
    Differs from the paper, which divides the sum by the number of binary examples and
    not by that of the children: a constant factor for one composition of a batch.

    References
    ----------
    Shi, Cao and Raschka, Deep neural networks for rank-consistent ordinal regression
    based on conditional probabilities, Pattern Analysis and Applications 26, 2023.

    Examples
    --------
    >>> exceedance_log_proba(torch.zeros(1, 3)).exp().tolist()
    [[0.5, 0.25, 0.125, 0.125]]
    """
    reached = F.pad(F.logsigmoid(logits).cumsum(1), (1, 0))
    stopped = F.pad(F.logsigmoid(-logits), (0, 1))
    return reached + stopped


@dataclass(frozen=True, kw_only=True)
class OrdinalLogit:
    """Proportional odds of a higher level; missing scores are flagged."""

    coef: np.ndarray
    """(2 F,): of the scores, then of the flags "missing"."""
    thresholds: np.ndarray
    """(3,), ascending."""

    def log_proba(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities (W, 4) for standard scores (W, F), NaN where missing."""
        severity = torch.tensor(design(scores) @ self.coef)
        log_proba = threshold_log_proba(severity, torch.tensor(self.thresholds))
        proba = np.maximum(log_proba.exp().numpy(), FLOOR)
        return np.log(proba / proba.sum(1, keepdims=True))


class OrdinalOffset(nn.Module):
    """What a fitted proportional-odds model says, for a network to add to.

    Log-probabilities less their mean over the levels, so that 0 says nothing: before
    :meth:`load`, and for a walk of which no feature is known. It does not learn.

    Parameters
    ----------
    n_features, n_levels : int
        Of the model to come.
    """

    coef: Tensor  # (2 F,)
    thresholds: Tensor  # (L - 1,)

    def __init__(self, n_features: int, *, n_levels: int) -> None:
        super().__init__()
        share = torch.arange(1, n_levels) / n_levels
        self.register_buffer("coef", torch.zeros(2 * n_features))
        self.register_buffer("thresholds", share.logit())

    def load(self, model: OrdinalLogit) -> None:
        """Take over a fitted model of the same features."""
        self.coef.copy_(torch.as_tensor(model.coef))
        self.thresholds.copy_(torch.as_tensor(model.thresholds))

    def forward(
        self, scores: Float[Tensor, "N F"], *, drop: Bool[Tensor, " N"]
    ) -> Float[Tensor, "N L"]:
        """Logits of the levels; 0 for the walks of ``drop``."""
        missing = scores.isnan()
        x = torch.cat([scores.nan_to_num(0.0), missing.to(scores.dtype)], dim=1)
        severity = (x * self.coef).sum(1)  # a product would be rounded by autocast
        log_proba = threshold_log_proba(severity, self.thresholds)
        log_proba = log_proba.clamp(min=math.log(FLOOR))
        logits = log_proba - log_proba.mean(1, keepdim=True)
        return torch.where((drop | missing.all(1))[:, None], 0.0, logits)


def fit_ordinal(
    scores: np.ndarray,
    target: np.ndarray,
    *,
    inner: tuple[np.ndarray, np.ndarray],
    n_levels: int = 4,
    balance: float = 0.5,
) -> OrdinalLogit:
    """Fit a proportional-odds model whose penalty the inner part chooses.

    Parameters
    ----------
    scores, target, inner, n_levels, balance
        As for :func:`cpexplore.models.baselines.fit_logit`.

    Returns
    -------
    OrdinalLogit
        The only one of the tabular models in which a feature must speak for a higher
        level to the same degree between all neighbours.

    References
    ----------
    McCullagh, Regression models for ordinal data, JRSS B 42, 1980.
    """
    weights = class_weights(target, balance=balance)
    weight = torch.tensor([weights[level] for level in target.tolist()])
    data = torch.tensor(design(scores)), torch.tensor(target)
    candidates = [
        _fit(*data, weight=weight, strength=strength, n_levels=n_levels)
        for strength in STRENGTHS
    ]
    return likeliest(candidates, *inner)


def _fit(
    x: Tensor, target: Tensor, *, weight: Tensor, strength: float, n_levels: int
) -> OrdinalLogit:
    """Maximise the penalised likelihood, with the steps between thresholds as logs."""
    n_columns = x.shape[1]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(parameters, requires_grad=True)
        coef, thresholds = free[:n_columns], ascending(free[n_columns:])
        log_proba = threshold_log_proba(x @ coef, thresholds)
        likelihood = (weight * log_proba[torch.arange(len(x)), target]).sum()
        objective = coef.square().sum() / (2 * strength) - likelihood
        objective.backward()
        return objective.item(), np.asarray(free.grad)

    start = np.zeros(n_columns + n_levels - 1)
    start[n_columns] = -1.0
    found = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}
    )
    if found.status != 0 and np.abs(found.jac).max() > 1e-3 * len(x):
        raise ValueError(
            "The proportional-odds model must converge; it did not. Look for features "
            "that are nearly copies of each other."
        )
    coef, free = np.split(found.x, [n_columns])
    return OrdinalLogit(coef=coef, thresholds=ascending(torch.tensor(free)).numpy())


def ascending(free: Float[Tensor, " K-1"]) -> Float[Tensor, " K-1"]:
    """Thresholds from the first one and the logs of the steps to the next ones."""
    steps = free[1:].clamp(-8.0, 4.0).exp()  # of a level that nobody has: no end
    return torch.cat([free[:1], steps]).cumsum(0)


def threshold_log_proba(
    severity: Float[Tensor, " N"], thresholds: Float[Tensor, " K-1"]
) -> Float[Tensor, "N K"]:
    """Log-probabilities of levels between thresholds of a latent severity.

    Examples
    --------
    >>> proba = threshold_log_proba(
    ...     torch.zeros(1), torch.tensor([-1.0, 0.0, 1.0])
    ... ).exp()
    >>> [round(p, 2) for p in proba[0].tolist()]
    [0.27, 0.23, 0.23, 0.27]
    """
    above = severity[:, None] - thresholds  # (N, K - 1)
    width = torch.log(-torch.expm1(-thresholds.diff()))
    outside = F.logsigmoid(-above[:, :1]), F.logsigmoid(above[:, -1:])
    between = F.logsigmoid(above[:, :-1]) + F.logsigmoid(-above[:, 1:]) + width
    return torch.cat([outside[0], between, outside[1]], dim=1)
