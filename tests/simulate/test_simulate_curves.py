"""Joint curves: control points, blends, speed, deviation."""

import numpy as np
import pytest

from cpexplore.simulate import curves


def test_the_typical_cycle_goes_through_its_control_points():
    hip, knee, ankle, _ = curves.pattern_cycle("TD")
    np.testing.assert_allclose(knee[[0, 13, 40, 72]], [6, 19, 6, 59], atol=1e-9)
    np.testing.assert_allclose(hip[[0, 52]], [36, -6], atol=1e-9)
    np.testing.assert_allclose(ankle[[46, 63]], [12, -20], atol=1e-9)


@pytest.mark.parametrize("pattern", curves.PATTERNS)
def test_a_blend_of_one_is_the_pattern_and_half_is_half_way(pattern):
    typical, other = curves.pattern_cycle("TD"), curves.pattern_cycle(pattern)
    np.testing.assert_allclose(curves.blended_cycle(pattern, 1.0), other)
    half = curves.blended_cycle(pattern, 0.5)
    np.testing.assert_allclose(half, (typical + other) / 2)


@pytest.mark.parametrize(("speed", "peak"), [(0.18, 45), (0.295, 55), (0.43, 59)])
def test_the_knee_swings_less_at_low_speed(speed, peak):
    slow = curves.at_speed(curves.pattern_cycle("TD"), speed)
    assert slow[1].max() == pytest.approx(peak, abs=1.0)
    np.testing.assert_array_equal(slow[0], curves.pattern_cycle("TD")[0])


@pytest.mark.parametrize(
    ("speed", "pct"), [(0.43, 59), (0.295, 62), (0.18, 68), (0.0, 74), (2.0, 56)]
)
def test_stance_is_longer_at_low_speed_within_limits(speed, pct):
    assert 100 * curves.stance_fraction(speed) == pytest.approx(pct)


def test_a_stiff_knee_swings_a_third_less_and_later():
    typical = curves.pattern_cycle("TD")
    stiff = curves.stiffened(typical)
    assert stiff[1].max() == pytest.approx(0.65 * typical[1].max(), abs=2.5)
    assert 4 <= stiff[1].argmax() - typical[1].argmax() <= 8
    np.testing.assert_array_equal(stiff[1, :45], typical[1, :45])


def test_deviations_have_the_asked_spread_and_close_the_cycle():
    rng = np.random.default_rng(0)
    sd = np.array([3.0, 5.0, 4.0])
    drawn = np.stack([curves.smooth_deviation(rng, sd=sd) for _ in range(800)])
    np.testing.assert_allclose(drawn.std(axis=(0, 2)), sd, rtol=0.05)
    steps = np.abs(np.diff(drawn, axis=-1, append=drawn[..., :1]))
    assert steps[..., -1].mean() == pytest.approx(steps.mean(), rel=0.1)
