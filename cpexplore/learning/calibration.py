"""More honest probabilities, and how good the surest answers are."""

import numpy as np
import pandas as pd
from scipy import optimize, special

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_option
from cpexplore.stats.resampling import cluster_weights, percentile_interval

_P = list(gmfcs.PROBABILITIES)
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
        Number of bins, at most n; rows of equal confidence share one.

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
    within = _bins(confidence, n_bins)  # (n, bin)
    columns = [within, within * correct[:, None], within * confidence[:, None]]
    mass, right, said = np.split(weights @ np.hstack(columns), 3, axis=1)  # (B, bin)
    right, said = (part / np.maximum(mass, 1e-12) for part in (right, said))
    gap = np.abs(right - said)
    n_effective = mass**2 / np.maximum(weights**2 @ within, 1e-12)
    variance = right * (1 - right) / np.maximum(n_effective - 1, 1)
    error = np.sqrt(np.maximum(variance, 1e-12))
    expected = error * np.sqrt(2 / np.pi) * np.exp(-((gap / error) ** 2) / 2)
    expected += gap * (1 - 2 * special.ndtr(-gap / error))
    share = mass / mass.sum(1, keepdims=True)
    return np.maximum((share * (2 * gap - expected)).sum(1), 0.0)


def _bins(confidence: np.ndarray, n_bins: int) -> np.ndarray:
    """Which row (n) is in which bin: 0 or 1 (n, bin), of equal mass, ties together."""
    ranked, n_bins = np.sort(confidence), min(n_bins, len(confidence))
    edges = np.unique(ranked[np.arange(n_bins) * len(ranked) // n_bins])
    return np.eye(len(edges))[np.searchsorted(edges, confidence, side="right") - 1]


def reliability(oof: pd.DataFrame, *, model: str, n_bins: int = 10) -> pd.DataFrame:
    """How often answers of a stated confidence are right, in bins of equal mass.

    Parameters
    ----------
    oof : pandas.DataFrame
        As written by cross-validation.
    model : str
        Which model's predictions to use.
    n_bins : int
        Number of bins, at most; rows of equal confidence share one.

    Returns
    -------
    pandas.DataFrame
        ``confidence`` (mean of the bin), ``accuracy``, ``n_rows``.

    Raises
    ------
    ValueError
        If the model is unknown, or no walk of it has a level.
    """
    confidence, right, _ = _answers(oof, model=model)
    bins = [np.flatnonzero(rows) for rows in _bins(confidence, n_bins).T]
    return pd.DataFrame(
        {
            "confidence": [confidence[rows].mean() for rows in bins],
            "accuracy": [right[rows].mean() for rows in bins],
            "n_rows": [len(rows) for rows in bins],
        }
    )


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

    Notes
    -----
    Errors of rows of equal confidence are spread evenly over them, so that the order
    of rows does not matter.
    """
    check_columns(oof, [groups], name="oof")
    confidence, right, rows = _answers(oof, model=model)
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-np.inf))
    drawn = cluster_weights(rows[groups], n_resamples=n_resamples, rng=rng)
    weights = np.concatenate([np.ones((1, len(rows))), drawn])[:, order]
    # mass and errors up to each confidence: no row, then whole ties
    mass, errors = (
        np.pad(values.cumsum(1)[:, ends], ((0, 0), (1, 0)))
        for values in (weights, weights * ~right[order])
    )
    shares = np.linspace(0.05, 1, 20)
    risk = _risk_at(shares, mass, errors)
    low, high = percentile_interval(risk[1:], ci_level=ci_level)
    curve = pd.DataFrame({"coverage": shares, "risk": risk[0]})
    curve = curve.assign(ci_low=low, ci_high=high, ci_level=ci_level)
    every = np.arange(1, len(rows) + 1) / len(rows)
    curve.attrs["aurc"] = float(_risk_at(every, mass[:1], errors[:1]).mean())
    return curve


def _answers(
    oof: pd.DataFrame, *, model: str
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Confidence and correctness of a model's answers, and the rows they are of."""
    check_columns(oof, ["model", "gmfcs", *_P], name="oof")
    check_option("model", model, sorted(oof["model"].unique()))
    rows = oof.loc[(oof["model"] == model) & oof["gmfcs"].notna()]
    if rows.empty:
        raise ValueError(f"`oof` must have a level for some walk of {model!r}.")
    proba = rows[_P].to_numpy("float64")
    return proba.max(1), proba.argmax(1) == gmfcs.encode(rows["gmfcs"]), rows


def _risk_at(shares: np.ndarray, mass: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Share of errors (B, S) among the most confident of each share (S,) of the mass.

    ``mass`` and ``errors`` (B, R) are totals up to a row, in order of confidence.
    """
    wanted = shares * mass[:, -1:]
    curves = zip(wanted, mass, errors, strict=True)
    return np.array([np.interp(w, m, e) for w, m, e in curves]) / wanted
