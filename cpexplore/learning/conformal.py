"""Sets of levels that are to hold their coverage, about, in every level."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_option, check_range

_P = list(gmfcs.PROBABILITIES)
_K = len(gmfcs.LEVELS)


def inclusion_scores(proba: np.ndarray) -> np.ndarray:
    """How far a set of neighbouring levels must grow to include each level.

    The set starts at the most probable level and takes the more probable neighbour
    each time, so it never has a gap.

    Parameters
    ----------
    proba : array of shape (n, 4)
        Probabilities.

    Returns
    -------
    numpy.ndarray of shape (n, 4)
        Probability that the set held before it took the level; 0 for the first.

    Examples
    --------
    >>> inclusion_scores(np.array([[0.1, 0.6, 0.2, 0.1]])).round(2).tolist()
    [[0.8, 0.0, 0.6, 0.9]]
    """
    rows = np.arange(len(proba))
    padded = np.pad(proba, ((0, 0), (1, 1)), constant_values=-1.0)
    low = high = padded.argmax(1)
    scores = np.zeros_like(padded)
    held = padded[rows, low]
    for _ in range(proba.shape[1] - 1):
        left, right = padded[rows, low - 1], padded[rows, high + 1]
        taken = np.where(left >= right, low - 1, high + 1)
        scores[rows, taken] = held
        held = held + padded[rows, taken]
        low, high = np.minimum(low, taken), np.maximum(high, taken)
    return scores[:, 1:-1]


def conformal_thresholds(
    oof: pd.DataFrame,
    *,
    coverage: float = 0.9,
    assurance: float | None = None,
    groups: str = "patient_id",
    rng: np.random.Generator | int | None = 0,
) -> pd.Series:
    """Learn, for each level, how far a set must grow to include it often enough.

    Parameters
    ----------
    oof : pandas.DataFrame
        Predictions of one model for walks that it was not trained on.
    coverage : float
        Wanted share of each level's children whose set holds the truth.
    assurance : float, optional
        Chance, over the draw of these children, that the share is at least
        ``coverage``. By default it is so only in the mean over such draws, and with few
        children of a level often missed by far.
    groups : str
        Column of the exchangeable unit; one random walk of each is used per level.
    rng : numpy.random.Generator, int or None
        Chooses the walk.

    Returns
    -------
    pandas.Series
        Threshold on :func:`inclusion_scores` by level; infinite (the level is always
        in the set) where there are too few children, fewer than 9 for 90 %. Where there
        are too few for ``assurance``, fewer than 22 for 90 % of 90 %, it is the largest
        score, the most that they can assure.

    Notes
    -----
    Mondrian: each level has its own quantile. One quantile for all covers the rare
    level IV too seldom. Calibrated on children that no model in question was trained
    on, the coverage of a new child of that level is guaranteed; here each fold has a
    model of its own, so it is approximate, see :func:`conformal_sets`. With n children,
    the share that the k-th smallest score covers is distributed as Beta(k, n + 1 - k);
    ``assurance`` makes the threshold Wilks' distribution-free tolerance limit.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005.
    Wilks, Determination of sample sizes for setting tolerance limits, Annals of
    Mathematical Statistics 12, 1941. Vovk, Conditional validity of inductive conformal
    predictors, Machine Learning 92, 2013.
    """
    check_columns(oof, [groups, "gmfcs", *_P], name="oof")
    check_range("coverage", coverage, low=0, high=1, inclusive=False)
    if assurance is not None:
        check_range("assurance", assurance, low=0, high=1, inclusive=False)
    known = oof.loc[oof["gmfcs"].notna()]
    shuffled = known.sample(frac=1, random_state=np.random.default_rng(rng))
    units = shuffled.drop_duplicates(subset=[groups, "gmfcs"])
    scores = inclusion_scores(units[_P].to_numpy("float64"))
    target = gmfcs.encode(units["gmfcs"])
    return pd.Series(
        [_quantile(scores[target == k, k], coverage, assurance) for k in range(_K)],
        index=pd.Index(gmfcs.LEVELS, name="level"),
        name="threshold",
    )


def prediction_sets(
    proba: np.ndarray, thresholds: Mapping[str, float] | pd.Series
) -> list[tuple[str, ...]]:
    """Levels that cannot be excluded, without gaps, for each row.

    Parameters
    ----------
    proba : array of shape (n, 4)
        Probabilities.
    thresholds : mapping of str to float
        From :func:`conformal_thresholds`.

    Returns
    -------
    list of tuple of str
        Never empty: the most probable level is always in.

    Examples
    --------
    >>> limits = {"I": 0.0, "II": 0.7, "III": 0.7, "IV": 0.7}
    >>> prediction_sets(np.array([[0.1, 0.6, 0.2, 0.1]]), limits)
    [('II', 'III')]
    """
    limits = np.array([thresholds[level] for level in gmfcs.LEVELS])
    scores = inclusion_scores(proba)
    inside = (scores <= limits) | (scores == 0)
    first = inside.argmax(1)
    last = _K - 1 - inside[:, ::-1].argmax(1)
    return [gmfcs.LEVELS[a : b + 1] for a, b in zip(first, last, strict=True)]


def conformal_sets(
    oof: pd.DataFrame,
    *,
    model: str,
    coverage: float = 0.9,
    assurance: float | None = None,
    groups: str = "patient_id",
    rng: np.random.Generator | int | None = 0,
) -> pd.DataFrame:
    """Sets for every walk, calibrated on the walks of the other folds.

    Parameters
    ----------
    oof : pandas.DataFrame
        As written by cross-validation.
    model : str
        Which model's predictions to use.
    coverage, assurance, groups, rng
        As for :func:`conformal_thresholds`.

    Returns
    -------
    pandas.DataFrame
        ``walk_id, <groups>, seed, fold, gmfcs, lowest, highest, size, covered``.

    Raises
    ------
    ValueError
        If the model is unknown.

    Notes
    -----
    Cross-conformal: thresholds for the model of one fold come from the scores of the
    models of the others, which were trained on its children. Coverage is approximate,
    not guaranteed.

    References
    ----------
    Vovk, Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence
    74, 2015.
    """
    check_columns(oof, ["walk_id", "seed", "fold", groups, *_P], name="oof")
    check_option("model", model, sorted(oof["model"].unique()))
    table = oof.loc[(oof["model"] == model) & oof["gmfcs"].notna()]
    rng = np.random.default_rng(rng)
    parts = []
    for _, of_seed in table.groupby("seed"):
        for fold, rows in of_seed.groupby("fold"):
            others = of_seed.loc[of_seed["fold"] != fold]
            thresholds = conformal_thresholds(
                others, coverage=coverage, assurance=assurance, groups=groups, rng=rng
            )
            parts.append(_with_sets(rows, thresholds, groups=groups))
    return pd.concat(parts, ignore_index=True)


def coverage_by_level(
    sets: pd.DataFrame, *, groups: str = "patient_id", ci_level: float = 0.95
) -> pd.DataFrame:
    """How often the sets hold the truth, by level, with a binomial interval.

    Parameters
    ----------
    sets : pandas.DataFrame
        From :func:`conformal_sets`.
    groups : str
        One row of each is counted per level, so that rows are independent.
    ci_level : float
        Nominal coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        ``level, estimate, ci_low, ci_high, ci_level, mean_size, n_patients``.

    Notes
    -----
    The Clopper-Pearson interval takes the sets as independent. They share thresholds
    within a fold, which it ignores: read it as a rough one. A level with an infinite
    threshold is in every set, so that its coverage of 1 says nothing.
    """
    check_columns(sets, [groups, "gmfcs", "covered", "size"], name="sets")
    units = sets.drop_duplicates(subset=[groups, "gmfcs"])
    rows = []
    for level, of_level in units.groupby("gmfcs", observed=True):
        hits, n = np.count_nonzero(of_level["covered"]), len(of_level)
        interval = stats.binomtest(hits, n).proportion_ci(ci_level)
        row = {"level": level, "estimate": hits / n, "ci_low": interval.low}
        row |= {"ci_high": interval.high, "ci_level": ci_level}
        rows.append(row | {"mean_size": of_level["size"].mean(), "n_patients": n})
    return pd.DataFrame(rows)


def _quantile(scores: np.ndarray, coverage: float, assurance: float | None) -> float:
    """The conformal quantile: the ceil((n + 1) coverage)-th smallest score, or more."""
    n = len(scores)
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    if rank > n:
        return np.inf
    if assurance is not None:
        ranks = np.arange(rank, n + 1)
        enough = stats.beta.sf(coverage, ranks, n + 1 - ranks) >= assurance
        rank = ranks[enough.argmax()] if enough.any() else n
    return float(np.sort(scores)[rank - 1])


def _with_sets(
    rows: pd.DataFrame, thresholds: pd.Series, *, groups: str
) -> pd.DataFrame:
    sets = prediction_sets(rows[_P].to_numpy("float64"), thresholds)
    table = rows.filter(items=["walk_id", groups, "seed", "fold", "gmfcs"])
    table["lowest"] = [levels[0] for levels in sets]
    table["highest"] = [levels[-1] for levels in sets]
    table["size"] = [len(levels) for levels in sets]
    pairs = zip(table["gmfcs"], sets, strict=True)
    table["covered"] = [level in levels for level, levels in pairs]
    return table
