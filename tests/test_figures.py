"""Every figure of the paper is drawn from a run, twice the same."""

import json
import re
import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from cpexplore.runs import FILES, write_table

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(script.stem for script in (ROOT / "figures").glob("fig_*.py"))
KINDS = {".pdf", ".svg", ".png", ".json", ".csv"}


@pytest.fixture(scope="module")
def repeated(small_run, tmp_path_factory):
    """The same run on a slower machine."""
    out = tmp_path_factory.mktemp("slower") / small_run.path.name
    shutil.copytree(small_run.path, out)
    metrics = small_run.metrics.assign(seconds_per_epoch=lambda t: t.iloc[:, -1] * 2)
    write_table(out / FILES["metrics"], metrics)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_figure_is_drawn_twice_the_same(
    script, small_run, repeated, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(ROOT)
    main = import_module(f"figures.{script}").main
    first = main(small_run.path, tmp_path / "a", quick=True)
    second = main(repeated, tmp_path / "b", quick=True)
    assert {file.suffix for file in first} == KINDS
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.name.startswith(script)
        assert one.read_bytes() == other.read_bytes(), one.name
    for file in first:
        if file.suffix == ".csv":
            assert len(pd.read_csv(file)), file.name
    (record,) = (file for file in first if file.suffix == ".json")
    caption = json.loads(record.read_text())["caption"]
    assert re.match(r"Simulated children: (40|797) patients, \d+ walks\. ", caption)
