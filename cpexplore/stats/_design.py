"""Design matrices of one feature and its covariates, and what is wrong with them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from cpexplore._validation import quoted
from cpexplore.stats._sample import Sample, too_few

_DEPENDENT = 1e6
"""Condition number of the terms from which they count as linearly dependent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """The complete rows of one feature and its covariates."""

    x: np.ndarray
    """Standardised columns, the feature first; shape (row, term), no constant."""
    terms: tuple[str, ...]
    """Name of each column."""
    y: np.ndarray
    """Codes of the levels that occur in these rows, 0, 1, ...; shape (row,)."""
    levels: tuple[str, ...]
    """Names of those levels."""
    patients: np.ndarray
    """Codes of the patients; shape (row,)."""
    rows: np.ndarray
    """Which rows of the sample these are; bool."""
    sd: float
    """Standard deviation of the feature in these rows, in its unit."""
    adjusted_for: tuple[str, ...]
    """The covariates that could be used."""


def covariate_columns(
    sample: Sample, covariates: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Code covariates as numbers; those missing or constant everywhere drop out.

    Parameters
    ----------
    sample : Sample
        Rows to code.
    covariates : sequence of str
        Columns of the index table or of the features. Text becomes one indicator per
        value except the most frequent.

    Returns
    -------
    dict of str to pandas.DataFrame
        Columns by covariate; NaN where missing.

    Raises
    ------
    ValueError
        If a covariate is in neither table.
    """
    check_covariates(covariates, sample.features, sample.index)
    columns = {}
    for name in covariates:
        table = sample.index if name in sample.index else sample.features
        values = pd.Series(table[name])
        if len(values.dropna().unique()) > 1:
            columns[name] = _numbers(values, name)
    return columns


def check_covariates(
    covariates: Sequence[str], features: pd.DataFrame, index: pd.DataFrame
) -> None:
    """Raise unless every covariate is a column of one of the tables.

    Raises
    ------
    ValueError
        If a covariate is in neither table.
    """
    for name in covariates:
        if name not in index and name not in features:
            raise ValueError(
                f"`covariates` must be columns of `index` or `features`; got {name!r}."
            )


def make_design(
    sample: Sample, feature: str, columns: dict[str, pd.DataFrame]
) -> Design:
    """Put a feature and its covariates into one standardised matrix.

    Parameters
    ----------
    sample : Sample
        Where the feature is.
    feature : str
        Column of ``sample.features``.
    columns : dict of str to pandas.DataFrame
        From :func:`covariate_columns`; a covariate that is the feature is left out,
        and so are columns that are constant in the complete rows.
    """
    parts = {name: part for name, part in columns.items() if name != feature}
    table = pd.concat([sample.features[[feature]], *parts.values()], axis=1)
    rows = np.isfinite(table.to_numpy(dtype=float)).all(axis=1)
    table = table.loc[rows, :]
    varies = (table != table.shift()).iloc[1:].any()
    table = table.loc[:, varies | (table.columns == feature)]
    spread = table.std()
    present, y = np.unique(sample.y[rows], return_inverse=True)
    return Design(
        x=((table - table.mean()) / spread).to_numpy(),
        terms=tuple(map(str, table.columns)),
        y=y,
        levels=tuple(sample.levels[code] for code in present),
        patients=np.unique(sample.patients[rows], return_inverse=True)[1],
        rows=np.asarray(rows),
        sd=float(spread[feature]) if varies[feature] else 0.0,
        adjusted_for=tuple(
            name for name, part in parts.items() if varies[part.columns].any()
        ),
    )


def fault(design: Design) -> str:
    """Say why no model can be fitted; nothing if one can."""
    n_rows, n_terms = design.x.shape
    n_patients = len(np.unique(design.patients))
    n_parameters = n_terms + len(design.levels) - 1
    if not n_rows:
        return "no walk has the feature and all covariates"
    if not design.sd > 0:
        return "the feature is constant"
    if len(design.levels) < 2:
        return f"only level {''.join(design.levels)} has the feature and all covariates"
    if problem := too_few(n_patients):
        return problem
    if n_patients <= n_parameters:
        return f"{n_patients} patients for {n_parameters} parameters"
    if np.linalg.cond(design.x) > _DEPENDENT:
        return "the feature and the covariates are linearly dependent"
    return ""


def separation(design: Design) -> str:
    """Name the terms along which the likelihood of the ordinal model has no maximum.

    If some terms separate the levels by themselves only these are named.
    """
    together = separates(design.x, design.y)
    if not together.any():
        return ""
    alone = [separates(column[:, None], design.y).any() for column in design.x.T]
    guilty = itertools.compress(design.terms, alone if any(alone) else together)
    return f"{quoted(guilty)} separates the levels perfectly"


def separates(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which terms take part in a separation of the levels; bool of shape (term,).

    Notes
    -----
    The estimate is infinite if a direction (coefficients, thresholds) other than zero
    puts no row on the wrong side of a threshold next to its level (Albert and
    Anderson 1984). A linear program looks for it: the largest total distance to the
    thresholds within the unit box is zero exactly if there is none.
    """
    threshold = np.eye(y.max())
    above, below = y > 0, y < y.max()
    distance = np.vstack(
        [
            np.hstack([x[above], -threshold[y[above] - 1]]),
            np.hstack([-x[below], threshold[y[below]]]),
        ]
    )
    direction = linprog(
        -distance.sum(axis=0),
        A_ub=-distance,
        b_ub=np.zeros(len(distance)),
        bounds=(-1, 1),
    ).x
    is_there = np.abs(direction).max() > 0.5
    return is_there & (np.abs(direction[: x.shape[1]]) > 1e-6)


def _numbers(values: pd.Series, name: str) -> pd.DataFrame:
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float).to_frame(name)
    kinds = values.astype("str").where(values.notna())
    table = pd.get_dummies(kinds, prefix=name, prefix_sep="=", dtype=float)
    table[kinds.isna().to_numpy()] = np.nan
    return table.drop(columns=f"{name}={kinds.value_counts().sort_index().idxmax()}")
