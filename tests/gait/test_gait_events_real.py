"""Events of seven real children against the laboratory's; skips without the data."""

import numpy as np
import pytest

from cpexplore.datasets import biomechzoo_folder, load_biomechzoo
from cpexplore.gait import detect_events
from cpexplore.preprocessing import clean

pytestmark = pytest.mark.data

SIDES = ("left", "right")


@pytest.fixture(scope="module")
def children():
    try:
        folder = biomechzoo_folder()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
    return load_biomechzoo(folder)


def times_of(events, side, event):
    rows = (events["side"] == side) & (events["event"] == event)
    return events.loc[rows, "time_s"].to_numpy()


def compare(lab, event, every):
    """Errors in s of scored events, and how many are missed and invented."""
    walk = lab.walk.isel(time=slice(None, None, every))
    found = detect_events(clean(walk.assign_attrs(fps=100 / every)))
    first, last = lab.walk["time"].values[[0, -1]]
    errors, missed, invented = [], 0, 0
    for side in SIDES:
        labelled, detected = (
            times_of(table, side, event) for table in (lab.events, found)
        )
        own = lab.events.loc[lab.events["side"] == side, "time_s"]
        for time in labelled[(labelled > first + 0.15) & (labelled < last - 0.15)]:
            near = detected[np.abs(detected - time) < 0.2] - time
            errors += list(near[:1])
            missed += len(near) == 0
        for time in detected[(detected >= own.min()) & (detected <= own.max())]:
            invented += np.abs(labelled - time).min() > 0.2
    return errors, missed, invented


@pytest.mark.parametrize(("every", "limit_s"), [(1, 0.015), (4, 0.020)])
@pytest.mark.parametrize("event", ["initial_contact", "foot_off"])
def test_events_of_real_children(children, event, every, limit_s):
    compared = [compare(lab, event, every) for lab in children.values()]
    errors = np.abs(np.concatenate([errors for errors, _, _ in compared]))
    assert len(errors) == 26
    assert np.median(errors) <= limit_s
    assert (errors <= 0.050).mean() >= 0.95
    assert sum(missed for _, missed, _ in compared) <= 1
    assert sum(invented for _, _, invented in compared) <= 1


def test_a_clean_recording_loses_nothing(children):
    for lab in children.values():
        cleaned = clean(lab.walk)
        seen = np.isfinite(lab.walk["position"].values).all(axis=-1)
        np.testing.assert_array_equal(cleaned["observed"], seen)
        assert set(cleaned["bout"].values.tolist()) == {0}
        assert set(cleaned["direction"].values.tolist()) == {1}


def test_leg_length_agrees_with_the_tape_measure(children):
    ratios = [
        float(clean(lab.walk)["scale_px"][0]) / (lab.leg_length_m * lab.px_per_m)
        for lab in children.values()
    ]
    assert np.median(ratios) == pytest.approx(0.91, abs=0.03)
