"""Pictures of tables: the artists carry the numbers of the table, and nothing else."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from cpexplore import gmfcs
from cpexplore.skeleton import keypoint_set
from cpexplore.view import plots


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_intervals_are_drawn_from_low_to_high_first_row_on_top(ax):
    table = pd.DataFrame(
        {"estimate": [0.6, 0.4], "ci_low": [0.5, 0.1], "ci_high": [0.7, 0.45]}
    )
    assert plots.plot_intervals(table, labels=["a", "b"], ax=ax) is ax
    (bars,), (dots,) = ax.collections, ax.lines
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [[0.5, 0.7], [0.1, 0.45]]
    assert dots.get_xdata().tolist() == [0.6, 0.4]
    assert ticks(ax.yaxis) == ["a", "b"]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_a_table_without_intervals_is_refused(ax):
    table = pd.DataFrame({"estimate": [0.5], "ci_low": [0.4]})
    with pytest.raises(ValueError, match=re.escape("`table` lacks the column")):
        plots.plot_intervals(table, labels=["a"], ax=ax)


def test_the_joints_shown_are_the_highest_of_the_asked_method_and_level(ax):
    names = keypoint_set("body_25").keypoints
    share = np.arange(len(names)) / 300
    rows = [("grad_cam", "all", 1), ("grad_cam", "IV", -1), ("occlusion", "all", -1)]
    ranking = pd.concat(
        [
            pd.DataFrame({"keypoint": names[::order], "estimate": share}).assign(
                method=method, level=level
            )
            for method, level, order in rows
        ]
    )
    ranking = ranking.assign(
        ci_low=ranking["estimate"] - 0.01, ci_high=ranking["estimate"] + 0.01
    )
    plots.plot_joint_ranking(ranking, top=3, ax=ax)
    assert ticks(ax.yaxis) == [name.replace("_", " ") for name in names[:-4:-1]]
    assert ax.lines[0].get_xdata().tolist() == share[:-4:-1].tolist()
    assert ax.get_xlabel() == "share of saliency (95 % CI)"
    assert ax.get_xlim()[0] == 0
    message = "`method` must be one of 'grad_cam', 'occlusion'; got 'gradcam'"
    with pytest.raises(ValueError, match=message):
        plots.plot_joint_ranking(ranking, method="gradcam", ax=ax)


def test_a_skeleton_has_a_dot_per_joint_and_a_line_per_bone(ax):
    known = keypoint_set("body_25")
    pose = np.arange(2.0 * len(known.keypoints)).reshape(-1, 2)
    saliency = pd.Series({"left_knee": 0.5, "right_knee": 1.0})
    plots.plot_saliency_skeleton(pose, saliency, ax=ax)
    bones, dots = ax.collections
    assert len(bones.get_segments()) == len(known.edges)
    np.testing.assert_array_equal(dots.get_offsets(), pose)
    value = pd.Series(dots.get_array(), list(known.keypoints))
    assert value["left_knee"] == 0.5
    assert value["right_knee"] == 1.0
    assert (value.drop(["left_knee", "right_knee"]) == 0).all()
    assert dots.get_clim() == (0, 1)
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_several_skeletons_can_share_one_scale(ax):
    pose = np.zeros((25, 2))
    plots.plot_saliency_skeleton(pose, pd.Series({"nose": 0.2}), vmax=0.8, ax=ax)
    assert ax.collections[1].get_clim() == (0, 0.8)
    assert ax.collections[1].get_sizes().max() == pytest.approx(4 + 50 / 4)


def test_phase_saliency_shows_joints_down_and_phase_across(ax):
    table = pd.DataFrame(
        [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]],
        index=["left_knee", "nose", "right_heel"],
        columns=[25.0, 75.0],
    )
    plots.plot_phase_saliency(table, ax=ax)
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), table)
    assert image.get_extent() == [0, 100, 2.5, -0.5]
    assert ticks(ax.yaxis) == ["left knee", "nose", "right heel"]
    assert image.colorbar.ax.get_ylabel() == "saliency"


@pytest.fixture
def feature():
    walks = [f"w{k}" for k in range(9)]
    levels = gmfcs.as_levels(["I"] * 3 + ["II"] * 3 + ["IV", "IV", None])
    values = pd.Series([1, 2, 9, 4, np.nan, 6, 7, 8, 5.0], walks, name="cadence_spm")
    return values, pd.Series(levels, walks).iloc[::-1]


def test_a_feature_has_a_point_per_known_walk_above_its_level(ax, feature):
    plots.plot_feature_by_level(*feature, ax=ax)
    drawn = {}
    for level, points in zip(gmfcs.LEVELS, ax.collections, strict=True):
        drawn[level] = sorted(points.get_offsets()[:, 1].tolist())
        place = gmfcs.LEVELS.index(level)
        assert (np.abs(points.get_offsets()[:, 0] - place) < 0.2).all()
        if drawn[level]:
            assert to_hex(points.get_facecolor()[0]) == gmfcs.COLOURS[level].lower()
    assert drawn == {"I": [1, 2, 9], "II": [4, 6], "III": [], "IV": [7, 8]}
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "black"]
    assert {2.0, 5.0, 7.5} <= set(medians)
    assert len(ax.patches) == 3
    assert ticks(ax.xaxis) == list(gmfcs.LEVELS)
    assert ax.get_xlabel() == "GMFCS level"
    assert ax.get_ylabel() == "cadence (steps/min)"


def test_points_are_spread_the_same_way_every_time(feature):
    figure, axes = plt.subplots(1, 2)
    first, second = (plots.plot_feature_by_level(*feature, ax=ax) for ax in axes)
    for one, other in zip(first.collections, second.collections, strict=True):
        np.testing.assert_array_equal(one.get_offsets(), other.get_offsets())
    plt.close(figure)


def test_a_confusion_matrix_prints_walks_and_colours_shares(ax):
    levels = list(gmfcs.LEVELS)
    counts = pd.DataFrame(
        [[8, 2, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 5]], levels, levels
    )
    plots.plot_confusion(counts, ax=ax)
    assert [
        int(text.get_text()) for text in ax.texts
    ] == counts.to_numpy().ravel().tolist()
    shares = ax.collections[0].get_array().reshape(4, 4)
    np.testing.assert_allclose(shares[0], [0.8, 0.2, 0, 0])
    np.testing.assert_allclose(shares[2], 0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted level", "true level")


@pytest.fixture
def curves():
    phase = np.arange(101)
    return xr.DataArray(
        [phase / 2.0, phase / 4.0],
        coords={"side": ["left", "right"], "phase": phase},
        dims=("side", "phase"),
    )


def test_sides_differ_by_colour_and_by_line(ax, curves):
    plots.plot_curves(curves, ax=ax)
    left, right = ax.lines
    assert (left.get_label(), right.get_label()) == ("left", "right")
    assert (left.get_color(), right.get_color()) == ("#D55E00", "#0072B2")
    assert (left.get_linestyle(), right.get_linestyle()) == ("--", "-")
    np.testing.assert_array_equal(left.get_ydata(), curves.sel(side="left"))
    np.testing.assert_array_equal(right.get_ydata(), curves.sel(side="right"))
    assert not ax.collections
    assert ax.get_xlim() == (0, 100)
    assert ax.get_xlabel() == "gait cycle (%)"


def test_the_reference_is_a_band_of_one_sd(ax, curves):
    mean, sd = np.full(101, 10.0), np.linspace(1, 2, 101)
    plots.plot_curves(curves, reference=(mean, sd), ax=ax)
    (band,) = ax.collections
    assert band.get_label() == "reference ±1 SD"
    corners = band.get_paths()[0].vertices
    at_end = corners[corners[:, 0] == 100][:, 1]
    assert (at_end.min(), at_end.max()) == (8, 12)


def test_foot_off_is_marked_where_it_is_known(ax, curves):
    plots.plot_curves(curves, foot_off_pct={"left": 61.0, "right": np.nan}, ax=ax)
    marks = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert [mark.get_xdata()[0] for mark in marks] == [61.0]
    assert marks[0].get_color() == "#D55E00"


def test_a_picture_without_axes_is_drawn_on_the_current_ones(curves):
    figure, ax = plt.subplots()
    assert plots.plot_curves(curves) is ax
    plt.close(figure)
