"""Is a feature more than speed, age or size? Partial rank correlations."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from cpexplore._validation import check_range
from cpexplore.stats._design import covariate_columns
from cpexplore.stats._sample import (
    MIN_PATIENTS,
    Sample,
    check_families,
    make_sample,
    result_table,
    too_few,
)
from cpexplore.stats.permutation import NO_EXCHANGE, exchange_p, exchangeable
from cpexplore.stats.resampling import (
    patient_counts,
    percentile_interval,
    weighted_midranks,
)

Columns = Mapping[str, pd.DataFrame]
"""Numbers by covariate, see :func:`cpexplore.stats._design.covariate_columns`."""

_CHUNK = 64
"""Resamples worked on at a time; keeps the intermediate arrays in the cache."""

_EXPLAINED = 1e-9
"""Share of variance left below which the covariates explain everything."""


def partial_association(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    given: Sequence[str],
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    families: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
    n_permutations: int = 9999,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Relate features to an ordered outcome beyond what covariates explain.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome``, ``groups`` and covariates.
    given : sequence of str
        Columns of ``index`` or ``features`` to hold constant, such as the speed. A
        covariate that is the feature itself is left out.
    outcome : str
        An ordered categorical column of any names, or a numeric one.
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
        One row per feature with the further column ``given``; ``estimate`` is the
        partial Spearman correlation, the correlation of what linear regression on
        the ranks of the covariates leaves of the ranks.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels, a covariate is
        unknown, ``families`` lacks a feature or a number is out of range.

    Notes
    -----
    The permutation exchanges, between whole patients, what the covariates leave of the
    ranks of the outcome (Kennedy 1995); it is approximate where covariates matter.

    Examples
    --------
    Cadence hardly tells the level of simulated children. At the same speed it does: the
    higher the level, the more and shorter the steps.

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> cadence = walks[["cadence_spm"]]
    >>> alone = stats.associate(cadence, walks, rng=0)
    >>> beyond = stats.partial_association(cadence, walks, given=["speed_mps"], rng=0)
    >>> [float(table.loc[0, "estimate"].round(1)) for table in (alone, beyond)]
    [-0.2, 0.5]
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    check_families(families, features)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    columns = covariate_columns(sample, given)
    of_bootstrap, of_permutation = np.random.default_rng(rng).spawn(2)
    counts = patient_counts(sample.n_patients, n_resamples, of_bootstrap).T
    p_values = _p_values(sample, columns, n_permutations, rng=of_permutation)
    rows = []
    for feature in sample.features:
        parts = _others(columns, feature)
        x, known = _complete(sample, parts, feature)
        estimate = float(_partial(x, np.ones((len(x), 1)))[0]) if len(x) else np.nan
        row = {"feature": feature, "method": "partial_spearman", "ci_level": ci_level}
        row |= sample.counts(known) | {"given": " + ".join(parts)}
        row["estimate"] = estimate
        row["note"] = _why_missing(row["n_patients"], estimate)
        if not row["note"]:
            replicates = _partial(x, counts[sample.patients[known]])
            interval = percentile_interval(replicates, ci_level=ci_level)
            row["ci_low"], row["ci_high"] = map(float, interval)
            row["p_value"] = p_values[feature]
            row["note"] = "" if np.isfinite(p_values[feature]) else NO_EXCHANGE
        rows.append(row)
    return result_table(rows, families=families, keys=["given"])


def _others(columns: Columns, feature: str) -> Columns:
    """All covariates but the feature itself."""
    return {name: part for name, part in columns.items() if name != feature}


def _complete(
    sample: Sample, parts: Columns, *features: str
) -> tuple[np.ndarray, np.ndarray]:
    """Features, covariates and outcome of the complete rows, and which these are."""
    table = pd.concat([sample.features[list(features)], *parts.values()], axis=1)
    values = np.column_stack([table.to_numpy(dtype=float), sample.y])
    known = np.asarray(np.isfinite(values).all(axis=1))
    return values[known], known


def _why_missing(n_patients: int, estimate: float) -> str:
    if np.isfinite(estimate) or n_patients < MIN_PATIENTS:
        return too_few(n_patients)
    return "the feature or the outcome is constant or explained by the covariates"


def _partial(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Partial Spearman of the first and last column of ``x`` given those between.

    ``weights`` has the shape (row, n_resamples).
    """
    found = np.empty(weights.shape[1])
    for first in range(0, len(found), _CHUNK):
        w = np.ascontiguousarray(weights[:, first : first + _CHUNK], dtype=float)
        middle = (w.sum(axis=0) + 1) / 2
        ranks = [weighted_midranks(column, w) - middle for column in x.T]
        covariance = np.empty((w.shape[1], len(ranks), len(ranks)))
        for place, rank in enumerate(ranks):
            weighted = w * rank
            for other in range(place, len(ranks)):
                total = np.einsum("rb,rb->b", weighted, ranks[other])
                covariance[:, place, other] = covariance[:, other, place] = total
        found[first : first + _CHUNK] = _given_the_middle(covariance)
    return found


def _given_the_middle(covariance: np.ndarray) -> np.ndarray:
    """Partial correlation of the first and last variable; (resample, v, v) -> (,)."""
    ends, middle = [0, -1], slice(1, -1)
    across = covariance[:, ends, middle]
    inverse = np.linalg.pinv(covariance[:, middle, middle], hermitian=True)
    left = covariance[:, ends][:, :, ends] - across @ inverse @ across.swapaxes(1, 2)
    variances = np.diagonal(left, axis1=1, axis2=2)
    total = np.diagonal(covariance, axis1=1, axis2=2)[:, ends]
    defined = (variances > _EXPLAINED * total).all(axis=1)
    scale = np.sqrt(np.where(defined, variances.prod(axis=1), 1.0))
    return np.where(defined, left[:, 0, 1] / scale, np.nan)


def _p_values(
    sample: Sample, columns: Columns, n: int, *, rng: np.random.Generator
) -> dict[str, float]:
    """Exchange what the covariates leave of the ranks of the outcome."""
    found = {}
    seed = int(rng.integers(2**63))
    kinds = {feature: tuple(_others(columns, feature)) for feature in sample.features}
    for kind in dict.fromkeys(kinds.values()):
        parts = {name: columns[name] for name in kind}
        base, known = _complete(sample, parts)
        features = [feature for feature, own in kinds.items() if own == kind]
        x = sample.features[features].to_numpy()[known]
        left = np.column_stack(
            [_residual_ranks(column, base[:, :-1]) for column in x.T]
        )
        outcome = _residual_ranks(base[:, -1], base[:, :-1])
        patients = np.unique(sample.patients[known], return_inverse=True)[1]
        rows, strata = exchangeable(patients)
        p_values = exchange_p(
            left[rows], outcome[rows], strata, n_permutations=n, rng=seed
        )
        found |= dict(zip(features, p_values.tolist(), strict=True))
    return found


def _residual_ranks(values: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """What a regression on the ranks of covariates leaves of the ranks of values."""
    known = np.isfinite(values)
    design = np.column_stack(
        [np.ones(known.sum()), stats.rankdata(covariates[known], axis=0)]
    )
    ranks = stats.rankdata(values[known])
    left = np.full(len(values), np.nan)
    left[known] = ranks - design @ np.linalg.lstsq(design, ranks)[0]
    return left
