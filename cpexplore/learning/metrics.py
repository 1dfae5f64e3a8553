"""How good predictions of ordered levels are, with intervals over patients.

Every metric is a function of row weights, so that a bootstrap of patients is a matrix
of weights and never a copy of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cpexplore import gmfcs
from cpexplore._validation import check_columns
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.calibration import binned_calibration_error
from cpexplore.stats.resampling import cluster_weights, percentile_interval

_K = len(gmfcs.LEVELS)
_DISTANCE = np.abs(np.subtract.outer(np.arange(_K), np.arange(_K)))


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of rows (n) under several weightings of them (B)."""

    target: np.ndarray
    """int64 (n,) true level codes."""
    proba: np.ndarray
    """float64 (n, 4) probabilities."""
    weights: np.ndarray
    """float64 (B, n)."""
    training: np.ndarray | None = None
    """int64 (n,): of several rows of a walk, which this one is; None for one each."""

    @cached_property
    def confusion(self) -> np.ndarray:
        """Weighted counts (B, 4, 4): true level by most probable level."""
        cell = np.eye(_K * _K)[self.target * _K + self.proba.argmax(1)]
        return (self.weights @ cell).reshape(-1, _K, _K)

    @property
    def total(self) -> np.ndarray:
        """Sum of weights (B,)."""
        return self.weights.sum(1)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean (B,) of one value per row."""
        return self.weights @ values / self.total


def accuracy(p: Predictions) -> np.ndarray:
    """Share of rows whose most probable level is the true one."""
    return p.confusion.trace(axis1=1, axis2=2) / p.total


def recalls(p: Predictions) -> np.ndarray:
    """Share of each level's rows that are found (B, 4); NaN for an absent level."""
    found = np.diagonal(p.confusion, axis1=1, axis2=2)
    return _divide(found, p.confusion.sum(2))


def balanced_accuracy(p: Predictions) -> np.ndarray:
    """Mean recall of the levels that are present."""
    return _mean_present(recalls(p))


def macro_f1(p: Predictions) -> np.ndarray:
    """Mean F1 of the levels that are present or predicted."""
    found = np.diagonal(p.confusion, axis1=1, axis2=2)
    either = p.confusion.sum(1) + p.confusion.sum(2)
    return _mean_present(_divide(2 * found, either))


def linear_kappa(p: Predictions) -> np.ndarray:
    """Cohen's kappa with linear weights."""
    return _kappa(p.confusion, _DISTANCE)


def quadratic_kappa(p: Predictions) -> np.ndarray:
    """Cohen's kappa with quadratic weights."""
    return _kappa(p.confusion, _DISTANCE**2)


def mae(p: Predictions) -> np.ndarray:
    """Mean distance in levels between the most probable and the true level."""
    return (p.confusion * _DISTANCE).sum((1, 2)) / p.total


def macro_mae(p: Predictions) -> np.ndarray:
    """Mean over the levels that are present of their :func:`mae`."""
    by_level = (p.confusion * _DISTANCE).sum(2)
    return _mean_present(_divide(by_level, p.confusion.sum(2)))


def within_one(p: Predictions) -> np.ndarray:
    """Share of rows that are at most one level off."""
    return (p.confusion * (_DISTANCE <= 1)).sum((1, 2)) / p.total


def rps(p: Predictions) -> np.ndarray:
    """Ranked probability score: mean squared error of the cumulative distribution."""
    error = (p.proba - np.eye(_K)[p.target]).cumsum(1)[:, :-1]
    return p.mean((error**2).mean(1))


def brier(p: Predictions) -> np.ndarray:
    """Brier score: squared distance from the true level's indicator, summed."""
    return p.mean(((p.proba - np.eye(_K)[p.target]) ** 2).sum(1))


def nll(p: Predictions) -> np.ndarray:
    """Mean negative log-probability of the true level, in nats."""
    truth = p.proba[np.arange(len(p.target)), p.target]
    return p.mean(-np.log(np.clip(truth, 1e-12, 1)))


def ece(p: Predictions) -> np.ndarray:
    """Debiased calibration error of the most probable level, ten equal-mass bins.

    The mean over trainings: the rows of a walk are not independent.
    """
    sure, correct = p.proba.max(1), p.proba.argmax(1) == p.target
    training = np.zeros(len(sure)) if p.training is None else p.training
    errors = [
        binned_calibration_error(sure[own], correct[own], weights=p.weights[:, own])
        for own in np.equal.outer(np.unique(training), training)
    ]
    return np.mean(errors, axis=0)


def ordinal_auroc(p: Predictions) -> np.ndarray:
    """Mean area under the ROC curve of "worse than level k", over the thresholds."""
    thresholds = range(_K - 1)
    worse = 1 - p.proba.cumsum(1)
    weights = np.ascontiguousarray(p.weights.T)
    areas = [_auroc(worse[:, k], p.target > k, weights) for k in thresholds]
    return _mean_present(np.stack(areas, axis=1))


METRICS: dict[str, Callable[[Predictions], np.ndarray]] = {
    function.__name__: function
    for function in (
        *(accuracy, balanced_accuracy, macro_f1, linear_kappa, quadratic_kappa),
        *(mae, macro_mae, within_one, rps, brier, nll, ece, ordinal_auroc),
    )
}
"""Metrics of all levels together, by name."""

LOWER_IS_BETTER = frozenset({"mae", "macro_mae", "rps", "brier", "nll", "ece"})
"""Metrics that are errors."""


def score(
    oof: pd.DataFrame,
    *,
    groups: str = "patient_id",
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = 0,
) -> pd.DataFrame:
    """Score every model of a prediction table.

    Parameters
    ----------
    oof : pandas.DataFrame
        Columns ``walk_id, patient_id, gmfcs, model, p_I, p_II, p_III, p_IV``; rows
        without a level are left out, those of several seeds are pooled.
    groups : str
        Column whose values are resampled together.
    n_resamples : int
        Bootstrap resamples.
    ci_level : float
        Nominal coverage of the intervals, between 0 and 1.
    rng : numpy.random.Generator, int or None
        Source of the resamples; every model is scored on the same ones.

    Returns
    -------
    pandas.DataFrame
        ``model, metric, level, estimate, ci_low, ci_high, ci_level, n_walks,
        n_patients``; ``level`` is ``"all"``, or I to IV for ``metric == "recall"``,
        whose counts are of the walks and patients of that level.

    Raises
    ------
    ValueError
        If a column is missing, no row has a level, a probability is NaN, or
        ``n_resamples`` or ``ci_level`` is out of range.

    Notes
    -----
    The interval of ``ece`` is one of resampling, of a number that cannot be negative
    and that resampling raises: of honest probabilities it holds the true 0 in a third
    of all cohorts. A lower end above 0 is no proof of a calibration error; the upper
    end may be read.

    Examples
    --------
    Four children, each judged with certainty; III is taken for II:

    >>> import numpy as np
    >>> import pandas as pd
    >>> oof = pd.DataFrame(np.eye(4)[[0, 1, 1, 3]], columns=list(PROBABILITIES))
    >>> oof = oof.assign(walk_id=list("abcd"), patient_id=list("abcd"), model="sure")
    >>> oof = oof.assign(gmfcs=["I", "II", "III", "IV"])
    >>> table = score(oof, n_resamples=50).set_index("metric")
    >>> table["estimate"][["accuracy", "mae", "within_one"]].to_dict()
    {'accuracy': 0.75, 'mae': 0.25, 'within_one': 1.0}
    """
    table = known_rows(oof, groups=groups)
    rng = np.random.default_rng(rng)
    seed = int(rng.integers(2**63))
    tables = []
    for model, rows in table.groupby("model", sort=False):
        patients = rows[groups].to_numpy()
        weights = resampled_weights(patients, n_resamples=n_resamples, rng=seed)
        scores = _scores(predictions_of(rows, weights))
        summary = summary_of(scores, ci_level=ci_level)
        levels = gmfcs.as_levels(rows["gmfcs"])
        for column, unit in (("n_walks", "walk_id"), ("n_patients", groups)):
            count = {"all": rows[unit].nunique()}
            count |= {k: rows.loc[levels == k, unit].nunique() for k in gmfcs.LEVELS}
            summary[column] = [count[level] for level in summary["level"]]
        tables.append(summary.assign(model=model))
    columns = ["model", "metric", "level", "estimate", "ci_low", "ci_high"]
    columns += ["ci_level", "n_walks", "n_patients"]
    return pd.concat(tables, ignore_index=True).filter(items=columns)


def known_rows(oof: pd.DataFrame, *, groups: str) -> pd.DataFrame:
    """Rows whose level is known."""
    needed = ["walk_id", groups, "gmfcs", "model", *PROBABILITIES]
    check_columns(oof, needed, name="oof")
    known = oof.loc[oof["gmfcs"].notna()]
    if known.empty:
        raise ValueError("`oof` must have rows with a level in `gmfcs`; got none.")
    if lost := int(known[list(PROBABILITIES)].isna().any(axis=1).sum()):
        raise ValueError(
            f"`oof` must have a probability of every level in every row; {lost} of "
            f"{len(known)} rows have NaN."
        )
    return known


def resampled_weights(
    groups: np.ndarray, *, n_resamples: int, rng: np.random.Generator | int | None
) -> np.ndarray:
    """Weights (1 + n_resamples, n): every row once, then the bootstrap resamples."""
    drawn = cluster_weights(groups, n_resamples=n_resamples, rng=rng)
    return np.concatenate([np.ones((1, len(groups))), drawn])


def predictions_of(rows: pd.DataFrame, weights: np.ndarray) -> Predictions:
    """The predictions of a table under several weightings."""
    by_walk = rows.assign(seed=rows.get("seed", 0)).groupby("walk_id")["seed"]
    return Predictions(
        target=gmfcs.encode(rows["gmfcs"]),
        proba=rows[list(PROBABILITIES)].to_numpy("float64"),
        weights=weights,
        training=by_walk.rank(method="first").to_numpy(int),
    )


def _scores(p: Predictions) -> dict[tuple[str, str], np.ndarray]:
    scores = {(name, "all"): metric(p) for name, metric in METRICS.items()}
    by_level = recalls(p)
    for k, level in enumerate(gmfcs.LEVELS):
        scores["recall", level] = by_level[:, k]
    return scores


def summary_of(
    scores: dict[tuple[str, str], np.ndarray], *, ci_level: float
) -> pd.DataFrame:
    """Estimate (first entry) and interval (the others) of each score."""
    values = np.stack(list(scores.values()), axis=1)
    low, high = percentile_interval(values[1:], ci_level=ci_level)
    return pd.DataFrame(
        {
            "metric": [name for name, _ in scores],
            "level": [level for _, level in scores],
            "estimate": values[0],
            "ci_low": low,
            "ci_high": high,
            "ci_level": ci_level,
        }
    )


def _kappa(confusion: np.ndarray, cost: np.ndarray) -> np.ndarray:
    total = confusion.sum((1, 2))
    expected = np.einsum("bi,bj->bij", confusion.sum(2), confusion.sum(1))
    by_chance = (expected * cost).sum((1, 2)) / total
    return 1 - _divide((confusion * cost).sum((1, 2)), by_chance)


def _auroc(value: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area (B,): chance that a positive exceeds a negative, ties half.

    Weights are (n, B): whole rows are sorted and summed, which is fast.
    """
    order = np.argsort(value, kind="stable")
    high, low = order[positive[order]], order[~positive[order]]
    up, below = weights[high], np.zeros((len(low) + 1, weights.shape[1]))
    np.cumsum(weights[low], axis=0, out=below[1:])
    beaten = np.zeros(weights.shape[1])
    for side in ("left", "right"):  # those below, then with those that are equal
        rank = np.searchsorted(value[low], value[high], side)
        beaten += np.einsum("nb,nb->b", up, below[rank]) / 2
    return _divide(beaten, up.sum(0) * below[-1])


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0)


def _mean_present(values: np.ndarray) -> np.ndarray:
    """Mean along axis 1 of what is not NaN."""
    present = ~np.isnan(values)
    return _divide(np.where(present, values, 0.0).sum(1), present.sum(1))
