"""Figures as a journal wants them, and the record that says what they show."""

import json
import re
from hashlib import sha256

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from cpexplore.view.publication import (
    data_statement,
    letter,
    new_figure,
    publication_style,
    read_caption,
    save_figure,
)

TABLE = pd.DataFrame({"level": ["I", "II"], "estimate": [0.1 + 0.2, 1 / 3]})


@pytest.fixture(scope="module")
def run(module_run):
    return module_run()


@pytest.fixture
def save(run):
    def draw_and_save(folder, *, width="double", data=TABLE):
        with publication_style():
            figure = new_figure(width, height_mm=60)
            ax = figure.subplots()
            ax.plot(data["estimate"])
            ax.set_xlabel("speed, °/s")
            return save_figure(
                figure,
                folder / "new" / "fig",
                run=run,
                data={"points": data},
                caption="One line.",
            )

    return draw_and_save


def page_mm(pdf):
    """Width and height of the first page of a PDF."""
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf.read_bytes())
    return [float(points) / 72 * 25.4 for points in box.groups()]


@pytest.mark.parametrize(("width", "width_mm"), [("single", 89), ("double", 183)])
def test_a_page_is_as_wide_as_the_column(save, tmp_path, width, width_mm):
    files = {file.suffix: file for file in save(tmp_path, width=width)}
    assert page_mm(files[".pdf"]) == pytest.approx([width_mm, 60], abs=0.1)
    with Image.open(files[".png"]) as image:
        assert image.size == pytest.approx((width_mm / 25.4 * 300, 708), abs=1)
    points = re.search(r'<svg [^>]*width="([\d.]+)pt"', files[".svg"].read_text())
    assert float(points[1]) / 72 * 25.4 == pytest.approx(width_mm, abs=0.1)


def test_type_stays_type(save, tmp_path):
    files = {file.suffix: file for file in save(tmp_path)}
    pdf = files[".pdf"].read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert "speed, °/s</text>" in files[".svg"].read_text()


def test_every_file_is_written_and_the_same_twice(save, tmp_path):
    first, second = save(tmp_path / "a"), save(tmp_path / "b")
    names = ["fig.pdf", "fig.svg", "fig.png", "fig_points.csv", "fig.json"]
    assert [file.name for file in first] == names
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert sorted(f.name for f in first[0].parent.iterdir()) == sorted(names)
    assert plt.get_fignums() == []


def test_the_numbers_are_beside_the_figure_in_full_precision(save, tmp_path):
    (csv,) = (file for file in save(tmp_path) if file.suffix == ".csv")
    pd.testing.assert_frame_equal(pd.read_csv(csv), TABLE, check_exact=True)


def test_the_record_says_what_is_shown_and_from_what(save, run, tmp_path):
    record = save(tmp_path)[-1]
    content = json.loads(record.read_text())
    said = "Simulated children: 8 patients, 16 walks. One line."
    assert content["caption"] == read_caption(record) == said
    assert content["run"] == "demo"
    assert content["config"] == run.config
    assert {"cpexplore", "matplotlib"} <= set(content["versions"])
    digest = sha256(TABLE.to_csv(index=False).encode()).hexdigest()
    assert content["data_sha256"] == digest
    other = save(tmp_path / "other", data=TABLE * 2)[-1]
    assert json.loads(other.read_text())["data_sha256"] != digest


def test_real_recordings_are_called_real(run, monkeypatch):
    monkeypatch.setitem(vars(run), "index", run.index.assign(simulated=0))
    assert data_statement(run) == "Real recordings: 8 patients, 16 walks."


def test_an_unknown_width_is_refused():
    sentence = r"^`width` must be one of 'single', 'double'; got 'dobule'\."
    with pytest.raises(ValueError, match=sentence):
        new_figure("dobule", height_mm=50)


def test_the_style_does_not_leak():
    before = dict(mpl.rcParams)
    with publication_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["font.size"] == 6.5
    assert dict(mpl.rcParams) == before


def test_a_panel_letter_is_bold_and_on_the_left():
    figure, ax = plt.subplots()
    letter(ax, "a")
    assert ax.get_title(loc="left") == "a"
    assert ax.get_title() == ""
    plt.close(figure)
