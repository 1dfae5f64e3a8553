"""What every network must beat: models of tables, without a skeleton."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from scipy import special
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

STRENGTHS = (0.003, 0.03, 0.3, 3.0)
"""Inverse penalties among which the inner part chooses."""

FLOOR = 1e-4
"""Least probability of a level."""


class TabularModel(Protocol):
    """A fitted model of a table."""

    def log_proba(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities (W, 4) for standard scores (W, F), NaN where missing."""
        ...


Fitted = TypeVar("Fitted", bound=TabularModel)


@dataclass(frozen=True, kw_only=True)
class Logit:
    """Multinomial logistic regression on standard scores; missing ones are flagged."""

    coef: np.ndarray
    """(4, 2 F): of the scores, then of the flags "missing"."""
    intercept: np.ndarray
    """(4,)."""

    def log_proba(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities (W, 4) for standard scores (W, F), NaN where missing."""
        return special.log_softmax(
            design(scores) @ self.coef.T + self.intercept, axis=1
        )


def design(scores: np.ndarray) -> np.ndarray:
    """Standard scores with 0 for missing, beside flags of what was missing.

    Examples
    --------
    >>> design(np.array([[0.5, np.nan]])).tolist()
    [[0.5, 0.0, 0.0, 1.0]]
    """
    missing = np.isnan(scores)
    return np.hstack([np.where(missing, 0.0, scores), missing.astype(float)])


def fit_logit(
    scores: np.ndarray,
    target: np.ndarray,
    *,
    inner: tuple[np.ndarray, np.ndarray],
    n_levels: int = 4,
    balance: float = 0.5,
) -> Logit:
    """Fit a logistic regression whose penalty the inner part chooses.

    Parameters
    ----------
    scores : array of shape (W, F)
        Standard scores of training walks, NaN where missing.
    target : int array of shape (W,)
        Level codes.
    inner : tuple of arrays (scores, target)
        Walks of other patients, by whose likelihood the penalty is chosen.
    n_levels : int
        Number of levels; one that is absent from training keeps a small probability.
    balance : float
        Weight of a level = its share to the power of minus this.

    Returns
    -------
    Logit
        Without features (F = 0) it answers with the shares of the levels.
    """
    if not scores.shape[1]:
        return _shares(target, n_levels=n_levels)
    candidates = [
        _fit_logit(scores, target, strength=c, n_levels=n_levels, balance=balance)
        for c in STRENGTHS
    ]
    return likeliest(candidates, *inner)


def likeliest(
    candidates: Sequence[Fitted], scores: np.ndarray, target: np.ndarray
) -> Fitted:
    """The model under which the levels of other walks are most likely."""
    rows = np.arange(len(target))
    likelihood = [model.log_proba(scores)[rows, target].mean() for model in candidates]
    return candidates[int(np.argmax(likelihood))]


def fit_boosting(
    scores: np.ndarray, target: np.ndarray, *, n_levels: int = 4, balance: float = 0.5
) -> "Boosting":
    """Fit gradient-boosted trees, which take missing values as they are.

    Parameters
    ----------
    scores, target, n_levels, balance
        As for :func:`fit_logit`.
    """
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,  # type: ignore[arg-type]
        random_state=0,
    )
    weights = class_weights(target, balance=balance)
    trees.fit(scores, target, sample_weight=np.array([weights[t] for t in target]))
    return Boosting(trees=trees, n_levels=n_levels)


@dataclass(frozen=True, kw_only=True)
class Boosting:
    """Gradient-boosted trees on standard scores."""

    trees: HistGradientBoostingClassifier
    """Fitted."""
    n_levels: int
    """Number of levels."""

    def log_proba(self, scores: np.ndarray) -> np.ndarray:
        """Log-probabilities (W, 4) for standard scores (W, F), NaN where missing."""
        proba = np.full((len(scores), self.n_levels), FLOOR)
        levels = np.asarray(self.trees.classes_)
        proba[:, levels] = self.trees.predict_proba(scores)
        return np.log(np.maximum(proba, FLOOR) / proba.sum(1, keepdims=True))


def class_weights(target: np.ndarray, *, balance: float) -> Mapping[int, float]:
    """Weight of each level that is present, averaging to one over the rows.

    Examples
    --------
    >>> weights = class_weights(np.array([0, 0, 0, 1]), balance=1.0)
    >>> round(weights[0], 3), round(weights[1], 3)
    (0.667, 2.0)
    """
    levels, counts = np.unique(target, return_counts=True)
    raw = (counts / len(target)) ** -balance
    raw *= len(target) / (raw * counts).sum()
    return dict(zip(levels.tolist(), raw.tolist(), strict=True))


def _shares(target: np.ndarray, *, n_levels: int) -> Logit:
    shares = np.bincount(target, minlength=n_levels) / len(target)
    intercept = np.log(np.maximum(shares, FLOOR))
    return Logit(coef=np.zeros((n_levels, 0)), intercept=intercept)


def _fit_logit(
    scores: np.ndarray,
    target: np.ndarray,
    *,
    strength: float,
    n_levels: int,
    balance: float,
) -> Logit:
    weights = dict(class_weights(target, balance=balance))
    present = np.array(sorted(weights))
    coef = np.zeros((n_levels, 2 * scores.shape[1]))
    intercept = np.full(n_levels, np.log(FLOOR))
    if len(present) == 1:
        intercept[present] = 0.0
        return Logit(coef=coef, intercept=intercept)
    model = LogisticRegression(C=strength, class_weight=weights, max_iter=2000)
    model.fit(design(scores), target)
    both = len(present) == 2  # scikit-learn keeps one row for two levels
    coef[present] = np.vstack([-model.coef_, model.coef_]) / 2 if both else model.coef_
    bias = model.intercept_
    intercept[present] = np.concatenate([-bias, bias]) / 2 if both else bias
    return Logit(coef=coef, intercept=intercept)
