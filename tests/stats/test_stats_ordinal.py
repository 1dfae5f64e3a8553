import re

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from statsmodels.discrete.discrete_model import Logit
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.miscmodels.ordinal_model import OrderedModel

from cpexplore.stats import (
    brant,
    ordinal_effects,
    ordinal_gee,
    threshold_effects,
)
from cpexplore.stats.ordinal import odds_ratio


def complete(study, feature="knee"):
    """Standardised feature, level and patient of the walks that have the feature."""
    features, index = study
    x = features[feature].dropna().sort_index()
    index = index.loc[x.index]
    patients = pd.factorize(index["patient_id"], sort=True)[0]
    x = ((x - x.mean()) / x.std()).to_numpy()
    return x, index["gmfcs"].cat.codes.to_numpy(), patients


def log_likelihood(parameters, x, y):
    """Proportional odds written down from its definition; one value per row."""
    cuts = np.r_[-np.inf, parameters[1:], np.inf]
    upper = special.expit(cuts[y + 1] - parameters[0] * x)
    lower = special.expit(cuts[y] - parameters[0] * x)
    return np.log(upper - lower)


def log_error(row, df):
    """Standard error of the log odds ratio, from the width of the t interval."""
    reach = 2 * stats.t.isf(0.025, df)
    return np.log(row["ci_high"] / row["ci_low"]) / reach


def test_odds_ratio_and_error_equal_a_sandwich_from_first_principles(study):
    x, y, patients = complete(study)
    start = np.array([0.0, -1.0, 0.0, 1.0])
    fit = optimize.minimize(lambda p: -log_likelihood(p, x, y).sum(), start, tol=1e-9)
    scores = optimize.approx_fprime(fit.x, lambda p: log_likelihood(p, x, y))
    by_patient = np.array([np.bincount(patients, column) for column in scores.T])
    bread = np.linalg.inv(
        optimize.approx_fprime(
            fit.x,
            lambda p: (
                -optimize.approx_fprime(
                    p, lambda q: log_likelihood(q, x, y).sum(), 1e-5
                )
            ),
            1e-4,
        )
    )
    n_patients = by_patient.shape[1]
    correction = n_patients / (n_patients - 1) * (len(y) - 1) / (len(y) - 4)
    variance = (bread @ by_patient @ by_patient.T @ bread)[0, 0] * correction
    features, index = study
    row = ordinal_effects(features[["knee"]], index).iloc[0]
    assert row["estimate"] == pytest.approx(np.exp(fit.x[0]), rel=1e-3)
    assert log_error(row, n_patients - 1) == pytest.approx(np.sqrt(variance), rel=0.01)


@pytest.mark.parametrize("feature", ["knee", "cadence", "trunk"])
def test_odds_ratios_equal_those_of_statsmodels(study, feature):
    features, index = study
    row = ordinal_effects(features[[feature]], index, covariates=["age_years"]).iloc[0]
    x, y, patients = complete(study, feature)
    age = stats.zscore(
        index.loc[features[feature].dropna().sort_index().index, "age_years"]
    )
    fit = OrderedModel(y, np.column_stack([x, age]), distr="logit").fit(
        method="bfgs",
        gtol=1e-8,
        maxiter=500,
        disp=False,
        cov_type="cluster",
        cov_kwds={"groups": patients},
    )
    assert row["estimate"] == pytest.approx(np.exp(fit.params[0]), rel=1e-5)
    df = len(np.unique(patients)) - 1
    assert log_error(row, df) == pytest.approx(fit.bse[0], rel=2e-3)
    expected = 2 * stats.t.sf(abs(fit.params[0] / fit.bse[0]), df)
    assert row["p_value"] == pytest.approx(expected, rel=0.02, abs=1e-12)


def test_two_levels_are_logistic_regression(study):
    features, index = study
    severe = index["gmfcs"].cat.codes >= 2
    index["severe"] = pd.Categorical(severe, categories=[False, True], ordered=True)
    x, _, patients = complete(study)
    y = severe[features.index.sort_values()].astype(int)
    design = np.column_stack([x, np.ones(len(x))])
    fit = Logit(y.to_numpy(), design).fit(
        disp=False, cov_type="cluster", cov_kwds={"groups": patients}
    )
    for function in (ordinal_effects, ordinal_gee, threshold_effects):
        row = function(features[["knee"]], index, outcome="severe").iloc[0]
        assert row["estimate"] == pytest.approx(np.exp(fit.params[0]), rel=1e-4)
        assert row["ci_high"] == pytest.approx(np.exp(fit.conf_int()[0, 1]), rel=0.05)


def test_estimating_equations_agree_with_the_likelihood(study):
    features, index = study
    settings = {"covariates": ["age_years", "sex"]}
    one = ordinal_effects(features[["knee", "trunk"]], index, **settings)
    other = ordinal_gee(features[["knee", "trunk"]], index, **settings)
    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=0.001)
    for bound in ("ci_low", "ci_high"):
        np.testing.assert_allclose(one[bound], other[bound], rtol=0.08)
    assert other["method"].tolist() == ["ordinal_gee"] * 2


def test_unit_and_direction_of_a_feature(study):
    features, index = study
    plain = ordinal_effects(features[["knee"]], index).iloc[0]
    scaled = ordinal_effects(1000 * features[["knee"]] - 7, index).iloc[0]
    turned = ordinal_effects(-features[["knee"]], index).iloc[0]
    assert plain["estimate"] > 1
    assert scaled["estimate"] == pytest.approx(plain["estimate"], rel=1e-6)
    assert 1 / turned["estimate"] == pytest.approx(plain["estimate"], rel=1e-4)
    assert 1 / turned["ci_high"] == pytest.approx(plain["ci_low"], rel=1e-4)


def test_covariates_are_used_and_named(study):
    features, index = study
    given = ["age_years", "sex", "height_m", "knee"]
    table = ordinal_effects(features[["knee", "cadence"]], index, covariates=given)
    assert table["adjusted_for"].tolist() == [
        "age_years + sex",
        "age_years + sex + knee",
    ]
    plain = ordinal_effects(features[["cadence"]], index)
    assert table.loc[1, "estimate"] != pytest.approx(plain.loc[0, "estimate"], rel=1e-3)
    assert plain.loc[0, "adjusted_for"] == ""


def test_rows_without_a_covariate_are_counted_as_missing(study):
    features, index = study
    index.loc[features.index[:9], "age_years"] = np.nan
    row = ordinal_effects(features[["knee"]], index, covariates=["age_years"]).iloc[0]
    assert (row["n_missing"], row["n_rows"]) == (9, len(features) - 9)


def test_missing_estimates_say_why(study):
    features, index = study
    codes = index["gmfcs"].cat.codes
    walker = (codes.loc[features.index] >= 2).astype(float)
    features = features.assign(
        walker=walker, order=codes.astype(float), age=2 * index["age_years"] + 1
    )
    few = features["knee"].where(index["patient_id"].isin(["p00", "p01", "p02"]))
    features = features.assign(few=few, mild=features["knee"].where(codes == 0))
    table = ordinal_effects(features, index, covariates=["age_years"])
    notes = table.set_index("feature")["note"].to_dict()
    assert notes == {
        "knee": "",
        "cadence": "",
        "trunk": "",
        "constant": "the feature is constant",
        "empty": "no walk has the feature and all covariates",
        "walker": "'walker' separates the levels perfectly",
        "order": "'order' separates the levels perfectly",
        "age": "the feature and the covariates are linearly dependent",
        "few": "an interval or test needs 5 patients; there are 3",
        "mild": "only level I has the feature and all covariates",
    }
    has_note = table["note"] != ""
    assert table.loc[has_note, ["estimate", "p_value", "q_value"]].isna().all(axis=None)
    assert table.loc[~has_note, "estimate"].between(0.05, 20).all()


def test_nearly_dependent_columns_are_no_separation(study):
    features, index = study
    age = index["age_years"]
    features = features.assign(age=age + 1e-9 * np.sin(np.arange(len(age))))
    row = ordinal_effects(features[["age"]], index, covariates=["age_years"]).iloc[0]
    assert row["note"] == "the feature and the covariates are linearly dependent"
    assert np.isnan(row["estimate"])


@pytest.mark.parametrize(("log_odds", "error"), [(7.0, 1.0), (-7.0, 1.0), (0.0, 7.0)])
def test_numbers_beyond_an_odds_ratio_of_1000_are_withheld(log_odds, error):
    assert odds_ratio(log_odds, error, ci_level=0.95, n_patients=60) == {
        "note": "nearly separated: the feature tells the levels apart almost perfectly"
    }


def test_near_separation_is_noted():
    """One child of 60 is on the wrong side, by next to nothing."""
    x = np.arange(60.0)
    index = pd.DataFrame({"stage": x >= 30, "who": range(60)})
    index.loc[[29, 30], "stage"] = [True, False]
    settings = {"outcome": "stage", "groups": "who"}
    for function in (ordinal_effects, threshold_effects):
        row = function(pd.DataFrame({"x": x}), index, **settings).iloc[0]
        assert row["note"].startswith("nearly separated: ")
        assert np.isnan([row["estimate"], row["ci_high"], row["p_value"]]).all()


def test_fewer_than_forty_children_are_noted(study):
    features, index = study
    walks = index.index[index["patient_id"] < "p39"]
    for function in (ordinal_effects, threshold_effects, ordinal_gee):
        table = function(features.loc[walks, ["knee"]], index)
        assert (
            table["note"] == "fewer than 40 patients: intervals are too narrow"
        ).all()
        assert table[["estimate", "ci_low", "p_value"]].notna().all(axis=None)
        assert (function(features[["knee"]], index)["note"] == "").all()


def test_a_covariate_that_separates_is_named(study):
    features, index = study
    table = ordinal_effects(features[["knee"]], index, covariates=["device", "sex"])
    assert table.loc[0, "note"] == "'device=walker' separates the levels perfectly"


def test_quasi_separation_is_found(rng):
    """The device is used at III and IV, and nobody walks at IV without."""
    index = pd.DataFrame(
        {
            "stage": np.repeat([0, 1, 2, 2, 3], 12),
            "device": np.repeat([0.0, 0.0, 0.0, 1.0, 1.0], 12),
            "who": range(60),
        }
    )
    features = pd.DataFrame({"knee": rng.normal(size=60)})
    settings = {"outcome": "stage", "groups": "who", "covariates": ["device"]}
    table = ordinal_effects(features, index, **settings)
    assert table.loc[0, "note"] == "'device' separates the levels perfectly"
    index.loc[[30, 59], "device"] = [1.0, 0.0]
    table = ordinal_effects(features, index, **settings)
    assert table.loc[0, "note"] == ""


@pytest.mark.parametrize("function", [ordinal_effects, brant, threshold_effects])
def test_order_of_rows_does_not_matter(study, rng, function):
    features, index = study
    shuffled = index.iloc[rng.permutation(len(index))]
    one = function(features, index, covariates=["age_years"])
    other = function(features.iloc[::-1], shuffled, covariates=["age_years"])
    pd.testing.assert_frame_equal(one, other)


def stacked(study):
    """Logits of all thresholds for the estimating equations of statsmodels."""
    x, y, patients = complete(study)
    cut = np.repeat(np.arange(3), len(y))
    at_cut = np.eye(3)[cut]
    order = np.argsort(np.tile(patients, 3), kind="stable")

    def model(*columns):
        return GEE(
            (np.tile(y, 3) > cut).astype(float)[order],
            np.hstack(columns)[order],
            groups=np.tile(patients, 3)[order],
            family=Binomial(),
            cov_struct=Independence(),
        )

    return model, at_cut, np.tile(x, 3)[:, None]


def test_brant_is_the_score_test_of_separate_slopes(study):
    model, at_cut, slopes = stacked(study)
    null = model(at_cut, slopes).fit()
    full = model(at_cut, slopes, slopes * at_cut[:, 1:])
    expected = full.compare_score_test(null)
    row = brant(study[0][["knee"]], study[1]).iloc[0]
    assert row["df"] == 2
    assert row["estimate"] == pytest.approx(expected["statistic"], rel=1e-4)
    assert row["p_value"] == pytest.approx(expected["p-value"], rel=1e-4)


def test_thresholds_have_the_small_sample_errors_of_mancl_and_derouen(study):
    model, at_cut, slopes = stacked(study)
    fit = model(at_cut, slopes * at_cut).fit(cov_type="bias_reduced")
    table = threshold_effects(study[0][["knee"]], study[1])
    np.testing.assert_allclose(table["estimate"], np.exp(fit.params[3:]), rtol=1e-4)
    errors = [log_error(row, 59) for row in table.to_dict("records")]
    np.testing.assert_allclose(errors, fit.bse[3:], rtol=1e-4)


def test_brant_sees_an_effect_at_one_threshold_only(rng):
    n = 900
    x = rng.normal(size=n)
    walks = rng.random(n) < special.expit(1.5 * x)
    further = walks & (rng.random(n) < 0.5)
    index = pd.DataFrame({"stage": walks.astype(int) + further, "who": range(n)})
    features = pd.DataFrame({"x": x})
    settings = {"outcome": "stage", "groups": "who"}
    assert brant(features, index, **settings).loc[0, "p_value"] < 1e-6
    table = threshold_effects(features, index, **settings)
    assert table["threshold"].tolist() == ["above 0", "above 1"]
    assert table.loc[0, "estimate"] > table.loc[1, "estimate"]


def test_brant_says_why_it_has_no_answer(study):
    features, index = study
    two = index.assign(side=index["gmfcs"].cat.codes > 1)
    row = brant(features[["knee"]], two, outcome="side").iloc[0]
    assert np.isnan(row["p_value"])
    assert row["note"] == "two levels have one threshold only"
    walker = features[["knee"]].assign(
        walker=(two["gmfcs"].cat.codes > 1).astype(float)
    )
    row = brant(walker[["walker"]], two).iloc[0]
    assert row["note"] == "'walker' separates the levels perfectly"
    table = threshold_effects(walker[["walker"]], two)
    assert table["note"].tolist() == [
        f"perfectly separated above {level}" for level in ("I", "II", "III")
    ]


def test_an_unknown_covariate_is_named(study):
    sentence = "`covariates` must be columns of `index` or `features`; got 'weight'."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        ordinal_effects(*study, covariates=["weight"])
