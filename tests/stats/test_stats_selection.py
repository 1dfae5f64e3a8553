import numpy as np
import pandas as pd
import pytest

from cpexplore.stats import stability_selection


def test_selection_finds_the_features_that_matter(rng):
    n_children = 150
    child = np.repeat(np.arange(n_children), 2)
    x = rng.normal(size=(n_children, 12))[child] + 0.5 * rng.normal(size=(300, 12))
    latent = x[:, 0] + 0.8 * x[:, 1] + rng.logistic(size=300)
    stage = np.digitize(latent, [-1.5, 0.5, 2])
    index = pd.DataFrame({"stage": stage, "who": child})
    features = pd.DataFrame(x, columns=[f"f{number}" for number in range(12)])
    features.loc[::7, "f1"] = np.nan
    features["constant"] = 1.0
    settings = {"outcome": "stage", "groups": "who", "n_features": 2, "n_halves": 30}
    table = stability_selection(features, index, **settings).set_index("feature")
    assert table.index[table["selected"]].tolist() == ["f0", "f1"]
    assert table.loc["constant", "estimate"] == 0
    assert table["expected_false"].iloc[0] == pytest.approx(4 / (0.4 * 12))
    again = stability_selection(features.iloc[::-1], index, **settings)
    pd.testing.assert_frame_equal(again.set_index("feature"), table)
