"""Initial contact and foot off: known answers, invariances, real children."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cpexplore.gait import detect_events
from cpexplore.gait.event_rules import RULES, Pass, extremum, find_steps, last_below
from cpexplore.gait.events import METHODS
from cpexplore.preprocessing import clean
from cpexplore.simulate import simulate_walk, td_children
from cpexplore.skeleton import mirror_index
from cpexplore.walks import convert_keypoints, make_walk

COLUMNS = ["side", "event", "time_s", "confidence"]
SIDES = ("left", "right")
EVENTS = ("initial_contact", "foot_off")


def footfalls(*, fps=100.0, stance_s=0.6, swing_s=0.4, step=0.7, seconds=8.0):
    """Feet that stand still and swing by half a sine of speed, on a steady hip.

    The left foot lands at whole seconds, the right one half a second later.
    """
    time = np.arange(round(seconds * fps)) / fps
    period = stance_s + swing_s
    x, y = np.zeros((2, len(time))), np.zeros((2, len(time)))
    for side, shift in enumerate((0.0, period / 2)):
        strides, phase = np.divmod(time - shift, period)
        swing = np.clip((phase - stance_s) / swing_s, 0, 1)
        x[side] = (
            2 * step * (strides + shift / period + (1 - np.cos(np.pi * swing)) / 2)
        )
        y[side] = 0.08 * np.sin(np.pi * swing) ** 2
    x -= x.mean()
    parts = {"heel": (x, y), "big_toe": (x + 0.22, y), "ankle": (x + 0.06, y + 0.08)}
    speed = 2 * step / period
    return Pass(
        time=time,
        fps=fps,
        x={part: tracks[0] for part, tracks in parts.items()},
        y={part: tracks[1] for part, tracks in parts.items()},
        hip=speed * (time - time.mean()),
        confidence={part: np.ones(x.shape) for part in parts},
        known={part: np.ones(x.shape, bool) for part in parts},
    )


def times_of(events, side, event):
    rows = (events["side"] == side) & (events["event"] == event)
    return events.loc[rows, "time_s"].to_numpy()


def nearest_errors(found, truth):
    return np.array([found[np.abs(found - t).argmin()] - t for t in truth])


def since_contact(frames, walked, sides):
    """Seconds between events and the nearest contact of their side."""
    late = frames / walked.fps - 0.5 * sides
    return late - np.round(late)


@pytest.mark.parametrize("fps", [25.0, 50.0, 100.0])
@pytest.mark.parametrize(
    "rule", ["zeni", "high_pass", "foot_velocity", "ankle_separation"]
)
def test_rules_find_when_a_foot_stops(rule, fps):
    walked = footfalls(fps=fps)
    lead = np.array([step.lead for step in walked.steps])
    contact, _ = RULES[rule](walked)
    inner = np.isfinite(contact)
    assert inner.sum() >= 14
    assert np.abs(since_contact(contact, walked, lead)[inner]).max() < 0.045


@pytest.mark.parametrize("fps", [25.0, 50.0, 100.0])
@pytest.mark.parametrize("rule", ["zeni", "high_pass", "foot_velocity"])
def test_rules_find_when_a_foot_starts(rule, fps):
    walked = footfalls(fps=fps)
    rear = 1 - np.array([step.lead for step in walked.steps])
    _, off = RULES[rule](walked)
    off = off - 0.6 * fps
    inner = np.isfinite(off)
    assert inner.sum() >= 14
    assert np.abs(since_contact(off, walked, rear)[inner]).max() < 0.045


def test_oconnor_finds_the_steepest_fall_and_rise_of_the_foot():
    walked = footfalls()
    phase = walked.time % 1.0
    fall = np.exp(-(((phase - 0.97) / 0.02) ** 2))
    rise = np.exp(-(((phase - 0.63) / 0.02) ** 2))
    height = np.cumsum(rise - fall) / 100
    walked.y["heel"][0] = walked.y["big_toe"][0] = height
    lead = np.array([step.lead for step in walked.steps])
    contact, off = RULES["oconnor"](walked)
    np.testing.assert_allclose(contact[lead == 0][1:-1] / 100 % 1, 0.97, atol=0.006)
    np.testing.assert_allclose(off[lead == 1][1:-1] / 100 % 1, 0.63, atol=0.006)


def test_ankle_separation_says_nothing_of_foot_off():
    _, off = RULES["ankle_separation"](footfalls())
    assert np.isnan(off).all()


def test_steps_alternate_and_cover_the_pass():
    walked = footfalls()
    steps = find_steps(walked)
    assert len(steps) in (16, 17)
    assert all(a.lead != b.lead for a, b in pairwise(steps))
    assert [a.stop for a in steps[:-1]] == [b.start for b in steps[1:]]
    assert steps[0].start == 0
    assert steps[-1].stop == len(walked.time)
    assert all(step.start <= step.peak < step.stop for step in steps)


def test_feet_that_hardly_move_make_no_steps():
    assert find_steps(footfalls(step=0.02)) == []


@pytest.mark.parametrize(("start_s", "lead"), [(0.82, 0), (0.9, 0), (1.32, 1)])
def test_a_step_cut_at_the_start_of_a_pass_is_left_out(start_s, lead):
    whole = footfalls()
    begin = round(start_s * whole.fps)
    tracks = {
        name: {part: track[:, begin:] for part, track in getattr(whole, name).items()}
        for name in ("x", "y", "confidence", "known")
    }
    cut = replace(whole, time=whole.time[begin:], hip=whole.hip[begin:], **tracks)
    first, second = cut.steps[:2]
    assert (first.lead, second.lead) == (lead, 1 - lead)
    assert 0 < first.peak < round(0.4 * whole.fps)


@pytest.mark.parametrize("vertex", [3.0, 3.25, 3.5, 2.7])
def test_extremum_of_a_parabola_is_exact(vertex):
    signal = 5 - (np.arange(8.0) - vertex) ** 2
    assert extremum(signal, 0, 8) == pytest.approx(vertex)
    assert np.isnan(extremum(signal, 5, 8))


def test_last_below_interpolates_the_crossing():
    signal = np.array([0.0, 0.3, 0.0, 1.0, 2.0, 0.0])
    assert last_below(signal, 0.25) == pytest.approx(2.5)
    assert np.isnan(last_below(np.array([1.0, 2.0]), 0.25))
    assert np.isnan(last_below(np.array([-2.0, -1.0]), 0.25))


@pytest.fixture(scope="module")
def child():
    walk, truth = simulate_walk(td_children(1, seed=2, speeds=("free",))[0])
    return clean(walk), truth


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_the_same_table(child, method):
    events = detect_events(child[0], method=method)
    assert events.columns.tolist() == COLUMNS
    assert set(events["side"]) == set(SIDES)
    assert set(events["event"]) <= set(EVENTS)
    assert events["time_s"].is_monotonic_increasing
    assert events["time_s"].notna().all()
    assert events["confidence"].between(0, 1).all()
    assert events["time_s"].between(*child[0]["time"].values[[0, -1]]).all()


def test_sides_and_events_alternate_within_a_pass(child):
    walk, _ = child
    events = detect_events(walk)
    frame = np.searchsorted(walk["time"].values, events["time_s"])
    bout = walk["bout"].values[np.minimum(frame, walk.sizes["time"] - 1)]
    for _, group in events.groupby([bout, "side"]):
        assert (
            group["event"].to_numpy()[1:] != group["event"].to_numpy()[:-1]
        ).mean() > 0.9


@pytest.mark.parametrize("event", EVENTS)
def test_simulated_events_are_found_within_a_frame(child, event):
    walk, truth = child
    found = detect_events(walk)
    errors = []
    for side in SIDES:
        real = times_of(truth.events, side, event)
        near = np.searchsorted(walk["time"].values, real)
        clear = [
            (walk["bout"].values[max(i - 8, 0) : i + 8] >= 0).all() and i > 8
            for i in near
        ]
        errors.append(nearest_errors(times_of(found, side, event), real[clear]))
    errors = np.concatenate(errors)
    assert len(errors) > 10
    assert np.median(np.abs(errors)) < 0.025
    assert (np.abs(errors) < 0.06).mean() > 0.9


def moved(walk, position):
    return walk.assign(position=(walk["position"].dims, position.astype(np.float32)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(speed=st.floats(-300, 300), scale=st.sampled_from([0.25, 1.0, 3.0]))
def test_pan_and_scale_do_not_move_events(built_walk, speed, scale):
    walk = built_walk(fps=50.0).walk
    pan = np.stack([speed * walk["time"].values, 0 * walk["time"].values], -1)
    other = moved(walk, scale * (walk["position"].values + pan[:, None]))
    other["scale_px"] = scale * walk["scale_px"]
    first, second = detect_events(walk), detect_events(other)
    pd.testing.assert_frame_equal(first, second, atol=1e-3, rtol=0)


def test_a_mirrored_image_has_the_same_events(child):
    walk, _ = child
    mirrored = moved(walk, walk["position"].values * [-1, 1])
    mirrored["direction"] = -walk["direction"]
    first, second = detect_events(walk), detect_events(mirrored)
    pd.testing.assert_frame_equal(first, second, atol=1e-6, rtol=0)


def test_exchanged_labels_exchange_the_sides(child):
    walk, _ = child
    index = mirror_index("body_25")
    other = walk.assign(
        {
            name: (walk[name].dims, walk[name].values[:, index])
            for name in ("position", "confidence", "observed")
        }
    )
    first, second = detect_events(walk), detect_events(other)
    second["side"] = second["side"].map({"left": "right", "right": "left"})
    order = ["time_s", "side", "event"]
    pd.testing.assert_frame_equal(
        first.sort_values(order, ignore_index=True),
        second.sort_values(order, ignore_index=True),
    )


@pytest.mark.slow
def test_the_frame_rate_hardly_moves_events():
    (typical,) = td_children(1, seed=2, speeds=("free",))
    _, truth = simulate_walk(replace(typical, fps=100.0, n_frames=1200))
    tables = [detect_events(clean(sampled(truth, every))) for every in (4, 2, 1)]
    turning = truth.bout["time"].values[truth.bout.values < 0]
    edges = np.concatenate([turning, [-0.3, 12.2]])  # 0.5 s from these is inside
    for event, side in product(EVENTS, SIDES):
        slow, middle, fast = (
            times[np.abs(times[:, None] - edges).min(axis=1) > 0.5]
            for times in (times_of(table, side, event) for table in tables)
        )
        assert len(slow) == len(middle) == len(fast) > 4
        np.testing.assert_allclose(middle, fast, atol=0.012)
        np.testing.assert_allclose(slow, fast, atol=0.03)


def sampled(truth, every):
    """The true projection, every n-th frame of 100 per second."""
    position = truth.clean.values[::every]
    return make_walk(
        position,
        np.isfinite(position[..., 0]),
        fps=100.0 / every,
        keypoint_set="body_25",
        walk_id="truth",
    )


def test_the_clock_of_the_walk_is_kept(built_walk):
    walk = built_walk(fps=50.0).walk
    later = walk.assign_coords(time=walk["time"] + 100.0)
    first, second = detect_events(walk), detect_events(later)
    np.testing.assert_allclose(second["time_s"], first["time_s"] + 100.0)


def test_without_feet_the_ankles_vote(child):
    walk, _ = child
    bare = convert_keypoints(walk, "coco_17")
    with_feet, without = detect_events(walk), detect_events(bare)
    assert detect_events(bare, method="foot_velocity").empty
    assert detect_events(bare, method="oconnor").empty
    for side in SIDES:
        for event in EVENTS:
            first, second = (times_of(e, side, event) for e in (with_feet, without))
            assert len(second) == pytest.approx(len(first), abs=3)
            assert np.median(np.abs(nearest_errors(first, second))) < 0.05


def test_no_event_is_told_where_the_foot_is_missing(child):
    walk, _ = child
    gap = (walk["time"] > 4.0) & (walk["time"] < 5.5)
    lost = walk["keypoint"].isin(["left_heel", "left_big_toe"])
    blind = walk.assign(position=walk["position"].where(~(gap & lost)))
    left = times_of(detect_events(blind), "left", "initial_contact")
    assert not ((left > 4.0) & (left < 5.5)).any()
    assert len(left) < len(times_of(detect_events(walk), "left", "initial_contact"))


def test_filled_points_cost_confidence(child):
    walk, _ = child
    doubted = walk.assign(confidence=0.5 * walk["confidence"])
    first, second = detect_events(walk), detect_events(doubted)
    np.testing.assert_allclose(second["confidence"], 0.5 * first["confidence"], 1e-6)


@pytest.mark.parametrize("keypoint_set", ["body_25", "coco_17", "halpe_26"])
def test_nothing_to_see_gives_an_empty_table(built_walk, keypoint_set):
    walk = built_walk().walk
    excluded = walk.assign_coords(bout=("time", np.full(walk.sizes["time"], -1)))
    blind = walk.assign(position=walk["position"] * np.nan)
    for empty in (excluded, blind):
        events = detect_events(convert_keypoints(empty, keypoint_set))
        assert events.columns.tolist() == COLUMNS
        assert len(events) == 0
        assert events["time_s"].dtype == float


def test_a_raw_walk_is_refused(built_walk):
    raw = built_walk().walk
    del raw.attrs["cleaned"]
    with pytest.raises(ValueError, match="cleaned") as error:
        detect_events(raw)
    assert str(error.value) == (
        "`walk` must be cleaned; got a raw one. Call `clean` first."
    )


def test_an_unknown_method_is_refused(built_walk):
    with pytest.raises(ValueError, match="method") as error:
        detect_events(built_walk().walk, method="zenni")
    assert str(error.value) == (
        "`method` must be one of 'consensus', 'zeni', 'foot_velocity', 'oconnor', "
        "'high_pass', 'ankle_separation'; got 'zenni'. Did you mean 'zeni'?"
    )
