"""Mask, despike, fill, smooth and resample: each against an independent answer."""

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator
from scipy.signal import butter, filtfilt

from cpexplore.preprocessing import (
    clean,
    despike,
    fill_gaps,
    leg_length_px,
    mask_low_confidence,
    read_audit,
    resample,
    smooth,
)
from cpexplore.preprocessing.frames import (
    frames_of,
    odd_window,
    rolling_median,
    runs,
    schmitt,
)
from cpexplore.walks import make_walk

KNEE = {"keypoint": "left_knee"}


def with_track(walk, track, keypoint="left_knee"):
    changed = walk.copy(deep=True)
    changed["position"].loc[{"keypoint": keypoint}] = track
    return changed


def without(walk, frames, keypoint="left_knee"):
    track = walk["position"].sel(keypoint=keypoint).values.copy()
    track[frames] = np.nan
    return with_track(walk, track, keypoint)


def test_mask_removes_what_the_detector_did_not_trust(stick_walk):
    walk = stick_walk()
    walk["confidence"][3, 4] = 0.29
    walk["confidence"][3, 5] = 0.3
    walk["position"][4, 5] = np.nan
    masked = mask_low_confidence(walk)
    assert masked["observed"].values.sum() == walk["confidence"].size - 2
    assert np.isnan(masked["position"].values[3, 4]).all()
    assert masked["confidence"].values[3, 4] == 0
    assert masked["confidence"].values[4, 5] == 0
    assert masked["observed"].values[3, 5]
    detected = walk["confidence"].size - 1
    assert read_audit(masked) == [{"step": "mask", "detected": detected, "masked": 1}]


def test_mask_treats_confidence_zero_at_the_origin_as_missing(stick_walk):
    walk = stick_walk()
    walk["position"][7, 2], walk["confidence"][7, 2] = 0.0, 0.0
    masked = mask_low_confidence(walk, min_confidence=0.0)
    assert np.isnan(masked["position"].values[7, 2]).all()


@pytest.mark.parametrize("size", [0.15, 0.5, 5.0])
def test_despike_finds_a_spike_and_nothing_else(stick_walk, size):
    walk = mask_low_confidence(stick_walk())
    walk["position"].loc[{**KNEE, "time": 2.0, "space": "y"}] += size * 200
    spiky = ~despike(walk)["observed"].values & walk["observed"].values
    frame, keypoint = np.nonzero(spiky)
    assert walk["time"].values[frame].tolist() == [2.0]
    assert walk["keypoint"].values[keypoint].tolist() == ["left_knee"]


def brute_force_hampel(series, window, floor, n_mad=3.0):
    half, found = window // 2, np.zeros(series.shape, bool)
    for t, value in enumerate(series):
        before, after = series[max(t - half, 0) : t], series[t + 1 : t + half + 1]
        enough = min(np.isfinite(before).sum(), np.isfinite(after).sum())
        around = np.concatenate([before, [value], after])
        around = around[np.isfinite(around)]
        if np.isnan(value) or enough < max(half // 2, 2):
            continue
        spread = 1.4826 * np.median(np.abs(around - np.median(around)))
        off = abs(value - np.median(around))
        found[t] = off > floor and off > n_mad * spread
    return found


@given(seed=st.integers(0, 10_000), fps=st.sampled_from([25.0, 50.0, 100.0]))
def test_despike_equals_the_definition(seed, fps):
    rng = np.random.default_rng(seed)
    position = rng.standard_t(1.5, size=(60, 17, 2)).astype(np.float32)
    position[rng.random((60, 17)) < 0.1] = np.nan
    walk = make_walk(
        position,
        np.isfinite(position[..., 0]),
        fps=fps,
        keypoint_set="coco_17",
        walk_id="noise",
    )
    masked = mask_low_confidence(walk)
    spikes = masked["observed"].values & ~despike(masked)["observed"].values
    floor = 0.03 * leg_length_px(walk)
    wanted = [
        brute_force_hampel(position[:, 9, c], odd_window(0.28, fps, least=5), floor)
        for c in (0, 1)
    ]
    np.testing.assert_array_equal(spikes[:, 9], wanted[0] | wanted[1])


@pytest.mark.parametrize(("fps", "longest"), [(25.0, 3), (50.0, 6), (100.0, 12)])
def test_fill_bridges_gaps_up_to_the_limit_and_no_longer(stick_walk, fps, longest):
    walk = mask_low_confidence(stick_walk(fps=fps))
    gaps = without(without(walk, slice(20, 20 + longest)), slice(60, 61 + longest))
    filled = np.isfinite(fill_gaps(gaps)["position"].sel(KNEE).values).all(axis=-1)
    assert filled[20 : 20 + longest].all()
    assert not filled[60 : 61 + longest].any()
    assert filled.sum() == len(filled) - longest - 1


def test_fill_does_not_extrapolate(stick_walk):
    walk = without(mask_low_confidence(stick_walk()), [0, 1, -1])
    filled = fill_gaps(walk)["position"].sel(KNEE).values
    assert np.isnan(filled[[0, 1, -1]]).all()


@given(starts=st.lists(st.integers(3, 30), min_size=1, max_size=4, unique=True))
def test_fill_is_scipy_pchip(starts):
    rng = np.random.default_rng(sum(starts))
    track = np.cumsum(rng.normal(size=(200, 2)), axis=0).astype(np.float32)
    missing = np.zeros(200, bool)
    for number, start in enumerate(starts):
        missing[6 * start : 6 * start + 1 + number % 3] = True
    position = np.tile(track[:, None], (1, 17, 1))
    position[missing] = np.nan
    walk = make_walk(
        position,
        ~np.isnan(position[..., 0]),
        fps=25,
        keypoint_set="coco_17",
        walk_id="gaps",
    )
    known = np.flatnonzero(~missing)
    wanted = PchipInterpolator(known, track[known])(np.arange(200))
    filled = fill_gaps(walk)["position"].values[:, 4]
    np.testing.assert_allclose(filled, wanted, atol=1e-4)


def test_smooth_is_filtfilt_on_each_run(stick_walk, rng):
    walk = stick_walk()
    walk["position"] += rng.normal(scale=5, size=walk["position"].shape)
    gaps = without(walk, [*range(50, 70), *range(80, 120)])
    smoothed = smooth(gaps)["position"].sel(KNEE).values
    track = gaps["position"].sel(KNEE).values.astype(float)
    b, a = butter(2, 6 / 0.802 / 25)
    for start, stop in ((0, 50), (120, 200)):
        wanted = filtfilt(b, a, track[start:stop], axis=0)
        np.testing.assert_allclose(smoothed[start:stop], wanted, atol=1e-3)
    np.testing.assert_array_equal(smoothed[70:80], track[70:80].astype(np.float32))
    assert np.isnan(smoothed[50:70]).all()


@pytest.mark.parametrize("fps", [100.0, 240.0])
def test_smooth_halves_the_power_at_its_cutoff(fps):
    time = np.arange(round(20 * fps)) / fps
    wave = 100 * np.sin(2 * np.pi * 6 * time)
    position = np.tile(wave[:, None, None], (1, 17, 2))
    walk = make_walk(
        position, np.ones(position.shape[:2]), fps=fps, keypoint_set="coco_17",
        walk_id="wave",
    )  # fmt: skip
    inside = smooth(walk)["position"].values[len(time) // 4 : -len(time) // 4, 0, 0]
    gain = np.sqrt(2 * np.mean(inside**2)) / 100
    assert gain == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_smooth_lowers_a_cutoff_beyond_nyquist_and_says_so(stick_walk):
    walk = smooth(stick_walk(fps=12.5), cutoff_hz=6)
    assert read_audit(walk)[-1]["cutoff_hz"] == pytest.approx(0.95 * 6.25 * 0.802)
    assert np.isfinite(walk["position"].values).all()


@pytest.mark.parametrize("fps", [25.0, 30.0, 100.0])
def test_resample_keeps_the_clock_and_the_tracks(stick_walk, fps):
    walk = clean(stick_walk(fps=50))
    other = resample(walk, fps)
    assert other.attrs["fps"] == fps
    assert other["time"].values[0] == walk["time"].values[0]
    assert other["time"].values[-1] <= walk["time"].values[-1]
    np.testing.assert_allclose(np.diff(other["time"]), 1 / fps)
    wanted = walk["position"].interp(time=other["time"].values)
    np.testing.assert_allclose(other["position"], wanted, atol=1e-2)
    assert set(np.unique(other["bout"])) == {0}
    xr.testing.assert_equal(other["scale_px"], walk["scale_px"])


def test_resample_does_not_spread_a_gap_onto_known_frames(stick_walk):
    raw = without(stick_walk(fps=100), slice(80, 121))
    walk = clean(raw)
    slow = resample(walk, 25.0)
    known = np.isfinite(slow["position"].sel(KNEE).values).all(axis=-1)
    missing = slow["time"].values[~known]
    assert missing.tolist() == pytest.approx(np.arange(0.8, 1.201, 0.04))
    assert not slow["observed"].sel(KNEE).values[~known].any()


def test_resample_needs_a_cleaned_walk(stick_walk):
    with pytest.raises(ValueError, match="cleaned") as error:
        resample(stick_walk(), 25)
    assert str(error.value) == (
        "`walk` must be cleaned; got a raw one. Call `clean` first."
    )


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        (
            mask_low_confidence,
            {"min_confidence": 1.5},
            "`min_confidence` must be a finite number and >= 0 and <= 1; got 1.5.",
        ),
        (
            fill_gaps,
            {"max_gap_s": -1},
            "`max_gap_s` must be a finite number and >= 0; got -1.",
        ),
        (
            smooth,
            {"cutoff_hz": 0},
            "`cutoff_hz` must be a finite number and > 0; got 0.",
        ),
        (
            despike,
            {},
            "`walk` must have the variable 'observed'; got a walk without it. "
            "Call `mask_low_confidence` first.",
        ),
    ],
)
def test_steps_say_what_is_wrong(stick_walk, step, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        step(stick_walk(), **options)


@given(
    values=st.lists(st.integers(-9, 9), min_size=1, max_size=12),
    window=st.sampled_from([1, 3, 5, 15]),
    seed=st.integers(0, 99),
)
def test_rolling_median_counts_a_value_as_often_as_it_weighs(values, window, seed):
    weights = np.random.default_rng(seed).integers(0, 4, len(values))
    track = np.array(values, float)[:, None]
    found = rolling_median(track, window, weights=weights[:, None])
    for t in range(len(values)):
        near = slice(max(t - window // 2, 0), t + window // 2 + 1)
        pool = np.repeat(track[near, 0], weights[near])
        wanted = np.median(pool) if len(pool) else np.nan
        np.testing.assert_equal(found[t], wanted)


@given(mask=st.lists(st.booleans(), max_size=30))
def test_runs_rebuild_the_mask(mask):
    rebuilt = np.zeros(len(mask), bool)
    for start, stop in runs(np.array(mask, bool)):
        assert not rebuilt[max(start - 1, 0) : stop].any()
        rebuilt[start:stop] = True
    assert rebuilt.tolist() == mask


def test_schmitt_ignores_what_stays_inside_and_missing_frames():
    signal = np.array([0.5, 2, -0.9, np.nan, -1.1, 0.9, 1.5])
    assert schmitt(signal, 1.0).tolist() == [1, 1, 1, 0, -1, -1, 1]
    assert schmitt(np.array([0.1, -0.2]), 1.0).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("seconds", "fps", "window"),
    [(0.28, 25, 7), (0.28, 30, 9), (0.28, 100, 29), (0.01, 25, 5), (0.5, 25, 13)],
)
def test_odd_window_is_odd_and_near(seconds, fps, window):
    assert odd_window(seconds, fps, least=5) == window


def test_frames_of_a_duration_do_not_suffer_from_rounding():
    assert frames_of(0.12, 25) == 3
    assert frames_of(0.12, 30, least=0) == 3
    assert frames_of(0.12, 8, least=0) == 0
