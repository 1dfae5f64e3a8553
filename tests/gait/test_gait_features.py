"""Features of built walks against what they were built with, family by family."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexplore.gait._body import make_body
from cpexplore.gait._gait import by_side, in_phase, make_gait
from cpexplore.gait.features import aggregates, walk_features
from cpexplore.gait.features_coordination import (
    deviation_phase,
    harmonic_ratio,
    hilbert_phase,
)
from cpexplore.gait.features_kinematic import phase_measures, strike, swing_share
from cpexplore.gait.features_smoothness import (
    log_dimensionless_jerk,
    spectral_arc_length,
)
from cpexplore.gait.features_stability import phase_difference
from cpexplore.gait.features_symmetry import curve_symmetry, symmetry_indices
from cpexplore.gait.features_variability import multiple_correlation, variation
from cpexplore.gait.kinematics import wrapped
from cpexplore.simulate.curves import pattern_cycle

PHASE = np.arange(101)


@pytest.fixture
def walked(built_walk):
    """Features without a reference of a built walk."""

    def measure(**options):
        built = built_walk(**options)
        gait = make_gait(
            make_body(built.walk), built.events, min_cycles=2, leg_length_m=0.7
        )
        return walk_features(gait)

    return measure


def test_times_are_those_of_the_construction(walked):
    found = walked()
    for name, expected in {
        "stride_time": 1.0,
        "step_time": 0.5,
        "stance": 60.0,
        "swing": 40.0,
        "initial_double_support": 10.0,
        "terminal_double_support": 10.0,
        "single_support": 40.0,
    }.items():
        np.testing.assert_allclose(found.sided[name], expected, err_msg=name)
    assert found.whole["cadence"] == pytest.approx(120.0)
    assert found.whole["double_support"] == pytest.approx(20.0)
    assert found.whole["n_strides"] == 11
    assert found.whole["n_passes"] == 1
    assert found.whole["usable"] == 100.0


@pytest.mark.parametrize(
    ("pattern", "step_ll"),
    [("TD", 0.76), ("true_equinus", 0.66), ("jump", 0.50), ("crouch", 0.44)],
)
def test_step_length_of_the_published_curves(walked, pattern, step_ll):
    cycle = pattern_cycle(pattern)
    found = walked(cycles=(cycle, cycle))
    np.testing.assert_allclose(found.sided["step_length"], step_ll, atol=0.006)
    np.testing.assert_allclose(found.sided["stride_length"], 2 * step_ll, atol=0.012)
    assert found.whole["speed"] == pytest.approx(2 * step_ll, abs=0.012)
    assert found.whole["walk_ratio"] == pytest.approx(step_ll / 120, abs=1e-4)


def test_dimensionless_speed_needs_the_leg(walked):
    found = walked()
    speed = found.whole["speed"]
    expected = speed * np.sqrt(0.7 / 9.81)
    assert found.whole["speed_dimensionless"] == pytest.approx(expected)
    assert found.whole["froude"] == pytest.approx(expected**2)


@pytest.mark.parametrize("travel", [1, -1])
def test_key_values_of_the_typical_curves(walked, travel):
    found = walked(travel=travel).sided
    for name, expected, tolerance in (
        ("knee_ic", 6.0, 0.1),
        ("knee_min_stance", 6.0, 0.1),
        ("knee_max_swing", 59.2, 0.2),
        ("knee_t_max_swing", 73.0, 1.0),
        ("knee_rom", 55.0, 1.0),
        ("ankle_max_stance", 12.0, 0.2),
        ("ankle_pushoff_rom", 31.5, 1.5),
        ("foot_pitch_ic", 16.0, 0.2),
        ("thigh_min_stance", -18.0, 0.5),
        ("hip_rom", 43.0, 1.5),
        ("heel_contact", 100.0, 0.0),
    ):
        np.testing.assert_allclose(found[name], expected, atol=tolerance, err_msg=name)


def test_noise_of_the_tracker_hardly_moves_the_extremes(built_walk, rng):
    built = built_walk(n_strides=60, fps=25.0)
    noise = rng.normal(scale=3.0, size=built.walk["position"].shape)
    built.walk["position"].values[:] += noise
    gait = make_gait(
        make_body(built.walk), built.events, min_cycles=2, leg_length_m=np.nan
    )
    found = walk_features(gait)
    for name, truth in (("knee_min_stance", 6.0), ("knee_max_swing", 59.2)):
        single = abs(found.stride[name].mean() - truth)
        assert single > 1.5
        assert np.abs(found.sided[name] - truth).max() < single / 2


def test_minimum_in_stance_may_be_hyperextension(walked):
    cycle = pattern_cycle("recurvatum")
    found = walked(cycles=(cycle, cycle)).sided["knee_min_stance"]
    np.testing.assert_allclose(found, cycle[1, 10:63].min(), atol=0.05)
    assert (found < -5).all()


def test_phase_measures_of_a_sawtooth():
    rise = np.concatenate([np.linspace(0, 60, 61), np.linspace(60, 0, 41)[1:]])
    curves = rise[None, None]
    found = phase_measures(curves, stance=(PHASE <= 50)[None], duration=np.array([2.0]))
    values = {name: float(value[0, 0]) for name, value in found.items()}
    assert values["ic"] == 0
    assert values["max_stance"] == 50
    assert values["t_max_stance"] == 50
    assert values["t_min_stance"] == 0
    assert values["max_swing"] == 60
    assert values["t_max_swing"] == 60
    assert values["rom_stance"] == 50
    assert values["mean_stance"] == 25
    assert values["peak_vel_flex"] == pytest.approx(50.0)
    assert values["peak_vel_ext"] == pytest.approx(75.0)


def test_a_phase_seen_in_less_than_80_percent_is_not_measured():
    curve = np.ones((2, 101))
    curve[0, :9] = np.nan
    curve[1, :11] = np.nan
    part = in_phase(curve, PHASE < 50)
    assert np.isfinite(part[0]).sum() == 41
    assert np.isnan(part[1]).all()


def test_a_side_needs_enough_strides():
    values = np.array([[1.0], [3.0], [np.nan], [5.0]])
    side = np.array([0, 0, 0, 1])
    result = by_side(values, side, min_cycles=2)
    assert result[0, 0] == 2.0
    assert np.isnan(result[1, 0])


@pytest.mark.parametrize(
    ("direction", "worse", "better"), [(1, 9.0, 2.0), (-1, 2.0, 9.0), (0, 9.0, 2.0)]
)
def test_worse_follows_the_declared_direction(direction, worse, better):
    values = np.array([[2.0], [9.0]])
    row = aggregates(values, direction=np.array([direction]), usual=np.array([4.0]))
    assert row.tolist() == [[2.0, 9.0, 5.5, worse, better, 7.0]]


def test_aggregates_of_one_leg_are_not_guessed():
    row = aggregates(
        np.array([[2.0], [np.nan]]), direction=np.array([1]), usual=np.array([4.0])
    )
    assert row[0, 0] == 2.0
    assert np.isnan(row[0, 1:]).all()


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.1, 10))
def test_symmetry_ignores_unit_and_order(left, right, unit):
    one = symmetry_indices(left, right)
    other = symmetry_indices(right * unit, left * unit)
    for name in one:
        assert one[name] == pytest.approx(other[name], rel=1e-6, abs=1e-6)


def test_equal_legs_are_symmetric(walked):
    found = walked().whole
    for name in ("step_time", "step_length", "knee_rom"):
        assert found[f"{name}_si"] == pytest.approx(0.0, abs=0.2)
        assert found[f"{name}_minmax"] == pytest.approx(1.0, abs=0.01)
    assert found["knee_rmsd_lr"] == pytest.approx(0.0, abs=0.01)
    assert found["knee_r_lr"] == pytest.approx(1.0)


def test_symmetry_of_what_is_not_positive_is_nan():
    assert all(np.isnan(list(symmetry_indices(-1.0, 2.0).values())))
    assert all(np.isnan(list(symmetry_indices(np.nan, 2.0).values())))


def test_curve_symmetry_separates_posture_from_movement():
    curve = 30 * np.sin(2 * np.pi * PHASE / 100)
    found = curve_symmetry(curve, curve + 7.0)
    assert found["rmsd_lr"] == pytest.approx(7.0)
    assert found["rmsd_lr_centred"] == pytest.approx(0.0, abs=1e-9)
    assert found["r_lr"] == pytest.approx(1.0)


def test_variation_is_corrected_for_few_strides():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert variation(values) == pytest.approx(
        100 * (1 + 1 / 20) * values.std(ddof=1) / 3
    )
    assert np.isnan(variation(values[:4]))


def test_variability_of_equal_strides_is_nothing(walked):
    found = walked(n_strides=8).sided
    assert found["stride_time_cv"].max() == pytest.approx(0.0, abs=1e-9)
    assert found["knee_curve_sd"].max() < 0.01
    np.testing.assert_allclose(found["knee_cmc"], 1.0, atol=1e-6)
    assert found["dp_hip_knee"].max() < 0.1


def test_variability_needs_five_strides(walked):
    found = walked(n_strides=4).sided
    for name in ("stride_time_cv", "knee_curve_sd", "knee_cmc", "dp_hip_knee"):
        assert np.isnan(found[name]).all(), name
    assert np.isfinite(found["knee_rom"]).all()


def test_multiple_correlation_by_hand(rng):
    curves = rng.normal(size=(4, 11)) + 3 * np.sin(np.arange(11))
    grand, mean = curves.mean(), curves.mean(axis=0)
    within = ((curves - mean) ** 2).sum() / (11 * 3)
    total = ((curves - grand) ** 2).sum() / (11 * 4 - 1)
    assert multiple_correlation(curves) == pytest.approx(np.sqrt(1 - within / total))


def bell(fps: float, *, tremor: float = 0.0) -> np.ndarray:
    time = np.arange(int(fps)) / fps
    shape = np.exp(-0.5 * ((time - 0.5) / 0.12) ** 2)
    return (shape * (1 + tremor * np.sin(2 * np.pi * 5 * time)))[None]


@pytest.mark.parametrize("measure", [spectral_arc_length, log_dimensionless_jerk])
def test_less_smooth_is_more_negative(measure):
    smooth, shaken = (
        measure(bell(100), fps=100),
        measure(bell(100, tremor=0.4), fps=100),
    )
    assert shaken < smooth < 0


@pytest.mark.parametrize("measure", [spectral_arc_length, log_dimensionless_jerk])
@given(scale=st.floats(0.01, 100))
def test_smoothness_ignores_amplitude(measure, scale):
    one, scaled = measure(bell(50), fps=50), measure(scale * bell(50), fps=50)
    assert scaled == pytest.approx(one, abs=1e-6)


@pytest.mark.parametrize("fps", [50, 200])
def test_smoothness_hardly_depends_on_the_frame_rate(fps):
    for measure, tolerance in (
        (spectral_arc_length, 0.02),
        (log_dimensionless_jerk, 0.15),
    ):
        slow, fast = measure(bell(25), fps=25), measure(bell(fps), fps=fps)
        assert slow == pytest.approx(fast, abs=tolerance)


def test_spectral_arc_length_of_a_known_spectrum():
    n, fps = 64, 25.0
    found = spectral_arc_length(np.ones((1, n)), fps=fps)
    n_fft = 2 ** (int(np.ceil(np.log2(n))) + 4)
    spectrum = np.abs(np.fft.rfft(np.ones(n), n_fft)) / n
    frequency = np.fft.rfftfreq(n_fft, 1 / fps)
    last = np.flatnonzero((spectrum >= 0.05) & (frequency <= 8.0))[-1]
    expected = -np.hypot(1 / last, np.diff(spectrum[: last + 1])).sum()
    assert found[0] == pytest.approx(expected)


def test_broken_or_short_movements_have_no_smoothness():
    speed = np.ones((3, 20))
    speed[0, 5] = np.nan
    speed[1, 5:] = np.nan
    for measure in (spectral_arc_length, log_dimensionless_jerk):
        assert np.isnan(measure(speed, fps=25)[:2]).all()
    assert spectral_arc_length(np.empty((0, 0)), fps=25).shape == (0,)


def test_relative_phase_of_shifted_waves():
    turn = 2 * np.pi * PHASE / 100
    waves = 30 + 20 * np.cos(turn), 10 + 5 * np.cos(turn - np.pi / 3)
    phase = hilbert_phase(np.stack(waves)[None])
    lead = wrapped(phase[:, 0] - phase[:, 1])
    np.testing.assert_allclose(lead, 60.0, atol=1e-6)


def test_relative_phase_equals_the_middle_of_three_copies(rng):
    from scipy.signal import hilbert

    curve = np.cumsum(rng.normal(size=100))
    other = np.cumsum(rng.normal(size=100))
    phases = []
    for one in (curve, other):
        three = np.tile(one - (one.max() + one.min()) / 2, 3)
        phases.append(np.rad2deg(np.angle(hilbert(three)))[100:200])
    closed = np.stack([np.append(one, one[0]) for one in (curve, other)])
    found = hilbert_phase(closed[None])[0]
    np.testing.assert_allclose(wrapped(found - np.stack(phases)), 0.0, atol=1e-6)


def test_deviation_phase_is_circular():
    phase = np.array([[179.0], [-179.0], [179.0], [-179.0], [180.0]])
    assert deviation_phase(phase) < 2.0
    assert np.isnan(deviation_phase(phase[:4]))


def test_harmonic_ratio_counts_even_over_odd():
    turn = 2 * np.pi * PHASE[None] / 100
    ratio, share = harmonic_ratio(3 * np.cos(2 * turn) + np.cos(turn))
    assert ratio[0] == pytest.approx(3 * 2**2 / 1)
    assert share[0] == pytest.approx(100 * 144 / 145)


def test_regular_walks_repeat_themselves(walked):
    found = walked(n_strides=8).whole
    assert found["ac_stride"] == pytest.approx(1.0, abs=0.02)
    assert found["ac_step"] == pytest.approx(1.0, abs=0.02)
    assert found["ihr_v"] == pytest.approx(100.0, abs=0.1)


def test_arms_swing_against_the_legs(walked):
    found = walked()
    np.testing.assert_allclose(
        found.sided["arm_swing"], 2 * np.sin(np.deg2rad(20)), atol=0.01
    )
    assert found.whole["hands_r"] == pytest.approx(-1.0, abs=1e-3)
    assert found.sided["arm_leg_phase"].max() < 40
    np.testing.assert_allclose(found.sided["elbow_flex_mean"], 0.0, atol=0.01)


def test_pelvic_excursion_is_that_of_the_construction(walked):
    assert walked().whole["pelvis_vert_exc"] == pytest.approx(8.0 / 200.0, abs=1e-3)


def test_phase_difference_is_half_a_turn_for_opposite_curves():
    turn = 2 * np.pi * PHASE[None] / 100
    assert phase_difference(np.sin(turn), np.sin(turn))[0] == pytest.approx(0, abs=1e-6)


def test_strike_names():
    assert [strike(v) for v in (5.0, -5.0, 5.1, -5.1, np.nan)] == [
        "flat",
        "flat",
        "heel",
        "forefoot",
        "",
    ]


def test_thirds_of_swing_follow_foot_off():
    share = swing_share(np.array([60.0, 80.0]))
    assert share[:, 100].tolist() == [1.0, 1.0]
    assert share[0, 60] == share[1, 80] == 0.0
    assert share[0, 80] == share[1, 90] == 0.5
    assert (share[1, :80] < 0).all()
