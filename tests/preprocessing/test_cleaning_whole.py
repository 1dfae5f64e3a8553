"""The whole of cleaning: contract, invariances, a real walk and simulated children."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpexplore.datasets import sample_walk
from cpexplore.preprocessing import CleanConfig, clean, read_audit, resample
from cpexplore.skeleton import KEYPOINT_SETS, mirror_index
from cpexplore.walks import make_walk, validate_walk

SIDES = ("left", "right")
PARTS = ("hip", "knee", "ankle", "heel", "big_toe")
STEPS = (
    *("mask", "unswap", "despike", "fill", "smooth"),
    *("direction", "passes", "scale"),
)

shared_fixture = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20
)


def moved(walk, position):
    return walk.assign(position=(walk["position"].dims, position.astype(np.float32)))


@pytest.fixture(scope="module")
def real_walk():
    return sample_walk("sports2d")


def test_a_cleaned_walk_keeps_the_contract(real_walk):
    cleaned = clean(real_walk)
    validate_walk(cleaned)
    assert cleaned["observed"].dims == ("time", "keypoint")
    assert cleaned["observed"].dtype == bool
    assert cleaned["direction"].dtype == np.int8
    assert cleaned["scale_px"].dims == ("bout",)
    assert cleaned.sizes["bout"] == cleaned["bout"].values.max() + 1
    assert cleaned.attrs["cleaned"] == CleanConfig().digest()
    assert tuple(record["step"] for record in read_audit(cleaned)) == STEPS
    np.testing.assert_array_equal(cleaned["time"], real_walk["time"])


def test_a_filled_point_is_finite_with_confidence_zero(real_walk):
    cleaned = clean(real_walk)
    finite = np.isfinite(cleaned["position"].values).all(axis=-1)
    observed, confidence = cleaned["observed"].values, cleaned["confidence"].values
    assert (finite & ~observed).any()
    assert (confidence[~observed] == 0).all()
    assert (confidence[observed] >= 0.3).all()
    assert finite[observed].all()


def test_cleaning_twice_changes_nothing(real_walk):
    cleaned = clean(real_walk)
    xr.testing.assert_identical(clean(cleaned), cleaned)
    other = clean(cleaned, CleanConfig(cutoff_hz=4))
    xr.testing.assert_identical(other, cleaned)


def test_cleaning_leaves_its_input_alone(real_walk):
    before = real_walk.copy(deep=True)
    clean(real_walk)
    xr.testing.assert_identical(real_walk, before)


def test_the_digest_tells_configurations_apart():
    digests = {
        CleanConfig().digest(),
        CleanConfig(cutoff_hz=5.0).digest(),
        CleanConfig(min_confidence=0.2).digest(),
    }
    assert len(digests) == 3
    assert CleanConfig(cutoff_hz=6.0).digest() == CleanConfig().digest()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"min_confidence": 2},
            "`min_confidence` must be a finite number and >= 0 and <= 1; got 2.",
        ),
        (
            {"swap_penalty": -1},
            "`swap_penalty` must be a finite number and >= 0; got -1.",
        ),
        (
            {"max_out_of_plane": 0},
            "`max_out_of_plane` must be a finite number and > 0; got 0.",
        ),
    ],
)
def test_the_configuration_is_checked(option, message):
    with pytest.raises(ValueError, match="finite") as error:
        CleanConfig(**option)
    assert str(error.value) == message


@pytest.mark.parametrize("n_frames", [1, 2, 5, 40])
@pytest.mark.parametrize("keypoint_set", ["body_25", "coco_17", "blazepose_33"])
def test_an_empty_walk_is_cleaned_to_nothing(n_frames, keypoint_set):
    n = {"body_25": 25, "coco_17": 17, "blazepose_33": 33}[keypoint_set]
    walk = clean(
        make_walk(
            np.full((n_frames, n, 2), np.nan),
            np.zeros((n_frames, n)),
            fps=25,
            keypoint_set=keypoint_set,
            walk_id="empty",
        )
    )
    assert set(walk["bout"].values.tolist()) == {-1}
    assert set(walk["direction"].values.tolist()) == {0}
    json.loads(walk.attrs["cleaning_audit"])


@shared_fixture
@given(
    x=st.floats(-500, 500), y=st.floats(-500, 500), scale=st.sampled_from([0.5, 2.0])
)
def test_translation_and_scale_pass_through(stick_walk, x, y, scale):
    walk = stick_walk(fps=25)
    other = clean(moved(walk, scale * walk["position"].values + [x, y]))
    cleaned = clean(walk)
    wanted = scale * cleaned["position"].values + [x, y]
    np.testing.assert_allclose(other["position"], wanted, atol=2e-3)
    np.testing.assert_array_equal(other["bout"], cleaned["bout"])
    np.testing.assert_allclose(other["scale_px"], scale * cleaned["scale_px"], 1e-4)


@shared_fixture
@given(speed=st.floats(-400, 400), sway=st.floats(0, 60))
def test_a_panning_camera_changes_neither_passes_nor_legs(stick_walk, speed, sway):
    walk = stick_walk(fps=50)
    time = walk["time"].values
    pan = speed * time + sway * np.sin(2 * np.pi * 0.3 * time)
    shifted = walk["position"].values + np.stack([pan, 0 * pan], axis=-1)[:, None]
    cleaned, panned = clean(walk), clean(moved(walk, shifted))
    np.testing.assert_array_equal(panned["direction"], cleaned["direction"])
    np.testing.assert_array_equal(panned["bout"], cleaned["bout"])
    np.testing.assert_allclose(panned["scale_px"], cleaned["scale_px"], 1e-4)
    legs = [
        w["position"] - w["position"].sel(keypoint="mid_hip") for w in (cleaned, panned)
    ]
    np.testing.assert_allclose(*legs, atol=0.01)


def test_a_mirrored_image_gives_the_mirrored_walk(real_walk):
    mirrored = moved(real_walk, real_walk["position"].values * [-1, 1] + [1920, 0])
    cleaned, other = clean(real_walk), clean(mirrored)
    wanted = cleaned["position"].values * [-1, 1] + [1920, 0]
    np.testing.assert_allclose(other["position"], wanted, atol=2e-3)
    np.testing.assert_array_equal(other["direction"], -cleaned["direction"].values)
    np.testing.assert_array_equal(other["bout"], cleaned["bout"])
    np.testing.assert_array_equal(other["observed"], cleaned["observed"])


def test_exchanged_labels_give_the_relabelled_walk(real_walk):
    index = mirror_index("blazepose_33")
    relabelled = real_walk.assign(
        {
            name: (real_walk[name].dims, real_walk[name].values[:, index])
            for name in ("position", "confidence")
        }
    )
    cleaned, other = clean(real_walk), clean(relabelled)
    np.testing.assert_array_equal(other["position"], cleaned["position"][:, index])
    np.testing.assert_array_equal(other["observed"], cleaned["observed"][:, index])
    np.testing.assert_array_equal(other["scale_px"], cleaned["scale_px"])


@shared_fixture
@given(before=st.integers(0, 40), after=st.integers(0, 40))
def test_empty_frames_before_and_after_change_nothing(stick_walk, before, after):
    walk = stick_walk(fps=25)
    padding = ((before, after), (0, 0))
    padded = make_walk(
        np.pad(walk["position"].values, (*padding, (0, 0)), constant_values=np.nan),
        np.pad(walk["confidence"].values, padding),
        fps=25,
        keypoint_set="body_25",
        walk_id="padded",
    )
    inner = clean(padded).isel(time=slice(before, before + walk.sizes["time"]))
    cleaned = clean(walk)
    np.testing.assert_array_equal(inner["position"], cleaned["position"])
    np.testing.assert_array_equal(inner["bout"], cleaned["bout"])


@pytest.mark.parametrize("fps", [25.0, 100.0])
def test_the_frame_rate_hardly_matters(stick_walk, fps):
    cleaned, reference = clean(stick_walk(fps=fps)), clean(stick_walk(fps=50))
    assert float(cleaned["scale_px"][0]) == pytest.approx(
        float(reference["scale_px"][0]), rel=0.01
    )
    common = np.arange(0.4, 3.5, 0.04)
    tracks = [w["position"].interp(time=common) for w in (cleaned, reference)]
    assert np.abs(tracks[0] - tracks[1]).max() < 2.0


@given(
    seed=st.integers(0, 10_000),
    fps=st.sampled_from([5.0, 12.5, 29.97, 120.0]),
    keypoint_set=st.sampled_from(sorted(KEYPOINT_SETS)),
    n_frames=st.integers(1, 150),
)
@settings(max_examples=30)
def test_any_valid_walk_can_be_cleaned(seed, fps, keypoint_set, n_frames):
    rng = np.random.default_rng(seed)
    shape = (n_frames, len(KEYPOINT_SETS[keypoint_set].keypoints))
    steps = rng.normal(size=(*shape, 2)) * rng.choice([0, 0.1, 10, 1000])
    position = np.cumsum(steps, axis=0)
    position[rng.random(shape) < rng.random()] = np.nan
    confidence = np.where(np.isnan(position[..., 0]), 0, rng.random(shape))
    walk = make_walk(
        position, confidence, fps=fps, keypoint_set=keypoint_set, walk_id="any"
    )
    cleaned = clean(walk)
    validate_walk(cleaned)
    assert len(read_audit(cleaned)) == len(STEPS)
    assert set(np.unique(cleaned["direction"])) <= {-1, 0, 1}
    assert (cleaned["direction"].values[cleaned["bout"].values >= 0] != 0).all()
    assert resample(cleaned, 25.0).attrs["fps"] == 25.0


def knee_flexion(walk, side, travel):
    position = walk["position"].astype(float)
    hip, knee, ankle = (
        position.sel(keypoint=f"{side}_{part}").values
        for part in ("hip", "knee", "ankle")
    )
    thigh, shank = (
        np.degrees(np.arctan2(travel * d[:, 0], d[:, 1]))
        for d in (knee - hip, ankle - knee)
    )
    return thigh - shank


@pytest.mark.parametrize("side", SIDES)
def test_the_real_walk_loses_its_jumps_and_keeps_its_knee(real_walk, side):
    cleaned = clean(real_walk)
    travel = int(np.sign(cleaned["direction"].values.sum()))
    inside = slice(30, 160)
    before, after = (knee_flexion(walk, side, travel) for walk in (real_walk, cleaned))
    jumps = [np.nansum(np.abs(np.diff(k[inside])) > 15) for k in (before, after)]
    assert jumps[0] >= 6
    assert jumps[1] <= 1
    assert np.nanmax(after) == pytest.approx(np.nanmax(before), abs=3)


def test_the_real_walk_keeps_its_points_and_fills_only_short_gaps(real_walk):
    cleaned = clean(real_walk)
    legs = [f"{side}_{part}" for side in SIDES for part in PARTS]
    detected, finite = (
        np.isfinite(w["position"].sel(keypoint=legs).values).all(axis=-1)
        for w in (real_walk, cleaned)
    )
    assert (detected & finite).sum() >= 0.95 * detected.sum()
    filled = finite & ~cleaned["observed"].sel(keypoint=legs).values
    longest = max(
        len(run)
        for track in filled.T
        for run in "".join("x" if f else " " for f in track).split() or [""]
    )
    assert longest <= round(0.12 * 30)
    assert cleaned.sizes["bout"] == 1
