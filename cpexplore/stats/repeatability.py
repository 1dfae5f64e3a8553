"""How alike the walks of a child are: ICC, SEM and the usual change.

Everything is a function of sums per patient, so that the patient bootstrap is a few
matrix products.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from cpexplore._validation import check_columns, check_range
from cpexplore.stats._sample import (
    MIN_PATIENTS,
    check_features,
    check_walks,
    result_table,
    too_few,
)
from cpexplore.stats.resampling import (
    group_codes,
    patient_counts,
    percentile_interval,
)

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From counts (n_resamples, patient) to quantities of shape (n_resamples,)."""

REACH = 1.96
"""Half-width of a 95 % range in standard deviations."""


def icc(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    groups: str = "patient_id",
    occasion: str | None = None,
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Estimate how repeatable each feature is within a child.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``groups`` and, if given, ``occasion``.
    groups : str
        The column that names the patient.
    occasion : str, optional
        The column that names the occasion (rater, camera, day). With it the estimate
        is ICC(A,1), absolute agreement of single measurements, from the patients
        measured on every occasion (their mean where more than once). Without it the
        walks of a patient are exchangeable and the estimate is the one-way ICC(1).
    n_resamples : int
        Of the patient bootstrap.
    ci_level : float
        Nominal coverage of the percentile interval.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row per feature with ``estimate`` (may be negative) and, in the unit of
        the feature, ``sem``, the standard deviation of a child's walks around its mean,
        and ``mdc95`` = 1.96 sqrt(2) sem: two walks of one child differ by less in 95 %
        of pairs. Both are error of measurement only if the walks of a child are
        repeats of one occasion.

    Raises
    ------
    TypeError
        If a feature is not numeric.
    ValueError
        If a column or a walk is missing from ``index``, a walk comes twice or a number
        is out of range.

    Notes
    -----
    Where the rows of a child are visits months or years apart, the variance within the
    child holds growth and true change besides error: ``mdc95`` is then the usual change
    between visits, an upper bound of the smallest change that is not error, and the
    ICC a lower bound of the repeatability of the measurement.

    The estimates are those of the analysis of variance; with balanced data they equal
    the restricted maximum likelihood of the mixed model.

    References
    ----------
    McGraw K. O., Wong S. P. (1996). Forming inferences about some intraclass
    correlation coefficients. Psychological Methods 1, 30-46.

    Examples
    --------
    Two walks each of five children; the second is 2 deg more, children differ by 10:

    >>> import pandas as pd
    >>> from cpexplore.stats import icc
    >>> walks = [f"W{n}" for n in range(10)]
    >>> knee = [10, 12, 20, 22, 30, 32, 40, 42, 50, 52]
    >>> index = pd.DataFrame({"patient_id": list("AABBCCDDEE")}, index=walks)
    >>> table = icc(pd.DataFrame({"knee": knee}, index=walks), index, rng=0)
    >>> table[["feature", "estimate", "sem", "mdc95"]].round(2)
      feature  estimate   sem  mdc95
    0    knee      0.99  1.41   3.92
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    keys = [groups] if occasion is None else [groups, occasion]
    check_columns(index, keys, name="index")
    check_features(features)
    check_walks(features, index)
    group_codes(index.loc[features.index, groups])
    labels = index.loc[features.index.sort_values(), keys]
    rows = []
    for feature in features.columns:
        values = features.loc[labels.index, feature].to_numpy(dtype=float)
        known = labels.assign(value=values).loc[np.isfinite(values), :]
        statistic, n_rows, n_patients = _statistic(known, groups, occasion)
        estimates = bootstrap_estimates(
            statistic, n_patients, n_resamples, ci_level=ci_level, rng=rng
        )
        row = {"feature": feature, "method": "icc_1" if occasion is None else "icc_a1"}
        row |= {"n_rows": n_rows, "n_patients": n_patients}
        row |= {"n_missing": len(values) - n_rows, "ci_level": ci_level}
        row |= estimates.get("icc", {"note": too_few(n_patients)})
        row["sem"] = estimates.get("sem", {}).get("estimate", np.nan)
        row["mdc95"] = REACH * np.sqrt(2) * row["sem"]
        if estimates and not np.isfinite(row["estimate"]):
            row["note"] = "constant, or no patient has two walks"
        rows.append(row)
    return result_table(rows, keys=["sem", "mdc95"])


def bootstrap_estimates(
    statistic: Statistic,
    n_patients: int,
    n_resamples: int,
    *,
    ci_level: float,
    rng: np.random.Generator | int | None,
) -> dict[str, dict[str, float]]:
    """Estimate and interval of each quantity; nothing with too few patients."""
    if n_patients < MIN_PATIENTS:
        return {}
    counts = patient_counts(n_patients, n_resamples, rng).astype(float)
    estimates = statistic(np.ones((1, n_patients)))
    replicates = statistic(counts)
    found = {}
    for name, estimate in estimates.items():
        low, high = percentile_interval(replicates[name], ci_level=ci_level)
        found[name] = {"estimate": float(estimate[0])}
        found[name] |= {"ci_low": float(low), "ci_high": float(high)}
    return found


def one_way(
    values: np.ndarray, patients: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Analysis of variance by patient: mean, mean squares, rows per patient."""
    n_rows = np.bincount(patients).astype(float)
    means = np.bincount(patients, values) / n_rows
    squares = np.bincount(patients, (values - means[patients]) ** 2)
    n_patients, total = counts.sum(axis=1), counts @ n_rows
    mean = counts @ (n_rows * means) / total
    apart = (means - mean[:, None]) ** 2
    between = np.einsum("bp,bp->b", counts * n_rows, apart) / (n_patients - 1)
    within = divide(counts @ squares, total - n_patients)
    per_patient = (total - counts @ n_rows**2 / total) / (n_patients - 1)
    return mean, between, within, per_patient


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quotient; NaN where the divisor is not positive."""
    return np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)


def _statistic(
    known: pd.DataFrame, groups: str, occasion: str | None
) -> tuple[Statistic, int, int]:
    """What to estimate from rows with a value; how many rows and patients it uses."""
    if occasion is None:
        patients, names = pd.factorize(known[groups], sort=True)
        values = known["value"].to_numpy()
        return partial(_icc_one_way, values, patients), len(known), len(names)
    table = known.pivot_table(
        index=groups, columns=occasion, values="value", observed=True
    ).dropna()
    return partial(_icc_two_way, table.to_numpy()), table.size, len(table)


def _icc_one_way(
    values: np.ndarray, patients: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    _, between, within, per_patient = one_way(values, patients, counts)
    total = between + (per_patient - 1) * within
    return {"icc": divide(between - within, total), "sem": np.sqrt(within)}


def _icc_two_way(table: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """ICC(A,1) of a table (patient, occasion)."""
    n, k = counts.sum(axis=1), table.shape[1]
    mean = counts @ table.mean(axis=1) / n
    of_occasion = counts @ table / n[:, None] - mean[:, None]
    from_mean = table - mean[:, None, None]
    total = np.einsum("bp,bpk->b", counts, from_mean**2)
    rows = k * np.einsum("bp,bp->b", counts, from_mean.mean(axis=2) ** 2)
    columns = n * (of_occasion**2).sum(axis=1)
    error = (total - rows - columns) / ((n - 1) * (k - 1))
    rows, columns = rows / (n - 1), columns / (k - 1)
    bias = (columns - error) / n
    return {
        "icc": divide(rows - error, rows + (k - 1) * error + k * bias),
        "sem": np.sqrt(np.maximum(bias, 0) + error),
    }
