"""A small study with everything that real tables have."""

import numpy as np
import pandas as pd
import pytest

from cpexplore.gmfcs import DTYPE


@pytest.fixture
def study(rng) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and index of 60 children with 1 to 4 walks.

    ``knee`` rises with the level, ``cadence`` is noise with ties, ``trunk`` misses
    every fifth walk, ``constant`` and ``empty`` say nothing.
    """
    n_children = 60
    child = np.repeat(np.arange(n_children), rng.integers(1, 5, n_children))
    level = rng.integers(0, 4, n_children)[child]
    of_child = rng.normal(size=n_children)[child]
    n = len(child)
    walks = pd.Index([f"w{number:03d}" for number in rng.permutation(n)])
    trunk = of_child - 0.4 * level + rng.normal(size=n)
    features = pd.DataFrame(
        {
            "knee": 1.2 * level + of_child + rng.normal(size=n),
            "cadence": np.round(rng.normal(size=n) + of_child),
            "trunk": np.where(rng.random(n) < 0.2, np.nan, trunk),
            "constant": 1.0,
            "empty": np.nan,
        },
        index=walks,
    )
    index = pd.DataFrame(
        {
            "gmfcs": pd.Categorical.from_codes(level, dtype=DTYPE),
            "patient_id": [f"p{number:02d}" for number in child],
            "age_years": rng.normal(9, 3, n_children)[child],
            "sex": rng.choice(["female", "male"], n_children)[child],
            "device": np.where(level == 3, "walker", "none"),
            "height_m": np.nan,
        },
        index=walks,
    )
    return features, index
