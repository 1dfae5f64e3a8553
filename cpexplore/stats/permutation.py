"""Permutation tests that exchange the outcomes of whole patients."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from cpexplore._validation import check_range
from cpexplore.stats.resampling import check_length, group_codes, matrix_and_outcome

_CHUNK = 500
"""Permutations worked on at a time; bounds the memory."""

_MIN_STRATUM = 5
"""Patients with the same number of rows that may be exchanged among themselves."""

_TOLERANCE = 1e-10
"""Relative differences below are rounding: the permuted statistic counts as equal."""

NO_EXCHANGE = (
    "no test: the feature is missing or constant in the rows that may be exchanged"
)
"""Note of an estimate whose p-value is NaN, see :func:`exchangeable`."""


def permutation_p(
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike,
    n_permutations: int = 9999,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Test the rank correlation of many features with one outcome by patient.

    Parameters
    ----------
    X : array of shape (row, feature)
        Features; NaN where missing.
    y : array of shape (row,)
        Outcome; finite numbers or an ordered categorical.
    groups : array of shape (row,)
        The patient of each row.
    n_permutations : int
        Number of permutations, see :func:`permutations`.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    numpy.ndarray of shape (feature,)
        Two-sided p = (1 + as extreme) / (1 + n_permutations); NaN where the feature
        or the outcome is constant.

    Raises
    ------
    TypeError
        If the outcome has categories without order.
    ValueError
        If shapes or lengths do not match, a group or an outcome is missing, or
        ``n_permutations`` < 1.

    Notes
    -----
    The statistic is the correlation of the ranks of the feature among its known rows
    with the ranks of the outcome among all rows: Spearman's rho where nothing is
    missing. Missing values stay with the feature, so their pattern may differ by
    patient.

    Examples
    --------
    Eight children, one walk each; speed (m/s) falls with the level, the second feature
    is constant:

    >>> import numpy as np
    >>> from cpexplore.stats import permutation_p
    >>> level = [1, 1, 1, 2, 2, 3, 3, 4]
    >>> speed = [1.4, 1.3, 1.2, 1.1, 1.0, 0.8, 0.7, 0.4]
    >>> X = np.column_stack([speed, np.ones(8)])
    >>> p_speed, p_constant = permutation_p(X, level, groups=list("ABCDEFGH"), rng=0)
    >>> bool(p_speed < 0.05), float(p_constant)
    (True, nan)
    """
    X, y = matrix_and_outcome(X, y)
    patients, _ = group_codes(groups)
    check_length("groups", patients, like=("X", X))
    missing = int((~np.isfinite(y)).sum())
    if missing:
        raise ValueError(
            f"`y` must be finite; got {missing} missing of {len(y)} rows. Leave them "
            "out."
        )
    rows, strata = exchangeable(patients)
    ranks = np.column_stack([_ranks(x) for x in X[rows].T])
    return exchange_p(
        ranks, _ranks(y[rows]), strata, n_permutations=n_permutations, rng=rng
    )


def exchange_p(
    x: np.ndarray,
    y: np.ndarray,
    strata: list[np.ndarray],
    *,
    n_permutations: int,
    rng: np.random.Generator | int | None,
) -> np.ndarray:
    """Test correlations by exchanging the outcomes of patients.

    Parameters
    ----------
    x : array of shape (kept, feature)
        Scores; NaN where missing.
    y : array of shape (kept,)
        Outcome scores, finite.
    strata : list of int arrays of shape (patient, sequence)
        See :func:`exchangeable`.
    n_permutations : int
        At least 1.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    numpy.ndarray of shape (feature,)
        As :func:`permutation_p`.
    """
    check_range("n_permutations", n_permutations, low=1)
    known = np.isfinite(x)
    n_known = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / n_known
    centred = np.where(known, x - mean, 0.0)
    score = y - y.mean()
    observed = np.abs(_correlation(centred, known, score[:, None]))
    extreme = np.zeros(x.shape[1])
    generator = np.random.default_rng(rng)
    for order in permutations(strata, n=n_permutations, rng=generator):
        permuted = np.abs(_correlation(centred, known, score[order]))
        extreme += (permuted >= observed * (1 - _TOLERANCE)).sum(axis=1)
    n_levels = np.array([len(np.unique(score[rows])) for rows in known.T])
    defined = centred.any(axis=0) & (n_levels > 1)
    return np.where(defined, (1 + extreme) / (1 + n_permutations), np.nan)


def exchangeable(patients: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Choose the rows whose outcomes may be exchanged between patients.

    Patients exchange their whole sequence of outcomes with patients of the same
    number of rows. Patients whose number of rows fewer than 5 share are cut to their
    first row and join those that have one.

    Parameters
    ----------
    patients : array of int, shape (row,)
        Codes of the patients, 0, 1, ...

    Returns
    -------
    rows : array of int, shape (kept,)
        The rows that take part.
    strata : list of int arrays of shape (patient, sequence)
        Positions in ``rows``; the patients of one entry may be exchanged.

    Examples
    --------
    >>> exchangeable(np.array([0, 0, 1, 2]))[0].tolist()
    [0, 2, 3]
    """
    by_patient = np.argsort(patients, kind="stable")
    n_rows = np.bincount(patients)
    sequences = np.split(by_patient, np.cumsum(n_rows)[:-1])
    sizes, shared_by = np.unique(n_rows, return_counts=True)
    whole = set(sizes[shared_by >= _MIN_STRATUM]) - {1}
    single = [sequence[:1] for sequence in sequences if len(sequence) not in whole]
    groups = [[s for s in sequences if len(s) == size] for size in sorted(whole)]
    groups = [np.array(group) for group in (single, *groups) if group]
    rows = np.concatenate([group.ravel() for group in groups])
    place = np.empty(len(patients), dtype=np.int64)
    place[np.sort(rows)] = np.arange(len(rows))
    return np.sort(rows), [place[group] for group in groups]


def permutations(
    strata: list[np.ndarray], *, n: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield random exchanges of patients, some hundred at a time.

    Parameters
    ----------
    strata : list of int arrays of shape (patient, sequence)
        See :func:`exchangeable`.
    n : int
        How many in all.
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    numpy.ndarray of int, shape (kept, up to 500)
        ``outcome[order]`` has one exchanged outcome per column.
    """
    n_rows = sum(stratum.size for stratum in strata)
    for first in range(0, n, _CHUNK):
        size = min(_CHUNK, n - first)
        order = np.empty((n_rows, size), dtype=np.int64)
        for stratum in strata:
            who = np.tile(np.arange(len(stratum))[:, None], size)
            order[stratum] = stratum[rng.permuted(who, axis=0)].swapaxes(1, 2)
        yield order


def _ranks(values: np.ndarray) -> np.ndarray:
    """Midranks of the finite values; NaN elsewhere."""
    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    ranks[known] = stats.rankdata(values[known])
    return ranks


def _correlation(
    centred: np.ndarray, known: np.ndarray, outcome: np.ndarray
) -> np.ndarray:
    """Correlate up to a factor that no permutation changes: (feature, permutation)."""
    weights = known.astype(float).T
    total = weights @ outcome
    n_known = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    spread = weights @ outcome**2 - total**2 / n_known
    covariance = centred.T @ outcome
    defined = spread > _TOLERANCE
    return np.divide(
        covariance,
        np.sqrt(np.where(defined, spread, 1.0)),
        out=np.zeros_like(covariance),
        where=defined,
    )
