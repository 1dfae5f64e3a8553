import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.stats import redundancy, variance_inflation


def test_variance_inflation_is_that_of_the_regressions(rng):
    x = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
    x -= x.mean(axis=0)
    expected = []
    for column in range(4):
        others = np.delete(x, column, axis=1)
        left = x[:, column] - others @ np.linalg.lstsq(others, x[:, column])[0]
        expected.append((x[:, column] ** 2).sum() / (left**2).sum())
    got = variance_inflation(np.corrcoef(x.T))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_redundancy_finds_copies_and_sums(rng):
    left, right, other = rng.normal(size=(3, 200))
    features = pd.DataFrame(
        {
            "left": left,
            "other": other,
            "right": right,
            "mean": (left + right) / 2,
            "copy": np.exp(other),
            "constant": 1.0,
        }
    )
    table = redundancy(features).set_index("feature")
    assert np.isinf(table.loc[["left", "right", "mean"], "vif"]).all()
    assert table.loc["other", "vif"] < 10
    assert table.loc["copy", ["nearest", "rho"]].tolist() == ["other", 1.0]
    assert table.loc["copy", "cluster"] == table.loc["other", "cluster"]
    assert table.loc["left", "cluster"] != table.loc["right", "cluster"]
    assert sorted(table["order"]) == [-1, 0, 1, 2, 3, 4]
    assert table.loc["constant", ["vif", "rho"]].isna().all()
    assert table.loc["constant", "cluster"] == 0


def test_redundancy_needs_two_features():
    sentence = "`features` must have at least two columns that vary; got 1."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        redundancy(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 1.0]}))
