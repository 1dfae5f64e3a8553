"""Angles and timing of seven real children with laboratory truth."""

import numpy as np
import pytest

from cpexplore.datasets import biomechzoo_folder, load_biomechzoo
from cpexplore.gait import analyse_walk


@pytest.fixture(scope="module")
def analysed():
    try:
        folder = biomechzoo_folder()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    labs = load_biomechzoo(folder)
    return [(lab, analyse_walk(lab.walk, min_cycles=1)) for lab in labs.values()]


@pytest.mark.data
@pytest.mark.parametrize(
    ("joint", "ours", "offset_free", "bar_deg"),
    [
        ("knee", "knee_flexion_deg", False, 0.6),
        ("hip", "hip_flexion_deg", True, 2.0),
        ("ankle", "ankle_dorsiflexion_deg", True, 2.0),
    ],
)
def test_angles_agree_with_the_laboratory(analysed, joint, ours, offset_free, bar_deg):
    errors = []
    for lab, found in analysed:
        difference = (found.angles[ours] - lab.angles[f"{joint}_deg"]).transpose(
            "side", ...
        )
        for leg in difference.values:
            known = leg[np.isfinite(leg)]
            errors.append(np.sqrt(np.mean((known - offset_free * known.mean()) ** 2)))
    assert len(errors) == 14
    assert np.median(errors) <= bar_deg


@pytest.mark.data
def test_healthy_children_walk_within_normal_limits_of_timing(analysed):
    for lab, found in analysed:
        features = found.features
        contacts = lab.events.query("event == 'initial_contact'")["time_s"]
        cadence = 60 / np.diff(np.sort(contacts)).mean()
        assert features["cadence_spm"] == pytest.approx(cadence, rel=0.03)
        assert 55 < np.nanmean(found.cycles["foot_off_pct"]) < 68
        assert set(found.patterns["strike"]) <= {"heel", "flat", ""}
