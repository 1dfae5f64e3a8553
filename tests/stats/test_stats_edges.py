"""What every function must survive: singletons, infinities, a rare level, few rows."""

import re

import numpy as np
import pandas as pd
import pytest

from cpexplore import stats

FEW = {"n_resamples": 50, "n_permutations": 49, "rng": 0}

FUNCTIONS = {
    "associate": lambda *tables: stats.associate(*tables, **FEW),
    "kendall": lambda *tables: stats.associate(*tables, method="kendall", **FEW),
    "partial": lambda *tables: stats.partial_association(
        *tables, given=["age_years"], **FEW
    ),
    "ordinal_effects": stats.ordinal_effects,
    "ordinal_gee": stats.ordinal_gee,
    "brant": stats.brant,
    "threshold_effects": stats.threshold_effects,
    "mixed_effects": stats.mixed_effects,
    "trend": stats.trend,
    "kruskal": stats.kruskal,
    "pairwise": lambda *tables: stats.pairwise(*tables, n_resamples=50, rng=0),
    "missingness": lambda *tables: stats.missingness(*tables, **FEW),
    "imputed_effects": lambda *tables: stats.imputed_effects(*tables, n_imputations=2),
    "stability_selection": lambda *tables: stats.stability_selection(
        *tables, n_halves=4, n_features=1
    ),
}


WITHOUT_OUTCOME = {
    "icc": lambda *tables: stats.icc(*tables, n_resamples=50, rng=0),
    "agreement": lambda features, index: stats.agreement(
        features, features**2, index, n_resamples=50, rng=0
    ),
    "redundancy": lambda features, index: stats.redundancy(features),
}


@pytest.fixture(params=list(FUNCTIONS))
def function(request):
    return FUNCTIONS[request.param]


def test_singleton_patients_are_no_obstacle(study, function):
    features, index = study
    singles = index.assign(patient_id=[f"q{number}" for number in range(len(index))])
    table = function(features[["knee", "trunk"]], singles)
    assert table["estimate"].notna().all()
    assert (table["note"] == "").all()


@pytest.mark.parametrize("name", [*FUNCTIONS, *WITHOUT_OUTCOME])
def test_the_order_of_rows_never_matters(study, rng, name):
    features, index = study
    function = (FUNCTIONS | WITHOUT_OUTCOME)[name]
    shuffled = index.iloc[rng.permutation(len(index))]
    one = function(features, index)
    other = function(features.iloc[::-1], shuffled)
    pd.testing.assert_frame_equal(one, other)


def test_infinite_values_are_missing_values(study, function):
    features, index = study
    features = features[["knee", "trunk"]]
    infinite = features.fillna(np.inf)
    infinite.iloc[3] = -np.inf
    missing = features.copy()
    missing.iloc[3] = np.nan
    one, other = function(infinite, index), function(missing, index)
    pd.testing.assert_frame_equal(one, other)


def test_a_level_that_comes_once_is_no_obstacle(study, function):
    features, index = study
    level = index["gmfcs"].where(index["gmfcs"] < "III", "II")
    level.iloc[0] = "IV"
    table = function(features[["knee"]], index.assign(gmfcs=level))
    usable = (table["note"] == "") | table["note"].str.contains(
        "separated|level|5 patients"
    )
    assert usable.all()


@pytest.mark.parametrize("n_patients", [2, 3, 4])
def test_few_patients_never_raise_a_warning(study, function, n_patients):
    features, index = study
    levels = index.groupby("gmfcs", observed=True)["patient_id"].first()
    walks = index.index[index["patient_id"].isin(levels.iloc[:n_patients])]
    table = function(features.loc[walks], index)
    assert set(table["feature"]) == set(features)


def test_mixed_model_without_repetition_is_the_difference_of_means(study):
    features, index = study
    singles = index.assign(patient_id=range(len(index)))
    table = stats.mixed_effects(features[["knee"]], singles).set_index("contrast")
    means = features["knee"].groupby(index["gmfcs"], observed=True).mean()
    for level in ("II", "III", "IV"):
        expected = means[level] - means["I"]
        assert table.loc[f"{level} - I", "estimate"] == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "Int64", "Float64"])
def test_every_type_of_number_will_do(study, dtype):
    features, index = study
    plain = (features[["knee", "cadence"]] > 1).astype(float)
    typed = plain.astype(dtype)
    if dtype[0].isupper():
        plain.iloc[::7] = np.nan
        typed = typed.mask(plain.isna())
    for function in (stats.associate, stats.missingness):
        one, other = function(typed, index, **FEW), function(plain, index, **FEW)
        pd.testing.assert_frame_equal(one, other)
    few = {"n_resamples": 50, "rng": 0}
    for table in (
        stats.agreement(typed, plain, index, **few),
        stats.icc(typed, index, **few),
        stats.redundancy(typed),
    ):
        assert set(table["feature"]) == {"knee", "cadence"}


@pytest.mark.parametrize(
    "function", [stats.trend, stats.kruskal, stats.pairwise, stats.stability_selection]
)
def test_one_child_has_neither_test_nor_interval(study, function):
    features, index = study
    table = function(features[["knee"]], index.assign(patient_id="p00"))
    expected = "an interval or test needs 5 patients; there are 1"
    assert table["note"].tolist() == [expected]
    assert table[["p_value", "ci_low", "q_value"]].isna().all(axis=None)


def test_children_who_are_usually_at_one_level_have_no_pairs(study):
    features, index = study
    index["gmfcs"] = index["gmfcs"].where(index.index == index.index[0], "II")
    index.loc[index.index[0], "gmfcs"] = "I"
    index["patient_id"] = index["patient_id"].where(
        index.index != index.index[0], "p01"
    )
    table = stats.pairwise(features[["knee", "cadence"]], index, n_resamples=9, rng=0)
    assert table["note"].tolist() == ["only level II has the feature"] * 2


def test_a_rare_level_has_an_estimate_without_interval(study):
    features, index = study
    four = index.loc[index["gmfcs"] == "IV", "patient_id"].drop_duplicates()[3:]
    keep = index.index[~index["patient_id"].isin(four)]
    features, index = features.loc[keep], index.loc[keep]
    expected = "an interval or test needs 5 patients; there are 3"
    pairs = stats.pairwise(features[["knee"]], index, n_resamples=50, rng=0)
    rare = pairs["other"] == "IV"
    assert pairs.loc[rare, "estimate"].notna().all()
    withheld = ["ci_low", "ci_high", "p_value", "q_value"]
    assert pairs.loc[rare, withheld].isna().all(axis=None)
    assert pairs.loc[~rare, withheld].notna().all(axis=None)
    assert (pairs.loc[rare, "note"] == expected).all()
    assert (pairs.loc[~rare, "note"] == "").all()
    shares = stats.missingness(features[["trunk"]], index, **FEW).set_index("level")
    assert shares.loc["IV", "note"] == expected
    assert np.isnan(shares.loc["IV", "ci_low"])
    assert shares.loc["all", "note"] == ""


def test_a_feature_missing_in_all_rows_that_may_be_exchanged_says_so(rng):
    """Six children with 2 to 7 walks: only first walks take part, none has it."""
    who = np.repeat(np.arange(6), np.arange(2, 8))
    index = pd.DataFrame(
        {"gmfcs": who % 3, "patient_id": who, "age_years": rng.normal(size=len(who))}
    )
    first = ~index["patient_id"].duplicated()
    knee = pd.Series(rng.normal(size=len(who))).mask(first)
    features = pd.DataFrame({"knee": knee, "hip": rng.normal(size=len(who))})
    expected = (
        "no test: the feature is missing or constant in the rows that may be exchanged"
    )
    for table in (
        stats.associate(features, index, **FEW),
        stats.missingness(features, index, **FEW).query("level == 'all'"),
    ):
        rows = table.set_index("feature")
        assert np.isnan(rows.loc["knee", "p_value"])
        assert np.isfinite(rows.loc["knee", ["estimate", "ci_low"]].astype(float)).all()
        assert rows["note"].to_dict() == {"knee": expected, "hip": ""}


def test_missing_patients_and_outcomes_are_named(study):
    features, index = study
    nameless = index["patient_id"].where(index["patient_id"] != "p03")
    n_missing = int(nameless.isna().sum())
    sentence = (
        "`groups` must name the patient of every row; "
        f"got {n_missing} missing of {len(index)} rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        stats.icc(features, index.assign(patient_id=nameless))
    sentence = "`y` must be finite; got 1 missing of 3 rows. Leave them out."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        stats.permutation_p(np.ones((3, 1)), [1.0, np.nan, 2.0], groups=[1, 2, 3])
