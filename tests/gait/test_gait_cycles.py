"""Strides, their acceptance and their curves."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.gait import gait_cycles
from cpexplore.gait._body import make_body
from cpexplore.gait.cycles import at_times


def rejected(cycles) -> dict:
    return json.loads(cycles.attrs["rejected"])


def move(events: pd.DataFrame, side: str, event: str, *, number: int, to: float):
    rows = events.index[(events["side"] == side) & (events["event"] == event)]
    changed = events.copy()
    changed.loc[rows[number], "time_s"] = to
    return changed


def test_curves_of_a_built_walk(built_walk):
    built = built_walk()
    cycles = gait_cycles(built.walk, built.events)
    assert dict(cycles.sizes) == {"stride": 11, "phase": 101}
    assert cycles["side"].values.tolist() == ["left", "right"] * 5 + ["left"]
    for name, row in (("knee_flexion_deg", 1), ("ankle_dorsiflexion_deg", 2)):
        expected = np.broadcast_to(built.cycle[row], (11, 100))
        np.testing.assert_allclose(cycles[name][:, :100], expected, atol=1e-3)
    np.testing.assert_allclose(cycles["foot_off_pct"], 60.0)
    np.testing.assert_allclose(cycles["opposite_contact_s"] - cycles["start_s"], 0.5)
    assert rejected(cycles) == {"left": {}, "right": {}}


@pytest.mark.parametrize("fps", [25.0, 50.0])
def test_curves_do_not_depend_on_the_frame_rate(built_walk, fps):
    slow, fast = built_walk(fps=fps), built_walk(fps=100.0)
    curves = gait_cycles(slow.walk, slow.events)["knee_flexion_deg"]
    truth = gait_cycles(fast.walk, fast.events)["knee_flexion_deg"]
    assert float(np.abs(curves - truth).max()) < (0.6 if fps == 25 else 0.1)


def test_cubic_interpolation_is_exact_for_parabolas_and_straight_at_gaps(built_walk):
    body = make_body(built_walk(fps=25.0, n_strides=2).walk)
    parabola = (body.time - 1.0) ** 2
    moments = np.array([[0.513, 1.001, 1.777]])
    result = at_times(body, parabola, moments)
    np.testing.assert_allclose(result, (moments - 1.0) ** 2, atol=1e-12)
    line = 3 * body.time
    line[20:22] = np.nan
    inside = at_times(body, line, np.array([[0.73, 0.82, np.nan]]))
    np.testing.assert_allclose(inside[0, 0], 3 * 0.73)
    assert np.isnan(inside[0, 1:]).all()


@pytest.mark.parametrize(
    ("side", "event", "to", "reason"),
    [
        ("left", "foot_off", 0.40, "events out of order"),
        ("left", "foot_off", 0.95, "stance outside 45 to 85 %"),
        ("left", "foot_off", 5.99, "no foot off"),
        ("right", "initial_contact", 0.05, "events out of order"),
    ],
)
def test_implausible_strides_are_left_out_with_the_reason(
    built_walk, side, event, to, reason
):
    built = built_walk()
    events = move(built.events, side, event, number=0, to=to)
    cycles = gait_cycles(built.walk, events)
    assert rejected(cycles)["left"][reason] == 1
    assert 0.0 not in cycles["start_s"].values


def test_a_missed_contact_makes_an_unusual_stride_that_is_left_out(built_walk):
    built = built_walk(n_strides=8)
    gone = (built.events["side"] == "left") & (built.events["time_s"].round(3) == 4.0)
    both = built.events[~gone]
    cycles = gait_cycles(built.walk, both)
    reasons = rejected(cycles)["left"]
    assert sum(reasons.values()) == 1
    assert (cycles["end_s"] - cycles["start_s"]).values.max() < 1.1


def test_undetected_events_of_the_other_leg_do_not_cost_the_stride(built_walk):
    built = built_walk()
    left_only = built.events[built.events["side"] == "left"]
    cycles = gait_cycles(built.walk, left_only)
    assert cycles.sizes["stride"] == 6
    assert np.isnan(cycles["opposite_contact_s"]).all()


def test_a_hidden_leg_costs_the_stride_and_a_hidden_foot_the_curve(built_walk):
    built = built_walk()
    names = built.walk["keypoint"].values.tolist()
    built.walk["position"].values[105:155, names.index("left_knee")] = np.nan
    built.walk["position"].values[205:255, names.index("left_heel")] = np.nan
    cycles = gait_cycles(built.walk, built.events)
    left = cycles.isel(stride=(cycles["side"] == "left").values)
    reason = "leg seen in less than 80 % of the cycle"
    assert rejected(cycles)["left"] == {reason: 1}
    assert left["start_s"].values.tolist() == [0.0, 2.0, 3.0, 4.0, 5.0]
    hidden = np.isnan(left["ankle_dorsiflexion_deg"]).all("phase")
    assert hidden.values.tolist() == [False, True, False, False, False]
    assert np.isfinite(left["knee_flexion_deg"]).all()


def test_strides_stay_inside_a_pass(built_walk):
    built = built_walk()
    built.walk["bout"].values[:] = np.where(built.walk["time"] < 2.5, 0, 1)
    built.walk["bout"].values[240:260] = -1
    walk = built.walk.drop_vars("scale_px").assign(scale_px=("bout", [200.0, 200.0]))
    cycles = gait_cycles(walk, built.events)
    crossing = (cycles["start_s"] < 2.4) & (cycles["end_s"] > 2.6)
    assert not crossing.any()
    assert set(cycles["bout"].values) == {0, 1}


def test_fewer_cycles_than_asked_for_are_none(built_walk):
    built = built_walk(n_strides=2)
    two, three = (gait_cycles(built.walk, built.events, min_cycles=n) for n in (2, 3))
    assert two["side"].values.tolist() == ["left", "left"]
    assert three.sizes["stride"] == 0
    reason = "fewer than 3 cycles on this side"
    assert rejected(three)["left"] == {reason: 2}
    one = gait_cycles(built.walk, built.events, min_cycles=1)
    assert one["side"].values.tolist() == ["left", "right", "left"]


def test_no_events_no_cycles(built_walk):
    built = built_walk()
    cycles = gait_cycles(built.walk, built.events.iloc[:0])
    assert dict(cycles.sizes) == {"stride": 0, "phase": 101}


def test_wrong_arguments(built_walk):
    built = built_walk()
    message = "`min_cycles` must be a finite number and >= 1; got 0."
    with pytest.raises(ValueError, match=re.escape(message)):
        gait_cycles(built.walk, built.events, min_cycles=0)
    message = (
        "`events` lacks the columns 'time_s'; it has 'side', 'event', 'confidence'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        gait_cycles(built.walk, built.events.drop(columns="time_s"))
