"""The saved page in a real browser, opened from disk."""

import time

import numpy as np
import pytest

from cpexplore.view.player import html_fragments, html_page, make_clip

FRAMES_PER_S = 30
"""Least drawn frames per second; a free machine shows 60."""


@pytest.fixture
def clip(walker, evidence):
    walk, angles, events = walker()
    return make_clip(walk, evidence(walk), angles=angles, events=events)


@pytest.fixture
def show(page, tmp_path):
    """Open HTML from a file and wait until every player is drawn."""

    def open_page(html: str) -> None:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        page.goto(file.as_uri())
        page.wait_for_function(
            "document.querySelectorAll('.cpx').length"
            " === document.querySelectorAll('.cpx-mount').length && drawn.frames > 0"
        )

    return open_page


def picture(page) -> str:
    """Everything drawn on the canvases."""
    return page.evaluate(
        "[...document.querySelectorAll('.cpx canvas')].map(c => c.toDataURL()).join()"
    )


def frame(page) -> int:
    return int(page.locator(".cpx-scrub input").input_value())


def test_it_plays_smoothly_and_stops(page, show, shoot, clip):
    show(html_page(clip))
    before = picture(page)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(300)
    started, drawn = time.perf_counter(), page.evaluate("drawn.frames")
    page.wait_for_timeout(2000)
    drawn = page.evaluate("drawn.frames") - drawn
    rate = drawn / (time.perf_counter() - started)
    shoot("page_playing")
    page.get_by_role("button", name="Pause").click()
    stopped = frame(page)
    page.wait_for_timeout(150)

    assert rate >= FRAMES_PER_S
    assert picture(page) != before
    assert frame(page) == stopped > 0


@pytest.mark.parametrize(
    ("control", "choice"), [("Level", "GMFCS IV"), ("Method", "Occlusion")]
)
def test_level_and_method_change_the_picture(page, show, shoot, clip, control, choice):
    show(html_page(clip))
    before = picture(page)
    page.get_by_label(control).select_option(label=choice)
    assert picture(page) != before
    shoot(f"page_{control.lower()}")


def test_keys_seek_and_events_are_named(page, show, clip):
    show(html_page(clip))
    page.locator(".cpx").focus()
    frames = []
    for key in ("End", "ArrowLeft", "Home", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
        frames.append(frame(page))
    assert frames == [123, 122, 0, 1, 11]

    page.keyboard.press("Home")
    page.keyboard.press("]")
    first = clip.events.iloc[0]
    words = f"{first['side']} {first['event'].replace('_', ' ')}"
    assert page.locator(".cpx-legend .now").inner_text() == words
    page.keyboard.press("-")
    assert page.get_by_label("Speed").input_value() == "0.5"


def test_a_click_on_the_panels_seeks_and_names_the_keypoint(page, show, clip):
    show(html_page(clip))
    panels = page.locator(".cpx-panels")
    width = panels.bounding_box()["width"]
    panels.click(position={"x": width - 14, "y": 12})
    assert frame(page) >= 122
    tip = page.locator(".cpx-tip").inner_text().splitlines()
    assert tip[1] == "nose"
    assert tip[2].startswith("saliency ")


def test_a_missing_joint_is_a_gap(page, show, walker):
    walk, _, _ = walker()
    show(html_page(make_clip(walk)))
    assert page.evaluate("drawn.joints") == 25
    walk["position"].loc[{"keypoint": "left_knee"}] = np.nan
    show(html_page(make_clip(walk)))
    assert page.evaluate("drawn.joints") == 24


def test_hover_tells_where_and_how_sure(page, show, clip):
    show(html_page(clip))
    stage = page.locator(".cpx-stage").bounding_box()
    x = stage["x"] + stage["width"] / 2
    lines = []
    for step in range(60):
        page.mouse.move(x, stage["y"] + stage["height"] * step / 60)
        tip = page.locator(".cpx-tip.shown")
        if tip.count():
            lines = tip.inner_text().splitlines()
            break
    name = lines[0].replace(" ", "_")
    point = clip.walk.isel(time=0).sel(keypoint=name)
    x_px, y_px = point["position"].values
    assert lines[1].split() == ["x", f"{x_px:.1f}", "y", f"{y_px:.1f}", "px"]
    assert lines[2] == f"confidence {float(point['confidence']):.2f}"
    assert lines[3].startswith("saliency ")


def test_players_share_one_module(page, show, shoot, clip):
    page.emulate_media(color_scheme="dark")
    show(f"<body>{''.join(html_fragments([clip, clip, clip]))}</body>")
    assert page.locator("script[type=module]").count() == 1
    assert page.locator(".cpx[data-theme=dark]").count() == 3
    shoot("page_three_dark")


def test_compared_walks_are_locked_by_gait_cycle(page, show, shoot, walker):
    slow, angles, events = walker(cadence_hz=0.8)
    fast, fast_angles, fast_events = walker(cadence_hz=1.2)

    class Both:
        clips = (
            make_clip(slow, angles=angles, events=events),
            make_clip(fast, angles=fast_angles, events=fast_events),
        )

    show(html_page(Both()))
    page.locator(".cpx").focus()
    page.keyboard.press("]")
    names = page.locator(".cpx-legend .now")
    by_time = names.all_inner_texts()
    page.get_by_label("Locked by").select_option(label="left gait cycle")
    shoot("page_compare")
    assert by_time[0] == "left initial contact" != by_time[1]
    assert names.all_inner_texts() == ["left initial contact"] * 2


def test_reduced_motion_steps_frame_by_frame(page, show, clip):
    page.emulate_media(reduced_motion="reduce")
    show(html_page(clip))
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(500)
    drawn = page.locator(".cpx-time b").inner_text()
    clock = {f"{t:.2f} s" for t in clip.walk["time"].values}
    assert frame(page) > 0
    assert drawn in clock


def test_names_are_text_and_never_markup(page, show, walker):
    walk, _, _ = walker()
    name = "</script><img src=x onerror=\"document.title='broken'\">&amp;"
    show(html_page(make_clip(walk.assign_attrs(walk_id=name))))
    assert page.locator(".cpx-title b").inner_text() == name
    assert page.title() == name


def test_a_narrow_page_stacks(page, show, shoot, clip):
    page.set_viewport_size({"width": 460, "height": 900})
    show(html_page(clip))
    stage = page.locator(".cpx-stage").bounding_box()
    panels = page.locator(".cpx-panels").bounding_box()
    shoot("page_narrow")
    assert panels["y"] >= stage["y"] + stage["height"] - 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 460
