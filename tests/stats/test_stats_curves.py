import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from cpexplore.stats import compare_curves, level_curves


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


def test_curve_test_holds_its_level():
    rejected = 0
    phase = np.linspace(0, 2 * np.pi, 51)
    for seed in range(100):
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
    assert rejected / 100 <= 0.11


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
