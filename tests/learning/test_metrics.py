"""Metrics against scikit-learn, statsmodels, closed forms and expanded resamples."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from cpexplore import gmfcs
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import score
from cpexplore.learning.metrics import (
    LOWER_IS_BETTER,
    METRICS,
    Predictions,
    recalls,
)


def make_predictions(rng, n=60) -> Predictions:
    target = rng.integers(0, 4, n)
    logits = rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[target]
    proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(target=target, proba=proba, weights=np.ones((1, n)))


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


def test_score_has_one_row_per_model_metric_and_level(rng, two_models):
    oof = two_models(rng)
    table = score(oof, n_resamples=200)
    assert table.columns.tolist() == [
        *("model", "metric", "level", "estimate", "ci_low", "ci_high", "ci_level"),
        *("n_walks", "n_patients"),
    ]
    assert len(table) == 2 * (len(METRICS) + 4)
    overall = table[table["level"] == "all"]
    assert (overall["n_walks"] == 60).all()
    assert (overall["n_patients"] == 30).all()
    assert (table["ci_low"] <= table["ci_high"]).all()
    recall = table[(table["metric"] == "recall") & (table["model"] == "a")]
    assert recall["level"].tolist() == list(gmfcs.LEVELS)
    own = oof[oof["model"] == "a"].groupby("gmfcs", observed=False)
    assert recall["n_walks"].tolist() == own["walk_id"].nunique().tolist()
    assert recall["n_patients"].tolist() == own["patient_id"].nunique().tolist()


@pytest.mark.parametrize("levels", [["I", "II", "III", "III"], [1, 2, 3, 3]])
def test_levels_may_be_plain_values_and_absent(levels):
    oof = pd.DataFrame(np.eye(4)[[0, 1, 2, 2]], columns=list(PROBABILITIES))
    oof = oof.assign(walk_id=list("abcd"), patient_id=list("aacd"), model="m")
    table = score(oof.assign(gmfcs=levels), n_resamples=10)
    recall = table[table["metric"] == "recall"].set_index("level")
    assert recall["n_walks"].tolist() == [1, 1, 2, 0]
    assert recall["n_patients"].tolist() == [1, 1, 2, 0]
    assert recall["estimate"].isna().tolist() == [False, False, False, True]


def test_copies_of_all_rows_teach_nothing(rng, two_models):
    oof = two_models(rng)
    copies = pd.concat([oof.assign(seed=seed) for seed in range(3)])
    once, thrice = (score(table, n_resamples=20) for table in (oof, copies))
    pd.testing.assert_frame_equal(once, thrice)


def test_the_calibration_error_of_trainings_is_their_mean(rng, two_models):
    trainings = [two_models(rng).assign(seed=seed) for seed in range(3)]
    errors = [ece_of(oof) for oof in trainings]
    assert ece_of(pd.concat(trainings)) == pytest.approx(np.mean(errors))
    assert ece_of(pd.concat(trainings).sample(frac=1, random_state=0)) == pytest.approx(
        np.mean(errors)
    )


def ece_of(oof: pd.DataFrame) -> float:
    table = score(oof[oof["model"] == "b"], n_resamples=1)
    return table.set_index("metric").loc["ece", "estimate"]


def test_score_ignores_the_order_of_rows(rng, two_models):
    oof = two_models(rng)
    shuffled = oof.sample(frac=1, random_state=0)
    keys = ["model", "metric", "level"]
    tables = [score(t, n_resamples=100).sort_values(keys) for t in (oof, shuffled)]
    pd.testing.assert_frame_equal(*(t.reset_index(drop=True) for t in tables))


def test_intervals_resample_patients_and_not_rows(rng, two_models):
    once = two_models(rng, n=80, models=("a",))
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


def test_missing_columns_and_levels_are_named(rng, two_models):
    oof = two_models(rng)
    with pytest.raises(ValueError, match=re.escape("`oof` lacks the columns 'p_IV';")):
        score(oof.drop(columns="p_IV"))
    message = "`oof` must have rows with a level in `gmfcs`; got none."
    with pytest.raises(ValueError, match=re.escape(message)):
        score(oof.assign(gmfcs=gmfcs.as_levels([None] * len(oof))))
