"""The explorer on a small run directory, without a browser and without torch."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cpexplore import gmfcs
from cpexplore.runs import FILES
from cpexplore.view import explorer
from cpexplore.view.overview import (
    TOP_JOINTS,
    Choice,
    association,
    figure_overview,
)


@pytest.fixture
def run(make_run, tmp_path):
    return make_run(tmp_path / "demo")


@pytest.fixture
def choice(run):
    return Choice(
        walk_id="P1_V1",
        level="II",
        method="grad_cam",
        feature="knee_min_stance_left_deg",
        other="speed_llps",
        angle="knee_flexion_deg",
        model="skeleton",
    )


def points(figure):
    """The traces of walks: feature by level, then feature by feature."""
    return [t for t in figure.select_traces({"type": "scatter"}) if t.customdata]


def test_the_ranking_shows_the_chosen_method_and_level(run, choice):
    [bar] = figure_overview(run, choice).select_traces({"type": "bar"})
    table = run.ranking.query("method == 'grad_cam' and level == 'II'")
    table = table.nlargest(TOP_JOINTS, "estimate").iloc[::-1]
    np.testing.assert_allclose(bar.x, table["estimate"])
    assert list(bar.y) == table["keypoint"].str.replace("_", " ").tolist()
    np.testing.assert_allclose(bar.x + bar.error_x.array, table["ci_high"])
    np.testing.assert_allclose(bar.x - bar.error_x.arrayminus, table["ci_low"])


def test_features_are_shown_by_level_with_n_and_q(run, choice):
    figure = figure_overview(run, choice)
    strip, scatter = points(figure)
    values = run.features[choice.feature]
    np.testing.assert_array_equal(strip.y, values)
    codes = gmfcs.encode(run.index["gmfcs"].reindex(values.index))
    np.testing.assert_array_equal(np.round(strip.x), codes)
    np.testing.assert_array_equal(scatter.y, run.features[choice.other])
    assert list(figure.layout.xaxis2.ticktext) == [
        f"{level}<br>n = {n}"
        for level, n in zip(gmfcs.LEVELS, (3, 4, 4, 4), strict=True)
    ]
    row = association(run).loc[choice.feature]
    title = figure.layout.annotations[1].text
    assert f"q = {row['q_value']:.2g}" in title
    assert "knee minimum stance, left (°)" in title


def test_the_chosen_walk_is_ringed(run, choice):
    rings = [
        trace
        for trace in figure_overview(run, choice).select_traces({"type": "scatter"})
        if trace.marker.symbol == "circle-open"
    ]
    assert [ring.y[0] for ring in rings] == [
        run.features.loc["P1_V1", name] for name in (choice.feature, choice.other)
    ]


def test_the_confusion_matrix_counts_every_walk_of_the_model(run, choice):
    [matrix] = figure_overview(run, choice).select_traces({"type": "heatmap"})
    np.testing.assert_array_equal(np.sum(matrix.text, axis=1), [4, 4, 4, 4])
    np.testing.assert_allclose(np.sum(matrix.z, axis=1), 1)
    oof = run.oof.query("model == 'skeleton'").set_index("walk_id")
    said = oof[[f"p_{level}" for level in gmfcs.LEVELS]].idxmax(axis=1)
    right = (said.str.removeprefix("p_") == run.index["gmfcs"].astype(str)).sum()
    assert np.trace(matrix.text) == right


def test_curves_are_means_of_a_level_over_each_sides_own_cycle(run, choice):
    figure = figure_overview(run, choice)
    means = [t for t in figure.select_traces() if t.name == "GMFCS IV"]
    ids = run.index.index[run.index["gmfcs"] == "IV"]
    angle = run.curves["knee_flexion_deg"].sel(walk=ids.to_numpy())
    for trace, side in zip(means, ("left", "right"), strict=True):
        np.testing.assert_allclose(trace.y, angle.sel(side=side).mean("walk"))
        assert f"{side} gait cycle" in (
            figure.layout[trace.xaxis.replace("x", "xaxis")].title.text
        )


def test_a_reference_band_is_drawn_where_the_run_has_one(run, choice):
    without = len(figure_overview(run, choice).data)
    band = run.curves["knee_flexion_deg"].isel(walk=0, side=0, drop=True)
    run.__dict__["curves"] = run.curves.assign(
        knee_flexion_deg_reference_mean=band,
        knee_flexion_deg_reference_sd=band * 0 + 5,
    )
    figure = figure_overview(run, choice)
    bands = [trace for trace in figure.data if trace.type == "scatter" and trace.fill]
    assert len(figure.data) == without + 2
    np.testing.assert_allclose(bands[0].y[:101] - bands[0].y[:100:-1], 10)


def test_features_come_by_strength_of_evidence(run):
    q = association(run)["q_value"]
    assert q.is_monotonic_increasing
    assert set(q.index) == set(run.features.columns)


def test_controls_move_player_and_figure_together(run):
    view = explorer(run)
    assert view.walk_id.value == view.player.clip.title
    assert view.level.value == "all"
    assert view.player.level == "I"
    assert view.player.frame == view.player.clip.start > 0
    view.walk_id.value = "P2_V1"
    assert view.player.level == run.index["gmfcs"]["P2_V1"] == "II"
    view.level.value, view.method.value = "III", "grad_cam_signed"
    assert (view.player.level, view.player.method) == ("III", "grad_cam_signed")
    assert "GMFCS III" in view.overview.layout.annotations[0].text
    [bar] = view.overview.select_traces({"type": "bar"})
    table = run.ranking.query("method == 'grad_cam_signed' and level == 'III'")
    assert bar.x[-1] == table["estimate"].max()


def test_a_click_on_a_point_opens_that_walk(run):
    view = explorer(run.path)
    strip = points(view.overview)[0]
    ids = [walk_id for walk_id, _ in strip.customdata]

    class Points:
        point_inds = (ids.index("P1_V2"),)

    first = view.player
    view._on_click(strip, Points, None)
    assert view.player.clip.title == view.walk_id.value == "P1_V2"
    assert view.player_box.children == (view.player,)
    assert first.comm is None


def test_a_walk_whose_frames_were_not_kept_is_named(run):
    view = explorer(run)
    shown = view.walk_id.value
    view.open_walk("P7_V2")
    assert view.walk_id.value == shown
    assert view.status.value == "The run did not keep the frames of walk P7_V2."
    view.open_walk(shown)
    assert view.status.value == ""


def test_the_header_says_what_the_run_is_about(run):
    text = explorer(run).children[0].value
    assert "Simulated children: 16 walks of 8 patients" in text
    assert "not a medical device" in " ".join(text.split())


@pytest.mark.parametrize("name", ["ranking", "curves"])
def test_an_unfinished_run_says_what_it_lacks(run, name):
    (run.path / FILES[name]).unlink()
    with pytest.raises(FileNotFoundError) as error:
        explorer(run.path)
    assert str(error.value) == (
        f"The run {str(run.path)!r} lacks {FILES[name]!r}; finish it with the "
        "`cpexplore run` command that began it."
    )


def test_statistics_are_required(run):
    (run.path / "statistics" / "association.csv").unlink()
    with pytest.raises(FileNotFoundError) as error:
        explorer(run.path)
    assert str(error.value) == (
        f"The run {str(run.path)!r} lacks 'statistics/association.csv'; finish it "
        f"with `cpexplore run --out {run.path}`."
    )


def test_unlabelled_walks_are_left_out_of_the_levels(run, choice):
    index = run.index.copy()
    index["gmfcs"] = pd.Categorical([pd.NA, *index["gmfcs"][1:]], dtype=gmfcs.DTYPE)
    run.__dict__["index"] = index
    figure = figure_overview(run, choice)
    assert figure.layout.xaxis2.ticktext[0] == "I<br>n = 2"
    assert np.isnan(points(figure)[0].x[0])


@pytest.mark.slow
def test_the_explorer_never_imports_torch(run):
    code = (
        "import sys; from cpexplore.view import explorer\n"
        f"explorer({str(run.path)!r}); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
