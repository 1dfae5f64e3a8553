"""Monotone association of gait features with an ordered outcome.

The unit of inference is the child: intervals resample children, p-values exchange the
outcomes of whole children.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpexplore._validation import check_option, check_range
from cpexplore.stats._sample import (
    Sample,
    check_families,
    make_sample,
    result_table,
    too_few,
)
from cpexplore.stats.permutation import NO_EXCHANGE, permutation_p
from cpexplore.stats.resampling import (
    patient_counts,
    percentile_interval,
    weighted_correlation,
)


def associate(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    method: str = "spearman",
    families: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
    n_permutations: int = 9999,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Relate every feature to an ordered outcome, one row per feature.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``, in any order.
    outcome : str
        An ordered categorical column of any names, or a numeric one. Walks without
        outcome are left out.
    groups : str
        The column that names the patient.
    method : {"spearman", "kendall"}
        Spearman's rho or Kendall's tau-b over all walks.
    families : mapping of str to str, optional
        Family by feature, within which q-values control the false discovery rate;
        all features are one family when not given.
    n_resamples, n_permutations : int
        Of the patient bootstrap (interval) and the patient permutation (p-value).
    ci_level : float
        Nominal coverage of the percentile interval.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        ``feature, method, estimate, ci_low, ci_high, ci_level, p_value, q_value,
        n_rows, n_patients, n_missing, note``, in the order of the columns of
        ``features``. ``note`` says why an estimate is missing.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels, ``families``
        lacks a feature, ``method`` is unknown or a number is out of range.

    Notes
    -----
    One test is declared primary whatever the method: the patient permutation of the
    rank correlation, see :func:`cpexplore.stats.permutation.permutation_p`.

    Examples
    --------
    The speed of simulated children falls with the level, their height does not:

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> table = stats.associate(walks[["speed_mps", "height_m"]], walks, rng=0)
    >>> table[["feature", "estimate", "n_rows", "n_patients"]].round(1)
         feature  estimate  n_rows  n_patients
    0  speed_mps      -0.6     105          60
    1   height_m       0.1     105          60
    """
    check_option("method", method, ("spearman", "kendall"))
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    X = sample.features.to_numpy()
    of_bootstrap, of_permutation = np.random.default_rng(rng).spawn(2)

    once = np.ones((1, sample.n_patients))
    drawn = patient_counts(sample.n_patients, n_resamples, of_bootstrap)
    settings = {"codes": sample.patients, "statistic": method}
    estimate = weighted_correlation(X, sample.y, once, **settings)[0]
    replicates = weighted_correlation(X, sample.y, drawn, **settings)
    low, high = percentile_interval(replicates, ci_level=ci_level)
    p_value = permutation_p(
        X,
        sample.y,
        groups=sample.patients,
        n_permutations=n_permutations,
        rng=of_permutation,
    )
    rows = []
    for column, feature in enumerate(sample.features):
        known = sample.known(feature)
        row = {"feature": feature, "method": method, "ci_level": ci_level}
        row |= sample.counts(known) | {"note": _why_missing(sample, feature)}
        row["estimate"] = estimate[column]
        if not row["note"]:
            row["ci_low"], row["ci_high"] = low[column], high[column]
            row["p_value"] = p_value[column]
            row["note"] = "" if np.isfinite(p_value[column]) else NO_EXCHANGE
        rows.append(row)
    return result_table(rows, families=families)


def _why_missing(sample: Sample, feature: str) -> str:
    """Say what stands in the way of an estimate or its interval; else nothing."""
    rows = sample.known(feature)
    n_patients = len(np.unique(sample.patients[rows]))
    if not rows.any():
        return "the feature is missing everywhere"
    if np.ptp(sample.features[feature].to_numpy()[rows]) == 0:
        return "the feature is constant"
    if np.ptp(sample.y[rows]) == 0:
        return f"only level {sample.levels[sample.y[rows][0]]} has the feature"
    return too_few(n_patients)
