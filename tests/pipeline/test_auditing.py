"""The audit of a run asks every network about children it has not seen."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from cpexplore import datasets
from cpexplore.pipeline.auditing import _held_out


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
