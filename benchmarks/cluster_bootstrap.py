"""Patient-cluster bootstrap of Spearman's rho against a loop over scipy.

60 features x 1,800 walks x 2,000 resamples. The loop copies the rows of the drawn
patients and calls ``scipy.stats.spearmanr``; it is timed on a few resamples, half
before and half after the project's function, and scaled up. Both see the same
resamples, so their replicates must agree.

    python benchmarks/cluster_bootstrap.py
"""

import argparse
import resource
import sys
import time

import numpy as np
from scipy import stats

from cpexplore.stats import cluster_bootstrap, cluster_weights

N_FEATURES, N_ROWS, N_PATIENTS, N_RESAMPLES = 60, 1_800, 800, 2_000
MIN_RATIO, MAX_DIFFERENCE, MAX_MEMORY_GB = 25, 1e-12, 1.0


def make_data(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of which half have ties and all have 5 % missing values."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(N_PATIENTS, size=N_ROWS)
    y = rng.choice(4, size=N_ROWS, p=[0.34, 0.35, 0.28, 0.03]).astype(float)
    X = rng.normal(size=(N_ROWS, N_FEATURES)) + 0.4 * y[:, None]
    X[:, ::2] = X[:, ::2].round(1)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y, groups


def loop(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """What one would write with numpy and scipy."""
    replicates = np.empty((len(weights), X.shape[1]))
    for number, weight in enumerate(weights):
        drawn = np.repeat(np.arange(len(y)), weight)
        for feature in range(X.shape[1]):
            x = X[drawn, feature]
            known = np.isfinite(x)
            rho = stats.spearmanr(x[known], y[drawn][known]).statistic
            replicates[number, feature] = rho
    return replicates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loop-resamples", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    X, y, groups = make_data(options.seed)
    n_loop = max(options.loop_resamples, 5)
    weights = cluster_weights(groups, n_resamples=N_RESAMPLES, rng=options.seed)
    half = n_loop // 2

    started = time.perf_counter()
    before = loop(X, y, weights[:half])
    loop_s = time.perf_counter() - started
    started = time.perf_counter()
    replicates = cluster_bootstrap(
        X, y, groups=groups, n_resamples=N_RESAMPLES, rng=options.seed
    )
    own_s = time.perf_counter() - started
    memory_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started = time.perf_counter()
    after = loop(X, y, weights[half:n_loop])
    loop_s += time.perf_counter() - started

    expected = np.concatenate([before, after])
    difference = float(np.abs(replicates[:n_loop] - expected).max())
    scaled_s = loop_s / n_loop * N_RESAMPLES
    ratio = scaled_s / own_s
    print(f"loop over scipy      {scaled_s:9.1f} s (scaled from {n_loop} resamples)")
    print(f"cluster_bootstrap    {own_s:9.1f} s")
    print(f"ratio                {ratio:9.0f} x (bar: {MIN_RATIO})")
    print(f"largest difference   {difference:9.1e} (bar: {MAX_DIFFERENCE:.0e})")
    print(f"peak memory          {memory_gb:9.2f} GB (bar: {MAX_MEMORY_GB:.0f})")
    passed = (
        ratio >= MIN_RATIO
        and difference <= MAX_DIFFERENCE
        and memory_gb < MAX_MEMORY_GB
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
