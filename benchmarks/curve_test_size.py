"""How often the test of whole curves finds something where nothing is.

    python benchmarks/curve_test_size.py

40 children with 1 to 3 walks, smooth curves that differ between children, levels drawn
at random; a curve counts as rejected if any of its clusters has p <= .05. Exits with 1
if the rate is outside 3 to 7 %.
"""

import argparse
import sys

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from cpexplore.stats import compare_curves

PHASE = np.linspace(0, 2 * np.pi, 51)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    n = parser.parse_args().simulations
    rejected = sum(rejects(seed) for seed in range(1000, 1000 + n))
    interval = stats.binomtest(rejected, n).proportion_ci(method="wilson")
    rate = rejected / n
    print(f"rejected {rate:.3f} [{interval.low:.3f}, {interval.high:.3f}] of {n}")
    return int(not 0.03 <= rate <= 0.07)


def rejects(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    child = np.repeat(np.arange(40), rng.integers(1, 4, 40))
    shapes = np.stack([np.ones_like(PHASE), np.sin(PHASE), np.cos(PHASE)])
    own = rng.normal(size=(40, 3)) @ shapes
    values = own[child] + 0.3 * rng.normal(size=(len(child), len(PHASE)))
    index = pd.DataFrame({"stage": rng.integers(0, 3, 40)[child], "who": child})
    curves = xr.Dataset(
        {"knee": (("walk", "phase"), values)},
        coords={"walk": np.arange(len(child)), "phase": PHASE},
    )
    table = compare_curves(
        curves, index, outcome="stage", groups="who", n_permutations=199, rng=seed
    )
    return bool((table["p_value"] <= 0.05).any())


if __name__ == "__main__":
    sys.exit(main())
