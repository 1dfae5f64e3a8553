"""Who is simulated."""

import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.gmfcs import LEVELS
from cpexplore.simulate import PARAMETERS, WORLDS, draw_children, td_children
from cpexplore.simulate.traits import blend_weight, typical_height


@pytest.fixture(scope="module")
def public():
    """As many patients as the public release."""
    return pd.DataFrame(
        {"patient": c.patient_id, "gmfcs": c.gmfcs, "device": c.device}
        for c in draw_children(797, seed=1, min_per_level=0)
    )


def test_levels_and_visits_are_as_in_the_public_release(public):
    share = public["gmfcs"].value_counts(normalize=True)
    published = pd.Series([0.339, 0.352, 0.280, 0.028], index=list(LEVELS))
    assert (share - published).abs().max() < 0.03
    visits = public.groupby("patient").size()
    assert visits.mean() == pytest.approx(1.82, abs=0.12)
    assert visits.max() <= 7
    several = (public.groupby("patient")["gmfcs"].agg(set).str.len() > 1).sum()
    assert 90 <= several <= 155


def test_devices_follow_the_definition_of_the_levels(public):
    with_walker = public["device"].eq("walker").groupby(public["gmfcs"]).mean()
    assert with_walker["I"] == with_walker["II"] == 0
    assert with_walker["III"] == pytest.approx(0.5, abs=0.1)
    assert with_walker["IV"] > 0.7


@pytest.mark.parametrize("n_patients", [24, 96])
def test_small_cohorts_have_enough_of_each_level(n_patients):
    children = draw_children(n_patients, seed=0, min_per_level=5)
    first = [c.gmfcs for c in children if c.visit_id == "V1"]
    assert len(first) == n_patients
    assert min(pd.Series(first).value_counts()[list(LEVELS)]) >= 4


def test_the_level_tells_nothing_in_the_null_world():
    children = draw_children(400, seed=2, world="null")
    level = np.array([LEVELS.index(c.gmfcs) for c in children])
    for trait in ("severity", "speed_mps", "cadence_spm", "height_m", "n_frames"):
        values = [getattr(child, trait) for child in children]
        assert abs(np.corrcoef(level, values)[0, 1]) < 0.12
    assert any(c.device == "walker" and c.gmfcs == "I" for c in children)


def test_nobody_has_a_device_in_the_world_without():
    children = draw_children(60, seed=2, world="no_device")
    assert {child.device for child in children} == {"none"}
    assert any(child.arms != child.gmfcs for child in children)


def test_only_the_world_beyond_the_catalogue_hides_the_level():
    for world in WORLDS:
        hidden = {child.hidden for child in draw_children(8, seed=0, world=world)}
        assert (hidden == {None}) is (world != "beyond_catalogue")


def test_typical_children_walk_faster_at_faster_speeds():
    children = td_children(5, seed=0)
    assert len(children) == 20
    for number in range(5):
        speeds = [child.speed_mps for child in children[4 * number : 4 * number + 4]]
        assert speeds == sorted(speeds)
    assert {child.gmfcs for child in children} == {None}
    assert children == td_children(5, seed=0)


def test_severity_raises_the_blend_weight_monotonically():
    weights = [blend_weight(gdi) for gdi in range(110, 30, -2)]
    assert (np.diff(weights) >= 0).all()
    for level, gdi in PARAMETERS.gdi.items():
        assert blend_weight(gdi) == pytest.approx(PARAMETERS.blend[level])
    assert min(weights) >= 0
    assert max(weights) <= 1.2


def test_height_follows_age():
    assert typical_height(6.5) == pytest.approx(1.20)
    assert typical_height(30) == pytest.approx(1.70)


def test_unknown_worlds_and_speeds_are_refused():
    with pytest.raises(ValueError, match="world") as error:
        draw_children(10, seed=0, world="nul")
    assert str(error.value) == (
        "`world` must be one of 'standard', 'no_device', 'beyond_catalogue', 'null'; "
        "got 'nul'. Did you mean 'null'?"
    )
    message = "`speeds` must be one of 'very_slow', 'slow', 'free', 'fast'; got 'run'."
    with pytest.raises(ValueError, match=re.escape(message)):
        td_children(1, seed=0, speeds=("run",))


def test_another_frame_rate_films_the_same_children():
    usual, fast = (draw_children(8, seed=1, fps=fps) for fps in (25.0, 50.0))
    assert [c.speed_mps for c in usual] == [c.speed_mps for c in fast]
    assert [2 * c.n_frames for c in usual] == [c.n_frames for c in fast]
    with pytest.raises(ValueError, match="fps") as error:
        draw_children(8, seed=1, fps=0)
    assert str(error.value) == "`fps` must be a finite number and > 0; got 0."
