"""What every table of statistics starts from and ends with.

Features and outcome are aligned by walk, rows are put in one order so that results
never depend on the order of the input, and results share their columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cpexplore._validation import check_columns, quoted
from cpexplore.stats.resampling import group_codes

COLUMNS = (
    "feature",
    "method",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_level",
    "p_value",
    "q_value",
    "n_rows",
    "n_patients",
    "n_missing",
    "note",
)
"""Columns of a table with one row per feature; ``note`` says why a value is missing."""

MIN_PATIENTS = 5
"""With fewer children there is neither interval nor p-value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The rows with a known outcome, sorted by walk."""

    features: pd.DataFrame
    """Numbers, one row per walk; NaN = missing."""
    y: np.ndarray
    """Codes of the outcome, 0 for the lowest level that occurs; shape (row,)."""
    levels: tuple[str, ...]
    """Names of the levels that occur, lowest first."""
    patients: np.ndarray
    """Codes of the patients, 0 to ``n_patients`` - 1; shape (row,)."""
    index: pd.DataFrame
    """The same rows of the index table, for covariates."""

    @property
    def n_patients(self) -> int:
        """Number of patients, however many walks each has."""
        return int(self.patients.max()) + 1

    def known(self, feature: str) -> np.ndarray:
        """Which rows have the feature, bool of shape (row,)."""
        return np.isfinite(self.features[feature].to_numpy())

    def counts(self, rows: np.ndarray) -> dict[str, int]:
        """``n_rows, n_patients, n_missing`` when only ``rows`` (bool) are used."""
        return {
            "n_rows": int(rows.sum()),
            "n_patients": len(np.unique(self.patients[rows])),
            "n_missing": int((~rows).sum()),
        }


def make_sample(
    features: pd.DataFrame, index: pd.DataFrame, *, outcome: str, groups: str
) -> Sample:
    """Join features and outcome by walk and keep the rows with a known outcome.

    Parameters
    ----------
    features : pandas.DataFrame
        Index ``walk_id``, numeric columns; what is not finite is missing.
    index : pandas.DataFrame
        Index ``walk_id``, with the columns ``outcome`` and ``groups``; may hold more
        walks, in any order.
    outcome : str
        An ordered categorical (any names) or numeric column.
    groups : str
        The column that names the patient.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If a column or walk is missing, a walk comes twice, or fewer than two levels
        occur.
    """
    check_columns(index, [outcome, groups], name="index")
    check_features(features)
    check_walks(features, index)
    index = index.loc[features.index.sort_values(), :].dropna(subset=[outcome])
    y, levels = _outcome_codes(index, outcome)
    patients, _ = group_codes(index[groups])
    values = features.loc[index.index, :].astype(float)
    return Sample(
        features=values.where(np.isfinite(values)),
        y=y,
        levels=levels,
        patients=patients,
        index=index,
    )


def one_row_per_patient(sample: Sample) -> Sample:
    """Average each child's walks at the level it has most often (ties: the lowest).

    Examples
    --------
    A child with walks at I, II and II is one row at II, the mean of the last two.
    """
    seen = pd.crosstab(sample.patients, sample.y)
    usual = seen.to_numpy().argmax(axis=1)
    rows = sample.y == usual[sample.patients]
    patients = sample.patients[rows]
    values = sample.features.loc[rows, :]
    present = np.unique(usual)
    return Sample(
        features=values.groupby(patients).mean(),
        y=np.searchsorted(present, usual),
        levels=tuple(sample.levels[code] for code in present),
        patients=np.arange(sample.n_patients),
        index=sample.index.loc[rows, :].groupby(patients).first(),
    )


def result_table(
    rows: Sequence[Mapping[str, object]],
    *,
    families: Mapping[str, str] | None = None,
    keys: Sequence[str] = (),
) -> pd.DataFrame:
    """Put rows into a table with :data:`COLUMNS` and add the q-values.

    Parameters
    ----------
    rows : sequence of mappings
        Columns by name; what is absent becomes missing.
    families : mapping of str to str, optional
        Family by feature; without it all rows are one family. Rows of different
        methods are never one family.
    keys : sequence of str
        Further columns, put after ``feature``.
    """
    columns = [COLUMNS[0], *keys, *COLUMNS[1:]]
    table = pd.DataFrame([{"note": ""} | dict(row) for row in rows], columns=columns)
    family = families or dict.fromkeys(table["feature"], "")
    labels = [
        f"{method}|{family[feature]}"
        for method, feature in zip(table["method"], table["feature"], strict=True)
    ]
    table["q_value"] = q_values(table["p_value"], families=labels)
    numbers = ["estimate", "ci_low", "ci_high", "ci_level", "p_value", "q_value"]
    return table.astype(dict.fromkeys(numbers, "float64"))


def q_values(p_values: ArrayLike, *, families: ArrayLike = 0) -> np.ndarray:
    """Adjust p-values by Benjamini and Hochberg (1995) within each family.

    Parameters
    ----------
    p_values : array of shape (test,)
        NaN stays NaN and does not count as a test.
    families : array of shape (test,) or scalar
        Tests with the same label are one family.

    Examples
    --------
    >>> q_values([0.01, 0.04, float("nan")]).round(3).tolist()
    [0.02, 0.04, nan]
    """
    p_values = np.asarray(p_values, dtype=float)
    labels = np.broadcast_to(np.asarray(families), p_values.shape)
    adjusted = np.full(p_values.shape, np.nan)
    known = np.isfinite(p_values)
    for label in np.unique(labels[known]):
        members = known & (labels == label)
        adjusted[members] = stats.false_discovery_control(p_values[members])
    return adjusted


def check_families(families: Mapping[str, str] | None, features: pd.DataFrame) -> None:
    """Raise unless every feature belongs to a family.

    Raises
    ------
    ValueError
        If a feature is missing from ``families``.
    """
    absent = [name for name in features.columns if families and name not in families]
    if absent:
        raise ValueError(
            "`families` must name the family of every feature; "
            f"it lacks {quoted(absent)}."
        )


def check_walks(features: pd.DataFrame, index: pd.DataFrame) -> None:
    """Raise unless every walk comes once and ``index`` has all of ``features``.

    Raises
    ------
    ValueError
        If a walk comes twice or is missing.
    """
    for name, table in (("features", features), ("index", index)):
        twice = table.index[table.index.duplicated()]
        if len(twice):
            raise ValueError(
                f"`{name}` must have one row per walk; {twice[0]!r} comes twice."
            )
    unknown = features.index.difference(index.index)
    if len(unknown):
        raise ValueError(
            f"`index` lacks {len(unknown)} of the {len(features)} walks of "
            f"`features`, the first is {unknown[0]!r}."
        )


def check_features(features: pd.DataFrame) -> None:
    """Raise unless the columns have different names and are numeric.

    Raises
    ------
    TypeError
        If a column is not numeric.
    ValueError
        If there is no column or a name comes twice.
    """
    twice = features.columns[features.columns.duplicated()]
    if len(twice) or features.columns.empty:
        found = f"{twice[0]!r} comes twice" if len(twice) else "there is none"
        raise ValueError(f"`features` must have differently named columns; {found}.")
    text = features.columns[~features.dtypes.map(pd.api.types.is_numeric_dtype)]
    if len(text):
        raise TypeError(f"`features` must be numeric; {quoted(text)} are not.")


def too_few(n_patients: int) -> str:
    """Say that neither interval nor test is possible; nothing if they are."""
    if n_patients >= MIN_PATIENTS:
        return ""
    return f"an interval or test needs {MIN_PATIENTS} patients; there are {n_patients}"


def _outcome_codes(
    index: pd.DataFrame, outcome: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Code the levels that occur 0, 1, ... in their order."""
    dtype = index[outcome].dtype
    is_ordered = isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)
    if not is_ordered and not pd.api.types.is_numeric_dtype(dtype):
        raise TypeError(
            f"`outcome` {outcome!r} must be an ordered categorical or numeric; got "
            f"{dtype}. Use `pd.Categorical(..., categories=..., ordered=True)`."
        )
    values = pd.Categorical(index[outcome]) if is_ordered else index[outcome]
    present, codes = np.unique(
        values.codes if is_ordered else values.to_numpy(), return_inverse=True
    )
    names = values.categories[present] if is_ordered else present
    levels = tuple(str(level) for level in names)
    if len(levels) < 2:
        raise ValueError(
            f"`outcome` {outcome!r} must have at least two levels among the walks of "
            f"`features`; got {quoted(levels) or 'none'}."
        )
    return codes, levels
