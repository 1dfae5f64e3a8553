"""The audit of a run asks every network about children it has not seen."""

import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from cpexplore import datasets
from cpexplore.pipeline import audit_lines, auditing
from cpexplore.pipeline.auditing import _held_out
from cpexplore.runs import load_run
from cpexplore.view.saliency_audit import lead_lines
from cpexplore.windows import WindowConfig


@dataclass
class TwoSplits:
    """A run of two seeds: the second exchanges the folds of the first."""

    walks: dict
    folds: pd.DataFrame


@dataclass
class Models:
    """The fold that some models were not trained on."""

    seed: int
    fold: int


@pytest.fixture(scope="module")
def run():
    cohort = datasets.simulated_cohort(n_patients=4, seed=0)
    ids = cohort.index.index.to_numpy()
    first = pd.DataFrame({"walk_id": ids, "seed": 0, "fold": np.arange(len(ids)) % 2})
    second = first.assign(seed=1, fold=1 - first["fold"])
    return TwoSplits(
        walks={walk_id: cohort.walk(walk_id) for walk_id in ids},
        folds=pd.concat([first, second], ignore_index=True),
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_only_walks_that_the_fold_of_this_seed_held_out_are_asked_about(run, seed):
    config = WindowConfig(length=64)
    asked = set(_held_out(run, Models(seed=seed, fold=0), config).walk_id)
    own = run.folds.query("seed == @seed and fold == 0")["walk_id"]
    assert asked
    assert asked <= set(own)


@pytest.mark.slow
def test_the_audit_of_a_run_stands_in_its_report(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "METHODS", ("grad_cam",))  # occlusion takes minutes
    shutil.copytree(small_run.path, tmp_path / "run")
    run = load_run(tmp_path / "run")
    told = "\n".join(audit_lines(run))
    assert told.startswith("Simulated children: ")
    assert "report: " in told
    table = pd.read_csv(run.path / "statistics" / "audit.csv")
    faithful = table[table["check"].isin(["deletion", "insertion"])]
    assert faithful["estimate"].between(0, 1).all()
    assert faithful["n_walks"].between(0.9 * len(run.index), len(run.index)).all()
    assert (faithful["lead"].isna() == faithful["is_control"]).all()
    page = (run.path / "report.html").read_text()
    assert "Norm of the activations (control)" in page
    for line in lead_lines(table):
        assert line in told
        assert line in page


@pytest.mark.slow
def test_an_audit_written_elsewhere_leaves_the_report(small_run, tmp_path, monkeypatch):
    table = pd.DataFrame(
        {
            "check": ["deletion"],
            "method": ["occlusion"],
            "control": ["random"],
            **{"lead": [0.1], "lead_low": [0.05], "lead_high": [0.15]},
        }
    )
    monkeypatch.setattr(auditing, "audit_run", lambda run, *, n_jobs: table)
    before = (small_run.path / "report.html").stat().st_mtime_ns
    audited = tmp_path / "audit.csv"
    assert audit_lines(small_run, out=audited)[-2:] == [
        "Occlusion: 0.10 [0.05, 0.15] taken away (random order)",
        f"table: {audited}",
    ]
    pd.testing.assert_frame_equal(pd.read_csv(audited), table)
    assert (small_run.path / "report.html").stat().st_mtime_ns == before
    with pytest.raises(FileExistsError):
        audit_lines(small_run, out=audited)
