"""Proportional-odds models: how the odds of a higher level change with a feature.

All covariances are robust to the clustering of walks in patients.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import special, stats
from statsmodels.genmod.cov_struct import OrdinalIndependence
from statsmodels.genmod.generalized_estimating_equations import OrdinalGEE

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

_MAX_STEPS = 50
"""Newton steps before a fit is given up."""

_TOLERANCE = 1e-8
"""Twice the log-likelihood that the last step may gain."""

_LARGEST = np.log(1000)
"""Log odds ratio per SD, or its error, beyond which numbers mean nothing."""

_NEARLY_SEPARATED = (
    "nearly separated: the feature tells the levels apart almost perfectly"
)

_ENOUGH_PATIENTS = 40
"""With fewer children robust errors are too small, see :func:`ordinal_effects`."""

_FEW_PATIENTS = f"fewer than {_ENOUGH_PATIENTS} patients: intervals are too narrow"


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
        covariate. ``note`` says why there is no estimate (constant, linearly
        dependent, too few patients, perfect or near separation) or that its interval
        is too narrow.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels, a covariate is
        unknown, ``families`` lacks a feature or ``ci_level`` is out of range.

    Notes
    -----
    A covariate that is missing or constant for everyone drops out, see
    ``adjusted_for``; so does a covariate that is the feature itself. The SD is that
    of the rows used.

    Intervals and p-values take the patient-robust standard error with the t
    distribution of children - 1 degrees of freedom. Robust errors are too small with
    few children: with the normal distribution 11 % were rejected at 8 to 25 children
    without effect, where 5 % should be. t repairs part of that; ``note`` marks fewer
    than 40 children.

    Examples
    --------
    One SD more speed divides the odds of a higher level by more than four, in simulated
    children:

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> speed = walks[["speed_mps"]]
    >>> table = stats.ordinal_effects(speed, walks, covariates=["age_years"])
    >>> table[["feature", "adjusted_for", "estimate"]].round(2)
         feature adjusted_for  estimate
    0  speed_mps    age_years      0.23
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

    Examples
    --------
    The odds ratio for the speed of simulated children is the same by either:

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> for model in (stats.ordinal_effects, stats.ordinal_gee):
    ...     model(walks[["speed_mps"]], walks)["estimate"].round(1).tolist()
    [0.2]
    [0.2]
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
    n_patients = len(np.unique(design.patients))
    return odds_ratio(*_FITS[method](design), ci_level=ci_level, n_patients=n_patients)


def odds_ratio(
    log_odds: float,
    std_error: float,
    *,
    ci_level: float,
    n_patients: int,
    df: float | None = None,
) -> dict[str, object]:
    """Turn a log odds ratio and its standard error into Wald interval and p.

    Parameters
    ----------
    log_odds, std_error : float
        NaN if the fit did not converge.
    ci_level : float
        Nominal coverage of the interval.
    n_patients : int
        Fewer than 40 are noted.
    df : float, optional
        Of the t distribution; ``n_patients`` - 1 when not given.

    Returns
    -------
    dict
        ``estimate, ci_low, ci_high, p_value, note``; of these only the note if the
        estimate or its error is beyond an odds ratio of 1,000.

    Examples
    --------
    >>> odds_ratio(0.0, 0.5, ci_level=0.95, n_patients=60)["p_value"]
    1.0
    """
    if not (np.isfinite(std_error) and std_error > 0):
        return {"note": "the fit did not converge"}
    if max(abs(log_odds), std_error) > _LARGEST:
        return {"note": _NEARLY_SEPARATED}
    df = n_patients - 1 if df is None else df
    reach = stats.t.isf((1 - ci_level) / 2, df) * std_error
    return {
        "estimate": float(np.exp(log_odds)),
        "ci_low": float(np.exp(log_odds - reach)),
        "ci_high": float(np.exp(log_odds + reach)),
        "p_value": float(2 * stats.t.sf(abs(log_odds) / std_error, df)),
        "note": _FEW_PATIENTS if n_patients < _ENOUGH_PATIENTS else "",
    }


def proportional_odds(design: Design) -> tuple[float, float]:
    """Log odds ratio per SD of the first term and its patient-robust standard error.

    Both are NaN if the fit did not converge.

    Notes
    -----
    The likelihood is concave, so Newton's steps, halved where they overshoot, find its
    maximum; ``statsmodels``' OrderedModel finds the same with numeric derivatives.
    """
    shares = np.cumsum(np.bincount(design.y))[:-1] / len(design.y)
    parameters = np.concatenate([np.zeros(design.x.shape[1]), special.logit(shares)])
    likelihood, scores, curvature = _log_likelihood(parameters, design)
    for _ in range(_MAX_STEPS):
        total = scores.sum(axis=0)
        step = -np.linalg.solve(curvature, total)
        if total @ step < _TOLERANCE:
            return _robust((parameters + step)[0], scores, curvature, design.patients)
        moved = _log_likelihood(parameters + step, design)
        while moved[0] < likelihood and np.abs(step).max() > _TOLERANCE:
            step = step / 2
            moved = _log_likelihood(parameters + step, design)
        if moved[0] < likelihood:
            break
        parameters = parameters + step
        likelihood, scores, curvature = moved
    return np.nan, np.nan


def _log_likelihood(
    parameters: np.ndarray, design: Design
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, its score by row and its second derivatives.

    Parameters are slopes, then thresholds. The probability of a level is F(upper) -
    F(lower), the distances of its thresholds from the linear predictor.
    """
    n_slopes, n_cuts = design.x.shape[1], len(design.levels) - 1
    cuts = np.concatenate([[-np.inf], parameters[n_slopes:], [np.inf]])
    if (np.diff(cuts) <= 0).any():
        return -np.inf, np.empty(0), np.empty(0)
    own = np.vstack([np.zeros(n_cuts), np.eye(n_cuts), np.zeros(n_cuts)])
    centre = design.x @ parameters[:n_slopes]
    upper, lower = cuts[design.y + 1] - centre, cuts[design.y] - centre
    of_upper = np.hstack([-design.x, own[design.y + 1]])
    of_lower = np.hstack([-design.x, own[design.y]])
    # Where both are near 1 their complements keep the digits.
    near, far = np.where(lower > 0, (-lower, -upper), (upper, lower))
    probability = special.expit(near) - special.expit(far)
    if not (probability > 0).all():
        return -np.inf, np.empty(0), np.empty(0)
    rise, fall = (_density(z) / probability for z in (upper, lower))
    bend, sag = (
        _density(z) * (1 - 2 * special.expit(z)) / probability for z in (upper, lower)
    )
    scores = rise[:, None] * of_upper - fall[:, None] * of_lower
    across = (of_upper.T * (rise * fall)) @ of_lower
    curvature = (of_upper.T * (bend - rise**2)) @ of_upper
    curvature -= (of_lower.T * (sag + fall**2)) @ of_lower
    return np.log(probability).sum(), scores, curvature + across + across.T


def _density(z: np.ndarray) -> np.ndarray:
    return special.expit(z) * special.expit(-z)


def _robust(
    slope: float, scores: np.ndarray, curvature: np.ndarray, patients: np.ndarray
) -> tuple[float, float]:
    """The slope and its standard error from the scores of patients."""
    n_rows, n_terms = scores.shape
    n_patients = patients.max() + 1
    by_patient = np.zeros((n_patients, n_terms))
    np.add.at(by_patient, patients, scores)
    moves = by_patient @ np.linalg.inv(curvature)[0]
    correction = n_patients / (n_patients - 1) * (n_rows - 1) / (n_rows - n_terms)
    return float(slope), float(np.sqrt(correction * (moves**2).sum()))


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
