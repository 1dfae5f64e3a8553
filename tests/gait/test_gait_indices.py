"""Deviation indices, patterns and the reference behind them."""

import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st

from cpexplore.gait import (
    DeviationIndex,
    Reference,
    default_reference,
    gait_pattern,
    make_reference,
    read_reference,
    simulated_reference,
    write_reference,
)
from cpexplore.gait._body import make_body
from cpexplore.gait._gait import make_gait
from cpexplore.gait.features import feature_series, walk_features
from cpexplore.gait.features_deviation import gait_patterns, stiff_knee_score
from cpexplore.gait.indices import (
    PATTERNS,
    VariabilityIndex,
    couple_scores,
    profile_score,
    stance_pattern,
    variable_scores,
)
from cpexplore.gait.kinematics import ANGLES
from cpexplore.simulate import cohort_of, td_children
from cpexplore.simulate.curves import pattern_cycle

AXES = ((1, 0), (-1, 0), (0, 1), (0, -1))
DIAGONALS = ((0.7072, -0.7072), (-0.7072, 0.7072))


@pytest.fixture
def analysed(built_walk):
    """Features and patterns of a walk in which both legs follow a pattern."""

    def analyse(pattern: str, reference: Reference):
        cycle = pattern_cycle(pattern)
        built = built_walk(cycles=(cycle, cycle))
        gait = make_gait(
            make_body(built.walk), built.events, min_cycles=2, leg_length_m=np.nan
        )
        features = feature_series(gait, walk_features(gait), reference)
        return features, gait_patterns(gait, reference)

    return analyse


def schwartz_like() -> Reference:
    """A reference with the shipped typical curves and the published mean SDs."""
    hip, knee, ankle, pelvis = (np.append(row, row[0]) for row in pattern_cycle("TD"))
    thigh = hip - pelvis
    shank = thigh - knee
    lean = np.full(101, 2.4)
    nothing = np.zeros(101)
    mean = np.stack(
        [
            thigh + lean,
            knee,
            ankle,
            thigh,
            shank,
            shank + ankle,
            lean,
            nothing,
            nothing,
        ],
        axis=-1,
    )
    sd = np.array([6.1, 6.3, 5.3, 6.1, 6.3, 5.3, 2.0, 5.0, 5.0])
    offsets = np.random.default_rng(1).permutation(np.linspace(-1.6, 1.6, 24))
    offsets = (offsets - offsets.mean()) / offsets.std(ddof=1)
    limbs = mean + offsets[:, None, None] * sd
    features = pd.DataFrame(
        {
            "speed": np.linspace(0.6, 1.8, 24),
            "stance": np.linspace(68.0, 56.0, 24),
            "double_support": np.linspace(36.0, 12.0, 24),
            "knee_max_swing": 59 + offsets,
            "knee_rom": 55 + offsets,
            "knee_rom_early_swing": 25 + offsets,
            "knee_t_max_swing": 73 + offsets,
        }
    )
    from cpexplore.gait.reference import CHANGES

    features[list(CHANGES)] = np.abs(np.random.default_rng(2).normal(size=(24, 10)))
    return Reference(
        curves=limbs.reshape(12, 2, 101, len(ANGLES)),
        features=features,
        own_pace=np.ones(24, bool),
        source="test",
    )


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("TD", "within normal limits"),
        ("true_equinus", "true equinus"),
        ("jump", "jump"),
        ("apparent_equinus", "apparent equinus"),
        ("crouch", "crouch"),
        ("recurvatum", "recurvatum"),
    ],
)
def test_every_pattern_is_classed_as_itself(analysed, pattern, expected):
    _, patterns = analysed(pattern, schwartz_like())
    assert patterns["pattern"].tolist() == [expected, expected]
    assert (patterns["margin"] > 0).all()


def test_the_class_is_judged_over_stance_and_the_features_over_mid_stance(analysed):
    reference = schwartz_like()
    features, patterns = analysed("crouch", reference)
    for name, row in (("knee", 1), ("ankle", 2)):
        cycle = pattern_cycle("crouch")[row]
        angle = ANGLES.index(
            {"knee": "knee_flexion_deg", "ankle": "ankle_dorsiflexion_deg"}[name]
        )
        z = (cycle - reference.mean[:100, angle]) / reference.sd[:100, angle]
        assert patterns[f"{name}_z"][0] == pytest.approx(z[:61].mean(), abs=0.02)
        mid_stance = features[f"pfke_{name}_left_z"]
        assert mid_stance == pytest.approx(z[20:46].mean(), abs=0.02)


def test_patterns_deviate_more_than_typical_gait(analysed):
    reference = schwartz_like()
    scores = {p: analysed(p, reference)[0] for p in ("TD", "jump", "crouch")}
    sgps = {p: f["sgps_overall_deg"] for p, f in scores.items()}
    assert sgps["TD"] < 1.0 < sgps["jump"] < sgps["crouch"]
    assert scores["crouch"]["gvs_knee_left_deg"] == pytest.approx(28, abs=1.5)
    sgdi = {p: f["sgdi_left_score"] for p, f in scores.items()}
    assert sgdi["crouch"] < sgdi["TD"]


@pytest.mark.parametrize("rule", [gait_pattern, stance_pattern])
@example(knee=-0.95, ankle=-1.5)
@example(knee=-0.9, ankle=-2.0)
@example(knee=-0.95, ankle=-3.0)
@example(knee=-1.1, ankle=-6.0)
@given(
    knee=st.floats(-6, 6, allow_subnormal=False),
    ankle=st.floats(-6, 6, allow_subnormal=False),
)
def test_the_margin_is_the_distance_to_the_nearest_other_class(rule, knee, ankle):
    name, margin = rule(knee, ankle)
    assert name in PATTERNS
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    inside = {
        rule(knee + 0.999 * margin * np.cos(t), ankle + 0.999 * margin * np.sin(t))[0]
        for t in turn
    }
    assert inside == {name} or margin < 1e-6
    just_beyond = {
        rule(knee + dk * (margin + 1e-6), ankle + da * (margin + 1e-6))[0]
        for dk, da in (*AXES, *DIAGONALS)
    }
    assert just_beyond - {name}


@pytest.mark.parametrize(
    ("knee", "ankle", "margin"),
    [
        (-0.95, -1.5, 0.55 / np.sqrt(2)),
        (-0.9, -2.0, 1.1 / np.sqrt(2)),
        (-0.95, -3.0, 2.05 / np.sqrt(2)),
        (-1.1, -6.0, 2.1),
    ],
)
def test_true_equinus_ends_at_recurvatum_and_at_jump(knee, ankle, margin):
    assert stance_pattern(knee, ankle) == ("true equinus", pytest.approx(margin))


def test_unknown_couple_has_no_class():
    assert gait_pattern(np.nan, 1.0)[0] == ""


def test_couple_scores_by_hand():
    curves = np.full((2, 101), 10.0)
    curves[1, 50:] = 99.0
    mean, sd = np.full(101, 4.0), np.full(101, 3.0)
    np.testing.assert_allclose(couple_scores(curves, mean=mean, sd=sd), 2.0)


def test_scores_are_root_mean_squares():
    mean = np.zeros((101, 2))
    curves = np.stack([np.full(101, 3.0), np.full(101, -4.0)], axis=-1)
    scores = variable_scores(curves, mean)
    np.testing.assert_allclose(scores, [3.0, 4.0])
    assert profile_score(scores) == pytest.approx(np.sqrt(12.5))
    assert profile_score(scores) != pytest.approx(scores.mean())
    assert np.isnan(profile_score(np.array([1.0, np.nan])))


def test_scores_need_80_percent_of_the_curve():
    curves = np.ones((101, 2))
    curves[:21, 0] = np.nan
    curves[:20, 1] = np.nan
    scores = variable_scores(curves, np.zeros((101, 2)))
    assert np.isnan(scores[0])
    assert scores[1] == 1.0


@pytest.fixture
def limbs(rng):
    """Sixty smooth typical limbs."""
    phase = 2 * np.pi * np.arange(101) / 100
    waves = np.stack([np.cos(k * phase) for k in range(6)])
    return 30 * np.sin(phase)[None, :, None] + np.einsum(
        "lka,kp->lpa", rng.normal(size=(60, 6, 4)), waves
    )


def test_typical_limbs_score_100_with_sd_10_when_left_out(limbs):
    index = DeviationIndex(limbs=limbs)
    assert index.member_scores.mean() == pytest.approx(100.0)
    assert index.member_scores.std(ddof=1) == pytest.approx(10.0)


def test_leaving_out_equals_an_index_of_the_others(limbs):
    limbs = limbs[:8]
    found = DeviationIndex(limbs=limbs).member_log_distances
    vectors = np.moveaxis(limbs[:, ::2], -1, 1).reshape(len(limbs), -1)

    def log_distance(i, yardstick):
        mean = yardstick.mean(axis=0)
        _, size, components = np.linalg.svd(yardstick - mean, full_matrices=False)
        share = np.cumsum(size**2) / (size**2).sum()
        kept = components[: np.searchsorted(share, 0.98) + 1]
        return np.log(np.linalg.norm(kept @ (vectors[i] - mean)))

    for i in range(len(limbs)):
        left_out = log_distance(i, np.delete(vectors, i, axis=0))
        assert found[i] == pytest.approx(left_out, abs=1e-9)
        assert abs(log_distance(i, vectors) - left_out) > 0.01


def test_leaving_out_makes_new_typical_limbs_score_100(limbs):
    half = DeviationIndex(limbs=limbs[:30])
    judging_themselves = half.score(limbs[:30]).mean()
    fresh = half.score(limbs[30:]).mean()
    assert fresh == pytest.approx(100.0, abs=4.0)
    assert abs(fresh - 100) < abs(judging_themselves - 100)


def test_the_index_falls_with_the_distance(limbs):
    index = DeviationIndex(limbs=limbs)
    offset = np.arange(1, 5)[:, None, None] * 3.0
    scores = index.score(limbs.mean(axis=0) + offset)
    assert (np.diff(scores) < 0).all()


def test_the_mean_itself_does_not_score_infinity(limbs):
    score = DeviationIndex(limbs=limbs).score(limbs.mean(axis=0, keepdims=True))
    assert np.isfinite(score).all()


def test_limbs_with_gaps_have_no_score(limbs):
    broken = limbs[:2].copy()
    broken[0, 10, 0] = np.nan
    scores = DeviationIndex(limbs=limbs).score(broken)
    assert np.isnan(scores[0])
    assert np.isfinite(scores[1])


def test_an_index_needs_complete_limbs(limbs):
    assert np.isnan(DeviationIndex(limbs=limbs[:2]).score(limbs)).all()
    limbs[0, 10, 0] = np.nan
    message = (
        "`limbs` must be complete curves; got 1 missing points. Leave limbs with gaps "
        "out."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        DeviationIndex(limbs=limbs)


def test_variability_score_of_the_reference_is_100_with_sd_10(rng):
    members = rng.lognormal(size=(40, 10))
    scores = VariabilityIndex(members=members).score(members)
    assert scores.mean() == pytest.approx(100.0)
    assert scores.std(ddof=1) == pytest.approx(10.0)
    worse = VariabilityIndex(members=members).score(members + 50 * members.std())
    assert (worse < scores).all()
    assert np.isnan(VariabilityIndex(members=members[:2]).score(members)).all()


def test_stiff_knee_counts_signs():
    reference = schwartz_like()
    normal = {
        "knee_max_swing": np.array([59.0, 40.0]),
        "knee_rom": np.array([55.0, 30.0]),
        "knee_rom_early_swing": np.array([25.0, 10.0]),
        "knee_t_max_swing": np.array([73.0, np.nan]),
    }
    score = stiff_knee_score(normal, reference)
    assert score[0] == 0
    assert np.isnan(score[1])
    normal["knee_t_max_swing"] = np.array([80.0, 80.0])
    assert stiff_knee_score(normal, reference).tolist() == [1, 4]


def test_matching_by_speed_follows_the_trend():
    reference = schwartz_like()
    slow, fast = (reference.at_speed(v)["stance"] for v in (0.8, 1.6))
    assert slow == pytest.approx(66.0, abs=0.3)
    assert fast == pytest.approx(58.0, abs=0.3)
    assert reference.at_speed(3.0).isna().all()
    assert reference.at_speed(np.nan).isna().all()


def test_stance_excess_is_judged_at_the_same_speed(analysed):
    reference = schwartz_like()
    features, _ = analysed("crouch", reference)
    expected = 60.0 - reference.at_speed(features["speed_llps"])["stance"]
    assert features["stance_excess_left_pct"] == pytest.approx(expected)
    assert expected < 0


def test_the_default_reference_is_typical_and_says_what_it_is():
    reference = default_reference()
    assert reference.n == 30
    assert reference.source == "30 simulated typically developing children, seed 2008"
    assert reference.simulated
    assert reference.licence == "BSD-3-Clause"
    knee = reference.mean[:, ANGLES.index("knee_flexion_deg")]
    assert knee.max() == pytest.approx(59.1, abs=4)
    assert knee[30:50].min() == pytest.approx(6.2, abs=4)
    ankle = reference.mean[:, ANGLES.index("ankle_dorsiflexion_deg")]
    assert ankle[30:60].max() == pytest.approx(11.8, abs=5)
    spread = reference.sd.mean(axis=0)
    np.testing.assert_allclose(spread[:3], [6.1, 6.3, 5.3], rtol=0.01)
    assert reference.spread["knee_max_swing"] == pytest.approx(5.9, abs=2)
    assert default_reference() is reference


def test_the_default_reference_scores_itself_100():
    scores = default_reference().index.member_scores
    assert scores.mean() == pytest.approx(100.0)
    assert scores.std(ddof=1) == pytest.approx(10.0)


def test_the_sd_may_be_scaled_without_moving_curves_or_index():
    reference = schwartz_like()
    scale = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1.0])
    wider = replace(reference, sd_scale=scale)
    np.testing.assert_array_equal(wider.mean, reference.mean)
    np.testing.assert_allclose(wider.sd, reference.sd * scale)
    assert wider.spread["knee_rom"] == pytest.approx(2 * reference.spread["knee_rom"])
    assert wider.spread["stance"] == pytest.approx(reference.spread["stance"])
    np.testing.assert_array_equal(
        wider.index.member_scores, reference.index.member_scores
    )


def test_the_usual_score_is_that_of_the_limbs_themselves():
    reference = schwartz_like()
    knee = ANGLES.index("knee_flexion_deg")
    offsets = np.abs(reference.curves.reshape(-1, 101, 9)[:, 0, knee] - 6.0)
    assert reference.usual_scores[knee] == pytest.approx(offsets.mean(), rel=1e-3)
    wider = replace(reference, sd_scale=np.full(len(ANGLES), 2.0))
    np.testing.assert_allclose(wider.usual_scores, 2 * reference.usual_scores)


def test_bands_are_ready_to_draw():
    reference = default_reference()
    bands = reference.bands()
    assert bands["knee_flexion_deg_reference_mean"].dims == ("phase",)
    assert (bands["knee_flexion_deg_reference_sd"] > 0).all()
    assert bands.attrs["n"] == 30
    curves = xr.Dataset({"knee_flexion_deg": ("phase", np.arange(101.0))})
    both = reference.with_bands(curves.assign_coords(phase=np.arange(101)))
    assert {"knee_flexion_deg", *bands.data_vars} == set(both.data_vars)
    assert both.attrs["reference"] == reference.source
    assert both.attrs["reference_label"] == "reference (simulated)"
    real = replace(reference, simulated=False)
    assert real.with_bands(curves).attrs["reference_label"] == "reference"


def test_a_reference_survives_the_disk(tmp_path):
    reference = schwartz_like()
    first = write_reference(reference, tmp_path / "a.npz")
    second = write_reference(reference, tmp_path / "new" / "b")
    assert first.read_bytes() == second.read_bytes()
    back = read_reference(first)
    np.testing.assert_allclose(back.mean, reference.mean, atol=0.03)
    np.testing.assert_allclose(back.features, reference.features, rtol=1e-6)
    assert back.source == "test"
    assert not back.simulated


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "none.npz"
    message = (
        f"`path` must be a reference file; there is none at '{path}'. Make one with "
        "`make_reference` and `write_reference`."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        read_reference(path)
    np.savez(path, nothing=np.zeros(2))
    message = f"`path` must be a file of `write_reference`; got '{path}': "
    whole = write_reference(schwartz_like(), tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(2))
    array = (tmp_path / "array.npy").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        first = archive.infolist()[0]
    data = range(first.header_offset + 100, first.header_offset + first.compress_size)
    flips = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in data[::40]]
    for content in (None, whole[: len(whole) // 2], b"", array, *flips):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(message)):
            read_reference(path)


def test_a_reference_needs_three_children():
    reference = schwartz_like()
    message = (
        "`curves` must have the shape (child, 2, 101, 9) with at least 3 children; "
        "got (2, 2, 101, 9)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Reference(
            curves=reference.curves[:2],
            features=reference.features,
            own_pace=reference.own_pace,
            source="test",
        )
    message = (
        "`own_pace` must say for each of the 24 rows of `features` whether it is at "
        "own pace, and be true for some; got 24 values."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Reference(
            curves=reference.curves,
            features=reference.features,
            own_pace=np.zeros(24, bool),
            source="test",
        )


@pytest.mark.slow
def test_the_shipped_reference_is_what_the_simulator_makes():
    """The first children of the shipped file, made anew.

    Fails when simulator, cleaning or events have moved the legs: then write the
    reference again, ``write_reference(simulated_reference(), <the shipped file>)``.
    """
    shipped, fresh = default_reference(), simulated_reference(3)
    legs = [ANGLES.index(f"{a}_deg") for a in ("knee_flexion", "thigh", "shank")]
    np.testing.assert_allclose(
        fresh.curves[..., legs].mean(axis=(0, 1)),
        shipped.curves[:3][..., legs].mean(axis=(0, 1)),
        atol=3.0,
    )
    before = shipped.features.loc[fresh.features.index]
    for name, tolerance in (("stance", 2.0), ("step_length", 0.05), ("cadence", 3.0)):
        moved = (fresh.features[name] - before[name]).abs().median()
        assert moved < tolerance, name


@pytest.mark.slow
def test_users_make_their_own_reference():
    children = td_children(3, seed=1, speeds=("free", "slow"))
    cohort = cohort_of(children, name="ours")
    free = [child.walk_id for child in children if child.visit_id == "free"]
    reference = make_reference(cohort, source="our laboratory", own_pace=free)
    assert reference.n == 3
    assert reference.source == "our laboratory"
    assert reference.simulated
    assert len(reference.features) == 12
    assert reference.own_pace.sum() == 6
    few = cohort.select(free[:2])
    message = "`cohort` must hold at least 3 measurable walks at own pace; got 2 of 2."
    with pytest.raises(ValueError, match=re.escape(message)):
        make_reference(few, source="too few")
