"""Clinical pictures: the artists carry the numbers of the analysis, nothing else."""

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cpexplore.datasets import sample_walk
from cpexplore.gait import analyse_walk, default_reference, mean_curves
from cpexplore.gait.features_deviation import MAP_ANGLES
from cpexplore.gait.kinematics import ANGLES
from cpexplore.view import clinical


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="module")
def analysis():
    return analyse_walk(sample_walk("sports2d"))


def test_an_angle_is_drawn_by_leg_with_band_and_foot_off(ax, analysis):
    curves = mean_curves(analysis.cycles)
    clinical.plot_joint_angle(curves, "knee_flexion_deg", ax=ax)
    drawn = {line.get_label(): line for line in ax.lines if len(line.get_xdata()) > 2}
    for side in ("left", "right"):
        knee = curves["knee_flexion_deg"].sel(side=side)
        np.testing.assert_array_equal(drawn[side].get_ydata(), knee)
    marks = {line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2}
    assert marks == set(curves["foot_off_pct"].values.tolist())
    corners = ax.collections[0].get_paths()[0].vertices
    at_end = corners[corners[:, 0] == 100][:, 1]
    band = default_reference().bands()
    spread = band["knee_flexion_deg_reference_sd"].values[100]
    assert np.ptp(at_end) == pytest.approx(2 * spread)
    assert ax.collections[0].get_label() == "reference (simulated) ±1 SD"
    own = replace(default_reference(), simulated=False)
    clinical.plot_joint_angle(curves, "knee_flexion_deg", reference=own, ax=ax)
    assert ax.collections[1].get_label() == "reference ±1 SD"
    assert ax.get_ylabel() == "knee flexion (°)"


def test_a_leg_without_strides_is_not_drawn(ax, analysis):
    cycles = analysis.cycles.sel(stride=analysis.cycles["side"] == "left")
    clinical.plot_joint_angle(mean_curves(cycles), "knee_flexion_deg", ax=ax)
    assert [line.get_label() for line in ax.lines if line.get_label()[0] != "_"] == [
        "left"
    ]


def test_every_event_has_a_dot_and_every_stride_a_bar(ax, analysis):
    clinical.plot_events(analysis.events, cycles=analysis.cycles, ax=ax)
    dots = {c.get_label(): c for c in ax.collections if "," in str(c.get_label())}
    for (side, event), own in analysis.events.groupby(["side", "event"]):
        at = dots[f"{side}, {event.replace('_', ' ')}"].get_offsets()[:, 0]
        assert sorted(at) == pytest.approx(sorted(own["time_s"]))
    bars = [c for c in ax.collections if "," not in str(c.get_label())]
    assert sum(len(c.get_paths()) for c in bars) == analysis.cycles.sizes["stride"]


def test_an_event_table_without_confidence_is_refused(ax, analysis):
    message = (
        "`events` lacks the columns 'confidence'; it has 'side', 'event', 'time_s'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        clinical.plot_events(analysis.events.drop(columns="confidence"), ax=ax)


def test_the_profile_shows_the_scores_beside_the_reference(ax, analysis):
    features = analysis.features
    clinical.plot_profile(features, ax=ax)
    left, right = ax.containers
    for side, bars in (("left", left), ("right", right)):
        heights = [bar.get_height() for bar in bars]
        names = [f"gvs_{angle}_{side}_deg" for angle in MAP_ANGLES]
        assert heights == features[[*names, f"sgps_{side}_deg"]].tolist()
    (usual,) = ax.collections
    assert usual.get_label() == "reference (simulated)"
    levels = [segment[0, 1] for segment in usual.get_segments()]
    scores = default_reference().usual_scores
    named = [[a.startswith(f"{short}_") for a in ANGLES] for short in MAP_ANGLES]
    assert levels == [scores[own].item() for own in named]
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert ticks[-1] == "sGPS"


def test_the_table_sets_both_legs_beside_the_reference(analysis):
    table = clinical.spatiotemporal_table(analysis.features)
    stance = table.loc["stance (pct)"]
    assert stance["left"] == analysis.features["stance_left_pct"]
    assert stance["reference"] == default_reference().usual["stance"]
    assert np.isnan(stance["walk"])
    assert table.columns.name == f"reference: {default_reference().source}"
    assert table.at["cadence (spm)", "walk"] == analysis.features["cadence_spm"]
    slow = analysis.features.copy()
    slow["speed_llps"] = 0.01
    assert clinical.spatiotemporal_table(slow)["reference_at_speed"].isna().all()
