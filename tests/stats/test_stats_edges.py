"""What every function must survive: singletons, infinities, a rare level, few rows."""

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


@pytest.fixture(params=list(FUNCTIONS))
def function(request):
    return FUNCTIONS[request.param]


def test_singleton_patients_are_no_obstacle(study, function):
    features, index = study
    singles = index.assign(patient_id=[f"q{number}" for number in range(len(index))])
    table = function(features[["knee", "trunk"]], singles)
    assert table["estimate"].notna().all()
    assert (table["note"] == "").all()


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
