"""JupyterLab from the first cell to a playing skeleton: explorer and player."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.slow

WAIT_MS = 120_000

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03_saliency.ipynb"

_SETTINGS = {
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": (
        '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}'
    )
}
_RUN_ALL = """async wait => {
  const panel = window.jupyterapp.shell.currentWidget;
  const started = (async () => {
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
  })();
  const late = new Promise((_, stop) => setTimeout(() => stop("no kernel"), wait));
  await Promise.race([started, late]);
  await window.jupyterapp.commands.execute("notebook:run-all-cells");
}"""

_EXECUTE = """async code => {
  const { session } = window.jupyterapp.shell.currentWidget.sessionContext;
  await session.kernel.requestExecute({ code }).done;
}"""


@pytest.fixture
def lab(tmp_path, make_run):
    """A JupyterLab server with a run and a notebook; its address."""
    make_run(tmp_path / "demo")
    cells = [
        "from cpexplore.view import explorer",
        "view = explorer('demo')\nview",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=list(map(nbformat.v4.new_code_cell, cells)),
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, tmp_path / "explore.ipynb")
    with served(tmp_path) as server:
        yield server


@contextmanager
def served(folder: Path, **environment: str):
    """Serve a folder on 127.0.0.1; settings and state stay inside it."""
    for name, content in _SETTINGS.items():
        file = folder / ".jupyter" / "settings" / name
        file.parent.mkdir(parents=True)
        file.write_text(content)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    folders = {
        "JUPYTER_CONFIG_DIR": folder / ".jupyter" / "config",
        "JUPYTER_DATA_DIR": folder / ".jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": folder / ".jupyter" / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": folder / ".jupyter" / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / ".jupyter" / "workspaces",
    }
    environment |= {name: str(path) for name, path in folders.items()}
    log = folder / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
        )
        try:
            yield address(server, log)
        finally:
            server.terminate()
            server.wait(timeout=30)


def address(server: subprocess.Popen, log: Path) -> str:
    """Wait until the server says where it listens."""
    until = time.monotonic() + WAIT_MS / 1000
    while time.monotonic() < until and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found.group()
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


def run_all(page, notebook: str) -> None:
    """Open a notebook, run every cell and wait for the explorer."""
    page.goto(notebook)
    page.wait_for_function(
        "window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=WAIT_MS
    )
    page.evaluate(_RUN_ALL, WAIT_MS)
    page.wait_for_selector(".cpx canvas", timeout=WAIT_MS)
    page.wait_for_selector(".js-plotly-plot .infolayer text", timeout=WAIT_MS)
    page.wait_for_timeout(1500)


def shown(page) -> dict[str, str]:
    """What the player and the figure show."""
    return {
        "player": page.evaluate(
            "[...document.querySelectorAll('.cpx canvas')].map(c => c.toDataURL())"
            ".join()"
        ),
        "figure": page.locator(".js-plotly-plot .infolayer").first.inner_html(),
    }


def choose(page, label: str, option: str) -> dict[str, str]:
    """Move a control of the explorer and wait for the figure to follow."""
    before = page.locator(".js-plotly-plot .infolayer").first.inner_html()
    page.locator(".widget-dropdown", has_text=label).locator("select").select_option(
        label=option
    )
    page.wait_for_function(
        "before => document.querySelector('.js-plotly-plot .infolayer').innerHTML"
        " !== before",
        arg=before,
        timeout=WAIT_MS,
    )
    page.wait_for_timeout(500)
    return shown(page)


def test_the_explorer_in_jupyterlab(page, lab, shoot, tmp_path):
    page.set_viewport_size({"width": 1500, "height": 2100})
    messages = []
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: messages.append(frame)),
    )
    run_all(page, f"{lab}/lab/tree/explore.ipynb")
    first = shown(page)
    shoot("lab_explorer")

    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1000)
    sent, drawn = len(messages), page.evaluate("drawn.frames")
    page.wait_for_timeout(2000)
    assert len(messages) == sent, "playing must not talk to the kernel"
    assert page.evaluate("drawn.frames") - drawn >= 60
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(1000)
    assert len(messages) == sent + 1, "pausing sends one message"
    assert shown(page)["player"] != first["player"]

    page.evaluate(_EXECUTE, "open('frame', 'w').write(str(view.player.frame))")
    frame = page.locator(".cpx-scrub input")
    assert (tmp_path / "frame").read_text() == frame.input_value()
    page.evaluate(_EXECUTE, "view.player.frame = 42")
    page.wait_for_function("document.querySelector('.cpx-scrub input').value === '42'")
    page.locator(".cpx").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    assert frame.input_value() == "43"
    assert page.locator(".jp-Notebook .jp-Cell").count() == 2, "keys stay in the player"

    level = choose(page, "Level", "GMFCS III")
    assert level["player"] != first["player"]
    assert "GMFCS III" in level["figure"]
    method = choose(page, "Method", "Grad-CAM, signed")
    assert method["player"] != level["player"]
    assert method["figure"] != level["figure"]
    shoot("lab_explorer_chosen")

    point = page.locator(".subplot.x2y2 .scatterlayer .point").nth(1).bounding_box()
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_function(
        "document.querySelector('.cpx-title b')?.textContent === 'P0_V2'",
        timeout=WAIT_MS,
    )


def test_the_saliency_notebook_in_jupyterlab(page, small_run, shoot, tmp_path):
    """The notebook of the project on a real, small study of simulated children."""
    page.set_viewport_size({"width": 1500, "height": 2600})
    shutil.copy(NOTEBOOK, tmp_path)
    run = {"CPEXPLORE_FAST": "1", "CPEXPLORE_RUN": str(small_run.path)}
    with served(tmp_path, **run) as server:
        run_all(page, f"{server}/lab/tree/{NOTEBOOK.name}")
        first = shown(page)
        page.get_by_role("button", name="Play").click()
        page.wait_for_timeout(1000)
        page.get_by_role("button", name="Pause").click()
        page.wait_for_timeout(300)
        assert shown(page)["player"] != first["player"]
        level = choose(page, "Level", "GMFCS III")
        assert level["figure"] != first["figure"]
        method = choose(page, "Method", "Grad-CAM, signed")
        assert method["figure"] != level["figure"]
        shoot("lab_saliency_notebook")
