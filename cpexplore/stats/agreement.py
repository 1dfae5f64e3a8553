"""How well a measurement agrees with a reference, with repeated walks per child."""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cpexplore._validation import check_columns
from cpexplore.stats._sample import check_walks, result_table, too_few
from cpexplore.stats.repeatability import REACH, bootstrap_estimates, divide, one_way
from cpexplore.stats.resampling import check_length, group_codes


def bland_altman(
    measured: ArrayLike,
    reference: ArrayLike,
    *,
    groups: ArrayLike,
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Estimate bias and 95 % limits of agreement when patients are measured repeatedly.

    Parameters
    ----------
    measured, reference : arrays of shape (row,)
        Two measurements of the same walks in the same unit; NaN where missing.
    groups : array of shape (row,)
        The patient of each row. Three Series are aligned by label, anything else by
        position.
    n_resamples : int
        Of the patient bootstrap.
    ci_level : float
        Nominal coverage of the percentile intervals.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        Rows ``bias``, ``limit_low``, ``limit_high`` (column ``method``) of measured
        minus reference.

    Raises
    ------
    ValueError
        If the lengths differ, a group is missing or a number is out of range.

    Notes
    -----
    The variance of a difference is that between patients plus that within, from a
    one-way analysis of variance: ignoring the repetition makes the limits too narrow.

    References
    ----------
    Bland J. M., Altman D. G. (2007). Agreement between methods of measurement with
    multiple observations per individual. J Biopharm Stat 17, 571-582.

    Examples
    --------
    Speeds (m/s) of two walks each of five children; the video reads 0.1 too much on
    average:

    >>> from cpexplore.stats import bland_altman
    >>> video = [1.1, 1.3, 1.0, 1.2, 0.9, 1.1, 0.8, 1.0, 0.7, 0.9]
    >>> mat = [1.1, 1.1, 1.0, 1.0, 0.9, 0.9, 0.8, 0.8, 0.7, 0.7]
    >>> table = bland_altman(video, mat, groups=list("AABBCCDDEE"), rng=0)
    >>> table.set_index("method")["estimate"].round(2).to_dict()
    {'bias': 0.1, 'limit_low': -0.18, 'limit_high': 0.38}
    """
    columns = {"measured": measured, "reference": reference, "patient": groups}
    if not all(isinstance(values, pd.Series) for values in columns.values()):
        columns = {name: np.asarray(values) for name, values in columns.items()}
        for name in ("reference", "groups"):
            values = columns["patient" if name == "groups" else name]
            check_length(name, values, like=("measured", columns["measured"]))
    pair = pd.DataFrame(columns)
    codes, _ = group_codes(pair["patient"])
    rows = _agreement_rows(
        pair.assign(patient=codes).astype(float),
        n_resamples,
        ci_level=ci_level,
        rng=rng,
    )
    return result_table([row | {"feature": "difference"} for row in rows[:3]])


def agreement(
    features: pd.DataFrame,
    reference: pd.DataFrame,
    index: pd.DataFrame,
    *,
    groups: str = "patient_id",
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Compare features with a reference measurement of the same walks.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``.
    reference : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; columns of the same names and units. Walks and columns that
        only one table has are left out.
    index : pandas.DataFrame
        Index ``walk_id`` with the column ``groups``.
    groups : str
        The column that names the patient.
    n_resamples : int
        Of the patient bootstrap.
    ci_level : float
        Nominal coverage of the percentile intervals.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        Six rows per feature, named by ``method``: ``bias``, ``limit_low`` and
        ``limit_high`` (see :func:`bland_altman`), ``mae`` and ``rmse`` in the unit of
        the feature, and ``concordance``, Lin's coefficient, without unit.

    Raises
    ------
    ValueError
        If the tables share no column or no walk, ``index`` lacks a walk, or a number
        is out of range.

    References
    ----------
    Lin L. I. (1989). A concordance correlation coefficient to evaluate
    reproducibility. Biometrics 45, 255-268.

    Examples
    --------
    A video that reads every speed 0.1 m/s too high does not agree perfectly, though it
    ranks the walks perfectly:

    >>> import pandas as pd
    >>> from cpexplore.stats.agreement import agreement
    >>> walks = [f"W{n}" for n in range(6)]
    >>> mat = pd.DataFrame({"speed": [1.3, 1.2, 1.0, 0.9, 0.7, 0.6]}, index=walks)
    >>> index = pd.DataFrame({"patient_id": list("ABCDEF")}, index=walks)
    >>> table = agreement(mat + 0.1, mat, index, rng=0).set_index("method")
    >>> table.loc[["bias", "rmse", "concordance"], "estimate"].round(2).to_dict()
    {'bias': 0.1, 'rmse': 0.1, 'concordance': 0.93}
    """
    shared = [name for name in features.columns if name in reference.columns]
    if not shared:
        raise ValueError("`reference` must share a column with `features`; none does.")
    check_columns(index, [groups], name="index")
    walks = features.index.intersection(reference.index).sort_values()
    check_walks(features, index)
    codes, _ = group_codes(index.loc[walks, groups])
    rows = []
    for feature in shared:
        pair = pd.DataFrame(
            {
                "measured": features.loc[walks, feature].astype(float),
                "reference": reference.loc[walks, feature].astype(float),
                "patient": codes,
            }
        )
        of_feature = _agreement_rows(pair, n_resamples, ci_level=ci_level, rng=rng)
        rows += [row | {"feature": feature} for row in of_feature]
    return result_table(rows)


def _agreement_rows(
    pair: pd.DataFrame,
    n_resamples: int,
    *,
    ci_level: float,
    rng: np.random.Generator | int | None,
) -> list[dict[str, object]]:
    known = np.isfinite(pair.to_numpy()).all(axis=1)
    measured, reference = pair[["measured", "reference"]].to_numpy()[known].T
    names, patients = np.unique(pair["patient"].to_numpy()[known], return_inverse=True)
    statistic = partial(_agreement, measured, reference, patients)
    estimates = bootstrap_estimates(
        statistic, len(names), n_resamples, ci_level=ci_level, rng=rng
    )
    shared = {"n_rows": int(known.sum()), "n_missing": int((~known).sum())}
    shared |= {"n_patients": len(names), "ci_level": ci_level}
    missing = {"note": too_few(len(names))}
    return [
        {"method": name, **shared, **estimates.get(name, missing)}
        for name in ("bias", "limit_low", "limit_high", "mae", "rmse", "concordance")
    ]


def _agreement(
    measured: np.ndarray,
    reference: np.ndarray,
    patients: np.ndarray,
    counts: np.ndarray,
) -> dict[str, np.ndarray]:
    difference = measured - reference
    bias, between, within, per_patient = one_way(difference, patients, counts)
    within = np.nan_to_num(within)
    spread = np.maximum((between - within) / per_patient, 0) + within
    reach = REACH * np.sqrt(spread)
    n_rows = counts @ np.bincount(patients)

    def mean(values: np.ndarray) -> np.ndarray:
        return counts @ np.bincount(patients, values) / n_rows

    # Centred first: the formula of moments would lose digits of large values.
    a, b = measured - measured.mean(), reference - reference.mean()
    covariance = mean(a * b) - mean(a) * mean(b)
    variances = mean(a**2) - mean(a) ** 2 + mean(b**2) - mean(b) ** 2
    return {
        "bias": bias,
        "limit_low": bias - reach,
        "limit_high": bias + reach,
        "mae": mean(np.abs(difference)),
        "rmse": np.sqrt(mean(difference**2)),
        "concordance": divide(2 * covariance, variances + mean(difference) ** 2),
    }
