"""Planted cohorts: the level is where it is said to be and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from cpexplore.gmfcs import LEVELS
from cpexplore.simulate import PLANTS, planted_cohort, simulate_walk
from cpexplore.simulate.planted import displaced, planted_children
from cpexplore.skeleton import keypoint_set

NAMES = keypoint_set("body_25").keypoints


@pytest.mark.parametrize("name", list(PLANTS))
def test_only_carriers_and_distractors_move(name):
    child = replace(planted_children(name, 8, seed=0)[0], gmfcs="IV", decoy="IV")
    child = replace(child, n_frames=250)
    _, planted = simulate_walk(child)
    _, plain = simulate_walk(replace(child, plant=None))
    moved = np.abs(planted.points - plain.points).max(["time", "axis"])
    plant = PLANTS[name]
    own = plant.by_level["IV"] if plant.by_level else plant.carriers
    expected = {*own, *plant.distractors}
    assert set(moved["keypoint"].values[moved > 1e-9]) == expected
    assert float(moved.max()) <= 0.17 * child.leg_length_m


def shift_of(name, level, decoy="I"):
    child = planted_children(name, 8, seed=0)[0]
    child = replace(child, gmfcs=level, decoy=decoy, leg_length_m=1.0)
    phase = np.tile(np.linspace(0, 1, 40, endpoint=False), (2, 1))
    forward = np.tile([1.0, 0.0, 0.0], (40, 1))
    still = np.zeros((40, len(NAMES), 3))
    moved = displaced(still, child, keypoints=NAMES, phase=phase, forward=forward)
    return moved[..., 0]


@pytest.mark.parametrize("name", ["knee_amplitude", "leg_phase", "elbow_range"])
def test_amplitudes_grow_with_the_level(name):
    at = NAMES.index(PLANTS[name].carriers[0])
    sizes = [np.abs(shift_of(name, level)[:, at]).max() for level in LEVELS]
    assert sizes[0] == 0
    np.testing.assert_allclose(np.diff(sizes), sizes[-1] / 3, rtol=1e-9)


def test_the_phase_plant_moves_only_in_swing():
    shift = shift_of("leg_phase", "IV")[:, NAMES.index("right_ankle")]
    stance = np.linspace(0, 1, 40, endpoint=False) < 0.5
    assert np.abs(shift[stance]).max() < 0.01 * np.abs(shift).max()


def test_each_level_has_its_own_keypoints_in_the_specific_plant():
    for level, own in PLANTS["level_specific"].by_level.items():
        moved = np.abs(shift_of("level_specific", level)).max(axis=0) > 0
        assert {NAMES[v] for v in np.flatnonzero(moved)} == set(own)


def test_decoys_do_not_tell_the_level_and_levels_are_even():
    children = planted_children("ankle_timing", 400, seed=3)
    level = [LEVELS.index(c.gmfcs) for c in children]
    decoy = [LEVELS.index(c.decoy) for c in children]
    assert np.bincount(level).tolist() == [100] * 4
    assert abs(np.corrcoef(level, decoy)[0, 1]) < 0.15


def test_a_planted_cohort_is_a_cohort():
    cohort = planted_cohort("trunk_offset", n_patients=8, seed=1)
    assert len(cohort) == 8
    assert cohort.walk(cohort.index.index[0]).attrs["simulated"] == 1


def test_an_unknown_plant_is_refused():
    with pytest.raises(ValueError, match="plant") as error:
        planted_cohort("knee_amplitud")
    assert str(error.value) == (
        "`plant` must be one of 'knee_amplitude', 'trunk_offset', 'ankle_timing', "
        "'wrist_asymmetry', 'leg_phase', 'elbow_range', 'level_specific'; "
        "got 'knee_amplitud'. Did you mean 'knee_amplitude'?"
    )
