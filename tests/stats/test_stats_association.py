import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cpexplore.stats import associate, cluster_bootstrap, partial_association

FEW = {"n_resamples": 200, "n_permutations": 199, "rng": 0}
COLUMNS = [
    "feature",
    "method",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_level",
    "p_value",
    "q_value",
    "n_rows",
    "n_patients",
    "n_missing",
    "note",
]


@pytest.mark.parametrize(
    ("method", "oracle"),
    [("spearman", stats.spearmanr), ("kendall", stats.kendalltau)],
)
def test_estimates_equal_scipy(study, method, oracle):
    features, index = study
    table = associate(features, index, method=method, **FEW).set_index("feature")
    assert [table.index.name, *table.columns] == COLUMNS
    for feature in ("knee", "cadence", "trunk"):
        known = features[feature].dropna()
        expected = oracle(known, index["gmfcs"].cat.codes[known.index]).statistic
        row = table.loc[feature]
        assert row["estimate"] == pytest.approx(expected, abs=1e-12)
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
        assert row["n_rows"] == len(known)
        assert row["n_missing"] == len(features) - len(known)
        assert row["n_patients"] == index["patient_id"][known.index].nunique()
    assert table.loc["knee", "p_value"] == 1 / 200
    assert table.loc["cadence", "p_value"] > 0.05


def test_interval_is_that_of_the_patient_bootstrap(study):
    features, index = study
    table = associate(features[["knee"]], index, **FEW | {"n_resamples": 4000})
    replicates = cluster_bootstrap(
        features[["knee"]],
        index["gmfcs"].cat.codes,
        groups=index["patient_id"],
        n_resamples=4000,
        rng=99,
    )
    low, high = np.quantile(replicates, [0.025, 0.975])
    assert table.loc[0, "ci_low"] == pytest.approx(low, abs=0.02)
    assert table.loc[0, "ci_high"] == pytest.approx(high, abs=0.02)


def test_missing_estimates_say_why(study):
    features, index = study
    index.loc[features.index[features["trunk"].notna()], "gmfcs"] = "II"
    table = associate(features, index, **FEW).set_index("feature")
    notes = table["note"].to_dict()
    assert notes["constant"] == "the feature is constant"
    assert notes["empty"] == "the feature is missing everywhere"
    assert notes["trunk"] == "only level II has the feature"
    assert table.loc[["constant", "empty", "trunk"], "estimate"].isna().all()
    assert table.loc[["constant", "empty", "trunk"], "q_value"].isna().all()
    assert notes["knee"] == ""


def test_few_patients_give_an_estimate_without_interval(study):
    features, index = study
    walks = index.index[index["patient_id"].isin(["p00", "p01", "p02", "p03"])]
    row = associate(features.loc[walks, ["knee"]], index, **FEW).iloc[0]
    assert np.isfinite(row["estimate"])
    assert np.isnan([row["ci_low"], row["ci_high"], row["p_value"]]).all()
    assert row["note"] == "an interval or test needs 5 patients; there are 4"


def test_order_of_rows_and_further_walks_do_not_matter(study, rng):
    features, index = study
    extra = index.iloc[:1].rename(index=lambda _: "another walk")
    shuffled = pd.concat([index.iloc[rng.permutation(len(index))], extra])
    one = associate(features, index, **FEW)
    other = associate(features.iloc[::-1], shuffled, **FEW)
    pd.testing.assert_frame_equal(one, other)


def test_walks_without_outcome_are_left_out(study):
    features, index = study
    index.loc[features.index[:7], "gmfcs"] = None
    table = associate(features, index, **FEW).set_index("feature")
    assert table.loc["knee", "n_rows"] == len(features) - 7
    assert table.loc["knee", "n_missing"] == 0


def test_any_ordered_outcome_will_do(study):
    features, index = study
    names = ["none", "mild", "severe", "very severe"]
    codes = index["gmfcs"].cat.codes
    stage = pd.Categorical.from_codes(codes, [*names, "unused"], ordered=True)
    renamed = index.assign(stage=stage, who=index["patient_id"], score=codes * 2.5)
    expected = associate(features, index, **FEW)
    for outcome in ("stage", "score"):
        got = associate(features, renamed, outcome=outcome, groups="who", **FEW)
        pd.testing.assert_frame_equal(got, expected)


def test_q_values_are_adjusted_within_families(study):
    features, index = study
    families = dict.fromkeys(features, "rest") | {"knee": "primary"}
    table = associate(features, index, families=families, **FEW).set_index("feature")
    p, q = table["p_value"], table["q_value"]
    assert q["knee"] == p["knee"]
    smaller, larger = sorted(p[["cadence", "trunk"]])
    assert sorted(q[["cadence", "trunk"]]) == [min(2 * smaller, larger), larger]


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (
            lambda f, i: (f, i.drop(columns="gmfcs")),
            ValueError,
            "`index` lacks the columns 'gmfcs'; it has 'patient_id', 'age_years', "
            "'sex', 'device', 'height_m'.",
        ),
        (
            lambda f, i: (f.rename(index={"w000": "x"}), i),
            ValueError,
            "`index` lacks 1 of the {n} walks of `features`, the first is 'x'.",
        ),
        (
            lambda f, i: (f.rename(index={"w000": "w001"}), i),
            ValueError,
            "`features` must have one row per walk; 'w001' comes twice.",
        ),
        (
            lambda f, i: (f.assign(side="left"), i),
            TypeError,
            "`features` must be numeric; 'side' are not.",
        ),
        (
            lambda f, i: (f[[]], i),
            ValueError,
            "`features` must have differently named columns; there is none.",
        ),
        (
            lambda f, i: (f[["knee", "knee"]], i),
            ValueError,
            "`features` must have differently named columns; 'knee' comes twice.",
        ),
        (
            lambda f, i: (f, i.assign(gmfcs=i["gmfcs"].astype("str"))),
            TypeError,
            "`outcome` 'gmfcs' must be an ordered categorical or numeric; got str. "
            "Use `pd.Categorical(..., categories=..., ordered=True)`.",
        ),
        (
            lambda f, i: (f, i.assign(gmfcs=i["gmfcs"].where(i["gmfcs"] == "II"))),
            ValueError,
            "`outcome` 'gmfcs' must have at least two levels among the walks of "
            "`features`; got 'II'.",
        ),
        (
            lambda f, i: (f, i.assign(patient_id=None)),
            ValueError,
            "`groups` must name the patient of every row; got {n} missing of {n} rows.",
        ),
    ],
)
def test_wrong_tables_are_named(study, change, error, sentence):
    features, index = change(*study)
    sentence = sentence.format(n=len(features))
    with pytest.raises(error, match="^" + re.escape(sentence) + "$"):
        associate(features, index, **FEW)


def test_families_must_be_complete(study):
    features, index = study
    sentence = (
        "`families` must name the family of every feature; it lacks 'cadence', "
        "'trunk', 'constant', 'empty'."
    )
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        associate(features, index, families={"knee": "a"}, **FEW)


def test_inputs_are_not_changed(study):
    features, index = study
    before = features.copy(), index.copy()
    associate(features, index, **FEW)
    pd.testing.assert_frame_equal(features, before[0])
    pd.testing.assert_frame_equal(index, before[1])


def test_partial_correlation_equals_the_inverse_matrix_of_ranks(study):
    features, index = study
    given = ["age_years", "trunk"]
    table = partial_association(features, index, given=given, **FEW)
    row = table.set_index("feature").loc["knee"]
    joined = features[["knee", "trunk"]].join(index[["age_years"]]).dropna()
    joined["level"] = index["gmfcs"].cat.codes[joined.index]
    inverse = np.linalg.inv(joined.rank().corr())
    expected = -inverse[0, 3] / np.sqrt(inverse[0, 0] * inverse[3, 3])
    assert row["estimate"] == pytest.approx(expected, abs=1e-12)
    assert row["ci_low"] < expected < row["ci_high"]
    assert row["given"] == "age_years + trunk"
    assert row["n_rows"] == len(joined)


def test_partial_correlation_given_nothing_relevant_is_the_plain_one(study):
    features, index = study
    table = partial_association(features[["knee"]], index, given=["knee"], **FEW)
    plain = associate(features[["knee"]], index, **FEW)
    columns = ["estimate", "ci_low", "ci_high", "n_rows"]
    np.testing.assert_allclose(table[columns], plain[columns], atol=1e-12)


def test_partial_correlation_vanishes_where_a_covariate_explains_it(rng):
    n = 400
    speed = rng.normal(size=n)
    index = pd.DataFrame(
        {"stage": np.digitize(speed + rng.normal(size=n), [-1, 0, 1]), "who": range(n)}
    )
    features = pd.DataFrame({"step": speed + 0.7 * rng.normal(size=n), "speed": speed})
    settings = FEW | {"outcome": "stage", "groups": "who"}
    plain = associate(features, index, **settings)
    partial = partial_association(features, index, given=["speed"], **settings)
    assert plain.loc[0, "p_value"] == 1 / 200
    assert abs(partial.loc[0, "estimate"]) < 0.1
    assert partial.loc[0, "p_value"] > 0.05
    assert partial.loc[1, "given"] == ""


def test_a_feature_that_covariates_determine_says_so(study):
    features, index = study
    features = features.assign(twice=2 * features["knee"])
    row = partial_association(features[["twice", "knee"]], index, given=["knee"], **FEW)
    assert np.isnan(row.loc[0, "estimate"])
    assert row.loc[0, "note"] == (
        "the feature or the outcome is constant or explained by the covariates"
    )
