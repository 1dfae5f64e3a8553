"""Models of a table in a fold: which name is fitted how."""

import numpy as np

from cpexplore import gmfcs
from cpexplore.models.baselines import TabularModel, fit_boosting, fit_logit
from cpexplore.models.ordinal import fit_ordinal

Labelled = tuple[np.ndarray, np.ndarray]
"""Standard scores (W, F), NaN where missing, and level codes (W,)."""


def fit_tabular(
    name: str, learn: Labelled, *, inner: Labelled, balance: float
) -> TabularModel:
    """Fit a model of a table, by its name among the models of a study.

    Parameters
    ----------
    name : str
        ``features_boosting``, ``features_ordinal``; all others are logits.
    learn, inner : tuple of arrays (scores, target)
        To fit, and to choose a penalty by; a table without columns gives the shares of
        the levels.
    balance : float
        Weight of a level = its share to the power of minus this.
    """
    known = learn[0].shape[1] > 0
    if name == "features_boosting" and known:
        return fit_boosting(*learn, balance=balance)
    fit = fit_ordinal if name == "features_ordinal" and known else fit_logit
    return fit(*learn, inner=inner, balance=balance)


def level_shares(target: np.ndarray) -> tuple[float, ...]:
    """Share of each level, half a walk added to each so that none is impossible.

    Examples
    --------
    >>> level_shares(np.array([0, 0, 1, 1, 1, 1]))
    (0.3125, 0.5625, 0.0625, 0.0625)
    """
    counts = np.bincount(target, minlength=len(gmfcs.LEVELS)) + 0.5
    return tuple((counts / counts.sum()).tolist())
