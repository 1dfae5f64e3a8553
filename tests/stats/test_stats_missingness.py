import numpy as np
import pandas as pd
import pytest

from cpexplore.stats import imputed_effects, missingness, ordinal_effects


def test_missing_shares_by_hand(study):
    features, index = study
    table = missingness(features, index, n_resamples=300, n_permutations=99, rng=0)
    absent = features["trunk"].isna()
    of_trunk = table[table["feature"] == "trunk"].set_index("level")
    for level in ("I", "II", "III", "IV"):
        expected = absent[index["gmfcs"] == level].mean()
        row = of_trunk.loc[level]
        assert row["estimate"] == pytest.approx(expected)
        assert row["ci_low"] <= expected <= row["ci_high"]
        assert np.isnan(row["p_value"])
    assert of_trunk.loc["all", "n_missing"] == absent.sum()
    assert of_trunk.loc["all", "p_value"] > 0.05
    never = table[(table["feature"] == "knee") & (table["level"] == "all")].iloc[0]
    assert never["estimate"] == 0
    assert np.isnan(never["p_value"])


def test_missingness_that_follows_the_level_is_found(study):
    features, index = study
    hidden = features[["knee"]].where(index[["gmfcs"]].to_numpy() < "III")
    table = missingness(hidden, index, n_resamples=50, n_permutations=99, rng=0)
    assert table.set_index("level").loc["all", "p_value"] == 0.01


def test_imputation_changes_nothing_when_nothing_is_missing(study):
    features, index = study
    one = imputed_effects(features[["knee", "cadence"]], index, n_imputations=2)
    other = ordinal_effects(features[["knee", "cadence"]], index)
    np.testing.assert_allclose(one["estimate"], other["estimate"], rtol=1e-9)
    np.testing.assert_allclose(one["ci_high"], other["ci_high"], rtol=1e-3)
    assert one["fmi"].tolist() == [0, 0]


def test_imputation_recovers_what_related_features_know(rng):
    """Values hidden at high levels bias the complete rows, not the imputed ones."""
    n = 600
    knee = rng.normal(size=n)
    index = pd.DataFrame(
        {"stage": np.digitize(knee + rng.logistic(size=n), [-1, 1]), "who": range(n)}
    )
    ankle = knee + 0.2 * rng.normal(size=n)
    hidden = rng.random(n) < np.where(ankle > 0, 0.8, 0.1)
    features = pd.DataFrame({"knee": np.where(hidden, np.nan, knee), "ankle": ankle})
    settings = {"outcome": "stage", "groups": "who"}
    full = ordinal_effects(pd.DataFrame({"knee": knee}), index, **settings).iloc[0]
    scale = np.nanstd(features["knee"], ddof=1) / knee.std(ddof=1)
    expected = full["estimate"] ** scale
    row = imputed_effects(features, index, **settings).iloc[0]
    assert row["estimate"] == pytest.approx(expected, rel=0.12)
    assert 0 < row["fmi"] < 1
    assert row["n_missing"] == hidden.sum()
    complete = ordinal_effects(features, index, **settings).iloc[0]
    width = np.log(row["ci_high"] / row["ci_low"])
    assert width < np.log(complete["ci_high"] / complete["ci_low"])


def test_imputation_repeats_and_keeps_the_notes(study):
    features, index = study
    settings = {"covariates": ["age_years"], "n_imputations": 2, "seed": 5}
    one = imputed_effects(features, index, **settings)
    other = imputed_effects(features.iloc[::-1], index.iloc[::-1], **settings)
    pd.testing.assert_frame_equal(one, other)
    notes = one.set_index("feature")["note"]
    assert notes["constant"] == "the feature is constant"
    assert notes["empty"] == "no walk has the feature and all covariates"
