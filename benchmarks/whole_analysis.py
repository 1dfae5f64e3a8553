"""Every statistical question about 1,450 walks with 120 features: time and memory.

The features are synthetic (no walk is simulated): blocks of correlated columns that
follow a latent severity more or less, 60 % of the variance between children, 8 % of
values missing at random and more at the severe levels, 1 to 4 walks per child, levels
with the public shares. Nine curves of 101 points stand for the joint angles. All
tables of ``cpexplore.stats.severity_tables`` are made with the settings of a study.

    OMP_NUM_THREADS=1 python benchmarks/whole_analysis.py
"""

import argparse
import resource
import sys
import time

import numpy as np
import pandas as pd
import xarray as xr
from joblib.externals.loky import get_reusable_executor
from scipy import stats

from cpexplore.gmfcs import DTYPE
from cpexplore.stats import severity_tables

SHARES = (0.34, 0.35, 0.28, 0.03)
"""Of the levels, as in the field's largest set of videos."""
N_BLOCKS, N_CURVES = 20, 9
COVARIATES = ("age_years", "sex", "leg_length_m", "speed")
MAX_SECONDS = 180.0


def make_index(n_walks: int, rng: np.random.Generator) -> tuple[pd.DataFrame, ...]:
    """Index table of about 2.6 walks per child, and the children's severity."""
    child = np.repeat(np.arange(n_walks), rng.integers(1, 5, n_walks))[:n_walks]
    n_children = child[-1] + 1
    severity = rng.normal(size=n_children)
    level = np.digitize(severity, stats.norm.ppf(np.cumsum(SHARES)[:-1]))
    age = rng.uniform(4, 18, n_children)
    leg = 0.3 + 0.03 * age + 0.04 * rng.normal(size=n_children)
    walker = rng.random(n_children) < np.array([0.0, 0.1, 0.8, 0.9])[level]
    index = pd.DataFrame(
        {
            "gmfcs": pd.Categorical.from_codes(level[child], dtype=DTYPE),
            "patient_id": [f"p{number:04d}" for number in child],
            "age_years": age[child],
            "leg_length_m": leg[child],
            "sex": rng.choice(["female", "male"], n_children)[child],
            "device": np.where(walker, "walker", "none")[child],
        },
        index=pd.Index([f"w{number:05d}" for number in range(n_walks)], name="walk_id"),
    )
    return index, pd.DataFrame({"severity": severity[child], "child": child})


def make_features(
    latent: pd.DataFrame, n_features: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Correlated columns with clusters and missing values; the first is the speed."""
    child, severity = latent["child"].to_numpy(), latent["severity"].to_numpy()
    block = np.arange(n_features) % N_BLOCKS
    shared = rng.normal(size=(child[-1] + 1, N_BLOCKS))[child][:, block]
    own = rng.normal(size=(child[-1] + 1, n_features))[child]
    effect = rng.uniform(-0.8, 0.8, n_features)
    between = severity[:, None] * effect + 0.7 * shared + 0.7 * own
    x = np.sqrt(0.6) * between + np.sqrt(0.4) * rng.normal(size=between.shape)
    missing = rng.random(x.shape) < 0.08 * np.exp(0.3 * severity)[:, None]
    x[missing & (np.arange(n_features) > 0)] = np.nan
    names = ["speed", *(f"feature_{number:03d}" for number in range(1, n_features))]
    return pd.DataFrame(x, columns=names)


def make_curves(latent: pd.DataFrame, rng: np.random.Generator) -> xr.Dataset:
    """Smooth curves of which some change with severity."""
    phase = np.arange(101)
    waves = np.stack([np.cos(2 * np.pi * k * phase / 100) for k in range(4)])
    child, severity = latent["child"].to_numpy(), latent["severity"].to_numpy()
    curves = {}
    for number in range(N_CURVES):
        weight = rng.normal(size=(child[-1] + 1, 4))[child]
        weight[:, 0] += 0.1 * number * severity
        noise = 0.3 * rng.normal(size=weight.shape)
        curves[f"angle_{number}"] = (("walk", "phase"), (weight + noise) @ waves)
    return xr.Dataset(curves, coords={"phase": phase})


def used(who: int) -> tuple[float, float]:
    """CPU seconds and peak memory in GB."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=1450)
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    index, latent = make_index(options.walks, rng)
    features = make_features(latent, options.features, rng).set_index(index.index)
    curves = make_curves(latent, rng).assign_coords(walk=index.index.to_numpy())

    started = time.perf_counter()
    tables = severity_tables(
        features,
        index,
        curves=curves,
        adjustments={"adjusted": COVARIATES, "device": (*COVARIATES, "device")},
        given=(("speed",), ("age_years", "leg_length_m")),
        seed=options.seed,
        n_jobs=options.jobs,
    )
    seconds = time.perf_counter() - started
    get_reusable_executor().shutdown()  # ended workers can be asked what they used
    own_cpu, own_gb = used(resource.RUSAGE_SELF)
    cpu, gb = used(resource.RUSAGE_CHILDREN)
    asked = tables.pop("questions")
    print(asked[["table", "n_tests", "n_missing", "problem"]].to_string(index=False))
    children = index["patient_id"].nunique()
    print(f"walks, children      {len(index):5d} {children:5d}")
    print(f"features, tables     {features.shape[1]:5d} {len(tables):5d}")
    print(f"wall time            {seconds:7.1f} s (bar: {MAX_SECONDS:.0f})")
    print(f"CPU time             {own_cpu + cpu:7.1f} s, all processes")
    print(f"peak, this process   {own_gb:7.2f} GB")
    print(f"peak, largest worker {gb:7.2f} GB")
    answered = (asked["problem"] == "").all()
    return 0 if answered and seconds <= MAX_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
