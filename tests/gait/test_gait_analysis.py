"""The whole way from raw tracks to features: invariances, missing data, many walks."""

import csv
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cpexplore.gait import (
    analyse_cohort,
    analyse_walk,
    default_reference,
    detect_events,
    extract_features,
    feature_columns,
    gait_features,
    joint_angles,
    mean_curves,
)
from cpexplore.gait._body import make_body
from cpexplore.gait._gait import make_gait
from cpexplore.gait.catalogue import catalogue_page
from cpexplore.gait.features import feature_series, walk_features
from cpexplore.preprocessing import clean, resample
from cpexplore.simulate import cohort_of, draw_children, simulate_walk
from cpexplore.skeleton import KEYPOINT_SETS, mirror_index
from cpexplore.walks import convert_keypoints, make_walk

PAGE = Path(__file__).parents[2] / "docs" / "CATALOGUE.md"


@pytest.fixture(scope="module")
def child():
    """A child of level II without a device."""
    children = draw_children(20, seed=4)
    return next(c for c in children if c.gmfcs == "II" and c.device == "none")


@pytest.fixture(scope="module")
def raw(child):
    """Its raw walk to and fro, 25 fps."""
    return simulate_walk(child)[0]


@pytest.fixture(scope="module")
def features(raw):
    return gait_features(raw)


@pytest.fixture(scope="module")
def cleaned(raw):
    """The cleaned walk: what follows must not depend on cleaning's own decisions."""
    return clean(raw)


def moved(walk, *, scale=1.0, dx=0.0, dy=0.0, pan_px_per_s=0.0):
    """Another camera on the same walk."""
    position = walk["position"].astype(float) * scale
    pan = pan_px_per_s * walk["time"].values[:, None]
    position.values[..., 0] += dx + pan
    position.values[..., 1] += dy
    changed = walk.assign(position=position)
    if "scale_px" in walk:
        changed["scale_px"] = walk["scale_px"] * scale
    return changed


def measured(walk, events):
    """Features of a cleaned walk with known events."""
    gait = make_gait(make_body(walk), events, min_cycles=2, leg_length_m=np.nan)
    return feature_series(gait, walk_features(gait), default_reference())


def assert_same(one, other, *, rtol=1e-4, but=()):
    names = [c for c in one.index if not c.startswith(tuple(but))] if but else one.index
    np.testing.assert_array_equal(one[names].isna(), other[names].isna())
    far = ~np.isclose(one[names], other[names], rtol=rtol, atol=1e-2, equal_nan=True)
    assert not far.any(), [
        (name, one[name], other[name]) for name in one[names].index[far][:5]
    ]


@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(
    scale=st.floats(0.3, 4.0),
    dx=st.floats(-500, 500),
    dy=st.floats(-500, 500),
    pan=st.floats(-60, 60),
)
def test_features_ignore_the_camera(cleaned, scale, dx, dy, pan):
    events = detect_events(cleaned)
    other = moved(cleaned, scale=scale, dx=dx, dy=dy, pan_px_per_s=pan)
    assert_same(measured(cleaned, events), measured(other, events), rtol=2e-3)


def test_mirroring_the_image_changes_nothing(raw, features):
    mirrored = raw.copy(deep=True)
    mirrored["position"].values[..., 0] = 1920.0 - raw["position"].values[..., 0]
    assert_same(features, gait_features(mirrored), rtol=1e-2)


def test_exchanging_the_labels_exchanges_the_sides(cleaned):
    index = mirror_index("body_25")
    swapped = cleaned.copy(deep=True)
    for name in ("position", "confidence", "observed"):
        swapped[name].values[:] = cleaned[name].values[:, index]
    one, other = gait_features(cleaned), gait_features(swapped)
    columns = feature_columns()
    for a, b in (("left", "right"), ("right", "left")):
        ours = columns.index[columns["aggregate"] == a]
        theirs = [name.replace(f"_{a}_", f"_{b}_") for name in ours]
        np.testing.assert_array_equal(one[ours].to_numpy(), other[theirs].to_numpy())
    rest = columns.index[~columns["aggregate"].isin(["left", "right"])]
    np.testing.assert_allclose(one[rest], other[rest], rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("fps", [50.0, 100.0])
def test_features_hardly_depend_on_the_frame_rate(child, fps):
    fast = clean(simulate_walk(replace(child, n_frames=300))[0])
    one, other = gait_features(fast), gait_features(resample(fast, fps))
    for name, tolerance in (
        ("cadence_spm", 1.0),
        ("speed_llps", 0.03),
        ("stance_mean_pct", 1.5),
        ("knee_min_stance_mean_deg", 1.0),
        ("knee_max_swing_mean_deg", 1.0),
        ("ankle_max_stance_mean_deg", 1.5),
        ("sgps_overall_deg", 0.7),
    ):
        assert one[name] == pytest.approx(other[name], abs=tolerance), name


@pytest.fixture(scope="module")
def fast(child):
    """The raw walk of the child as a camera of 100 fps sees it."""
    return simulate_walk(replace(child, fps=100.0, n_frames=1200))[0]


@pytest.mark.slow
@pytest.mark.parametrize("every", [2, 4])
def test_a_slower_camera_sees_the_same_walk(fast, every):
    """Cleaning and events at 50 and 25 fps, not a cleaned walk resampled."""
    slow = fast.isel(time=slice(None, None, every))
    slow = slow.assign_attrs(fps=fast.attrs["fps"] / every)
    one, other = gait_features(fast), gait_features(slow)
    for name, tolerance in (
        ("cadence_spm", 1.0),
        ("speed_llps", 0.03),
        ("stance_mean_pct", 2.0),
        ("step_length_mean_ll", 0.02),
        ("knee_min_stance_mean_deg", 1.5),
        ("knee_max_swing_mean_deg", 1.5),
    ):
        assert other[name] == pytest.approx(one[name], abs=tolerance), name


def test_leading_and_trailing_gaps_change_little(raw, features):
    n = raw.sizes["time"]
    position = np.full((n + 40, 25, 2), np.nan, np.float32)
    confidence = np.zeros((n + 40, 25), np.float32)
    position[20:-20], confidence[20:-20] = raw["position"], raw["confidence"]
    padded = make_walk(
        position, confidence, fps=raw.attrs["fps"], keypoint_set="body_25",
        walk_id="padded",
    )  # fmt: skip
    found = gait_features(padded)
    for name in ("cadence_spm", "speed_llps", "knee_rom_mean_deg", "stance_mean_pct"):
        assert found[name] == pytest.approx(features[name], rel=1e-3), name


@pytest.mark.parametrize("name", sorted(KEYPOINT_SETS))
def test_every_keypoint_set_works(raw, name):
    analysis = analyse_walk(convert_keypoints(raw, name))
    assert np.isfinite(analysis.features["knee_rom_mean_deg"])
    assert np.isfinite(analysis.features["trunk_lean_mean_deg"])
    feet = np.isfinite(analysis.features["ankle_max_stance_mean_deg"])
    assert feet == (name != "coco_17")


def test_without_feet_foot_features_are_missing_with_the_reason(raw):
    analysis = analyse_walk(convert_keypoints(raw, "coco_17"))
    reasons = analysis.reasons.set_index("feature")["reason"]
    assert reasons["foot_pitch_ic_left_deg"] == "coco_17 has no left_heel, left_big_toe"
    assert reasons["ankle_max_stance_worse_deg"] == (
        "coco_17 has no left_heel, right_heel, left_big_toe, right_big_toe"
    )
    needs_feet = feature_columns()["keypoints"].map(
        lambda names: any("heel" in name or "toe" in name for name in names)
    )
    with_feet = needs_feet.index[needs_feet]
    timing = [c for c in with_feet if c.startswith(("step_", "stance"))]
    assert not timing
    assert analysis.features[with_feet].isna().all()


def test_every_missing_value_has_one_reason(raw):
    short = raw.isel(time=slice(0, 60))
    for walk in (raw, short, convert_keypoints(raw, "coco_17")):
        analysis = analyse_walk(walk)
        missing = analysis.features.index[analysis.features.isna()]
        assert analysis.reasons["feature"].tolist() == missing.tolist()
        assert (analysis.reasons["reason"].str.len() > 10).all()


def test_too_few_cycles_are_said_so(raw):
    short = raw.isel(time=slice(0, 60))
    analysis = analyse_walk(short)
    reasons = analysis.reasons.set_index("feature")["reason"]
    assert analysis.cycles.sizes["stride"] < 5
    assert re.search(r"\d (left|right) cycles?, 5 needed|no pass|never seen",
                     reasons["stride_time_cv_mean_pct"])  # fmt: skip


@pytest.mark.parametrize("n_frames", [1, 2, 3, 12, 40])
def test_short_walks_never_crash(raw, n_frames):
    analysis = analyse_walk(raw.isel(time=slice(100, 100 + n_frames)))
    assert analysis.features.index.equals(feature_columns().index)
    assert np.isnan(analysis.features["knee_rom_mean_deg"])


def test_an_empty_walk_has_reasons_only():
    empty = make_walk(
        np.full((80, 25, 2), np.nan), np.zeros((80, 25)), fps=25,
        keypoint_set="body_25", walk_id="nobody",
    )  # fmt: skip
    analysis = analyse_walk(empty)
    known = analysis.features.dropna()
    assert known.to_dict() == {
        "n_strides_count": 0, "n_passes_count": 0, "usable_pct": 0,
    }  # fmt: skip
    assert set(analysis.reasons["reason"]) == {
        "no pass across the image with a known direction of travel"
    }


def test_standing_still_has_no_cycles():
    body = np.random.default_rng(0).uniform(100, 300, (1, 25, 2))
    still = make_walk(
        np.repeat(body, 100, axis=0), np.ones((100, 25)), fps=25,
        keypoint_set="body_25", walk_id="still",
    )  # fmt: skip
    assert analyse_walk(still).cycles.sizes["stride"] == 0


def test_the_parts_of_an_analysis_fit_together(raw, features):
    analysis = analyse_walk(raw)
    assert analysis.features.equals(features)
    assert analysis.angles.identical(joint_angles(analysis.walk))
    assert len(analysis.strides) == analysis.cycles.sizes["stride"]
    left = analysis.strides[analysis.strides["side"] == "left"]
    assert left["stance"].mean() == pytest.approx(features["stance_left_pct"])
    assert analysis.patterns["side"].tolist() == ["left", "right"]
    again = analyse_walk(analysis.walk)
    assert again.features.equals(features)


def test_mean_curves_are_the_means_of_each_leg(raw):
    cycles = analyse_walk(raw).cycles
    curves = mean_curves(cycles)
    left = cycles["knee_flexion_deg"].values[cycles["side"] == "left"]
    known = np.isfinite(left).all(axis=1)
    assert curves["n_strides"].sel(side="left") == len(left)
    expected = left[known].mean(axis=0)
    np.testing.assert_allclose(curves["knee_flexion_deg"].sel(side="left"), expected)
    right = cycles.sel(stride=cycles["side"] == "right")
    alone = mean_curves(right)
    assert alone["n_strides"].values.tolist() == [0, right.sizes["stride"]]
    assert np.isnan(alone["knee_flexion_deg"].sel(side="left")).all()


def test_the_input_is_not_changed(raw):
    before = raw.copy(deep=True)
    analyse_walk(raw)
    assert raw.identical(before)


@pytest.mark.slow
def test_a_cohort_is_analysed_by_id_whatever_the_jobs():
    made = cohort_of(draw_children(8, seed=2)[:2], name="few")
    walks = {i: made.walk(i).isel(time=slice(0, 300)) for i in made.index.index}
    cohort = replace(made, walks=walks)
    one, two = (analyse_cohort(cohort, n_jobs=n) for n in (1, 2))
    assert one.features.equals(two.features)
    assert one.reasons.equals(two.reasons)
    assert one.curves.identical(two.curves)
    assert one.features.index.equals(cohort.index.index)
    shuffled = cohort.select(cohort.index.index[::-1])
    assert extract_features(shuffled).loc[one.features.index].equals(one.features)
    walk_id = cohort.index.index[0]
    leg = float(cohort.index.at[walk_id, "leg_length_m"])
    single = analyse_walk(cohort.walk(walk_id), leg_length_m=leg)
    np.testing.assert_array_equal(one.features.loc[walk_id], single.features)
    assert np.isfinite(single.features["speed_dimensionless_ratio"])
    assert set(one.curves.dims) == {"walk", "side", "phase"}
    assert one.curves.sizes["phase"] == 101
    assert one.curves["n_strides"].dims == ("walk", "side")


def test_every_row_of_the_catalogue_has_its_columns():
    with files("cpexplore.gait").joinpath("catalogue.csv").open() as file:
        head, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(head)}


def test_the_page_of_the_catalogue_is_current():
    assert PAGE.read_text() == catalogue_page(), (
        "docs/CATALOGUE.md is out of date: write catalogue_page() into it"
    )
