import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from cpexplore.stats import compare_curves, level_curves
from cpexplore.stats.curves import _label


@pytest.fixture
def curves(study, rng):
    """Two angles; ``knee`` rises with the level around 60 % of the cycle."""
    _, index = study
    phase = np.arange(101)
    children, who = np.unique(index["patient_id"], return_inverse=True)
    own = rng.normal(size=(len(children), 1))[who]
    bump = np.exp(-(((phase - 60) / 6) ** 2))
    rise = index["gmfcs"].cat.codes.to_numpy()[:, None] * bump
    noise = rng.normal(size=(2, len(index), 101))
    values = {"knee": own + 1.5 * rise + noise[0], "hip": own + noise[1]}
    values["knee"][3, 50] = np.nan
    return xr.Dataset(
        {name: (("walk", "phase"), value) for name, value in values.items()},
        coords={"walk": index.index.to_numpy(), "phase": phase},
    )


def test_a_planted_difference_is_found_where_it_is(study, curves):
    _, index = study
    table = compare_curves(curves, index, n_permutations=499, rng=0)
    knee = table[(table["curve"] == "knee") & (table["p_value"] < 0.05)]
    assert len(set(knee["cluster"])) == 1
    assert knee["phase"].between(45, 75).all()
    assert {55, 60, 65} <= set(knee["phase"])
    assert (knee["estimate"] > 0).all()
    assert knee["q_value"].notna().all()
    assert not ((table["curve"] == "hip") & (table["p_value"] < 0.05)).any()
    assert table.groupby("curve")["n_missing"].first().to_dict() == {
        "hip": 0,
        "knee": 1,
    }
    expected = stats.spearmanr(
        curves["hip"].sel(phase=60), index["gmfcs"].cat.codes[curves["walk"].values]
    ).statistic
    at_60 = table[(table["curve"] == "hip") & (table["phase"] == 60)]
    assert at_60["estimate"].item() == pytest.approx(expected)


def test_curves_are_aligned_by_walk(study, curves):
    _, index = study
    settings = {"n_permutations": 49, "rng": 0}
    one = compare_curves(curves, index, **settings)
    turned = curves.isel(walk=slice(None, None, -1)).transpose("phase", "walk")
    other = compare_curves(turned, index.sort_values("age_years"), **settings)
    pd.testing.assert_frame_equal(one, other)


def test_curves_without_a_cluster_count_as_tests():
    """One of five curves is the level itself, three are exactly unrelated to it."""
    child, phase = np.arange(30), np.arange(5)
    index = pd.DataFrame({"stage": child % 3, "who": child})
    values = {"knee": child % 3, "hip": child // 3, "ankle": child // 3}
    values |= {"foot": child // 3, "toe": np.full(30, np.nan)}
    data = xr.Dataset(
        {
            name: (("walk", "phase"), np.tile(value[:, None], 5))
            for name, value in values.items()
        },
        coords={"walk": child, "phase": phase},
    )
    table = compare_curves(
        data, index, outcome="stage", groups="who", n_permutations=99, rng=0
    )
    knee, others = table["curve"] == "knee", table["curve"] != "knee"
    assert (table.loc[knee, ["cluster", "p_value", "q_value"]] == [1, 0.01, 0.04]).all(
        axis=None
    )
    assert (table.loc[others, "cluster"] == 0).all()
    assert table.loc[others, ["p_value", "q_value"]].isna().all(axis=None)


def test_curve_test_holds_its_level():
    rejected = 0
    phase = np.linspace(0, 2 * np.pi, 51)
    for seed in range(80):
        rng = np.random.default_rng(seed)
        child = np.repeat(np.arange(40), 2)
        own = rng.normal(size=(40, 3)) @ np.stack(
            [phase * 0 + 1, np.sin(phase), np.cos(phase)]
        )
        values = own[child] + 0.3 * rng.normal(size=(80, 51))
        index = pd.DataFrame({"stage": rng.integers(0, 3, 40)[child], "who": child})
        data = xr.Dataset(
            {"knee": (("walk", "phase"), values)},
            coords={"walk": np.arange(80), "phase": phase},
        )
        table = compare_curves(
            data, index, outcome="stage", groups="who", n_permutations=99, rng=seed
        )
        rejected += (table["p_value"] <= 0.05).any()
    assert rejected / 80 <= 0.11


def test_the_size_of_a_cluster_is_what_exceeds_the_limit():
    rho = np.array([0.1, 0.5, 0.4, -0.4, 0.0, 0.3])
    cluster, sizes = _label(rho, np.full(6, 0.3))
    assert cluster.tolist() == [0, 1, 1, 2, 0, 0]
    np.testing.assert_allclose(sizes, [0.3, 0.1])


def test_curves_without_whole_walks_say_so(study, curves):
    _, index = study
    curves["ankle"] = curves["hip"].where(curves["phase"] != 50)
    only = index.index[index["gmfcs"] == "II"].to_numpy()
    curves["foot"] = curves["hip"].where(curves["walk"].isin(only))
    few = index.index[index["patient_id"] < "p04"].to_numpy()
    curves["toe"] = curves["hip"].where(curves["walk"].isin(few))
    table = compare_curves(curves, index, n_permutations=49, rng=0)
    notes = table.groupby("curve")["note"].first().to_dict()
    assert notes == {
        "hip": "",
        "knee": "",
        "ankle": "no walk has the whole curve",
        "foot": "only level II has the whole curve",
        "toe": "an interval or test needs 5 patients; there are 4",
    }
    without = table[table["note"] != ""]
    assert without[["estimate", "p_value", "q_value"]].isna().all(axis=None)
    means = level_curves(curves, index, n_resamples=50, rng=0)
    toe = means[means["curve"] == "toe"]
    assert toe["ci_low"].isna().all()
    assert toe.groupby("level")["n_patients"].first().sum() == 4
    ankle = means[means["curve"] == "ankle"]
    assert ankle["estimate"].isna().all()
    assert (ankle["n_rows"] == 0).all()


def test_level_curves_are_means_with_an_interval(study, curves):
    _, index = study
    table = level_curves(curves[["hip"]], index, n_resamples=200, rng=0)
    walks = index.index[index["gmfcs"] == "III"]
    expected = curves["hip"].sel(walk=walks.to_numpy()).mean("walk")
    got = table[table["level"] == "III"].set_index("phase")
    np.testing.assert_allclose(got["estimate"], expected)
    assert (got["ci_low"] < got["estimate"]).all()
    assert (got["ci_high"] > got["estimate"]).all()


def test_further_dims_are_named(study, curves):
    _, index = study
    sided = curves.expand_dims(side=["left", "right"])
    sentence = (
        "`curves` must have variables of dims (walk, phase); 'knee' has 'side', "
        "'walk', 'phase'. Choose or average the others."
    )
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        compare_curves(sided, index)
