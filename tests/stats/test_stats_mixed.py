import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from cpexplore.stats import mixed_effects


def test_mixed_model_of_balanced_data_is_the_analysis_of_variance(rng):
    """With equal numbers REML has a closed form: children within levels are error."""
    n_levels, n_children, n_walks = 3, 8, 4
    values = (
        rng.normal(size=(n_levels, n_children, 1))
        + rng.normal(size=(n_levels, n_children, n_walks))
        + np.array([0.0, 1.0, 1.5])[:, None, None]
    )
    level, child, _ = np.indices(values.shape)
    index = pd.DataFrame(
        {
            "stage": pd.Categorical.from_codes(
                level.ravel(), list("abc"), ordered=True
            ),
            "who": (level * 100 + child).ravel(),
        }
    )
    features = pd.DataFrame({"angle": 10 * values.ravel()})
    table = mixed_effects(features, index, outcome="stage", groups="who")
    means = 10 * values.mean(axis=2)
    of_level = means.mean(axis=1)
    error = means.var(axis=1, ddof=1).mean() / n_children
    chi2 = ((of_level - of_level.mean()) ** 2).sum() / error
    table = table.set_index("contrast")
    assert table.index.tolist() == ["any", "b - a", "c - a"]
    assert table.loc["any", "estimate"] == pytest.approx(chi2 / 2, rel=1e-4)
    assert (table["df"] == 24 - 3).all()
    anova = stats.f_oneway(*means).pvalue
    assert table.loc["any", "p_value"] == pytest.approx(anova, rel=1e-3)
    assert table.loc["b - a", "estimate"] == pytest.approx(of_level[1] - of_level[0])
    reach = stats.t.isf(0.025, 21) * np.sqrt(2 * error)
    high = table.loc["c - a", "ci_high"]
    assert high == pytest.approx(of_level[2] - of_level[0] + reach, rel=1e-4)


@pytest.mark.parametrize("between", [0.0, 0.3, 3.0])
def test_mixed_model_equals_statsmodels(study, rng, between):
    """Unbalanced, adjusted; without any variance between children as well."""
    _, index = study
    index = index.sort_index()
    children, who = np.unique(index["patient_id"], return_inverse=True)
    level = index["gmfcs"].cat.codes.to_numpy()
    own = np.sqrt(between) * rng.normal(size=len(children))
    values = 5 * (0.5 * level + own[who] + rng.normal(size=len(who)))
    features = pd.DataFrame({"angle": values}, index=index.index)
    table = mixed_effects(features, index, covariates=["age_years"])
    table = table.set_index("contrast")
    age = stats.zscore(index["age_years"])
    terms = np.column_stack([np.eye(4)[level], age])
    terms[:, 0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of zero between children is fine
        fit = MixedLM(values, terms, groups=who).fit(method=["bfgs"])
    got = table.loc[["II - I", "III - I", "IV - I"]]
    np.testing.assert_allclose(got["estimate"], fit.fe_params[1:4], atol=1e-3)
    same_child = (who[:, None] == who) * float(np.asarray(fit.cov_re)[0, 0])
    precision = np.linalg.inv(same_child + fit.scale * np.eye(len(who)))
    variance = np.diag(np.linalg.inv(terms.T @ precision @ terms))[1:4]
    df = len(children) - 4 - 1  # levels and age, which belongs to the child
    assert (table["df"] == df).all()
    high = fit.fe_params[1:4] + stats.t.isf(0.025, df) * np.sqrt(variance)
    np.testing.assert_allclose(got["ci_high"], high, atol=1e-3)


@pytest.mark.slow
def test_mixed_model_holds_its_level_with_twelve_children():
    """The chi-squared reference rejected in 15 % with 8 children."""
    rejected = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(12), rng.integers(1, 5, 12))
        values = rng.normal(size=12)[who] + rng.normal(size=len(who))
        index = pd.DataFrame({"stage": (np.arange(12) % 4)[who], "who": who})
        table = mixed_effects(
            pd.DataFrame({"angle": values}), index, outcome="stage", groups="who"
        )
        rejected += table.loc[0, "p_value"] <= 0.05
    assert rejected / 300 <= 0.09


def test_mixed_model_says_why_it_has_no_answer(study):
    features, index = study
    height = index["patient_id"].str[1:].astype(float)
    few = index["patient_id"].isin(["p00", "p01", "p02"])
    features = features.assign(height=height, few=features["knee"].where(few))
    notes = mixed_effects(features, index).drop_duplicates("feature")
    assert notes.set_index("feature")["note"].to_dict() == {
        "knee": "",
        "cadence": "",
        "trunk": "",
        "constant": "the feature is constant",
        "empty": "no walk has the feature and all covariates",
        "height": "the feature never differs between walks of a child",
        "few": "an interval or test needs 5 patients; there are 3",
    }
    index["severity"] = index["gmfcs"].cat.codes
    table = mixed_effects(features[["knee"]], index, covariates=["severity"])
    expected = "the levels and the covariates are linearly dependent"
    assert table["note"].tolist() == [expected]
