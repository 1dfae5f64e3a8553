"""Calibration: known temperatures, coverage in simulation, known risk curves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from cpexplore import gmfcs
from cpexplore.learning.calibration import (
    binned_calibration_error,
    conformal_sets,
    conformal_thresholds,
    coverage_by_level,
    fit_temperature,
    inclusion_scores,
    prediction_sets,
    risk_coverage,
)
from cpexplore.learning.metrics import PROBABILITIES


def sample_levels(rng, proba):
    return (rng.random((len(proba), 1)) > proba.cumsum(1)).sum(1).clip(max=3)


def make_oof(rng, n, *, shares=(0.34, 0.35, 0.28, 0.03)) -> pd.DataFrame:
    target = rng.choice(4, size=n, p=shares)
    seen = target[:, None] + rng.normal(0, 0.8, (n, 1))
    proba = special.softmax(-((np.arange(4) - seen) ** 2), axis=1)
    table = pd.DataFrame(proba, columns=list(PROBABILITIES))
    table["walk_id"] = table["patient_id"] = [f"p{i}" for i in range(n)]
    table["gmfcs"] = gmfcs.decode(target)
    return table.assign(model="m", seed=0, fold=np.arange(n) % 5, n_windows=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_overconfident_logits_is_found(temperature, rng):
    logits = rng.normal(0, 1.5, (20_000, 4))
    target = sample_levels(rng, special.softmax(logits, axis=1))
    found = fit_temperature(logits * temperature, target)
    assert found == pytest.approx(temperature, rel=0.06)
    assert fit_temperature(logits[:0], target[:0]) == 1.0


def test_a_few_lucky_answers_do_not_ask_for_unlimited_confidence():
    logits = np.log(np.tile([0.6, 0.2, 0.1, 0.1], (10, 1)))
    lucky = np.zeros(10, int)
    assert 0.4 < fit_temperature(logits, lucky) < 0.9
    assert fit_temperature(np.tile(logits, (50, 1)), np.tile(lucky, 50)) < 0.3


def test_calibration_error_of_honest_probabilities_is_nearly_halved(rng):
    confidence = rng.uniform(0.4, 1.0, (300, 200))
    correct = rng.random((300, 200)) < confidence
    errors = [
        float(binned_calibration_error(c, r)[0])
        for c, r in zip(confidence, correct, strict=True)
    ]
    plug_in = np.sqrt(2 / np.pi) * np.sqrt(0.7 * 0.3 / 20)
    assert 0.4 * plug_in < np.mean(errors) < 0.6 * plug_in


def test_calibration_error_finds_a_constant_gap(rng):
    confidence = rng.uniform(0.5, 0.9, 50_000)
    correct = rng.random(50_000) < confidence - 0.2
    error = binned_calibration_error(confidence, correct)
    np.testing.assert_allclose(error, 0.2, atol=0.01)
    noise = rng.poisson(1.0, (40, 50_000)).astype(float)
    resampled = binned_calibration_error(confidence, correct, weights=noise)
    np.testing.assert_allclose(resampled, 0.2, atol=0.02)


@given(
    st.lists(
        st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=1, max_size=5
    ),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_sets_have_no_gap_and_hold_the_most_probable_level(rows, limits):
    proba = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    thresholds = dict(zip(gmfcs.LEVELS, limits, strict=True))
    for p, levels in zip(proba, prediction_sets(proba, thresholds), strict=True):
        codes = gmfcs.encode(levels)
        assert (np.diff(codes) == 1).all()
        assert p.argmax() in codes
        inside = inclusion_scores(p[None])[0] <= limits
        assert set(np.flatnonzero(inside)) <= set(codes)


def test_inclusion_scores_by_hand():
    scores = inclusion_scores(np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]]))
    expected = [[0.0, 0.5, 0.6, 0.9], [0.9, 0.7, 0.4, 0.0]]
    np.testing.assert_allclose(scores, expected)


def test_sets_cover_every_level_also_the_rare_one(rng):
    train, test = make_oof(rng, 2000), make_oof(rng, 40_000)
    thresholds = conformal_thresholds(train, coverage=0.9)
    sets = prediction_sets(test[list(PROBABILITIES)].to_numpy(), thresholds)
    covered = pd.Series(
        [level in s for level, s in zip(test["gmfcs"], sets, strict=True)]
    )
    by_level = covered.groupby(test["gmfcs"], observed=True).mean()
    assert (by_level > 0.85).all()
    assert by_level["I"] < 0.97


def test_the_threshold_is_the_conformal_quantile():
    proba = np.column_stack([np.linspace(0.01, 0.49, 19), np.zeros((19, 3))])
    proba[:, 1] = 1 - proba[:, 0]
    table = pd.DataFrame(proba, columns=list(PROBABILITIES))
    table = table.assign(gmfcs=gmfcs.decode([0] * 19), patient_id=np.arange(19))
    thresholds = conformal_thresholds(table, coverage=0.9)
    assert thresholds["I"] == pytest.approx(np.sort(proba[:, 1])[17])
    assert np.isinf(thresholds["II"])


def test_nine_children_are_the_least_for_ninety_per_cent(rng):
    table = make_oof(rng, 400, shares=(1.0, 0, 0, 0))
    assert np.isinf(conformal_thresholds(table.head(8))["I"])
    assert np.isfinite(conformal_thresholds(table.head(9))["I"])


def test_one_walk_per_child_calibrates(rng):
    table = make_oof(rng, 40, shares=(1.0, 0, 0, 0))
    table["patient_id"] = [f"p{i // 10}" for i in range(40)]
    assert np.isinf(conformal_thresholds(table)["I"])


def test_cross_conformal_sets_and_their_coverage(rng):
    oof = make_oof(rng, 1200)
    sets = conformal_sets(oof, model="m")
    assert sorted(sets["walk_id"]) == sorted(oof["walk_id"])
    table = coverage_by_level(sets).set_index("level")
    assert table["n_patients"].sum() == 1200
    assert (table["ci_high"] >= 0.9).all()
    assert table["mean_size"].between(1, 4).all()
    assert (table["ci_low"] < table["estimate"]).all()


def test_risk_falls_with_confidence(rng):
    oof = make_oof(rng, 3000)
    curve = risk_coverage(oof, model="m", n_resamples=100)
    assert curve["coverage"].iloc[-1] == 1.0
    wrong = oof[list(PROBABILITIES)].to_numpy().argmax(1) != gmfcs.encode(oof["gmfcs"])
    assert curve["risk"].iloc[-1] == pytest.approx(wrong.mean())
    assert curve["risk"].iloc[5] < curve["risk"].iloc[-1] - 0.05
    assert curve["ci_low"].le(curve["ci_high"]).all()
    assert 0 < curve.attrs["aurc"] < wrong.mean()


def test_unknown_models_are_named(rng):
    oof = make_oof(rng, 20)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        conformal_sets(oof, model="n")
    assert str(error.value) == "`model` must be one of 'm'; got 'n'."
    with pytest.raises(ValueError) as error:  # noqa: PT011
        risk_coverage(oof, model="n")
    assert str(error.value) == "`model` must be one of 'm'; got 'n'."
