"""The page of a run: complete, self-contained, escaped, honest about the interval."""

import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from cpexplore.learning.metrics import METRICS
from cpexplore.view import html, model_grids
from cpexplore.view.model_grids import difference_grid, further_grid, model_grid
from cpexplore.view.people import cohort_grid
from cpexplore.view.report import first_window, headline, write_report

SECTIONS = [
    "What was run, on what data",
    "How well each model tells the levels apart",
    "Paired differences",
    "Which joints the skeleton network looks at",
    "Which gait features go with the level",
    "Features that the joints chose",
    "What could not be computed",
    "Limits",
]

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """What a browser would see: titles, addresses, pictures and cells."""

    def __init__(self, text):
        super().__init__()
        self.titles, self.addresses, self.captions, self.cells = [], [], [], []
        self.scripts = 0
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.scripts += tag == "script"
        named = dict(attrs)
        self.addresses += [named[key] for key in ("src", "href") if key in named]

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        kinds = {"h2": self.titles, "h3": self.titles, "td": self.cells}
        kinds["figcaption"] = self.captions
        if self._inside in kinds:
            kinds[self._inside].append(data)


@pytest.fixture(scope="module")
def run(module_run):
    return module_run()


@pytest.fixture(scope="module")
def text(run):
    return write_report(run).read_text()


def test_every_section_is_there(text):
    titles = Page(text).titles
    assert [title for title in titles if not title.startswith("Walk ")] == SECTIONS


def test_the_page_says_that_the_children_are_simulated(text):
    assert html.SIMULATED in text
    assert html.RESEARCH in text
    assert html.REAL not in text
    assert "Nothing here is evidence about children." in text


def test_the_page_of_real_recordings_says_so(run, tmp_path, monkeypatch):
    monkeypatch.setitem(vars(run), "index", run.index.assign(simulated=0))
    text = write_report(run, out=tmp_path / "real.html").read_text()
    assert html.REAL in text
    assert html.SIMULATED not in text
    assert "8 recorded patients" in text


def test_no_address_leads_outside(text):
    addresses = Page(text).addresses
    assert len(addresses) == 2 + 2 + 3
    assert {address[:25] for address in addresses} == {"data:image/svg+xml;base64"}
    outside = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert outside <= {"http://www.w3.org/2000/svg"}


def test_strings_of_the_data_never_become_markup(module_run, text):
    hostile = module_run(patient=HOSTILE, source=HOSTILE)
    page = write_report(hostile).read_text()
    assert Page(page).scripts == Page(text).scripts
    assert HOSTILE not in page
    assert page.count(escape(HOSTILE)) > 3


def test_the_same_run_gives_the_same_bytes(run, text, tmp_path):
    again = write_report(run, out=tmp_path / "again.html")
    assert again.read_text() == text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.10, "fusion beats the skeleton alone"),
        (-0.10, -0.01, "fusion is worse than the skeleton alone"),
        (-0.01, 0.10, "the two cannot be told apart"),
        (0.0, 0.10, "the two cannot be told apart"),
    ],
)
def test_the_headline_says_no_more_than_the_interval(
    run, monkeypatch, low, high, words
):
    mean = (low + high) / 2
    table = run.comparisons.assign(ci_low=low, ci_high=high, estimate=mean)
    monkeypatch.setitem(vars(run), "comparisons", table)
    said = headline(run)
    assert words in said
    numbers = [html.number(100 * value, 1) for value in (mean, low, high)]
    assert "{} points [{}, {}]".format(*numbers) in said
    assert "On 16 walks of 8 simulated children" in said


def test_the_headline_names_what_answering_one_level_reaches(run, monkeypatch):
    table = run.metrics.copy()
    chosen = (table["model"] == "majority") & (table["metric"] == "accuracy")
    table.loc[chosen, "estimate"] = 0.31
    monkeypatch.setitem(vars(run), "metrics", table)
    said = " (always answering the most common level: 31.0 %). The paired difference"
    assert said in headline(run)
    without = table[table["model"] != "majority"]
    monkeypatch.setitem(vars(run), "metrics", without)
    assert "]. The paired difference" in headline(run)
    assert "always answering" not in headline(run)


def test_the_headline_names_folds_that_do_not_agree(run, monkeypatch):
    table = run.comparisons.assign(ci_low=0.01, ci_high=0.1, p_folds=0.18)
    monkeypatch.setitem(vars(run), "comparisons", table)
    assert headline(run).endswith(
        "the interval excludes 0, but over folds p is 0.180: a gain by fusion is not "
        "established."
    )


def test_numbers_are_those_of_the_tables(run, text):
    cells = Page(text).cells
    (accuracy,) = run.metrics.query(
        "model == 'skeleton' and metric == 'accuracy'"
    ).to_dict("records")
    assert html.interval(accuracy) in cells
    assert cells.count("too few cycles") == 1
    assert cells[cells.index("too few cycles") - 1] == "6.2 %"


def test_every_metric_has_a_column(run):
    grids = model_grid(run.metrics), further_grid(run.metrics)
    overall = run.metrics.query("level == 'all'")["metric"].nunique()
    model, *shown = [name for grid in grids for name in grid.head]
    assert len(set(shown) - {model, "s / epoch"}) == overall + 1  # and the recalls
    by_model = {row[0]: row[-1] for row in grids[1].rows}
    assert sorted(filter(None, by_model.values())) == ["1.25"]
    assert {*model_grids._METRICS, *model_grids._FURTHER_METRICS} == set(METRICS)


def test_a_patient_of_two_levels_is_explained(run, tmp_path, monkeypatch, text):
    assert "changed level between visits" not in text
    index = run.index.copy()
    patient = index["patient_id"].iloc[0]
    own = index.index[index["patient_id"] == patient]
    index.loc[own, "gmfcs"] = ["I", "II"]
    monkeypatch.setitem(vars(run), "index", index)
    page = write_report(run, out=tmp_path / "two.html").read_text()
    assert "1 of 8 patients changed level between visits and are counted at" in page


@pytest.mark.parametrize(
    ("devices", "shown"),
    [
        ([None, None, None, None], "not recorded"),
        (["none", "none", "walker", None], "33 %"),
        (["none", "none", "none", "none"], "0 %"),
    ],
)
def test_the_device_is_a_share_of_the_known(run, devices, shown):
    index = run.index.assign(device=pd.array(devices * 4, dtype="str"))
    grid = cohort_grid(index)
    column = grid.head.index("device")
    assert [row[column] for row in grid.rows] == [shown] * 4


def test_a_difference_without_a_test_has_an_empty_cell(run):
    tested = run.comparisons.assign(p_folds=0.18)
    untested = tested.assign(metric="linear_kappa", p_value=np.nan, p_folds=np.nan)
    grid = difference_grid(pd.concat([tested, untested]))
    assert grid.head[-2:] == ["p, walks", "p, folds"]
    assert [row[-2:] for row in grid.rows] == [["0.700", "0.180"], ["", ""]]


def test_the_notes_of_the_reader_are_folded_away(text):
    inside = text.partition("<summary>Notes of the reader</summary>")[2]
    assert "<li>made by simulated</li>" in inside.partition("</details>")[0]
    assert text.count("made by simulated") == 1


def test_one_seed_is_no_seeds(text):
    assert "<b>1</b><span>seed</span>" in text


def test_captions_say_what_intervals_and_points_are(text):
    captions = Page(text).captions
    assert sum("95 % interval, patients resampled" in c for c in captions) == 2
    assert sum("one point per walk" in c for c in captions) == 3


def test_one_player_per_level_with_answer(run, text):
    players = [title for title in Page(text).titles if title.startswith("Walk ")]
    kept = dict.fromkeys(run.saliency["window_walk_id"].values.tolist())
    levels = run.index.loc[list(kept), "gmfcs"].unique().tolist()
    said = [re.search(r"GMFCS (\w+), fusion says (\w+)$", t) for t in players]
    assert [match[1] for match in said] == levels
    proba = run.oof.query("model == 'fusion_cross_attention'").set_index("walk_id")
    proba = proba.filter(regex="^p_I")
    for title, match in zip(players, said, strict=True):
        walk_id = title.removeprefix("Walk ").partition(",")[0]
        assert proba.loc[walk_id].idxmax() == f"p_{match[2]}"


def test_a_clip_is_cut_to_its_window_with_the_events_of_the_whole_walk(run):
    walk_id = str(run.saliency["window_walk_id"].values[0])
    clip = first_window(run, walk_id)
    clock = run.saliency["window_time_s"].values[0]
    np.testing.assert_allclose(clip.walk["time"].values[[0, -1]], clock[[0, -1]])
    assert clip.level == run.index.loc[walk_id, "gmfcs"]
    events = clip.events
    assert events is not None
    assert events["time_s"].between(clock[0], clock[-1]).all()
    contacts = events.query("event == 'initial_contact' and side == 'left'")
    np.testing.assert_allclose(np.diff(contacts["time_s"]), 1 / 0.8, atol=0.08)


def test_a_run_without_a_table_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.delitem(vars(run), "ranking", raising=False)
    (run.path / "ranking.parquet").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError, match=r"lacks 'ranking\.parquet'; finish it"):
        write_report(run, out=tmp_path / "report.html")
    (tmp_path / "away").rename(run.path / "ranking.parquet")
    assert not (tmp_path / "report.html").exists()


def test_a_grid_rounds_floats_and_keeps_words():
    table = pd.DataFrame({"check_name": ["a<b"], "share": [-0.12345], "n": [3]})
    grid = html.grid_of(table, text=["n"])
    assert grid.head == ["check name", "share", "n"]
    assert grid.rows == [["a<b", "−0.123", "3"]]
    assert grid.text == {0, 2}
