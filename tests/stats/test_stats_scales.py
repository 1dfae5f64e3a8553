"""Severity scales other than GMFCS: any ordered categories, any names, any number."""

import inspect

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore import stats

FEW = {"n_resamples": 40, "rng": 0}
TESTS = FEW | {"n_permutations": 39}

SCALES = {
    "three": ("mild", "moderate", "grave"),  # the alphabet has another order
    "five": ("1", "1.5", "2", "2.5", "10"),  # Hoehn and Yahr, and two digits
}

SCALED = {
    "associate": lambda f, i, s: stats.associate(f, i, **s, **TESTS),
    "brant": lambda f, i, s: stats.brant(f, i, **s),
    "compare_curves": lambda f, i, s: stats.compare_curves(
        curves_of(f), i, **s, n_permutations=39, rng=0
    ),
    "imputed_effects": lambda f, i, s: stats.imputed_effects(
        f, i, **s, n_imputations=2
    ),
    "kruskal": lambda f, i, s: stats.kruskal(f, i, **s),
    "level_curves": lambda f, i, s: stats.level_curves(curves_of(f), i, **s, **FEW),
    "missingness": lambda f, i, s: stats.missingness(f, i, **s, **TESTS),
    "mixed_effects": lambda f, i, s: stats.mixed_effects(f, i, **s),
    "ordinal_effects": lambda f, i, s: stats.ordinal_effects(f, i, **s),
    "ordinal_gee": lambda f, i, s: stats.ordinal_gee(f, i, **s),
    "pairwise": lambda f, i, s: stats.pairwise(f, i, **s, **FEW),
    "partial_association": lambda f, i, s: stats.partial_association(
        f, i, given=["age"], **s, **TESTS
    ),
    "severity_tables": lambda f, i, s: stats.severity_tables(
        f, i, **s, n_resamples=40, n_permutations=39
    )["threshold_odds_ratios"],
    "stability_selection": lambda f, i, s: stats.stability_selection(
        f, i, **s, n_halves=4, n_features=1
    ),
    "threshold_effects": lambda f, i, s: stats.threshold_effects(f, i, **s),
    "trend": lambda f, i, s: stats.trend(f, i, **s),
}
"""Every public function that takes the name of an outcome."""

NAMING = ("level", "other", "threshold", "contrast")
"""Columns that hold names of levels."""


def curves_of(features):
    phase = np.arange(0, 101, 25)
    values = features["knee"].to_numpy()[:, None] + np.sin(phase / 16)
    return xr.Dataset(
        {"knee": (("walk", "phase"), values)},
        coords={"walk": features.index.to_numpy(), "phase": phase},
    )


@pytest.fixture(params=list(SCALES))
def disease(request, rng):
    """Adults with a scale of their own, as categories and as plain codes."""
    names = SCALES[request.param]
    who = np.repeat(np.arange(50), rng.integers(1, 4, 50))
    stage = rng.permutation(np.arange(50) % len(names))[who]
    walks = pd.Index([f"visit {number}" for number in rng.permutation(len(who))])
    features = pd.DataFrame(
        {
            "knee": 0.7 * stage + rng.normal(size=50)[who] + rng.normal(size=len(who)),
            "sway": rng.normal(size=len(who)).round(1),
        },
        index=walks,
    )
    index = pd.DataFrame(
        {
            "stage": pd.Categorical.from_codes(stage, [*names, "unused"], ordered=True),
            "code": stage,
            "person": who,
            "age": rng.normal(65, 8, 50)[who],
        },
        index=walks,
    )
    return features, index, [str(name) for name in names]


def test_every_function_with_an_outcome_is_tried():
    public = {name: getattr(stats, name) for name in stats.__all__}
    with_outcome = {
        name
        for name, function in public.items()
        if "outcome" in inspect.signature(function).parameters
    }
    assert with_outcome == set(SCALED)


@pytest.mark.parametrize("function", list(SCALED))
def test_names_of_levels_change_nothing_but_names(disease, function):
    features, index, names = disease
    groups = {"groups": "person"}
    table = SCALED[function](features, index, groups | {"outcome": "stage"})
    coded = SCALED[function](features, index, groups | {"outcome": "code"})
    naming = [column for column in NAMING if column in table]
    pd.testing.assert_frame_equal(
        table.drop(columns=naming), coded.drop(columns=naming)
    )
    for column in naming:
        codes = [str(code) for code in range(len(names))]
        words = coded[column].dropna().unique().tolist()
        if column == "contrast":
            expected = ["any", *(f"{name} - {names[0]}" for name in names[1:])]
        else:
            expected = [
                " ".join(
                    names[codes.index(part)] if part in codes else part
                    for part in word.split()
                )
                for word in words
            ]
        assert table[column].dropna().unique().tolist() == expected


@pytest.mark.parametrize("function", [stats.cluster_bootstrap, stats.permutation_p])
def test_arrays_may_be_ordered_categories(disease, function):
    features, index, _ = disease
    index = index.loc[features.index]
    settings = {"groups": index["person"], "rng": 0}
    one = function(features, index["stage"], **settings)
    np.testing.assert_array_equal(one, function(features, index["code"], **settings))
    with pytest.raises(TypeError, match=r"^`y` must be numbers or an ordered catego"):
        function(features, index["stage"].cat.as_unordered(), **settings)
