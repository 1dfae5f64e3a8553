"""Do the levels differ? Classical tests on one row per child.

Each child is averaged over its walks at the level it has most often, so that rows are
independent as the tests require.
"""

import warnings
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import scikit_posthocs as posthocs
from scipy import stats

from cpexplore._validation import check_range
from cpexplore.stats._sample import (
    Sample,
    check_families,
    make_sample,
    one_row_per_patient,
    result_table,
    too_few,
)
from cpexplore.stats.resampling import patient_counts, percentile_interval

_CONSTANT = "the feature is constant"
_NO_VALUES = "the feature is missing everywhere"


def trend(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    families: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Test for an ordered trend over the levels by Jonckheere and Terpstra.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``.
    outcome : str
        An ordered categorical column of any names, or a numeric one.
    groups : str
        The column that names the patient.
    families : mapping of str to str, optional
        Family by feature for the q-values.

    Returns
    -------
    pandas.DataFrame
        One row per feature; ``estimate`` is z, corrected for ties and positive if the
        feature rises with the level. ``n_rows`` counts children.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels or ``families``
        lacks a feature.

    References
    ----------
    Jonckheere A. R. (1954). A distribution-free k-sample test against ordered
    alternatives. Biometrika 41, 133-145.

    Examples
    --------
    Nine children, three of each level, walk the slower the higher the level:

    >>> import pandas as pd
    >>> from cpexplore import gmfcs, stats
    >>> walks = [f"W{n}" for n in range(9)]
    >>> levels = gmfcs.as_levels([1, 1, 1, 2, 2, 2, 3, 3, 3])
    >>> index = pd.DataFrame({"patient_id": walks, "gmfcs": levels}, index=walks)
    >>> speed = [1.4, 1.3, 1.1, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6]
    >>> table = stats.trend(pd.DataFrame({"speed": speed}, index=walks), index)
    >>> table[["feature", "estimate", "n_rows"]].round(1)
      feature  estimate  n_rows
    0   speed      -2.8       9
    """
    sample = _children(features, index, outcome=outcome, groups=groups)
    return _test_table(sample, _jonckheere, families, method="jonckheere_terpstra")


def kruskal(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    families: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Test for any difference between the levels by Kruskal and Wallis.

    Parameters
    ----------
    features, index, outcome, groups, families
        As in :func:`trend`.

    Returns
    -------
    pandas.DataFrame
        One row per feature; ``estimate`` is epsilon squared = H / (n - 1), the share
        of the variance of ranks between levels; ``statistic`` is H.

    Raises
    ------
    TypeError, ValueError
        As :func:`trend`.

    References
    ----------
    Tomczak M., Tomczak E. (2014). The need to report effect size estimates revisited.
    Trends in Sport Sciences 21, 19-25.

    Examples
    --------
    Level II steps fastest (steps/min) and I and III are alike: the levels differ
    without a trend:

    >>> import pandas as pd
    >>> from cpexplore import gmfcs, stats
    >>> walks = [f"W{n}" for n in range(9)]
    >>> levels = gmfcs.as_levels([1, 1, 1, 2, 2, 2, 3, 3, 3])
    >>> index = pd.DataFrame({"patient_id": walks, "gmfcs": levels}, index=walks)
    >>> cadence = [100, 103, 105, 120, 122, 124, 101, 102, 106]
    >>> features = pd.DataFrame({"cadence": cadence}, index=walks)
    >>> for test in (stats.kruskal, stats.trend):
    ...     print(test.__name__, test(features, index).loc[0, "estimate"].round(1))
    kruskal 0.7
    trend 0.1
    """
    sample = _children(features, index, outcome=outcome, groups=groups)
    return _test_table(
        sample, _kruskal, families, method="kruskal_epsilon2", keys=("statistic",)
    )


def pairwise(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    families: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Compare each two levels: Cliff's delta with Dunn's test.

    Parameters
    ----------
    features, index, outcome, groups
        As in :func:`trend`.
    families : mapping of str to str, optional
        As in :func:`trend`; all pairs of a feature are in its family.
    n_resamples : int
        Of the bootstrap of children, drawn from all levels together.
    ci_level : float
        Nominal coverage of the percentile interval.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row per feature and pair, with the further columns ``level`` and
        ``other``. ``estimate`` is Cliff's delta, P(other > level) - P(other < level):
        positive if the feature is larger at the higher level. ``p_value`` is Dunn's,
        not adjusted; ``q_value`` is adjusted over all rows of the family. A pair with
        a level of fewer than 5 children has neither interval nor p, see ``note``.

    Raises
    ------
    TypeError, ValueError
        As :func:`trend`; a ValueError also if a number is out of range.

    References
    ----------
    Cliff N. (1993). Dominance statistics. Psychological Bulletin 114, 494-509.
    Dunn O. J. (1964). Multiple comparisons using rank sums. Technometrics 6, 241-252.

    Examples
    --------
    Fifteen children, five of each level; the speeds (m/s) of I and II overlap:

    >>> import pandas as pd
    >>> from cpexplore import gmfcs, stats
    >>> walks = [f"W{n:02d}" for n in range(15)]
    >>> levels = gmfcs.as_levels([1] * 5 + [2] * 5 + [3] * 5)
    >>> index = pd.DataFrame({"patient_id": walks, "gmfcs": levels}, index=walks)
    >>> speed = [1.4, 1.3, 1.2, 1.1, 1.0] + [1.3, 1.2, 1.1, 1.0, 0.9]
    >>> speed += [0.8, 0.7, 0.6, 0.5, 0.4]
    >>> features = pd.DataFrame({"speed": speed}, index=walks)
    >>> table = stats.pairwise(features, index, rng=0)
    >>> table[["level", "other", "estimate"]].round(2)
      level other  estimate
    0     I    II     -0.36
    1     I   III     -1.00
    2    II   III     -1.00
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    sample = _children(features, index, outcome=outcome, groups=groups)
    check_families(families, features)
    drawn = patient_counts(sample.n_patients, n_resamples, rng).astype(float)
    rows = []
    for feature in sample.features:
        known = sample.known(feature)
        shared = {"feature": feature, "method": "cliffs_delta", "ci_level": ci_level}
        shared |= sample.counts(known)
        values = sample.features[feature].to_numpy()
        levels = sample.y[known]
        note = _why_not(values[known], levels, sample.levels)
        p_values = {} if note else _dunn(values[known], levels)
        if len(sample.levels) < 2:
            rows.append(shared | {"note": note})
        for low, high in combinations(range(len(sample.levels)), 2):
            row = shared | {"level": sample.levels[low], "other": sample.levels[high]}
            if note == _CONSTANT:
                row["note"] = note
            else:
                lower, higher = (known & (sample.y == level) for level in (low, high))
                row |= _delta(values, (lower, higher), drawn, ci_level=ci_level)
                if "note" not in row:
                    row["p_value"] = p_values.get((low, high), np.nan)
            rows.append(row)
    return result_table(rows, families=families, keys=["level", "other"])


def cliffs_delta(lower: np.ndarray, higher: np.ndarray) -> float:
    """Probability that ``higher`` exceeds ``lower`` minus that it falls below.

    Parameters
    ----------
    lower, higher : arrays of shape (child,)
        Finite values of two independent groups, at least one each.

    Returns
    -------
    float
        Between -1 and 1; 0 where neither exceeds the other more often.

    Examples
    --------
    >>> import numpy as np
    >>> from cpexplore.stats import cliffs_delta
    >>> cliffs_delta(np.array([1, 2]), np.array([2, 3]))
    0.75
    """
    return float(_dominance(lower, higher).mean())


def _children(
    features: pd.DataFrame, index: pd.DataFrame, *, outcome: str, groups: str
) -> Sample:
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    return one_row_per_patient(sample)


def _test_table(
    sample: Sample,
    test: Callable[[np.ndarray, np.ndarray], dict[str, object]],
    families: Mapping[str, str] | None,
    *,
    method: str,
    keys: tuple[str, ...] = (),
) -> pd.DataFrame:
    check_families(families, sample.features)
    rows = []
    for feature in sample.features:
        known = sample.known(feature)
        row = {"feature": feature, "method": method} | sample.counts(known)
        values, levels = sample.features[feature].to_numpy()[known], sample.y[known]
        row["note"] = _why_not(values, levels, sample.levels)
        if not row["note"]:
            row |= test(values, levels)
        rows.append(row)
    return result_table(rows, families=families, keys=keys)


def _why_not(values: np.ndarray, levels: np.ndarray, names: tuple[str, ...]) -> str:
    """Say why there is no test; nothing if there is one."""
    if not len(values):
        return _NO_VALUES
    if problem := too_few(len(values)):
        return problem
    if np.ptp(values) == 0:
        return _CONSTANT
    if np.ptp(levels) == 0:
        return f"only level {names[levels[0]]} has the feature"
    return ""


def _jonckheere(values: np.ndarray, levels: np.ndarray) -> dict[str, object]:
    table = pd.DataFrame({"value": values, "level": levels})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Ties are present")
        p_value, z = posthocs.test_jonckheere(
            table, val_col="value", group_col="level", sort=True
        )
    return {"estimate": float(z), "p_value": float(p_value)}


def _kruskal(values: np.ndarray, levels: np.ndarray) -> dict[str, object]:
    h, p_value = stats.kruskal(*(values[levels == k] for k in np.unique(levels)))
    return {"estimate": h / (len(values) - 1), "statistic": h, "p_value": p_value}


def _delta(
    values: np.ndarray,
    members: tuple[np.ndarray, np.ndarray],
    drawn: np.ndarray,
    *,
    ci_level: float,
) -> dict[str, object]:
    """Cliff's delta of two levels; its interval if both have enough children."""
    lower, higher = (values[level] for level in members)
    if not len(lower) or not len(higher):
        return {"note": "a level has no child with the feature"}
    dominance = _dominance(lower, higher)
    found: dict[str, object] = {"estimate": float(dominance.mean())}
    if problem := too_few(min(len(lower), len(higher))):
        return found | {"note": problem}
    deltas = _weighted_mean(dominance, drawn[:, members[1]], drawn[:, members[0]])
    low, high = map(float, percentile_interval(deltas, ci_level=ci_level))
    return found | {"ci_low": low, "ci_high": high}


def _dunn(values: np.ndarray, levels: np.ndarray) -> dict[tuple[int, int], float]:
    """P-values of all pairs of levels."""
    table = posthocs.posthoc_dunn(
        pd.DataFrame({"value": values, "level": levels}),
        val_col="value",
        group_col="level",
    )
    return {
        (low, high): float(table.loc[low, high])
        for low, high in combinations(table.columns, 2)
    }


def _dominance(lower: np.ndarray, higher: np.ndarray) -> np.ndarray:
    return np.sign(np.subtract.outer(higher, lower))


def _weighted_mean(
    matrix: np.ndarray, of_rows: np.ndarray, of_columns: np.ndarray
) -> np.ndarray:
    """Mean of a matrix under each pair of weightings; NaN where a sum is 0."""
    total = np.einsum("br,br->b", of_columns @ matrix.T, of_rows)
    weight = of_rows.sum(axis=1) * of_columns.sum(axis=1)
    missing = np.full_like(total, np.nan)
    return np.divide(total, weight, out=missing, where=weight > 0)
