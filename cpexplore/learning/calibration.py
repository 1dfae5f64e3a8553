"""Honest probabilities, sets of levels that hold their coverage, and abstention."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_option, check_range
from cpexplore.stats.resampling import cluster_weights, percentile_interval

_P = [f"p_{level}" for level in gmfcs.LEVELS]
_K = len(gmfcs.LEVELS)
_PRIOR_SD = 0.5


def fit_temperature(log_proba: np.ndarray, target: np.ndarray) -> float:
    """Find the temperature that makes probabilities most honest.

    Parameters
    ----------
    log_proba : array of shape (n, 4)
        Log-probabilities or logits of the inner part.
    target : int array of shape (n,)
        True level codes.

    Returns
    -------
    float
        Between 0.25 and 4: dividing the log-probabilities by it minimises the
        negative log-likelihood; 1 if there are no rows.

    Notes
    -----
    Differs from the paper: log T has a normal prior around 0 with standard deviation
    0.5, because a small inner part that happens to be all right would ask for
    unlimited confidence. With hundreds of rows the prior does not matter.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017.

    Examples
    --------
    >>> sure = np.log([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    >>> fit_temperature(sure, np.array([0, 0, 1])) > 1
    True
    """
    if not len(target):
        return 1.0
    rows = np.arange(len(target))

    def loss(log_temperature: float) -> float:
        scaled = log_proba / np.exp(log_temperature)
        likelihood = special.log_softmax(scaled, axis=1)[rows, target].sum()
        return (log_temperature / _PRIOR_SD) ** 2 / 2 - likelihood

    bounds = (-np.log(4), np.log(4))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def binned_calibration_error(
    confidence: np.ndarray,
    correct: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    n_bins: int = 10,
) -> np.ndarray:
    """Expected calibration error in bins of equal mass, corrected for its bias.

    Parameters
    ----------
    confidence : array of shape (n,)
        Probability of the level that was answered.
    correct : bool array of shape (n,)
        Whether it was right.
    weights : array of shape (B, n), optional
        Row weights, one weighting per bootstrap resample; bins stay those of the
        whole table.
    n_bins : int
        Number of bins, at most n.

    Returns
    -------
    numpy.ndarray of shape (B,)

    Notes
    -----
    The plug-in error |accuracy - confidence| of a bin is biased upwards by noise. The
    bias is that of the absolute value of a normal variable with the bin's binomial
    standard error, and is subtracted, which removes about half of it where
    probabilities are honest and all of it where they are far off; a total below zero
    counts as zero.

    References
    ----------
    Kumar, Liang and Ma, Verified uncertainty calibration, NeurIPS 2019.
    """
    weights = np.ones((1, len(confidence))) if weights is None else weights
    order = np.argsort(confidence, kind="stable")
    n_bins = min(n_bins, len(order))
    starts = np.arange(n_bins) * len(order) // n_bins

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[:, order], starts, axis=1)  # (B, bin)

    mass = total(weights)
    safe = np.maximum(mass, 1e-12)
    right, said = total(weights * correct) / safe, total(weights * confidence) / safe
    gap = np.abs(right - said)
    n_effective = mass**2 / np.maximum(total(weights**2), 1e-12)
    variance = right * (1 - right) / np.maximum(n_effective - 1, 1)
    error = np.sqrt(np.maximum(variance, 1e-12))
    expected = error * np.sqrt(2 / np.pi) * np.exp(-((gap / error) ** 2) / 2)
    expected += gap * (1 - 2 * special.ndtr(-gap / error))
    share = mass / mass.sum(1, keepdims=True)
    return np.maximum((share * (2 * gap - expected)).sum(1), 0.0)


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
    groups : str
        Column of the exchangeable unit; one random walk of each is used per level.
    rng : numpy.random.Generator, int or None
        Chooses the walk.

    Returns
    -------
    pandas.Series
        Threshold on :func:`inclusion_scores` by level; infinite (the level is always
        in the set) where there are too few children, fewer than 9 for 90 %.

    Notes
    -----
    Mondrian: each level has its own quantile. One quantile for all covers the rare
    level IV too seldom.

    References
    ----------
    Vovk, Gammerman and Shafer, Algorithmic learning in a random world, 2005.
    """
    check_columns(oof, [groups, "gmfcs", *_P], name="oof")
    check_range("coverage", coverage, low=0, high=1, inclusive=False)
    known = oof.loc[oof["gmfcs"].notna()]
    shuffled = known.sample(frac=1, random_state=np.random.default_rng(rng))
    units = shuffled.drop_duplicates(subset=[groups, "gmfcs"])
    scores = inclusion_scores(units[_P].to_numpy("float64"))
    target = gmfcs.encode(units["gmfcs"])
    return pd.Series(
        [_quantile(scores[target == k, k], coverage) for k in range(_K)],
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
    coverage, groups, rng
        As for :func:`conformal_thresholds`.

    Returns
    -------
    pandas.DataFrame
        ``walk_id, <groups>, seed, fold, gmfcs, lowest, highest, size, covered``.

    Raises
    ------
    ValueError
        If the model is unknown.
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
                others, coverage=coverage, groups=groups, rng=rng
            )
            parts.append(_with_sets(rows, thresholds, groups=groups))
    return pd.concat(parts, ignore_index=True)


def coverage_by_level(
    sets: pd.DataFrame, *, groups: str = "patient_id", ci_level: float = 0.95
) -> pd.DataFrame:
    """How often the sets hold the truth, by level, with the exact binomial interval.

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


def risk_coverage(
    oof: pd.DataFrame,
    *,
    model: str,
    groups: str = "patient_id",
    n_resamples: int = 1000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = 0,
) -> pd.DataFrame:
    """Error among the most confident walks, for every share of walks answered.

    Parameters
    ----------
    oof : pandas.DataFrame
        As written by cross-validation.
    model : str
        Which model's predictions to use.
    groups : str
        Column whose values are resampled together.
    n_resamples : int
        Bootstrap resamples.
    ci_level : float
        Nominal coverage of the band, point by point.
    rng : numpy.random.Generator, int or None
        Source of the resamples.

    Returns
    -------
    pandas.DataFrame
        ``coverage`` (0.05 to 1), ``risk, ci_low, ci_high, ci_level``; in ``attrs``
        the area under the curve, ``aurc``.
    """
    check_columns(oof, ["model", "gmfcs", groups, *_P], name="oof")
    check_option("model", model, sorted(oof["model"].unique()))
    rows = oof.loc[(oof["model"] == model) & oof["gmfcs"].notna()]
    proba = rows[_P].to_numpy("float64")
    order = np.argsort(-proba.max(1), kind="stable")
    wrong = (proba.argmax(1) != gmfcs.encode(rows["gmfcs"]))[order]
    drawn = cluster_weights(rows[groups], n_resamples=n_resamples, rng=rng)
    weights = np.concatenate([np.ones((1, len(rows))), drawn])[:, order]
    shares = np.linspace(0.05, 1, 20)
    risk = _risk_at(wrong, weights, shares)
    low, high = percentile_interval(risk[1:], ci_level=ci_level)
    curve = pd.DataFrame({"coverage": shares, "risk": risk[0]})
    curve = curve.assign(ci_low=low, ci_high=high, ci_level=ci_level)
    curve.attrs["aurc"] = float((wrong.cumsum() / np.arange(1, len(rows) + 1)).mean())
    return curve


def _quantile(scores: np.ndarray, coverage: float) -> float:
    """The conformal quantile: the ceil((n + 1) coverage)-th smallest score."""
    rank = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


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


def _risk_at(wrong: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weighted share of errors (B, S) among the first rows that hold each share."""
    mass = weights.cumsum(1)
    errors = (weights * wrong).cumsum(1)
    risk = np.empty((len(weights), len(shares)))
    for b in range(len(weights)):
        end = np.searchsorted(mass[b], shares * mass[b, -1] - 1e-9)
        risk[b] = errors[b, end] / mass[b, end]
    return risk
