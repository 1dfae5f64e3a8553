"""Every notebook runs from the first cell to its check."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_check(path, small_run, monkeypatch):
    monkeypatch.setenv("CPEXPLORE_FAST", "1")
    monkeypatch.setenv("CPEXPLORE_RUN", str(small_run.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(cwd=path.parent, env=dict(os.environ))
    assert "check" in notebook.cells[-1]["metadata"]["tags"]
    assert notebook.cells[-1]["execution_count"] is not None
