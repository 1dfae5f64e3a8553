"""The leg chain: derivatives, closure and the step that curves make."""

import numpy as np
import pytest

from cpexplore.simulate import chain, curves
from cpexplore.simulate.gait import step_length


def random_legs(n=40):
    rng = np.random.default_rng(1)
    return rng.normal(0, 0.3, (2, 3, n)), rng.normal(0.2, 0.05, (2, n))


@pytest.mark.parametrize("joint", [0, 1, 2])
@pytest.mark.parametrize("heel", [True, False])
def test_the_jacobian_is_the_derivative(joint, heel):
    joints, pelvis = random_legs()
    on_heel = np.full(pelvis.shape, heel)
    nudge = np.zeros_like(joints)
    nudge[:, joint] = 1e-6

    def reach(angles):
        return chain.ground_vector(chain.inclinations(angles, pelvis), on_heel)

    numeric = (reach(joints + nudge) - reach(joints - nudge)) / 2e-6
    exact = chain.ground_jacobian(chain.inclinations(joints, pelvis), on_heel)
    np.testing.assert_allclose(exact[:, :, joint], numeric, atol=1e-8)


def test_a_straight_leg_on_a_flat_foot_is_one_leg_and_an_ankle_high():
    flat = np.zeros((2, 3, 1))
    heel, toe = (chain.ground_vector(flat, np.full((2, 1), on)) for on in (True, False))
    np.testing.assert_allclose(heel[1], -1 - chain.ANKLE_HEIGHT)
    np.testing.assert_allclose(heel, toe)


def test_typical_curves_put_the_ankles_three_quarters_of_a_leg_apart():
    cycle = np.radians(curves.pattern_cycle("TD"))
    thigh, shank, _ = chain.inclinations(cycle[None, :3], cycle[None, 3])[0]
    ankle = chain.THIGH * np.sin(thigh) + chain.SHANK * np.sin(shank)
    assert ankle[0] - ankle[50] == pytest.approx(0.76, abs=0.01)


def test_a_step_is_as_long_as_the_standing_leg_turns():
    """A leg that swings like a compass, without knee or ankle."""
    swing = np.radians(20) * np.cos(2 * np.pi * np.arange(100) / 100)
    compass = np.zeros((2, 4, 100))
    compass[:, 0], compass[:, 2] = np.degrees(swing), -np.degrees(swing)
    double = 2 * np.sin(np.radians(20) * np.cos(2 * np.pi * np.linspace(0, 0.1, 7)))
    assert step_length(compass, 0.6) == pytest.approx(double.mean(), abs=1e-4)


@pytest.mark.parametrize("pattern", ["TD", *curves.PATTERNS])
def test_closing_the_chain_pins_both_feet(pattern):
    stance, rate = 0.62, 50
    time = np.arange(4 * rate) / rate
    phase = np.stack([time % 1, (time + 0.5) % 1])
    cycle = np.radians(curves.pattern_cycle(pattern))
    at = np.where(phase < stance, phase * 60 / stance, 100 - (1 - phase) * 40 / 0.38)
    grid = np.arange(101)
    angles = np.stack(
        [[np.interp(p, grid, np.r_[row, row[0]]) for row in cycle] for p in at]
    )
    joints, pelvis = angles[:, :3], angles[:, 3]
    contact = phase < stance
    swing = np.clip((phase - stance) / (1 - stance), 0, 1)
    correction = chain.close_chain(
        joints,
        pelvis,
        time=time,
        contact=contact,
        clearance=0.01 * np.sin(np.pi * swing),
        path=1.3 * time,
        smoothness_s=0.1,
    )
    segments = chain.inclinations(joints + correction, pelvis)
    feet = chain.ground_vector(segments, segments[:, 2] >= 0)
    gap = feet[:, 1] - feet[:, 0]
    both = contact.all(axis=0)
    step = np.cumsum(np.diff(both, prepend=False) & both)
    assert np.abs(gap[1, both]).max() < 2e-3
    for number in np.unique(step[both]):
        assert np.ptp(gap[0, both & (step == number)]) < 5e-3
    lifted = contact[0].astype(int) - contact[1].astype(int)
    assert (lifted * gap[1]).min() > -2e-3
