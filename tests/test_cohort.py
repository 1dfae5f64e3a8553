import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpexplore import gmfcs
from cpexplore.cohort import Cohort, check_disjoint, make_folds, make_index


def index_of(patients, levels):
    rows = pd.DataFrame(
        {
            "patient_id": patients,
            "gmfcs": levels,
            "fps": 25.0,
            "n_frames": 100,
            "simulated": 1,
            "source": "test",
        },
        index=[f"w{i}" for i in range(len(patients))],
    )
    return make_index(rows)


def test_unknown_covariates_are_missing_and_levels_ordered():
    index = index_of(["a", "b"], ["II", None])
    assert index["age_years"].isna().all()
    assert index["gmfcs"].dtype == gmfcs.DTYPE
    assert index.index.name == "walk_id"


def test_a_walk_named_twice_is_refused():
    index = index_of(["a", "b"], ["I", "I"])
    twice = index.set_axis(pd.Index(["w0", "w0"], name="walk_id", dtype="str"))
    with pytest.raises(ValueError, match=r"^`index` is no valid cohort index: .*w0"):
        Cohort(index=twice, walks={"w0": None})


def test_a_cohort_without_a_walk_is_refused():
    sentence = "`walks` lacks 1 of the 2 walks of `index`, the first is 'w1'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Cohort(index=index_of(["a", "b"], ["I", "I"]), walks={"w0": None})


def test_selecting_keeps_labels_in_step():
    index = index_of(["a", "b", "c"], ["I", "II", None])
    labels = pd.DataFrame({"GDI_left": [1.0, 2.0, 3.0]}, index=index.index)
    cohort = Cohort(index=index, walks=dict.fromkeys(index.index), labels=labels)
    chosen = cohort.select(["w2", "w0"])
    assert chosen.labels["GDI_left"].tolist() == [3.0, 1.0]
    assert cohort.labelled().index.index.tolist() == ["w0", "w1"]
    with pytest.raises(KeyError, match="1 are not, the first is 'w9'"):
        cohort.select(["w9"])


@given(
    levels=st.lists(st.sampled_from(gmfcs.LEVELS), min_size=30, max_size=60),
    seed=st.integers(0, 5),
)
def test_patients_never_cross_folds_even_with_several_levels(levels, seed):
    patients = [f"p{i // 2}" for i in range(len(levels))]
    assume(len({p for p, k in zip(patients, levels, strict=True) if k == "I"}) >= 3)
    index = index_of(patients, levels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folds = make_folds(index, folds=3, seed=seed)
        shuffled = make_folds(index.sample(frac=1, random_state=1), folds=3, seed=seed)
    sides = folds.drop_duplicates(["patient_id", "fold"])
    assert not sides["patient_id"].duplicated().any()
    assert set(folds["walk_id"]) == set(index.index)
    pd.testing.assert_frame_equal(folds, shuffled)


def test_a_rare_level_is_named():
    index = index_of([f"p{i}" for i in range(12)], ["I"] * 10 + ["IV"] * 2)
    sentence = (
        "Levels with fewer patients than the 5 folds: IV (2); some folds hold none "
        "of them."
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(sentence)}$"):
        make_folds(index, folds=5)


def test_folds_hold_every_level_in_like_shares():
    levels = ["I"] * 40 + ["II"] * 40 + ["III"] * 20
    index = index_of([f"p{i}" for i in range(100)], levels)
    folds = make_folds(index, folds=5, seed=0).set_index("walk_id")
    counts = pd.crosstab(folds["fold"], index["gmfcs"].astype(str))
    np.testing.assert_allclose(
        counts.loc[:, ["I", "II", "III"]], [[8, 8, 4]] * 5, atol=1
    )


def test_a_shared_patient_raises():
    sentence = (
        "Patients must not cross folds; 1 are in training and held out, "
        "the first is 'b'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_disjoint(["a", "b"], ["b", "c"])
