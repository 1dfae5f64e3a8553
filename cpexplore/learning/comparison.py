"""Whether one model is better than another on the same walks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from cpexplore._validation import check_option
from cpexplore.learning.metrics import (
    METRICS,
    PROBABILITIES,
    known_rows,
    predictions_of,
    resampled_weights,
    summary_of,
)


def compare(
    oof: pd.DataFrame,
    a: str,
    b: str,
    *,
    groups: str = "patient_id",
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = 0,
) -> pd.DataFrame:
    """Compare two models on the same walks: metric of ``a`` minus metric of ``b``.

    Parameters
    ----------
    oof : pandas.DataFrame
        As for :func:`score`; both models must have judged the same walks and seeds.
    a, b : str
        Names in the column ``model``.
    groups, n_resamples, ci_level, rng
        As for :func:`score`.

    Returns
    -------
    pandas.DataFrame
        ``model_a, model_b, metric, estimate, ci_low, ci_high, ci_level, p_value,
        p_folds, n_walks, n_patients``. The interval is the test; for the accuracy
        ``p_value`` is :func:`mcnemar`'s and ``p_folds`` :func:`corrected_t`'s, NaN
        elsewhere and where ``oof`` tells no folds.

    Raises
    ------
    ValueError
        If a model is unknown or the two judged different walks; else as for
        :func:`score`.

    Notes
    -----
    Patients are resampled, trainings are not: the interval is that of the networks as
    they were trained, and several seeds in ``oof`` are averaged.

    Examples
    --------
    Of four children, ``a`` is right about all and ``b`` takes III for II:

    >>> import numpy as np
    >>> import pandas as pd
    >>> a = pd.DataFrame(np.eye(4), columns=list(PROBABILITIES)).assign(model="a")
    >>> a = a.assign(walk_id=list("abcd"), patient_id=list("abcd"))
    >>> a = a.assign(gmfcs=["I", "II", "III", "IV"])
    >>> b = a.assign(model="b", p_II=[0.0, 1.0, 1.0, 0.0], p_III=0.0)
    >>> table = compare(pd.concat([a, b]), "a", "b", n_resamples=50)
    >>> row = table.set_index("metric").loc["accuracy"]
    >>> row[["estimate", "p_value"]].astype(float).round(2).to_dict()
    {'estimate': 0.25, 'p_value': 0.32}
    """
    table = known_rows(oof, groups=groups)
    rows_a, rows_b = _paired(table, a, b)
    patients = rows_a[groups].to_numpy()
    weights = resampled_weights(patients, n_resamples=n_resamples, rng=rng)
    pairs = [predictions_of(rows, weights) for rows in (rows_a, rows_b)]
    difference = {
        (name, "all"): metric(pairs[0]) - metric(pairs[1])
        for name, metric in METRICS.items()
    }
    result = summary_of(difference, ci_level=ci_level).drop(columns="level")
    right_a, right_b = (p.proba.argmax(1) == p.target for p in pairs)
    p_value = mcnemar(right_a, right_b, groups=patients)
    of_accuracy = result["metric"] == "accuracy"
    result["p_value"] = np.where(of_accuracy, p_value, np.nan)
    result["p_folds"] = np.where(
        of_accuracy, _fold_test(rows_a, right_a, right_b), np.nan
    )
    result["n_walks"] = rows_a["walk_id"].nunique()
    result["n_patients"] = rows_a[groups].nunique()
    result.insert(0, "model_a", a)
    result.insert(1, "model_b", b)
    return result


def ensemble(oof: pd.DataFrame, models: Sequence[str], *, name: str) -> pd.DataFrame:
    """Average the answers of several models, such as joint, bone and motion streams.

    Parameters
    ----------
    oof : pandas.DataFrame
        As written by cross-validation.
    models : sequence of str
        Names in the column ``model``; all must have judged the same walks and seeds.
    name : str
        Name of the ensemble.

    Returns
    -------
    pandas.DataFrame
        Rows as in ``oof``: the mean of log-probabilities, made to sum to one. Not
        calibrated again: judge it by its answers rather than by NLL or ECE.

    Raises
    ------
    ValueError
        If a model is unknown or they judged different walks.
    """
    columns = list(PROBABILITIES)
    rows = [_paired(oof, models[0], model)[1] for model in models]
    logs = [np.log(part[columns].to_numpy("float64").clip(1e-12)) for part in rows]
    proba = special.softmax(np.mean(logs, axis=0), axis=1)
    return rows[0].assign(model=name, **dict(zip(columns, proba.T, strict=True)))


def mcnemar(right_a: np.ndarray, right_b: np.ndarray, *, groups: np.ndarray) -> float:
    """Test whether two models are right equally often, rows being clustered.

    Parameters
    ----------
    right_a, right_b : bool array of shape (n,)
        Whether each model is right about each row.
    groups : array of shape (n,)
        The patient of each row.

    Returns
    -------
    float
        Two-sided p; 1 where no row tells the models apart. With one row per patient
        it is McNemar's test without continuity correction.

    References
    ----------
    Yang, Sun and Hardin, A note on the tests for clustered matched-pair binary data,
    Biometrical Journal 52 (2010) 638-652.
    """
    patient, _ = pd.factorize(groups)
    gain = np.bincount(patient, weights=right_a.astype(float) - right_b)
    spread = np.square(gain).sum()
    return float(stats.chi2.sf(gain.sum() ** 2 / spread, 1)) if spread else 1.0


def corrected_t(difference: np.ndarray, *, test_share: float) -> float:
    """Test whether differences between two models over folds have mean zero.

    Folds share training data, so their differences are not independent and a plain
    t-test finds too much.

    Parameters
    ----------
    difference : array of shape (J,)
        Of a score, one per fold and repetition.
    test_share : float
        Walks tested divided by walks of the other folds, which include the inner part:
        0.25 for five folds.

    Returns
    -------
    float
        Two-sided p; 1 where no fold tells the models apart, NaN with a single fold.

    References
    ----------
    Nadeau and Bengio, Inference for the generalization error, Machine Learning 52
    (2003) 239-281.

    Examples
    --------
    >>> round(corrected_t(np.array([0.1, 0.05, 0.0, 0.08, 0.02]), test_share=0.25), 3)
    0.145
    """
    n = len(difference)
    if n < 2:
        return float("nan")
    if not np.any(difference):
        return 1.0
    variance = (1 / n + test_share) * difference.var(ddof=1)
    with np.errstate(divide="ignore"):
        t = difference.mean() / np.sqrt(variance)
    return float(2 * stats.t.sf(abs(t), n - 1))


def pairs(models: list[str]) -> list[tuple[str, str]]:
    """Which models are compared: everything with the skeleton, fusions with each other.

    Examples
    --------
    >>> pairs(["majority", "skeleton", "fusion_cross_attention"])
    [('fusion_cross_attention', 'skeleton'), ('skeleton', 'majority')]
    """
    main = "fusion_cross_attention"
    others = [name for name in models if name not in (main, "skeleton")]
    wanted = [(main, "skeleton"), *((main, name) for name in others)]
    wanted += [("skeleton", name) for name in others]
    wanted += [("fusion_legs", "skeleton_legs")]
    known = [(a, b) for a, b in wanted if a in models and b in models]
    return [(a, b) for a, b in known if a == "skeleton" or b != "majority"]


def _fold_test(rows: pd.DataFrame, right_a: np.ndarray, right_b: np.ndarray) -> float:
    """Compare accuracies fold by fold, if the table tells folds."""
    if "fold" not in rows:
        return float("nan")
    keys = [key for key in ("seed", "fold") if key in rows]
    gained = rows[keys].assign(gain=right_a.astype(float) - right_b)
    share = 1 / max(1, len(set(rows["fold"])) - 1)
    by_fold = gained.groupby(keys)["gain"].mean()
    return corrected_t(np.asarray(by_fold), test_share=share)


def _paired(table: pd.DataFrame, a: str, b: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    for name, model in (("a", a), ("b", b)):
        check_option(name, model, sorted(table["model"].unique()))
    key = ["walk_id"] + (["seed"] if "seed" in table else [])
    rows_a, rows_b = (
        table.loc[table["model"] == model].sort_values(by=key).reset_index(drop=True)
        for model in (a, b)
    )
    if not rows_a[key].equals(rows_b[key]):
        raise ValueError(
            f"`a` and `b` must have judged the same walks; {a!r} has {len(rows_a)} "
            f"rows and {b!r} has {len(rows_b)}."
        )
    return rows_a, rows_b
