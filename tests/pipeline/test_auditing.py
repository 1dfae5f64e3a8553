"""The audit of a run asks every network about children it has not seen."""

import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from cpexplore import datasets
from cpexplore.attribution import CONTROLS
from cpexplore.pipeline import audit_to_file
from cpexplore.pipeline.auditing import _held_out, over_folds
from cpexplore.runs import load_run


@dataclass
class TwoSplits:
    """A run of two seeds: the second exchanges the folds of the first."""

    walks: dict
    folds: pd.DataFrame
    config: dict


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
        config={"windows": {"length": 64}},
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_only_walks_that_the_fold_of_this_seed_held_out_are_asked_about(run, seed):
    asked = set(_held_out(run, Models(seed=seed, fold=0)).walk_id)
    own = run.folds.query("seed == @seed and fold == 0")["walk_id"]
    assert asked
    assert asked <= set(own)


def test_a_method_is_ahead_where_it_beats_the_best_control():
    rows = [
        # deletion: low is good, the best control has .3
        *[("deletion", "grad_cam", fold, p) for fold, p in enumerate([0.2, 0.3, 0.4])],
        *[("deletion", "random", fold, 0.5) for fold in range(3)],
        *[("deletion", "motion_energy", fold, 0.3) for fold in range(3)],
        # insertion: high is good
        *[("insertion", "grad_cam", fold, p) for fold, p in enumerate([0.6, 0.8, 0.9])],
        *[("insertion", "random", fold, 0.7) for fold in range(3)],
        *[("noise", name, 0, 1.0) for name in ("grad_cam", "random")],
    ]
    table = pd.DataFrame(rows, columns=["check", "method", "fold", "estimate"])
    joined = over_folds(table.assign(detail="", n_walks=2)).set_index(
        ["check", "method"]
    )
    assert joined.loc[("deletion", "grad_cam"), "n_ahead"] == 1
    assert joined.loc[("insertion", "grad_cam"), "n_ahead"] == 2
    assert not joined.loc[(slice(None), "grad_cam"), "is_control"].any()
    assert joined.loc[("deletion", "random"), "is_control"]
    others = joined.drop([("deletion", "grad_cam"), ("insertion", "grad_cam")])
    assert others["n_ahead"].isna().all()
    of_deletion = joined.loc[("deletion", "grad_cam")]
    assert of_deletion["estimate"] == pytest.approx(0.3)
    assert of_deletion[["lowest", "highest", "n_folds", "n_walks"]].tolist() == [
        *(0.2, 0.4),
        *(3, 6),
    ]


@pytest.mark.slow
def test_the_audit_of_a_run_stands_in_its_report(small_run, tmp_path):
    shutil.copytree(small_run.path, tmp_path / "run")
    run = load_run(tmp_path / "run")
    table = pd.read_csv(audit_to_file(run))
    folds = small_run.folds["fold"].nunique()
    assert (table["n_folds"] == folds).all()
    faithful = table[table["check"].isin(["deletion", "insertion"])]
    assert faithful["estimate"].between(0, 1).all()
    ahead = faithful.set_index("method")["n_ahead"]
    assert ahead.drop(list(CONTROLS)).between(0, folds).all()
    assert ahead.loc[list(CONTROLS)].isna().all()
    page = (run.path / "report.html").read_text()
    assert "the keypoints that a method names first count more" in page
