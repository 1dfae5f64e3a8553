"""Metrics against scikit-learn, statsmodels, closed forms and expanded resamples."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from statsmodels.stats import contingency_tables

from cpexplore import gmfcs
from cpexplore.learning import compare, score
from cpexplore.learning.metrics import (
    LOWER_IS_BETTER,
    METRICS,
    PROBABILITIES,
    Predictions,
    mcnemar,
    recalls,
)


def make_predictions(rng, n=60) -> Predictions:
    target = rng.integers(0, 4, n)
    logits = rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[target]
    proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(target=target, proba=proba, weights=np.ones((1, n)))


def make_oof(rng, n=60, models=("a", "b")) -> pd.DataFrame:
    tables = []
    target = rng.integers(0, 4, n)
    for strength, model in enumerate(models):
        logits = rng.normal(size=(n, 4)) + strength * np.eye(4)[target]
        proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        table = pd.DataFrame(proba, columns=list(PROBABILITIES))
        table["walk_id"] = [f"w{i}" for i in range(n)]
        table["patient_id"] = [f"p{i // 2}" for i in range(n)]
        table["gmfcs"] = gmfcs.decode(target)
        tables.append(table.assign(model=model, seed=0, fold=np.arange(n) % 5))
    return pd.concat(tables, ignore_index=True)


ORACLES = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    "macro_f1": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "linear_kappa": lambda y, p: sk.cohen_kappa_score(y, p.argmax(1), weights="linear"),
    "quadratic_kappa": lambda y, p: sk.cohen_kappa_score(
        y, p.argmax(1), weights="quadratic"
    ),
    "mae": lambda y, p: sk.mean_absolute_error(y, p.argmax(1)),
    "macro_mae": lambda y, p: np.mean(
        [np.abs(p.argmax(1) - y)[y == k].mean() for k in np.unique(y)]
    ),
    "within_one": lambda y, p: np.mean(np.abs(p.argmax(1) - y) <= 1),
    "brier": lambda y, p: sum(sk.brier_score_loss(y == k, p[:, k]) for k in range(4)),
    "nll": lambda y, p: sk.log_loss(y, p, labels=range(4)),
    "rps": lambda y, p: np.mean(
        [sk.brier_score_loss(y > k, p[:, k + 1 :].sum(1)) for k in range(3)]
    ),
    "ordinal_auroc": lambda y, p: np.mean(
        [sk.roc_auc_score(y > k, p[:, k + 1 :].sum(1)) for k in range(3)]
    ),
}


@pytest.mark.parametrize("name", list(ORACLES))
def test_metrics_equal_their_oracle(name, rng):
    p = make_predictions(rng)
    expected = ORACLES[name](p.target, p.proba)
    np.testing.assert_allclose(METRICS[name](p), expected, rtol=1e-10)


def test_every_metric_has_a_second_source():
    assert set(METRICS) == {*ORACLES, "ece"}  # ece: see test_calibration
    assert set(METRICS) >= LOWER_IS_BETTER


def test_recalls_equal_scikit_learns(rng):
    p = make_predictions(rng)
    expected = sk.recall_score(p.target, p.proba.argmax(1), average=None)
    np.testing.assert_allclose(recalls(p)[0], expected)


@given(seed=st.integers(0, 1000))
def test_a_weight_is_a_repeated_row(seed):
    rng = np.random.default_rng(seed)
    p = make_predictions(rng, n=25)
    weights = rng.integers(0, 4, 25)
    weighted = Predictions(
        target=p.target, proba=p.proba, weights=weights[None].astype(float)
    )
    rows = np.repeat(np.arange(25), weights)
    repeated = Predictions(
        target=p.target[rows], proba=p.proba[rows], weights=np.ones((1, len(rows)))
    )
    for name, metric in METRICS.items():
        if name != "ece":  # its bins and effective size belong to the whole table
            np.testing.assert_allclose(
                metric(weighted), metric(repeated), rtol=1e-9, err_msg=name
            )


def test_ties_count_half_in_the_auroc():
    proba = np.full((6, 4), 0.25)
    p = Predictions(
        target=np.array([0, 0, 1, 2, 3, 3]), proba=proba, weights=np.ones((1, 6))
    )
    np.testing.assert_allclose(METRICS["ordinal_auroc"](p), 0.5)


def test_perfect_and_absent_levels():
    target = np.array([0, 0, 1, 1])
    proba = np.eye(4)[target] * 0.97 + 0.01
    p = Predictions(target=target, proba=proba, weights=np.ones((1, 4)))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "quadratic_kappa"):
        np.testing.assert_allclose(METRICS[name](p), 1.0, err_msg=name)
    assert np.isnan(recalls(p)[0, 2:]).all()


def test_score_has_one_row_per_model_metric_and_level(rng):
    oof = make_oof(rng)
    table = score(oof, n_resamples=200)
    assert table.columns.tolist() == [
        *("model", "metric", "level", "estimate", "ci_low", "ci_high", "ci_level"),
        *("n_walks", "n_patients"),
    ]
    assert len(table) == 2 * (len(METRICS) + 4)
    assert (table["n_walks"] == 60).all()
    assert (table["n_patients"] == 30).all()
    assert (table["ci_low"] <= table["ci_high"]).all()
    recall = table[(table["metric"] == "recall") & (table["model"] == "a")]
    assert recall["level"].tolist() == list(gmfcs.LEVELS)


def test_score_ignores_the_order_of_rows(rng):
    oof = make_oof(rng)
    shuffled = oof.sample(frac=1, random_state=0)
    keys = ["model", "metric", "level"]
    tables = [score(t, n_resamples=100).sort_values(keys) for t in (oof, shuffled)]
    pd.testing.assert_frame_equal(*(t.reset_index(drop=True) for t in tables))


def test_intervals_resample_patients_and_not_rows(rng):
    once = make_oof(rng, n=80, models=("a",))
    once["patient_id"] = once["walk_id"]
    thrice = pd.concat([once.assign(walk_id=once["walk_id"] + s) for s in "xyz"])
    width = [
        float(
            t.loc[t["metric"] == "accuracy", ["ci_low", "ci_high"]]
            .diff(axis=1)
            .iloc[0, 1]
        )
        for t in (score(once), score(thrice))
    ]
    assert width[0] == pytest.approx(width[1])
    assert width[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 * 0.75 / 80), rel=0.2)


def test_compare_is_the_paired_difference(rng):
    oof = make_oof(rng)
    table = compare(oof, "b", "a", n_resamples=300).set_index("metric")
    scores = score(oof, n_resamples=10)
    estimate = scores[scores["level"] == "all"].pivot_table(
        index="metric", columns="model", values="estimate"
    )
    difference = estimate["b"] - estimate["a"]
    np.testing.assert_allclose(table["estimate"], difference[table.index])
    assert table["p_value"].notna().sum() == 1
    assert (table["model_a"] == "b").all()
    same = compare(oof, "a", "a", n_resamples=50)
    assert (same[["estimate", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_compare_refuses_different_walks(rng):
    oof = make_oof(rng)
    message = (
        "`a` and `b` must have judged the same walks; 'a' has 59 rows and 'b' has 60."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        compare(oof.iloc[1:], "a", "b")
    message = "`b` must be one of 'a', 'b'; got 'c'."
    with pytest.raises(ValueError, match=re.escape(message)):
        compare(oof, "a", "c")


def test_mcnemar_with_one_row_per_patient_is_the_textbook_test(rng):
    right_a, right_b = rng.random((2, 200)) < [[0.7], [0.5]]
    table = sk.confusion_matrix(right_a, right_b)
    oracle = contingency_tables.mcnemar(table, exact=False, correction=False)
    result = mcnemar(right_a, right_b, groups=np.arange(200))
    assert result == pytest.approx(oracle.pvalue)
    assert mcnemar(right_a, right_a, groups=np.arange(200)) == 1.0


def test_mcnemar_holds_its_level_under_clustering(rng):
    rejected = 0
    for _ in range(400):
        lean = rng.normal(0, 0.4, 60)  # some children suit one model, some the other
        chance = np.clip(0.5 + np.stack([lean, -lean]) / 2, 0, 1)
        right = rng.random((2, 60, 4)) < chance[..., None]
        groups = np.repeat(np.arange(60), 4)
        p_value = mcnemar(right[0].ravel(), right[1].ravel(), groups=groups)
        rejected += p_value < 0.05
    assert rejected / 400 < 0.08


def test_missing_columns_and_levels_are_named(rng):
    oof = make_oof(rng)
    with pytest.raises(ValueError, match=re.escape("`oof` lacks the columns 'p_IV';")):
        score(oof.drop(columns="p_IV"))
    message = "`oof` must have rows with a level in `gmfcs`; got none."
    with pytest.raises(ValueError, match=re.escape(message)):
        score(oof.assign(gmfcs=gmfcs.as_levels([None] * len(oof))))
