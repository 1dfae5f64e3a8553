"""Where features are missing, and what that does to the odds ratios."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

from cpexplore._validation import check_range
from cpexplore.stats._design import covariate_columns, fault, make_design, separation
from cpexplore.stats._sample import (
    Sample,
    check_families,
    make_sample,
    result_table,
    too_few,
)
from cpexplore.stats.ordinal import odds_ratio, proportional_odds
from cpexplore.stats.permutation import NO_EXCHANGE, permutation_p
from cpexplore.stats.resampling import patient_counts, percentile_interval

_OUTCOME = "outcome code"
"""Column of the outcome among the predictors of missing values."""


def missingness(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    families: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
    n_permutations: int = 9999,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Count how often each feature is missing at each level.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``.
    outcome : str
        An ordered categorical column of any names, or a numeric one with few values.
    groups : str
        The column that names the patient.
    families : mapping of str to str, optional
        Family by feature for the q-values.
    n_resamples, n_permutations : int
        Of the patient bootstrap (interval) and the patient permutation (p-value).
    ci_level : float
        Nominal coverage of the percentile interval.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row per feature and level and one for ``level`` ``"all"``; ``estimate`` is
        the missing share (0 to 1). The row ``"all"`` has the p-value of a trend of
        the share with the level; NaN if nothing or everything is missing.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels, ``families``
        lacks a feature or a number is out of range.

    Examples
    --------
    The knee was lost in one of two walks at level II and in both at level III:

    >>> import pandas as pd
    >>> from cpexplore import gmfcs
    >>> from cpexplore.stats.missingness import missingness
    >>> walks = [f"W{n}" for n in range(6)]
    >>> knee = [10.0, 12.0, 15.0, None, None, None]
    >>> index = pd.DataFrame({"patient_id": list("ABCDEF")}, index=walks)
    >>> index["gmfcs"] = gmfcs.as_levels([1, 1, 2, 2, 3, 3])
    >>> features = pd.DataFrame({"knee": knee}, index=walks)
    >>> table = missingness(features, index, rng=0)
    >>> table[["level", "estimate", "n_missing"]]
      level  estimate  n_missing
    0     I       0.0          0
    1    II       0.5          1
    2   III       1.0          2
    3   all       0.5          3
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    absent = (~np.isfinite(sample.features.to_numpy())).astype(float)
    of_bootstrap, of_permutation = np.random.default_rng(rng).spawn(2)
    counts = patient_counts(sample.n_patients, n_resamples, of_bootstrap)
    p_values = permutation_p(
        absent,
        sample.y,
        groups=sample.patients,
        n_permutations=n_permutations,
        rng=of_permutation,
    )
    rows = []
    for code, level in enumerate((*sample.levels, "all")):
        members = np.ones(len(sample.y), bool) if level == "all" else sample.y == code
        shares = _shares(absent, sample.patients, members, counts)
        low, high = percentile_interval(shares, ci_level=ci_level)
        n_patients = len(np.unique(sample.patients[members]))
        problem = too_few(n_patients)
        for place, feature in enumerate(sample.features):
            missing = absent[members, place]
            note = problem
            if level == "all" and not problem and 0 < missing.mean() < 1:
                note = "" if np.isfinite(p_values[place]) else NO_EXCHANGE
            rows.append(
                {
                    "feature": feature,
                    "level": level,
                    "method": "missing_share",
                    "estimate": missing.mean(),
                    "ci_low": np.nan if problem else low[place],
                    "ci_high": np.nan if problem else high[place],
                    "ci_level": ci_level,
                    "p_value": np.nan if problem or level != "all" else p_values[place],
                    "n_rows": len(missing),
                    "n_patients": n_patients,
                    "n_missing": int(missing.sum()),
                    "note": note,
                }
            )
    return result_table(rows, families=families, keys=["level"])


def imputed_effects(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    covariates: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
    n_imputations: int = 10,
    ci_level: float = 0.95,
    seed: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Repeat :func:`cpexplore.stats.ordinal_effects` with missing values imputed.

    Parameters
    ----------
    features, index, outcome, groups, covariates, families
        As in :func:`cpexplore.stats.ordinal_effects`.
    n_imputations : int
        At least 2.
    ci_level : float
        As in :func:`cpexplore.stats.ordinal_effects`.
    seed : int
        Seed of the imputations.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        As :func:`cpexplore.stats.ordinal_effects` with ``fmi``, the share of the
        variance that is due to missing values, in place of ``adjusted_for``.

    Raises
    ------
    TypeError, ValueError
        As :func:`cpexplore.stats.ordinal_effects`; a ValueError also if
        ``n_imputations`` < 2.

    Notes
    -----
    Features, covariates and the outcome predict each other by Bayesian ridge
    regression in chained equations; estimates are pooled by Rubin's rules (1987) with
    the t distribution of Barnard and Rubin (1999) for few children. Missing at random
    given these is assumed, which no data can show; if the result differs from the
    complete rows, missing values matter.

    Examples
    --------
    Simulated children, every fourth speed removed: faster walks still go with lower
    odds of a higher level.

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> walks.loc[walks.index[::4], "speed_mps"] = None
    >>> features = walks[["speed_mps", "cadence_spm"]]
    >>> table = stats.imputed_effects(features, walks, n_imputations=2)
    >>> table.assign(below_1=table["estimate"] < 1)[["feature", "n_missing", "below_1"]]
           feature  n_missing  below_1
    0    speed_mps         27     True
    1  cadence_spm          0     True
    """
    check_range("n_imputations", n_imputations, low=2)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, covariates)
    problems = [_problem(sample, feature, columns) for feature in sample.features]
    estimable = [
        feature
        for feature, problem in zip(sample.features, problems, strict=True)
        if not problem
    ]
    seeds = np.random.SeedSequence(seed).generate_state(n_imputations)
    jobs = (
        joblib.delayed(_impute_and_fit)(sample, columns, estimable, int(child))
        for child in seeds
    )
    fitted: Any = joblib.Parallel(n_jobs=n_jobs)(jobs)
    effects = pd.concat(fitted)
    rows = []
    for feature, problem in zip(sample.features, problems, strict=True):
        row = {"feature": feature, "method": "proportional_odds_imputed"}
        row |= sample.counts(sample.known(feature)) | {"ci_level": ci_level}
        of_feature = effects[effects["feature"] == feature]
        n_patients = sample.n_patients
        row |= (
            {"note": problem} if problem else _rubin(of_feature, ci_level, n_patients)
        )
        rows.append(row)
    return result_table(rows, families=families, keys=["fmi"])


def _problem(sample: Sample, feature: str, columns: dict[str, pd.DataFrame]) -> str:
    """Say why the complete rows have no estimate; imputed ones would have none."""
    design = make_design(sample, feature, columns)
    return fault(design) or separation(design)


def _shares(
    absent: np.ndarray, patients: np.ndarray, members: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Missing share of each feature in each resample, over the member rows."""
    by_patient = np.zeros((counts.shape[1], absent.shape[1]))
    np.add.at(by_patient, patients[members], absent[members])
    n_rows = np.bincount(patients[members], minlength=counts.shape[1])
    total = (counts @ n_rows)[:, None].astype(float)
    out = np.full((len(counts), absent.shape[1]), np.nan)
    return np.divide(counts.astype(float) @ by_patient, total, out=out, where=total > 0)


def _impute_and_fit(
    sample: Sample,
    columns: dict[str, pd.DataFrame],
    features: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Impute once; log odds ratio per observed SD and its standard error."""
    table = pd.concat([sample.features, *columns.values()], axis=1)
    filled = _impute(table.assign(**{_OUTCOME: sample.y}), seed)
    complete = replace(sample, features=filled.loc[:, sample.features.columns])
    parts = {name: filled.loc[:, part.columns] for name, part in columns.items()}
    rows = []
    for feature in features:
        design = make_design(complete, feature, parts)
        scale = sample.features[feature].std() / design.sd
        log_odds, error = proportional_odds(design)
        rows.append((feature, log_odds * scale, error * scale))
    return pd.DataFrame(rows, columns=["feature", "log_odds", "error"])


def _impute(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw missing values from chained equations."""
    finite = table.where(np.isfinite(table.to_numpy(dtype=float)))
    imputer = IterativeImputer(
        sample_posterior=True,
        max_iter=5,
        n_nearest_features=min(15, finite.shape[1] - 1),
        keep_empty_features=True,
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # draws never settle
        filled = imputer.fit_transform(finite.to_numpy())
    return pd.DataFrame(filled, index=table.index, columns=table.columns)


def _rubin(
    effects: pd.DataFrame, ci_level: float, n_patients: int
) -> dict[str, object]:
    """Pool log odds ratios and their standard errors."""
    estimates, errors = effects["log_odds"].to_numpy(), effects["error"].to_numpy()
    if not np.isfinite(errors).all():
        return {"note": "the fit did not converge"}
    within, m = np.mean(errors**2), len(estimates)
    between = (1 + 1 / m) * np.var(estimates, ddof=1)
    share = float(between / (within + between))
    complete = n_patients - 1
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    df = 1 / (share**2 / (m - 1) + 1 / observed)
    mean, error = float(np.mean(estimates)), float(np.sqrt(within + between))
    pooled = odds_ratio(mean, error, ci_level=ci_level, n_patients=n_patients, df=df)
    return pooled | {"fmi": share}
