"""The built-in cohort."""

import pickle

import pytest

from cpexplore.cohort import make_folds
from cpexplore.datasets.simulated import simulated_cohort
from cpexplore.gmfcs import LEVELS


@pytest.fixture(scope="module")
def cohort():
    return simulated_cohort(seed=2)


def test_the_default_cohort_can_be_split_into_five_stratified_folds(cohort):
    assert cohort.simulated
    assert cohort.index["patient_id"].nunique() == 96
    folds = make_folds(cohort.index).set_index("walk_id")
    level = cohort.index["gmfcs"]
    for _, members in folds.groupby("fold"):
        assert set(level[members.index]) == set(LEVELS)


def test_order_and_process_do_not_change_a_walk(cohort):
    first, last = cohort.index.index[[0, -1]]
    copy = pickle.loads(pickle.dumps(cohort.walks))
    late, early = copy[last], copy[first]
    assert early.identical(cohort.walk(first))
    assert late.identical(cohort.walk(last))


def test_labels_cover_every_walk_once(cohort):
    assert cohort.labels.index.tolist() == cohort.index.index.tolist()
    assert cohort.labels.notna().all(axis=None)
