"""Resampling whole patients: bootstrap weights, intervals and rank correlations.

Rows of the same child are not independent, so a resample draws children, not rows.
A resample is an integer weight per row (how often its child was drawn); statistics
are computed from weights and never from copied rows.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from cpexplore._validation import check_option, check_range, quoted

_CHUNK = 32
"""Resamples worked on at a time; keeps the intermediate arrays in the cache."""


def cluster_weights(
    groups: ArrayLike, *, n_resamples: int, rng: np.random.Generator | int | None
) -> np.ndarray:
    """Draw patients with replacement and count how often each row is drawn.

    Parameters
    ----------
    groups : array of shape (row,)
        The patient of each row; none may be missing.
    n_resamples : int
        Number of resamples, at least 1.
    rng : numpy.random.Generator, int or None
        Source of randomness. The counts belong to the sorted patients, so the same
        seed gives the same resamples whatever the order of rows.

    Returns
    -------
    numpy.ndarray of int32, shape (n_resamples, row)
        Rows of one patient share their count.

    Raises
    ------
    ValueError
        If a group is missing, there is no row or ``n_resamples`` < 1.

    Examples
    --------
    >>> from cpexplore.stats import cluster_weights
    >>> cluster_weights(["a", "b", "a", "c"], n_resamples=2, rng=0).tolist()
    [[0, 2, 0, 1], [3, 0, 3, 0]]
    """
    codes, n_patients = group_codes(groups)
    return patient_counts(n_patients, n_resamples, rng)[:, codes]


def percentile_interval(
    replicates: ArrayLike, *, ci_level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Take the central quantiles of bootstrap replicates as an interval.

    Parameters
    ----------
    replicates : array of shape (n_resamples, ...)
        One statistic (or an array of statistics) per resample. NaN replicates, in
        which the statistic was not defined, are left out.
    ci_level : float
        Nominal coverage, between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray of shape (...)
        NaN where no replicate is defined.

    Raises
    ------
    ValueError
        If ``ci_level`` is not between 0 and 1.

    Examples
    --------
    >>> from cpexplore.stats import percentile_interval
    >>> low, high = percentile_interval(range(101), ci_level=0.5)
    >>> float(low), float(high)
    (25.0, 75.0)
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    replicates = np.asarray(replicates, dtype=float)
    tail = (1 - ci_level) / 2
    missing = np.isnan(replicates)
    if not missing.any():
        low, high = np.quantile(replicates, [tail, 1 - tail], axis=0)
        return low, high
    undefined = missing.all(axis=0)
    filled = np.where(undefined, 0.0, replicates)
    low, high = np.nanquantile(filled, [tail, 1 - tail], axis=0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def cluster_bootstrap(
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike,
    statistic: str = "spearman",
    n_resamples: int = 2000,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Bootstrap the rank correlation of many features with one outcome by patient.

    Parameters
    ----------
    X : array of shape (row, feature)
        Features; NaN is left out feature by feature.
    y : array of shape (row,)
        Outcome; numbers or an ordered categorical, NaN is left out.
    groups : array of shape (row,)
        The patient of each row.
    statistic : {"spearman", "kendall"}
        Spearman's rho or Kendall's tau-b.
    n_resamples : int
        Number of resamples.
    rng : numpy.random.Generator, int or None
        Source of randomness, see :func:`cluster_weights`.

    Returns
    -------
    numpy.ndarray of shape (n_resamples, feature)
        One replicate per resample and feature; NaN where the resample has a
        constant feature or outcome.

    Raises
    ------
    TypeError
        If the outcome has categories without order.
    ValueError
        If shapes or lengths do not match, a group is missing, the statistic is unknown
        or ``n_resamples`` < 1.

    Notes
    -----
    The rank of a value in the resample with row weights w is the weight below it plus
    half of (the weight at it + 1), its midrank among the copies. Sorting once per
    feature makes a resample one cumulative sum.

    Examples
    --------
    A feature that falls by 10 with every level has the same rho in every resample:

    >>> import numpy as np
    >>> from cpexplore.stats import cluster_bootstrap
    >>> level = np.array([1, 1, 1, 2, 2, 3, 3, 4])
    >>> X, patients = 50 - 10 * level[:, None], list("AABCDEFF")
    >>> found = cluster_bootstrap(X, level, groups=patients, n_resamples=100, rng=0)
    >>> found.shape, float(np.nanmin(found).round(3)), float(np.nanmax(found).round(3))
    ((100, 1), -1.0, -1.0)
    """
    check_option("statistic", statistic, tuple(_STATISTICS))
    X, y = matrix_and_outcome(X, y)
    codes, n_patients = group_codes(groups)
    check_length("groups", codes, like=("X", X))
    counts = patient_counts(n_patients, n_resamples, rng)
    return weighted_correlation(X, y, counts, codes=codes, statistic=statistic)


def weighted_correlation(
    X: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    *,
    codes: np.ndarray,
    statistic: str,
) -> np.ndarray:
    """Rank correlations under many weightings of the patients.

    Parameters
    ----------
    X : numpy.ndarray of shape (row, feature)
        Features; NaN is left out feature by feature.
    y : numpy.ndarray of shape (row,)
        Outcome; NaN is left out.
    counts : numpy.ndarray of shape (n_resamples, patient)
        How often each patient counts; a row of ones gives the plain coefficient.
    codes : numpy.ndarray of int, shape (row,)
        The patient of each row, 0 to patient - 1.
    statistic : {"spearman", "kendall"}
        The coefficient.

    Returns
    -------
    numpy.ndarray of shape (n_resamples, feature)
    """
    correlate = _STATISTICS[statistic]
    blocks = [
        np.ascontiguousarray(counts[first : first + _CHUNK].T, dtype=float)
        for first in range(0, len(counts), _CHUNK)
    ]
    replicates = np.full((len(counts), X.shape[1]), np.nan)
    for column, x in enumerate(X.T):
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(known) > 1:
            order = known[np.argsort(x[known], kind="stable")]
            replicates[:, column] = np.concatenate(
                list(correlate(x[order], y[order], codes[order], blocks))
            )
    return replicates


def weighted_midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rank values under many weightings of the rows.

    Parameters
    ----------
    values : numpy.ndarray of shape (row,)
        Finite.
    weights : numpy.ndarray of shape (row, n_resamples)
        How often each row counts.

    Returns
    -------
    numpy.ndarray of shape (row, n_resamples)
        Mean rank of the copies of each row; equal values share it.

    Examples
    --------
    >>> weighted_midranks(np.array([7, 5]), np.array([[1], [3]])).ravel().tolist()
    [4.0, 2.0]
    """
    by_value, place = _indicators(values)
    return _midranks(by_value @ weights)[place]


def group_codes(groups: ArrayLike) -> tuple[np.ndarray, int]:
    """Give the patients the numbers 0, 1, ... in sorted order.

    Raises
    ------
    ValueError
        If there is no row or a group is missing.
    """
    codes, patients = pd.factorize(np.asarray(groups), sort=True)
    missing = int((codes < 0).sum())
    if missing or not len(codes):
        raise ValueError(
            "`groups` must name the patient of every row; "
            f"got {missing} missing of {len(codes)} rows."
        )
    return codes, len(patients)


def check_length(
    name: str, values: np.ndarray, *, like: tuple[str, np.ndarray]
) -> None:
    """Raise unless an array has as many rows as another, given with its name.

    Raises
    ------
    ValueError
        If they differ.
    """
    other, others = like
    if len(values) != len(others):
        raise ValueError(
            f"`{name}` must have one entry per row of `{other}`; "
            f"got {len(values)} for {len(others)} rows."
        )


def patient_counts(
    n_patients: int, n_resamples: int, rng: np.random.Generator | int | None
) -> np.ndarray:
    """Draw patients with replacement: how often each, (n_resamples, patient).

    Raises
    ------
    ValueError
        If ``n_resamples`` < 1.
    """
    check_range("n_resamples", n_resamples, low=1)
    shape = (n_resamples, n_patients)
    drawn = np.random.default_rng(rng).integers(n_patients, size=shape)
    drawn += n_patients * np.arange(n_resamples)[:, None]  # a range per resample
    counts = np.bincount(drawn.ravel(), minlength=drawn.size)
    return counts.reshape(shape).astype(np.int32)


def matrix_and_outcome(X: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Turn features and outcome into floats of shapes (row, feature) and (row,).

    Raises
    ------
    TypeError
        If the outcome has categories without order.
    ValueError
        If the shapes are wrong or do not match.
    """
    X, y = np.asarray(X, dtype=float), _outcome_numbers(y)
    if X.ndim != 2 or y.ndim != 1:
        raise ValueError(
            "`X` must have the shape (row, feature) and `y` the shape (row,); "
            f"got {X.shape} and {y.shape}."
        )
    check_length("y", y, like=("X", X))
    return X, y


def _outcome_numbers(y: ArrayLike) -> np.ndarray:
    """Numbers as they are; ordered categories as 0, 1, ... and NaN where missing."""
    dtype = getattr(y, "dtype", None)
    if not isinstance(dtype, pd.CategoricalDtype):
        return np.asarray(y, dtype=float)
    if not dtype.ordered:
        raise TypeError(
            "`y` must be numbers or an ordered categorical; its categories "
            f"{quoted(dtype.categories)} have no order."
        )
    codes = pd.Categorical(y).codes
    return np.where(codes < 0, np.nan, codes)


def _spearman(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, blocks: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Rho for sorted ``x``; a block has the shape (patient, resample)."""
    by_value, place = _indicators(x)
    by_level, level = _indicators(y)
    shape = (level.max() + 1, len(blocks[0]))
    of_level = sparse.csr_array((np.ones(len(y)), (level, codes)), shape)
    is_tied = place.max() + 1 < len(x)
    for weights in blocks:
        w = np.take(weights, codes, axis=0)
        in_tie = by_value @ w if is_tied else w
        in_level = of_level @ weights
        ranks = _midranks(in_tie)
        spread = _spread(in_tie) * _spread(in_level)
        w *= np.take(ranks, place, axis=0) if is_tied else ranks
        rank_y = _midranks(in_level) - (in_level.sum(axis=0) + 1) / 2
        yield _ratio(np.einsum("lb,lb->b", by_level @ w, rank_y), spread)


def _kendall(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, blocks: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Tau-b: concordant minus discordant pairs are a quadratic form in the weights."""
    concordance = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    rows, n_patients = np.arange(len(x)), len(blocks[0])
    ones = np.ones(len(x))
    by_patient = sparse.csr_array((ones, (codes, rows)), (n_patients, len(x)))
    of_patients = by_patient @ (by_patient @ concordance).T
    by_value, by_level = (_indicators(values)[0] @ by_patient.T for values in (x, y))
    for weights in blocks:
        concordant = np.einsum("pb,pb->b", weights, of_patients @ weights)
        untied_x, untied_y = _untied(by_value @ weights), _untied(by_level @ weights)
        yield _ratio(concordant, untied_x * untied_y)


def _indicators(values: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
    """Matrix (distinct value, row) that sums rows by value; place of each row."""
    _, place = np.unique(values, return_inverse=True)
    ones, rows = np.ones(len(values)), np.arange(len(values))
    return sparse.csr_array((ones, (place, rows))), place


def _midranks(weights: np.ndarray) -> np.ndarray:
    """Midranks of the sorted groups (axis 0) that carry these weights."""
    ranks = np.cumsum(weights, axis=0)
    ranks -= weights / 2
    ranks += 0.5
    return ranks


def _spread(weights: np.ndarray) -> np.ndarray:
    """Sum of squares of midranks about their mean, from the sizes of the ties."""
    cubes = np.einsum("gb,gb->b", weights * weights, weights)
    return (weights.sum(axis=0) ** 3 - cubes) / 12


def _untied(weights: np.ndarray) -> np.ndarray:
    """Ordered pairs that are in different groups (axis 0)."""
    return weights.sum(axis=0) ** 2 - np.einsum("gb,gb->b", weights, weights)


def _ratio(covariance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Covariance over the root of the product of variances; NaN where that is 0."""
    defined = spread > 0
    return np.where(defined, covariance / np.sqrt(np.where(defined, spread, 1)), np.nan)


_STATISTICS: dict[str, Callable[..., Iterator[np.ndarray]]] = {
    "spearman": _spearman,
    "kendall": _kendall,
}
