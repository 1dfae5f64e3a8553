"""Calibration: known temperatures, known errors, known risk curves."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from cpexplore import gmfcs
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.calibration import (
    binned_calibration_error,
    fit_temperature,
    reliability,
    risk_coverage,
)

P = list(PROBABILITIES)


def sample_levels(rng, proba):
    return (rng.random((len(proba), 1)) > proba.cumsum(1)).sum(1).clip(max=3)


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


def test_calibration_error_equals_a_loop_over_its_bins(rng):
    confidence = np.sort(np.round(rng.uniform(0.3, 1, 237), 2))  # with many ties
    correct, weights = rng.random(237) < confidence, rng.integers(0, 4, 237)
    starts = [confidence[n * 237 // 10] for n in range(10)]
    total = 0.0
    for low, high in zip(starts, [*starts[1:], np.inf], strict=True):
        own = (confidence >= low) & (confidence < high)
        mass = weights[own].sum()
        right = (weights[own] * correct[own]).sum() / mass
        gap = abs(right - (weights[own] * confidence[own]).sum() / mass)
        n = mass**2 / (weights[own] ** 2).sum()
        error = max(np.sqrt(right * (1 - right) / (n - 1)), 1e-6)
        expected = stats.foldnorm.mean(gap / error, scale=error)
        total += mass / weights.sum() * (2 * gap - expected)
    shuffled = rng.permutation(237)
    found = binned_calibration_error(
        confidence[shuffled], correct[shuffled], weights=weights[None, shuffled]
    )
    np.testing.assert_allclose(found, max(total, 0.0))


def test_risk_falls_with_confidence(rng, make_oof):
    oof = make_oof(rng, 3000)
    curve = risk_coverage(oof, model="m", n_resamples=100)
    assert curve["coverage"].iloc[-1] == 1.0
    wrong = oof[P].to_numpy().argmax(1) != gmfcs.encode(oof["gmfcs"])
    assert curve["risk"].iloc[-1] == pytest.approx(wrong.mean())
    assert curve["risk"].iloc[5] < curve["risk"].iloc[-1] - 0.05
    assert curve["ci_low"].le(curve["ci_high"]).all()
    assert 0 < curve.attrs["aurc"] < wrong.mean()


def test_reliability_counts_answers_in_bins_of_equal_mass(rng, make_oof):
    oof = make_oof(rng, 995)
    table = reliability(oof, model="m")
    assert table["n_rows"].sum() == 995
    assert set(table["n_rows"]) == {99, 100}
    assert table["confidence"].is_monotonic_increasing
    right = oof[P].to_numpy().argmax(1) == gmfcs.encode(oof["gmfcs"])
    mean = np.average(table["accuracy"], weights=table["n_rows"])
    assert mean == pytest.approx(right.mean())
    assert len(reliability(oof.head(3), model="m")) == 3


def test_the_order_of_equally_sure_answers_does_not_matter(rng, make_oof):
    oof = make_oof(rng, 400)
    oof[P] = np.where(
        rng.random((400, 1)) < 0.5, [0.7, 0.1, 0.1, 0.1], [0.4] + [0.2] * 3
    )
    other = oof.sample(frac=1, random_state=1)
    right = gmfcs.encode(oof["gmfcs"]) == 0
    sure = oof["p_I"].to_numpy() > 0.5

    table = reliability(oof, model="m")
    np.testing.assert_allclose(
        table["accuracy"], [right[~sure].mean(), right[sure].mean()]
    )
    np.testing.assert_array_equal(table["n_rows"], [(~sure).sum(), sure.sum()])
    pd.testing.assert_frame_equal(reliability(other, model="m"), table)

    curves = [risk_coverage(t, model="m", n_resamples=20) for t in (oof, other)]
    surest = curves[0].query("coverage < 0.4")["risk"]
    np.testing.assert_allclose(surest, 1 - right[sure].mean())
    np.testing.assert_allclose(curves[1]["risk"], curves[0]["risk"])
    assert curves[1].attrs["aurc"] == pytest.approx(curves[0].attrs["aurc"])

    errors = [
        binned_calibration_error(
            t["p_I"].to_numpy(), gmfcs.encode(t["gmfcs"]) == 0, n_bins=10
        )
        for t in (oof, other)
    ]
    np.testing.assert_allclose(*errors)


def test_unknown_models_are_named(rng, make_oof):
    for function in (risk_coverage, reliability):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            function(make_oof(rng, 20), model="n")
        assert str(error.value) == "`model` must be one of 'm'; got 'n'."


def test_answers_without_any_level_are_refused(rng, make_oof):
    unknown = make_oof(rng, 20)
    unknown["gmfcs"] = np.nan
    for function in (risk_coverage, reliability):
        with pytest.raises(ValueError, match="must have a level") as error:
            function(unknown, model="m")
        assert str(error.value) == "`oof` must have a level for some walk of 'm'."
