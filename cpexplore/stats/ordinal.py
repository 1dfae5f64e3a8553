"""Proportional-odds models: how the odds of a higher level change with a feature.

All covariances are robust to the clustering of walks in patients.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.genmod.cov_struct import OrdinalIndependence
from statsmodels.genmod.generalized_estimating_equations import OrdinalGEE
from statsmodels.miscmodels.ordinal_model import OrderedModel

from cpexplore._validation import check_range
from cpexplore.stats._design import (
    Design,
    covariate_columns,
    fault,
    make_design,
    separation,
)
from cpexplore.stats._sample import check_families, make_sample, result_table

Fit = Callable[[Design], tuple[float, float]]
"""Log odds ratio of the first term and its standard error."""


def ordinal_effects(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    covariates: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
    ci_level: float = 0.95,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Estimate the odds ratio of a higher level per SD of each feature.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome``, ``groups`` and covariates.
    outcome : str
        An ordered categorical column of any names, or a numeric one with few values.
    groups : str
        The column that names the patient.
    covariates : sequence of str
        Columns of ``index`` or ``features`` to adjust for. Call twice to see an
        effect with and without the assistive device.
    families : mapping of str to str, optional
        Family by feature for the q-values.
    ci_level : float
        Nominal coverage of the Wald interval.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        One row per feature: the columns of :func:`cpexplore.stats.associate` and
        ``adjusted_for``. ``estimate`` is the odds ratio, above 1 if a higher value
        goes with a higher level. ``n_missing`` counts walks without the feature or a
        covariate. ``note`` says why there is no estimate: constant, linearly
        dependent, too few patients, perfect separation.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels or a covariate
        is unknown.

    Notes
    -----
    A covariate that is missing or constant for everyone drops out, see
    ``adjusted_for``; so does a covariate that is the feature itself. The SD is that
    of the rows used.
    """
    return _effect_table(
        features,
        index,
        outcome=outcome,
        groups=groups,
        covariates=covariates,
        families=families,
        ci_level=ci_level,
        n_jobs=n_jobs,
        method="proportional_odds",
    )


def ordinal_gee(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    covariates: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
    ci_level: float = 0.95,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Check :func:`ordinal_effects` by generalised estimating equations.

    The same question, arguments and table; the population-average odds ratio comes
    from estimating equations with working independence instead of a likelihood.

    Parameters
    ----------
    features, index, outcome, groups, covariates, families, ci_level
        As in :func:`ordinal_effects`.
    n_jobs : int
        Processes; a fit takes about half a second.

    Returns
    -------
    pandas.DataFrame
        As :func:`ordinal_effects`.

    Raises
    ------
    TypeError, ValueError
        As :func:`ordinal_effects`.
    """
    return _effect_table(
        features,
        index,
        outcome=outcome,
        groups=groups,
        covariates=covariates,
        families=families,
        ci_level=ci_level,
        n_jobs=n_jobs,
        method="ordinal_gee",
    )


def _effect_table(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str,
    groups: str,
    covariates: Sequence[str],
    families: Mapping[str, str] | None,
    ci_level: float,
    n_jobs: int,
    method: str,
) -> pd.DataFrame:
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, covariates)
    designs = [make_design(sample, feature, columns) for feature in sample.features]
    fits: Any = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_effect)(design, method, ci_level) for design in designs
    )
    rows = []
    for feature, design, fit in zip(sample.features, designs, fits, strict=True):
        row = {"feature": feature, "method": method, "ci_level": ci_level}
        row |= sample.counts(design.rows) | fit
        rows.append(row | {"adjusted_for": " + ".join(design.adjusted_for)})
    return result_table(rows, families=families, keys=["adjusted_for"])


def _effect(design: Design, method: str, ci_level: float) -> dict[str, object]:
    if problem := fault(design) or separation(design):
        return {"note": problem}
    return odds_ratio(*_FITS[method](design), ci_level=ci_level)


def odds_ratio(
    log_odds: float, std_error: float, *, ci_level: float
) -> dict[str, object]:
    """Turn a log odds ratio and its standard error into Wald interval and p.

    Examples
    --------
    >>> odds_ratio(0.0, 0.5, ci_level=0.95)["p_value"]
    1.0
    """
    if not (np.isfinite(std_error) and std_error > 0):
        return {"note": "the fit did not converge"}
    reach = stats.norm.isf((1 - ci_level) / 2) * std_error
    return {
        "estimate": float(np.exp(log_odds)),
        "ci_low": float(np.exp(log_odds - reach)),
        "ci_high": float(np.exp(log_odds + reach)),
        "p_value": float(2 * stats.norm.sf(abs(log_odds) / std_error)),
    }


def proportional_odds(design: Design) -> tuple[float, float]:
    """Log odds ratio per SD of the first term and its patient-robust standard error.

    Both are NaN if the fit did not converge.
    """
    model = OrderedModel(design.y, design.x, distr="logit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(
            method="bfgs",
            maxiter=500,
            disp=False,
            cov_type="cluster",
            cov_kwds={"groups": design.patients},
        )
    converged = fit.mle_retvals["converged"]
    return _term(fit, 0) if converged else (np.nan, np.nan)


def _gee(design: Design) -> tuple[float, float]:
    model = OrdinalGEE(
        design.y, design.x, groups=design.patients, cov_struct=OrdinalIndependence()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit()
    return _term(fit, len(design.levels) - 1) if fit.converged else (np.nan, np.nan)


def _term(fit: Any, place: int) -> tuple[float, float]:
    return float(np.asarray(fit.params)[place]), float(np.asarray(fit.bse)[place])


_FITS: dict[str, Fit] = {
    "proportional_odds": proportional_odds,
    "ordinal_gee": _gee,
}
