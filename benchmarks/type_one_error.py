"""How often tests reject when nothing is there, and how often when something is.

Children have 1 to 4 walks (2.6 on average), one level each, and a feature of which
60 % of the variance is between children. Tests that take walks for independent reject
far too often; those of ``cpexplore.stats`` must hold 5 %. The power of the primary
test follows for 100 to 1,450 walks.

Results are appended to a CSV file after every simulation, so that an interrupted run
goes on where it stopped and more simulations can be added. Rows carry a version of the
tests' source; those of another version are neither counted nor taken as done. Exits
with 1 if a rate of any of the project's tests is outside 3 to 7 % with its whole
interval.

    python benchmarks/type_one_error.py --simulations 500 --jobs 2
"""

import argparse
import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel
from tqdm import tqdm

import cpexplore.stats
from cpexplore.gmfcs import DTYPE
from cpexplore.stats import (
    associate,
    brant,
    kruskal,
    mixed_effects,
    ordinal_effects,
    partial_association,
    trend,
)

SHARES = (0.34, 0.35, 0.28, 0.03)
"""Of the levels, as in the field's largest set of videos."""
ICC = 0.6
N_CHILDREN = 200
POWER_WALKS = (100, 200, 400, 800, 1450)
POWER_RHO = (0.1, 0.2, 0.3)
"""Correlation of the child's mean feature with the latent severity."""
PRIMARY = "associate (patient permutation)"
LOWEST, HIGHEST = 0.03, 0.07
"""What tests of the project may reject at a nominal 5 %."""


def version() -> str:
    """Hash of the tests' and this file's source; results of others do not count."""
    sources = sorted(Path(cpexplore.stats.__path__[0]).glob("*.py"))
    text = b"".join(path.read_bytes() for path in [*sources, Path(__file__)])
    return hashlib.sha256(text).hexdigest()[:12]


VERSION = version()


def make_table(n_children: int, rho: float, seed: int) -> pd.DataFrame:
    """Simulate walks: the feature, a covariate, the level and the patient."""
    rng = np.random.default_rng(seed)
    n_walks = rng.choice([1, 2, 3, 4], size=n_children, p=[0.2, 0.27, 0.26, 0.27])
    severity = rng.normal(size=n_children)
    level = np.digitize(severity, stats.norm.ppf(np.cumsum(SHARES)[:-1]))
    other = np.sqrt(1 - rho**2) * rng.normal(size=n_children)
    child = np.repeat(np.arange(n_children), n_walks)
    feature = np.sqrt(ICC) * (rho * severity + other)[child]
    feature += np.sqrt(1 - ICC) * rng.normal(size=len(child))
    return pd.DataFrame(
        {
            "feature": feature,
            "speed": rng.normal(size=n_children)[child] + rng.normal(size=len(child)),
            "gmfcs": pd.Categorical.from_codes(level[child], dtype=DTYPE),
            "patient_id": [f"p{number:04d}" for number in child],
        },
        index=pd.Index([f"w{number:05d}" for number in range(len(child))]),
    )


def naive_p(table: pd.DataFrame) -> dict[str, float]:
    """Tests that take every walk for another child."""
    level, feature = table["gmfcs"].cat.codes.to_numpy(), table["feature"].to_numpy()
    of_level = [feature[level == code] for code in np.unique(level)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = OrderedModel(level, feature[:, None], distr="logit")
        ordinal = model.fit(method="bfgs", disp=False)
    return {
        "naive Spearman on walks": stats.spearmanr(feature, level).pvalue,
        "naive Kruskal-Wallis on walks": stats.kruskal(*of_level).pvalue,
        "naive Kendall / Jonckheere on walks": stats.kendalltau(feature, level).pvalue,
        "naive proportional odds on walks": ordinal.pvalues[0],
    }


def project_p(table: pd.DataFrame, n: int, seed: int) -> dict[str, float]:
    """The tests of ``cpexplore.stats`` on the same walks."""
    features = table[["feature"]]
    draws = {"n_resamples": n, "n_permutations": n, "rng": seed}
    primary = associate(features, table, **draws).iloc[0]
    excludes_zero = primary["ci_low"] > 0 or primary["ci_high"] < 0
    partial = partial_association(features, table, given=["speed"], **draws)
    return {
        PRIMARY: primary["p_value"],
        "associate (bootstrap interval excludes 0)": 0.0 if excludes_zero else 1.0,
        "partial_association": partial["p_value"].iloc[0],
        "ordinal_effects (cluster-robust)": _p(ordinal_effects, table),
        "mixed_effects (any difference)": _p(mixed_effects, table),
        "trend (one row per child)": _p(trend, table),
        "kruskal (one row per child)": _p(kruskal, table),
        "brant (cluster-robust)": _p(brant, table),
    }


def _p(test, table: pd.DataFrame) -> float:
    return test(table[["feature"]], table)["p_value"].iloc[0]


def simulate(kind: str, walks: int, rho: float, seed: int, n: int) -> pd.DataFrame:
    """One simulation: p-value by test."""
    if kind == "size":
        table = make_table(N_CHILDREN, 0.0, seed)
        p_values = naive_p(table) | project_p(table, n, seed)
    else:
        table = make_table(round(walks / 2.6), rho, seed)
        draws = {"n_resamples": 1, "n_permutations": n, "rng": seed}
        primary = associate(table[["feature"]], table, **draws)
        p_values = {PRIMARY: primary["p_value"].iloc[0]}
    rows = {"test": list(p_values), "p_value": list(p_values.values())}
    keys = {"version": VERSION, "kind": kind, "walks": walks, "rho": rho, "seed": seed}
    return pd.DataFrame(keys | rows)


def wanted(simulations: int, power_simulations: int) -> Iterator[tuple]:
    for seed in range(simulations):
        yield "size", 0, 0.0, seed
    for walks in POWER_WALKS:
        for rho in POWER_RHO:
            for seed in range(power_simulations):
                yield "power", walks, rho, seed


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Rejections at 5 % with Wilson intervals."""
    keys = ["kind", "walks", "rho", "test"]
    table = results.dropna(subset="p_value").groupby(keys, sort=False)["p_value"]
    rows = []
    for key, p_values in table:
        rejected = stats.binomtest(int((p_values <= 0.05).sum()), len(p_values))
        interval = rejected.proportion_ci(method="wilson")
        rows.append((*key, len(p_values), rejected.statistic, *interval))
    names = ["simulations", "rejected", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*keys, *names])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--power-simulations", type=int, default=100)
    parser.add_argument("--permutations", type=int, default=399)
    parser.add_argument("--jobs", type=int, default=1)
    default = Path("runs/benchmarks/type_one_error_versions.csv")
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    columns = ["kind", "walks", "rho", "seed"]
    done = set()
    if options.out.exists():
        before = _of_this_version(options.out)
        done = set(before[columns].itertuples(index=False, name=None))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    jobs = list(wanted(options.simulations, options.power_simulations))
    jobs = [job for job in jobs if job not in done]
    results = joblib.Parallel(n_jobs=options.jobs, return_as="generator_unordered")(
        joblib.delayed(simulate)(*job, options.permutations) for job in jobs
    )
    for result in tqdm(results, total=len(jobs), unit="simulation"):
        result.to_csv(
            options.out, mode="a", header=not options.out.exists(), index=False
        )
    results = _of_this_version(options.out)
    table = summary(results)
    table.to_csv(options.out.with_name("type_one_error_summary.csv"), index=False)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    print(f"{results['p_value'].isna().sum()} of {len(results)} p-values are missing")
    own = (table["kind"] == "size") & ~table["test"].str.startswith("naive")
    wrong = own & ((table["ci_high"] < LOWEST) | (table["ci_low"] > HIGHEST))
    return int(wrong.any())


def _of_this_version(path: Path) -> pd.DataFrame:
    """The rows of a file of results that these sources made."""
    return pd.read_csv(path).query("version == @VERSION")


if __name__ == "__main__":
    sys.exit(main())
