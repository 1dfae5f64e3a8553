"""What RESULTS.md prints of the model table is what the kept answers say."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from cpexplore.learning import score

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import model_table
import model_table_page

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks" / "table"
SECTIONS = ("## Public size", "## Three cohorts", "## Four worlds")


def test_the_page_is_that_of_the_kept_scores():
    assert (TABLE / "README.md").read_text() == model_table_page.whole_page(TABLE)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_tables_of_the_results_stand_on_that_page(section):
    page = set((TABLE / "README.md").read_text().splitlines())
    results = (ROOT / "RESULTS.md").read_text().split("\n## ")
    [text] = [part for part in results if f"## {part}".startswith(section)]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 5
    assert [row for row in rows if row not in page] == []


@pytest.mark.parametrize("world", model_table.WORLDS)
def test_the_kept_scores_are_those_of_the_kept_answers(world):
    stages = [
        stage
        for stage in model_table.STAGES
        if stage.world == world and stage.patients != model_table.PUBLIC_SIZE
    ]
    oof = pd.concat([model_table.predictions(s, TABLE) for s in stages])
    kept = pd.read_parquet(TABLE / "scores.parquet")
    for model in ("skeleton", "fusion_cross_attention"):
        found = score(oof[oof["model"] == model]).drop(columns="model")
        rows = kept.query("world == @world and patients == 200 and model == @model")
        rows = rows[found.columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, found)
