"""Is one odds ratio per feature fair? Separate odds ratios and the Brant test."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.discrete.discrete_model import Logit

from cpexplore._validation import check_range
from cpexplore.stats._design import (
    Design,
    covariate_columns,
    fault,
    make_design,
    separates,
)
from cpexplore.stats._sample import (
    check_families,
    make_sample,
    result_table,
)
from cpexplore.stats.ordinal import odds_ratio


def threshold_effects(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    covariates: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
    ci_level: float = 0.95,
) -> pd.DataFrame:
    """Estimate the odds ratio per SD separately at each threshold between levels.

    Parameters
    ----------
    features, index : pandas.DataFrame
        As in :func:`cpexplore.stats.ordinal_effects`.
    outcome, groups : str
        As in :func:`cpexplore.stats.ordinal_effects`.
    covariates : sequence of str
        As in :func:`cpexplore.stats.ordinal_effects`.
    families : mapping of str to str, optional
        As in :func:`cpexplore.stats.ordinal_effects`.
    ci_level : float
        As in :func:`cpexplore.stats.ordinal_effects`.

    Returns
    -------
    pandas.DataFrame
        One row per feature and threshold, with the further column ``threshold``
        (``"above I"``: all higher levels against I). ``estimate`` is the odds ratio
        of the binary logit with a patient-robust interval.

    Raises
    ------
    TypeError, ValueError
        As :func:`cpexplore.stats.ordinal_effects`.
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, covariates)
    rows = []
    for feature in sample.features:
        design = make_design(sample, feature, columns)
        shared = {"feature": feature, "method": "binary_logit", "ci_level": ci_level}
        shared |= sample.counts(design.rows)
        if problem := fault(design):
            rows.append(shared | {"note": problem})
            continue
        slopes, covariance, notes = binary_slopes(design)
        for cut, note in enumerate(notes):
            row = shared | {"threshold": f"above {design.levels[cut]}", "note": note}
            if not note:
                error = float(np.sqrt(covariance[cut, cut]))
                row |= odds_ratio(float(slopes[cut]), error, ci_level=ci_level)
            rows.append(row)
    return result_table(rows, families=families, keys=["threshold"])


def brant(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    covariates: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Test whether a feature's odds ratio is the same at every threshold.

    Parameters
    ----------
    features, index : pandas.DataFrame
        As in :func:`cpexplore.stats.ordinal_effects`.
    outcome, groups : str
        As in :func:`cpexplore.stats.ordinal_effects`.
    covariates : sequence of str
        As in :func:`cpexplore.stats.ordinal_effects`.
    families : mapping of str to str, optional
        As in :func:`cpexplore.stats.ordinal_effects`.

    Returns
    -------
    pandas.DataFrame
        One row per feature; ``estimate`` is the Wald chi-squared, ``df`` the number
        of thresholds compared minus one. A small p says that one odds ratio hides
        something: look at :func:`threshold_effects`.

    Raises
    ------
    TypeError, ValueError
        As :func:`cpexplore.stats.ordinal_effects`.

    References
    ----------
    Brant R. (1990). Assessing proportionality in the proportional odds model for
    ordinal logistic regression. Biometrics 46, 1171-1178. Here the covariance of the
    binary slopes is the sandwich over patients, so that repeated walks do not count
    as evidence.
    """
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, covariates)
    rows = []
    for feature in sample.features:
        design = make_design(sample, feature, columns)
        row = {"feature": feature, "method": "brant_cluster"}
        row |= sample.counts(design.rows)
        row |= {"note": problem} if (problem := fault(design)) else _wald(design)
        rows.append(row)
    return result_table(rows, families=families, keys=["df"])


def binary_slopes(design: Design) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Fit the logit of a level above each threshold.

    Parameters
    ----------
    design : Design
        The feature first.

    Returns
    -------
    slopes : numpy.ndarray of shape (threshold,)
        Of the feature; NaN where there is a note.
    covariance : numpy.ndarray of shape (threshold, threshold)
        Joint sandwich covariance, clustered by patient.
    notes : list of str
        Why a threshold has no slope.
    """
    n_cuts = len(design.levels) - 1
    slopes, notes = np.full(n_cuts, np.nan), [""] * n_cuts
    by_patient = np.full((design.patients.max() + 1, n_cuts), np.nan)
    x = np.column_stack([design.x, np.ones(len(design.x))])
    for cut, level in enumerate(design.levels[:-1]):
        above = (design.y > cut).astype(int)
        if separates(design.x, above).any():
            notes[cut] = f"perfectly separated above {level}"
            continue
        fit = Logit(above, x).fit(method="newton", disp=False)
        bread = np.linalg.inv(-fit.model.hessian(fit.params))
        influence = (fit.model.score_obs(fit.params) @ bread)[:, 0]
        slopes[cut] = fit.params[0]
        by_patient[:, cut] = np.bincount(design.patients, influence)
    n_patients = len(by_patient)
    covariance = by_patient.T @ by_patient * n_patients / (n_patients - 1)
    return slopes, covariance, notes


def _wald(design: Design) -> dict[str, object]:
    """Test that neighbouring thresholds have equal slopes."""
    slopes, covariance, notes = binary_slopes(design)
    usable = np.isfinite(slopes)
    left_out = "; ".join(filter(None, notes))
    if usable.sum() < 2:
        return {"note": left_out or "two levels have one threshold only"}
    contrast = np.diff(np.eye(int(usable.sum())), axis=0)
    apart = contrast @ slopes[usable]
    of_apart = contrast @ covariance[np.ix_(usable, usable)] @ contrast.T
    chi2 = float(apart @ np.linalg.solve(of_apart, apart))
    return {
        "estimate": chi2,
        "df": len(contrast),
        "p_value": float(stats.chi2.sf(chi2, len(contrast))),
        "note": left_out,
    }
