"""Which features are chosen whatever children are studied: stability selection."""

from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from cpexplore._validation import check_range
from cpexplore.stats._sample import Sample, make_sample, result_table, too_few

_METHOD = "elastic_net_ordinal"

_L1_RATIO = 0.8
"""Mostly lasso; the ridge part lets correlated features in together."""

_WEAKEST = 1e3
"""Inverse penalty at which the path ends, whatever has entered."""

_STEP = 1.4
"""Factor between penalties of the path."""

_THRESHOLD_SCALE = 10.0
"""Scale of the threshold columns, so that the penalty hardly touches them."""

_MAX_MISSING = 0.4
"""Features missing more often in a half are left out of it."""


def stability_selection(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    n_features: int = 10,
    threshold: float = 0.7,
    n_halves: int = 100,
    seed: int = 0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Count how often an ordinal elastic net chooses each feature.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; missing values become the median of the half.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``.
    outcome : str
        An ordered categorical column of any names, or a numeric one with few values.
    groups : str
        The column that names the patient.
    n_features : int
        How many features each half of the patients may choose.
    threshold : float
        Frequency, 0.51 to 1, from which a feature counts as selected.
    n_halves : int
        Number of random halves of the patients.
    seed : int
        Seed of the halves.
    n_jobs : int
        Processes.

    Returns
    -------
    pandas.DataFrame
        One row per feature; ``estimate`` is the selection frequency, ``selected``
        whether it reaches ``threshold``, ``expected_false`` the bound on the expected
        number of selected features without any association, given how many features
        are neither constant nor missing in more than 40 % of the walks.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, the outcome has fewer than two levels or a number is
        out of range.

    Notes
    -----
    The model is the logit of a level above each threshold with common slopes, fitted
    on rows stacked once per threshold; the penalty is relaxed until ``n_features``
    have entered.

    References
    ----------
    Meinshausen N., Buehlmann P. (2010). Stability selection. J R Stat Soc B 72,
    417-473.

    Examples
    --------
    If one feature of simulated children may be chosen it is the speed:

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> features = walks[["height_m", "speed_mps", "cadence_spm"]]
    >>> table = stats.stability_selection(features, walks, n_features=1, n_halves=10)
    >>> table[["feature", "selected"]]
           feature  selected
    0     height_m     False
    1    speed_mps      True
    2  cadence_spm     False
    """
    check_range("n_features", n_features, low=1)
    check_range("threshold", threshold, low=0.51, high=1)
    check_range("n_halves", n_halves, low=1)
    sample = make_sample(features, index, outcome=outcome, groups=groups)
    if note := too_few(sample.n_patients):
        nothing = {"method": _METHOD, "selected": False, "note": note}
        return result_table(
            [{"feature": feature, **nothing} for feature in sample.features],
            keys=["selected", "expected_false"],
        )
    chosen: Any = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_choose)(sample, n_features, int(child))
        for child in np.random.SeedSequence(seed).generate_state(n_halves)
    )
    frequency = np.mean(chosen, axis=0)
    n_usable = _standardised(sample.features.to_numpy())[1].sum()
    bound = n_features**2 / ((2 * threshold - 1) * n_usable) if n_usable else np.nan
    rows = [
        {
            "feature": feature,
            "method": _METHOD,
            "estimate": share,
            "selected": bool(share >= threshold),
            "expected_false": bound,
        }
        | sample.counts(sample.known(feature))
        for feature, share in zip(sample.features, frequency, strict=True)
    ]
    return result_table(rows, keys=["selected", "expected_false"])


def _choose(sample: Sample, n_features: int, seed: int) -> np.ndarray:
    """Which features a random half of the patients chooses; bool (feature,)."""
    rng = np.random.default_rng(seed)
    half = rng.permutation(sample.n_patients)[: sample.n_patients // 2]
    rows = np.isin(sample.patients, half)
    x, usable = _standardised(sample.features.to_numpy()[rows])
    y = np.unique(sample.y[rows], return_inverse=True)[1]
    chosen = np.zeros(len(usable), dtype=bool)
    if y.max() > 0 and usable.any():
        slopes = np.abs(_path(x, y, min(n_features, x.shape[1])))
        first = np.argsort(-slopes, kind="stable")[:n_features]
        chosen[np.flatnonzero(usable)[first]] = slopes[first] > 0
    return chosen


def _standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill by the median and scale; leave out constant or mostly missing columns."""
    known = np.isfinite(x)
    x = np.where(known, x, np.nan)
    usable = known.mean(axis=0) >= 1 - _MAX_MISSING
    x = x[:, usable]
    x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    spread = x.std(axis=0)
    varies = spread > 0
    usable[usable] = varies
    return (x - x.mean(axis=0))[:, varies] / spread[varies], usable


def _path(x: np.ndarray, y: np.ndarray, n_features: int) -> np.ndarray:
    """Slopes at the largest penalty that lets ``n_features`` in."""
    n_cuts, n_slopes = y.max(), x.shape[1]
    cut = np.repeat(np.arange(n_cuts), len(y))
    above = (np.tile(y, n_cuts) > cut).astype(int)
    threshold = _THRESHOLD_SCALE * np.eye(n_cuts)[cut]
    stacked = np.hstack([np.tile(x, (n_cuts, 1)), threshold])
    share = np.array([(y > k).mean() for k in range(n_cuts)])
    gradient = stacked[:, :n_slopes].T @ (above - share[cut])
    penalty = _L1_RATIO / max(np.abs(gradient).max(), _L1_RATIO / _WEAKEST)
    model = LogisticRegression(
        l1_ratio=_L1_RATIO,
        solver="saga",
        fit_intercept=False,
        warm_start=True,
        tol=1e-3,
        max_iter=1000,
        random_state=0,
    )
    slopes = np.zeros(n_slopes)
    while (slopes != 0).sum() < n_features and penalty < _WEAKEST:
        penalty *= _STEP
        slopes = model.set_params(C=penalty).fit(stacked, above).coef_[0, :n_slopes]
    return slopes
