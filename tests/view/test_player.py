"""The player without a browser: alignment, packing, pages, drawings, traits."""

import json
import re
import subprocess
import sys
import zlib
from base64 import b64decode
from itertools import chain

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from cpexplore.preprocessing import clean
from cpexplore.view import SkeletonPlayer
from cpexplore.view.player import (
    html_fragments,
    html_page,
    make_clip,
    svg,
    walk_saliency,
)
from cpexplore.view.player.clip import camera_path, excluded_spans, keypoint_rows
from cpexplore.view.player.packing import colour_range, pack, quantise
from cpexplore.walks import convert_keypoints


@pytest.fixture
def scene(walker, evidence):
    walk, angles, events = walker()
    return walk, evidence(walk), {"angles": angles, "events": events}


def refuses(sentence: str):
    """A ValueError with exactly this sentence."""
    return pytest.raises(ValueError, match=f"^{re.escape(sentence)}$")


def unpack(spec: dict, blob: bytes) -> np.ndarray:
    """Read a packed array as the player's module does."""
    codes = np.frombuffer(blob, spec["dtype"], spec["size"], spec["offset"])
    if spec["dtype"] == "float32":
        return codes
    missing = codes == np.iinfo(spec["dtype"]).max
    return np.where(missing, np.nan, spec["low"] + spec["step"] * codes)


# -- alignment


def test_saliency_is_aligned_by_name_whatever_its_order(scene, rng):
    walk, saliency, _ = scene
    shuffled = saliency.isel(keypoint=rng.permutation(25)).transpose(
        "keypoint", "time", "level", "method"
    )
    xr.testing.assert_equal(
        make_clip(walk, shuffled).saliency, make_clip(walk, saliency).saliency
    )


def test_keypoints_and_frames_without_evidence_are_nan(scene):
    walk, saliency, _ = scene
    partial = saliency.isel(time=slice(20, 60)).drop_sel(keypoint="neck")
    shown = make_clip(walk, partial).saliency
    known = np.isfinite(shown.isel(method=0, level=0))
    assert not known.sel(keypoint="neck").any()
    assert known.sel(keypoint="nose").values.nonzero()[0].tolist() == list(
        range(20, 60)
    )


def test_saliency_of_another_frame_rate_takes_the_nearest_frame(walker, evidence):
    walk, _, _ = walker(148, fps=75)
    network = evidence(walker(50, fps=25)[0])
    shown = make_clip(walk, network).saliency
    steps = np.abs(walk["time"].values[:, None] - network["time"].values)
    np.testing.assert_array_equal(shown.values, network.values[:, :, steps.argmin(1)])


def test_a_single_map_needs_neither_method_nor_level(scene):
    walk, saliency, _ = scene
    one = saliency.isel(level=2, method=0)
    clip = make_clip(walk, one)
    assert (clip.level, clip.method) == ("III", "grad_cam")
    bare = make_clip(walk, one.drop_vars(["method", "level"]))
    assert (bare.level, bare.method) == ("", "")
    np.testing.assert_array_equal(bare.saliency, clip.saliency)


def test_what_does_not_belong_to_the_walk_is_refused(scene):
    walk, saliency, more = scene
    with refuses(
        "`saliency` must have the dimensions 'time', 'keypoint' and may have "
        "'method', 'level'; got 'method', 'class', 'time', 'keypoint'."
    ):
        make_clip(walk, saliency.rename(level="class"))
    with refuses(
        "`saliency` must share keypoints with `walk`; got none of 'body_25'. "
        "Convert the walk with `convert_keypoints`."
    ):
        make_clip(walk, saliency.assign_coords(keypoint=np.arange(25)))
    with refuses("The time of `saliency` must increase strictly."):
        make_clip(walk, saliency.isel(time=slice(None, None, -1)))
    with refuses(
        "`angles` must have one of 'hip_flexion_deg', 'knee_flexion_deg', "
        "'ankle_dorsiflexion_deg', 'trunk_lean_deg'; got nothing."
    ):
        make_clip(walk, angles=more["angles"][[]])
    with refuses("`side` must be one of 'left', 'right'; got 'near'."):
        make_clip(walk, events=more["events"].replace("left", "near"))


def test_the_input_is_not_changed(scene):
    walk, saliency, more = scene
    before = walk.copy(deep=True), saliency.copy(deep=True)
    html_page(make_clip(walk, saliency, **more))
    xr.testing.assert_identical(walk, before[0])
    xr.testing.assert_identical(saliency, before[1])


# -- packing


@given(
    arrays(float, 20, elements=st.floats(-1e4, 1e4) | st.just(np.nan)),
    st.sampled_from(["uint8", "uint16"]),
)
def test_quantised_values_come_back_within_half_a_step(values, dtype):
    codes, low, step = quantise(values, dtype)
    back = np.where(codes == np.iinfo(dtype).max, np.nan, low + step * codes)
    np.testing.assert_allclose(back, values, rtol=0, atol=0.5001 * step)


def test_the_packed_clip_holds_what_was_given(scene):
    walk, saliency, more = scene
    walk["position"][5, 3] = np.nan
    clip = make_clip(walk, saliency, **more)
    [header], blob = pack([clip])
    position = unpack(header["position"], blob).reshape(124, 25, 2)
    np.testing.assert_allclose(position, walk["position"], atol=0.01)
    np.testing.assert_allclose(unpack(header["time"], blob), walk["time"], atol=1e-6)
    maps = unpack(header["methods"][1], blob).reshape(4, 124, 25)
    np.testing.assert_allclose(maps, saliency.isel(method=1), atol=0.005)
    knee = header["curves"][1]["lines"][1]
    assert knee["side"] == "right"
    np.testing.assert_allclose(
        unpack(knee, blob),
        more["angles"]["knee_flexion_deg"].sel(side="right"),
        atol=0.001,
    )
    assert header["events"][0] == ["left", "initial_contact", 0.2]
    json.dumps(header, allow_nan=False)


def test_colours_run_from_zero_or_both_ways_alike():
    assert colour_range(np.array([0.1, np.nan, 0.5])) == {"from": 0.0, "to": 0.5}
    assert colour_range(np.array([-0.2, 0.5])) == {"from": -0.5, "to": 0.5}
    assert colour_range(np.array([np.nan])) == {"from": 0.0, "to": 1.0}


def test_the_heat_map_lists_every_keypoint_once_left_beside_right(scene):
    rows = dict(keypoint_rows(scene[0]))
    assert list(rows) == ["head", "trunk", "arms", "hips", "knees", "ankles", "feet"]
    assert rows["feet"][:2] == ["left_big_toe", "right_big_toe"]
    assert sorted(chain(*rows.values())) == sorted(scene[0]["keypoint"].values)


def test_the_camera_keeps_the_person_in_view(scene):
    walk, _, _ = scene
    walk["position"][30:40] = np.nan
    centre, reach = camera_path(walk)
    away = np.abs(walk["position"].values - centre[:, None])
    assert np.isfinite(centre).all()
    assert (np.nanmax(away, axis=(0, 1)) <= reach).all()


def test_a_walk_of_nothing_but_gaps_still_opens(scene):
    walk, _, _ = scene
    walk["position"][:] = np.nan
    page = html_page(make_clip(walk))
    assert "NaN" not in re.search(r"json\">(.*?)</script>", page).group(1)


def test_it_starts_where_there_is_something_to_see(scene):
    walk, saliency, _ = scene
    assert make_clip(walk, saliency).start == 0
    walk["position"][:5] = np.nan
    assert make_clip(walk).start == 5
    assert make_clip(walk, saliency.isel(time=slice(30, 60))).start == 30
    assert SkeletonPlayer(walk).frame == 5


def test_excluded_frames_are_spans_of_the_clock(scene):
    walk, _, _ = scene
    bout = np.zeros(124, int)
    bout[:3], bout[60:70] = -1, -1
    spans = excluded_spans(walk.assign_coords(bout=("time", bout)))
    np.testing.assert_allclose(spans, [(0, 0.08), (2.4, 2.76)])
    assert excluded_spans(walk) == []


# -- pages


def test_a_page_is_small_offline_and_holds_its_data(scene):
    walk, saliency, more = scene
    clip = make_clip(walk, saliency, **more, level="III")
    page = html_page(clip)
    assert len(page.encode()) < 100_000
    assert (
        re.findall(r"https?://(?!www\.w3\.org/2000/svg)|<link|<img|@import|url\(", page)
        == []
    )
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in page
    content = json.loads(re.search(r"json\">(.*?)</script>", page).group(1))
    assert content["clips"][0]["level"] == "III"
    assert zlib.decompress(b64decode(content["blob"])) == pack([clip])[1]
    assert html_page(clip) == page


def test_fragments_share_one_script_and_escape_names(scene):
    walk, _, _ = scene
    bad = make_clip(walk.assign_attrs(walk_id="</script><b>&"))
    fragments = html_fragments([bad, make_clip(walk), bad])
    assert len(fragments) == 3
    assert "".join(fragments).count('<script type="module">') == 1
    assert "<b>" not in "".join(fragments)
    assert html_fragments([]) == []
    with refuses(
        "`theme` must be one of 'auto', 'light', 'dark'; got 'night'. "
        "Did you mean 'light'?"
    ):
        html_fragments([bad], theme="night")


def test_pages_need_neither_torch_nor_jupyter():
    code = (
        "import sys, cpexplore.view, cpexplore.view.player\n"
        "print(sorted({'torch', 'anywidget', 'plotly'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# -- drawings


def test_a_drawing_shows_every_seen_joint_and_its_side(scene):
    walk, saliency, _ = scene
    walk["position"].loc[{"keypoint": "left_knee"}] = np.nan
    drawing = svg(make_clip(walk, saliency), 7)
    assert drawing.count("<circle") == 24
    assert drawing.count("<line") == 24 - 2
    assert drawing.count("stroke-dasharray") == drawing.count('stroke="#d55e00"') > 0


def test_a_drawing_grows_with_saliency(scene):
    walk, saliency, _ = scene
    maps = xr.zeros_like(saliency.isel(method=0, level=0))
    maps.loc[{"keypoint": "right_ankle"}] = 1.0
    radii = [
        float(r)
        for r in re.findall(r' r="([\d.]+)" fill', svg(make_clip(walk, maps), 0))
    ]
    assert sorted(radii) == [3.0] * 24 + [11.0]


def test_only_frames_of_the_walk_can_be_drawn(scene):
    with refuses("`frame` must be a finite number and >= 0 and <= 123; got 124."):
        svg(make_clip(scene[0]), 124)


def test_files_are_written(scene, tmp_path):
    walk, saliency, _ = scene
    player = SkeletonPlayer(walk.isel(time=slice(0, 6)), saliency)
    assert player.to_html(tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert player.to_svg(tmp_path / "a.svg").read_text() == svg(player.clip, 0)
    with Image.open(player.to_png(tmp_path / "a.png", frame=3)) as picture:
        assert picture.size == (480, 480)
        assert len(picture.getcolors(480 * 480)) > 50
    with Image.open(player.to_gif(tmp_path / "a.gif")) as film:
        assert film.n_frames == 6
        assert film.info["duration"] == 40


# -- the widget


def test_the_widget_sends_all_frames_once_as_bytes(scene):
    walk, saliency, more = scene
    player = SkeletonPlayer(walk, saliency, **more)
    state = player.get_state()
    assert isinstance(state["_blob"], bytes)
    assert (
        sum(len(str(value)) for key, value in state.items() if key != "_blob") < 60_000
    )
    assert len(state["_blob"]) < 50_000
    assert {"frame", "playing", "speed", "selected_keypoint", "level", "method"} <= set(
        state
    )


@pytest.mark.parametrize(
    ("trait", "value", "sentence"),
    [
        ("frame", 124, "`frame` must be a finite number and >= 0 and <= 123; got 124."),
        ("speed", 3.0, "`speed` must be a finite number and >= 0.1 and <= 2; got 3.0."),
        (
            "level",
            "V",
            "`level` must be one of 'I', 'II', 'III', 'IV'; got 'V'. "
            "Did you mean 'IV'?",
        ),
        (
            "method",
            "lime",
            "`method` must be one of 'grad_cam', 'occlusion'; got 'lime'.",
        ),
    ],
)
def test_traits_are_checked(scene, trait, value, sentence):
    player = SkeletonPlayer(*scene[:2])
    with refuses(sentence):
        setattr(player, trait, value)


def test_a_page_of_the_widget_starts_with_what_is_chosen(scene, tmp_path):
    player = SkeletonPlayer(*scene[:2])
    player.level, player.method = "IV", "occlusion"
    page = player.to_html(tmp_path / "a.html").read_text()
    content = json.loads(re.search(r"json\">(.*?)</script>", page).group(1))
    assert content["clips"][0]["level"] == "IV"
    assert content["clips"][0]["method"] == "occlusion"


def test_a_second_walk_or_player_is_shown_beside_the_first(scene):
    walk, saliency, _ = scene
    other = SkeletonPlayer(walk.assign_attrs(walk_id="other"), saliency)
    for compare in (other, other.clip.walk):
        player = SkeletonPlayer(walk, saliency, compare=compare)
        assert [clip.title for clip in player.clips] == ["figure", "other"]
        assert len(player.get_state()["_scene"]["clips"]) == 2


def test_an_exported_notebook_is_not_blank(scene):
    data, _ = SkeletonPlayer(*scene[:2])._repr_mimebundle_()
    assert data["image/svg+xml"].startswith("<svg")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_raw_cleaned_and_other_keypoint_sets_all_play(scene):
    walk, saliency, _ = scene
    for shown in (clean(walk), convert_keypoints(walk, "coco_17")):
        clip = make_clip(shown, saliency)
        assert clip.saliency.sizes["keypoint"] == shown.sizes["keypoint"]
        assert np.isfinite(clip.saliency.sel(keypoint="left_knee")).all()
        assert len(html_page(clip)) > 10_000


# -- windows of a run


def test_windows_are_laid_over_the_walk_and_averaged(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    walk_id = str(run.saliency["window_walk_id"].values[0])
    window = run.saliency["window_saliency"].isel(window=0)
    laid = walk_saliency(run, walk_id)
    assert laid.sizes["time"] == 124
    np.testing.assert_allclose(laid.isel(time=slice(10, 110)), window, rtol=1e-6)
    assert np.isnan(laid.isel(time=[0, 9, 110, 123])).all()
    assert walk_saliency(run, "P7_V2") is None

    overlapping = run.saliency.copy()
    overlapping["window_walk_id"] = ("window", [walk_id] * overlapping.sizes["window"])
    run.__dict__["saliency"] = overlapping
    mean = overlapping["window_saliency"].mean("window")
    np.testing.assert_allclose(
        walk_saliency(run, walk_id).isel(time=slice(10, 110)), mean, rtol=1e-5
    )


def test_a_padded_window_counts_its_first_showing(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    walk_id = str(run.saliency["window_walk_id"].values[0])
    padded = run.saliency.copy(deep=True)
    there = padded["window_time_s"].values[0, :50]
    padded["window_time_s"].values[0] = np.concatenate([there, there[::-1]])
    run.__dict__["saliency"] = padded
    laid = walk_saliency(run, walk_id).isel(time=slice(10, 60))
    expected = padded["window_saliency"].isel(window=0, time=slice(0, 50))
    np.testing.assert_allclose(laid, expected, rtol=1e-6)
