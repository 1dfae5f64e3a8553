"""Conformal sets: exact quantiles, coverage in simulation, no gaps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexplore import gmfcs
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.conformal import (
    conformal_sets,
    conformal_thresholds,
    coverage_by_level,
    inclusion_scores,
    prediction_sets,
)


@given(
    st.lists(
        st.lists(st.floats(0.01, 1), min_size=4, max_size=4), min_size=1, max_size=5
    ),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_sets_have_no_gap_and_hold_the_most_probable_level(rows, limits):
    proba = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    thresholds = dict(zip(gmfcs.LEVELS, limits, strict=True))
    for p, levels in zip(proba, prediction_sets(proba, thresholds), strict=True):
        codes = gmfcs.encode(levels)
        assert (np.diff(codes) == 1).all()
        assert p.argmax() in codes
        inside = inclusion_scores(p[None])[0] <= limits
        assert set(np.flatnonzero(inside)) <= set(codes)


def test_inclusion_scores_by_hand():
    scores = inclusion_scores(np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]]))
    expected = [[0.0, 0.5, 0.6, 0.9], [0.9, 0.7, 0.4, 0.0]]
    np.testing.assert_allclose(scores, expected)


def test_sets_cover_every_level_also_the_rare_one(rng, make_oof):
    train, test = make_oof(rng, 2000), make_oof(rng, 40_000)
    thresholds = conformal_thresholds(train, coverage=0.9)
    sets = prediction_sets(test[list(PROBABILITIES)].to_numpy(), thresholds)
    covered = pd.Series(
        [level in s for level, s in zip(test["gmfcs"], sets, strict=True)]
    )
    by_level = covered.groupby(test["gmfcs"], observed=True).mean()
    assert (by_level > 0.85).all()
    assert by_level["I"] < 0.97


def test_the_threshold_is_the_conformal_quantile():
    proba = np.column_stack([np.linspace(0.01, 0.49, 19), np.zeros((19, 3))])
    proba[:, 1] = 1 - proba[:, 0]
    table = pd.DataFrame(proba, columns=list(PROBABILITIES))
    table = table.assign(gmfcs=gmfcs.decode([0] * 19), patient_id=np.arange(19))
    thresholds = conformal_thresholds(table, coverage=0.9)
    assert thresholds["I"] == pytest.approx(np.sort(proba[:, 1])[17])
    assert np.isinf(thresholds["II"])


def test_nine_children_are_the_least_for_ninety_per_cent(rng, make_oof):
    table = make_oof(rng, 400, shares=(1.0, 0, 0, 0))
    assert np.isinf(conformal_thresholds(table.head(8))["I"])
    assert np.isfinite(conformal_thresholds(table.head(9))["I"])


def test_assurance_is_the_tolerance_limit_of_wilks(rng, make_oof):
    table = make_oof(rng, 4000, shares=(1.0, 0, 0, 0))
    scores = inclusion_scores(table[["p_I", "p_II", "p_III", "p_IV"]].to_numpy())[:, 0]

    def rank(n):
        limit = conformal_thresholds(table.head(n), assurance=0.9)["I"]
        return np.isfinite(limit) and (scores[:n] < limit).sum() + 1

    assert [rank(n) for n in (8, 9, 21, 22, 37, 38)] == [False, 9, 21, 22, 37, 37]
    covered = [
        (scores[i + 40 :] <= limit).mean()
        for i in range(0, 2000, 40)
        for limit in conformal_thresholds(table[i : i + 40], assurance=0.9)[["I"]]
    ]
    assert np.mean(np.array(covered) >= 0.9) >= 0.8
    plain = conformal_thresholds(table.head(40))["I"]
    assert plain < conformal_thresholds(table.head(40), assurance=0.9)["I"]


def test_one_walk_per_child_calibrates(rng, make_oof):
    table = make_oof(rng, 40, shares=(1.0, 0, 0, 0))
    table["patient_id"] = [f"p{i // 10}" for i in range(40)]
    assert np.isinf(conformal_thresholds(table)["I"])


def test_cross_conformal_sets_and_their_coverage(rng, make_oof):
    oof = make_oof(rng, 1200)
    sets = conformal_sets(oof, model="m")
    assert sorted(sets["walk_id"]) == sorted(oof["walk_id"])
    table = coverage_by_level(sets).set_index("level")
    assert table["n_patients"].sum() == 1200
    assert (table["ci_high"] >= 0.9).all()
    judged = table.loc[table["n_patients"] >= 50]
    assert (judged["estimate"] < 0.97).all()
    assert table["mean_size"].between(1, 3.9).all()
    assert (table["ci_low"] < table["estimate"]).all()


def test_a_fold_does_not_calibrate_its_own_sets(rng, make_oof):
    oof = make_oof(rng, 600)
    columns = ["p_I", "p_II", "p_III", "p_IV"]
    spoilt = oof.copy()
    own = oof["fold"] == 0
    spoilt.loc[own, columns] = oof.loc[own, columns].to_numpy()[:, ::-1]
    before, after = (conformal_sets(t, model="m", rng=3) for t in (oof, spoilt))
    others = before["fold"] != 0
    assert not after.loc[others, "size"].equals(before.loc[others, "size"])
    kept = oof.loc[~own]
    limits = conformal_thresholds(kept, rng=np.random.default_rng(3))
    expected = prediction_sets(spoilt.loc[own, columns].to_numpy(), limits)
    assert after.loc[~others, "size"].tolist() == [len(s) for s in expected]


def test_unknown_models_are_named(rng, make_oof):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        conformal_sets(make_oof(rng, 20), model="n")
    assert str(error.value) == "`model` must be one of 'm'; got 'n'."
