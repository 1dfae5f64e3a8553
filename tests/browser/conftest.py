"""A real Chromium, a page in it that tells on itself, and a JupyterLab server."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = Path(__file__).parent / "shots"

_HERE = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location(
    "view_fixtures", _HERE.parent / "view" / "conftest.py"
)
view_fixtures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(view_fixtures)

make_run = view_fixtures.make_run
walker = view_fixtures.walker
evidence = view_fixtures.evidence

_WATCH = """
window.drawn = { frames: 0, joints: 0 };
const { clearRect, arc } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  window.drawn.frames += 1;
  window.drawn.joints = 0;
  return clearRect.apply(this, box);
};
CanvasRenderingContext2D.prototype.arc = function (...circle) {
  window.drawn.joints += 1;
  return arc.apply(this, circle);
};
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def unavailable(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get("CPEXPLORE_REQUIRE_BROWSER") == "1":
        pytest.fail(f"CPEXPLORE_REQUIRE_BROWSER=1 but {reason}.")
    pytest.skip(f"{reason}; apt-get install chromium, pip install playwright")


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, driven by playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed")
    executable = shutil.which("chromium")
    if executable is None:
        unavailable("there is no chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page that counts drawn frames; errors and outside requests fail the test."""
    context = browser.new_context(viewport={"width": 1180, "height": 800})
    opened = context.new_page()
    errors, outside = [], []
    opened.add_init_script(_WATCH)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: _note(request.url, outside))
    yield opened
    context.close()
    assert errors == []
    assert outside == []


@pytest.fixture
def shoot(page):
    """Keep a screenshot for people to look at."""
    SHOTS.mkdir(exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return take


def _note(url: str, outside: list[str]) -> None:
    local = ("file:", "data:", "blob:", "http://127.0.0.1:", "ws://127.0.0.1:")
    if not url.startswith(local):
        outside.append(url)
