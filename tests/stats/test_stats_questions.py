"""All questions in one call."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore import stats
from cpexplore.stats.questions import QUESTIONS, _ask

FEW = {"n_resamples": 40, "n_permutations": 39}
ASKED = {
    "adjustments": {"adjusted": ("age_years", "sex"), "device": ("device",)},
    "given": (("trunk",), ("age_years", "sex")),
}


@pytest.fixture
def curves(study):
    features, _ = study
    phase = np.arange(0, 101, 20)
    values = features["knee"].to_numpy()[:, None] + np.sin(phase / 16)
    return xr.Dataset(
        {
            "knee": (("walk", "phase"), values),
            "ankle": (("walk", "phase"), np.full_like(values, np.nan)),
        },
        coords={"walk": features.index.to_numpy(), "phase": phase},
    )


def test_every_question_has_the_table_of_its_function(study, curves):
    features, index = study
    tables = stats.severity_tables(features, index, curves=curves, **ASKED, **FEW)
    assert set(tables) == {
        *QUESTIONS,
        "odds_ratios_adjusted",
        "odds_ratios_device",
        "questions",
    }
    draws = {"n_resamples": 40, "rng": 0}
    adjusted = {"covariates": ("age_years", "sex")}
    expected = {
        "association": stats.associate(features, index, n_permutations=39, **draws),
        "odds_ratios_adjusted": stats.ordinal_effects(features, index, **adjusted),
        "mixed_model": stats.mixed_effects(features, index, **adjusted),
        "repeatability": stats.icc(features, index, **draws),
        "curves_by_level": stats.level_curves(curves, index, **draws),
    }
    for name, table in expected.items():
        pd.testing.assert_frame_equal(tables[name], table)
    partial = tables["partial_association"]
    assert partial["given"].unique().tolist() == ["trunk", "", "age_years + sex"]


def test_the_list_of_questions_counts_tests_and_says_why_not(study, curves):
    features, index = study
    tables = stats.severity_tables(features, index, curves=curves, **ASKED, **FEW)
    asked = tables["questions"].set_index("table")
    assert asked.loc["association", ["n_tests", "n_missing"]].tolist() == [3, 2]
    assert asked.loc["pairwise", "n_tests"] == 3 * 6
    assert asked.loc["odds_ratios_adjusted", "question"].endswith(
        "Adjusted for age_years, sex."
    )
    test = tables["curve_tests"]
    assert asked.loc["curve_tests", ["family", "n_tests"]].tolist() == ["curves", 1]
    assert set(test.loc[test["curve"] == "ankle", "note"]) == {
        "no walk has the whole curve"
    }
    assert asked.loc["odds_ratios_device", "n_tests"] == 0
    why = "'device=walker' separates the levels perfectly"
    assert asked.loc["odds_ratios_device", "problem"] == why
    assert (asked["problem"].drop("odds_ratios_device") == "").all()


def test_a_cohort_too_small_for_a_question_still_answers_the_others(study):
    features, index = study
    tables = stats.severity_tables(features[["knee"]], index, **FEW)
    problems = tables["questions"].set_index("table")["problem"]
    assert "redundancy" not in tables
    assert problems["redundancy"] == (
        "`features` must have at least two columns that vary; got 1."
    )
    assert (problems.drop("redundancy") == "").all()
    level = index.assign(gmfcs=index["gmfcs"].where(index["gmfcs"] == "II"))
    tables = stats.severity_tables(features, level, **FEW)
    assert set(tables) == {"redundancy", "repeatability", "questions"}
    why = (
        "`outcome` 'gmfcs' must have at least two levels among the walks of "
        "`features`; got 'II'."
    )
    assert tables["questions"].set_index("table").loc["trend", "problem"] == why


def test_wrong_arguments_are_never_a_problem_of_the_data(study):
    features, index = study
    sentence = "`covariates` must be columns of `index` or `features`; got 'weight'."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        stats.severity_tables(features, index, given=(("weight",),), **FEW)
    sentence = "`n_permutations` must be a finite number and >= 1; got 0."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        stats.severity_tables(features, index, n_permutations=0)
    sentence = "`outcome` 'sex' must be an ordered categorical or numeric; got str."
    with pytest.raises(TypeError, match="^" + re.escape(sentence)):
        stats.severity_tables(features, index, outcome="sex", **FEW)


def test_an_adjustment_may_be_named_like_a_table(study):
    features, index = study
    adjustments = {"trend": ("age_years",)}
    tables = stats.severity_tables(
        features[["knee", "trunk"]], index, adjustments=adjustments, **FEW
    )
    words = tables["questions"].set_index("table")["question"]
    assert words["trend"] == QUESTIONS["trend"][0]
    expected = QUESTIONS["odds_ratios"][0] + " Adjusted for age_years."
    assert words["odds_ratios_trend"] == expected


def test_a_numerical_failure_is_not_a_problem_of_the_data():
    def fail():
        raise np.linalg.LinAlgError("Singular matrix")

    with pytest.raises(np.linalg.LinAlgError, match=r"^Singular matrix$"):
        _ask(fail)
