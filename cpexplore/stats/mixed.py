"""The reversed question: how much does a feature differ between levels, per child."""

import warnings
from collections.abc import Mapping, Sequence

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from cpexplore._validation import check_range
from cpexplore.stats._design import Design, covariate_columns, fault, make_design
from cpexplore.stats._sample import check_families, make_sample, result_table

Fit = tuple[np.ndarray, np.ndarray]
"""Differences from the lowest level and their covariance, in SD of the feature."""


def mixed_effects(
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
    """Fit feature ~ level + covariates + (1 | child) and compare the levels.

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
        Columns of ``index`` or ``features`` to adjust for.
    families : mapping of str to str, optional
        Family by feature for the q-values.
    ci_level : float
        Nominal coverage of the Wald interval.
    n_jobs : int
        Processes; a fit takes about half a second.

    Returns
    -------
    pandas.DataFrame
        Per feature one row ``mixed_levels`` (column ``method``; contrast ``"any"``;
        ``estimate`` is the Wald chi-squared of all differences) and one row
        ``mixed_difference`` per higher level, ``contrast`` ``"II - I"``: the adjusted
        difference of means in the unit of the feature. q-values are within
        method and family.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels or a covariate
        is unknown.
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, covariates)
    designs = [make_design(sample, feature, columns) for feature in sample.features]
    problems = [fault(design) for design in designs]
    fits = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_fit)(design)
        for design, problem in zip(designs, problems, strict=True)
        if not problem
    )
    fitted = iter(fits)
    rows = []
    for feature, design, problem in zip(
        sample.features, designs, problems, strict=True
    ):
        shared = {"feature": feature, "ci_level": ci_level}
        shared |= sample.counts(design.rows)
        if problem:
            rows.append(shared | {"method": "mixed_levels", "note": problem})
        else:
            found = _contrasts(next(fitted), design, ci_level)
            rows += [shared | row for row in found]
    return result_table(rows, families=families, keys=["contrast"])


def _fit(design: Design) -> Fit | None:
    """Fit by restricted maximum likelihood; nothing if it does not converge."""
    n_levels = len(design.levels)
    level = np.eye(n_levels)[design.y][:, 1:]
    x = np.column_stack([np.ones(len(level)), level, design.x[:, 1:]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of zero between children is fine
        for optimiser in ("bfgs", "lbfgs", "powell"):
            try:
                model = MixedLM(design.x[:, 0], x, groups=design.patients)
                fit = model.fit(method=[optimiser])
            except np.linalg.LinAlgError:
                continue
            differences = np.asarray(fit.fe_params)[1:n_levels]
            covariance = np.asarray(fit.cov_params())[1:n_levels, 1:n_levels]
            if fit.converged and np.isfinite(covariance).all():
                return differences, covariance
    return None


def _contrasts(
    fit: Fit | None, design: Design, ci_level: float
) -> list[dict[str, object]]:
    if fit is None:
        return [{"method": "mixed_levels", "note": "the fit did not converge"}]
    differences, covariance = fit
    chi2 = float(differences @ np.linalg.solve(covariance, differences))
    p_value = float(stats.chi2.sf(chi2, len(differences)))
    rows: list[dict[str, object]] = [
        {
            "method": "mixed_levels",
            "contrast": "any",
            "estimate": chi2,
            "p_value": p_value,
        }
    ]
    errors = np.sqrt(np.diag(covariance))
    reach = stats.norm.isf((1 - ci_level) / 2) * errors
    for place, level in enumerate(design.levels[1:]):
        size = differences[place]
        rows.append(
            {
                "method": "mixed_difference",
                "contrast": f"{level} - {design.levels[0]}",
                "estimate": design.sd * size,
                "ci_low": design.sd * (size - reach[place]),
                "ci_high": design.sd * (size + reach[place]),
                "p_value": float(2 * stats.norm.sf(abs(size) / errors[place])),
            }
        )
    return rows
