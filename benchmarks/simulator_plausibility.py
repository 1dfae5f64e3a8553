"""Compare the simulator with published numbers and time the full-size cohort.

    python benchmarks/simulator_plausibility.py [--patients 797] [--jobs 2] [--out DIR]

Writes ``simulator_plausibility.csv`` (one row per number, with source and whether the
promise is kept) and ``simulator_assumptions.csv`` (every parameter and its status).
"""

import argparse
import resource
import time
from pathlib import Path

import pandas as pd

from cpexplore.simulate import (
    PARAMETERS,
    draw_children,
    measure,
    plausibility,
    simulate_walk,
    td_children,
    typical_plausibility,
)


def timing(children: list, *, n_walks: int = 40) -> pd.DataFrame:
    """Processor time of one walk, and what it makes of the full preset."""
    start = time.process_time()
    for child in children[:n_walks]:
        simulate_walk(child)
    each = (time.process_time() - start) / n_walks
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    names = ["quantity", "level", "published", "tolerance", "simulated", "source"]
    rows = [
        ("1,450 walks on 2 cores, s", "all", 0.0, 90.0, 1450 * each / 2, "at most"),
        ("peak memory, GB", "all", 0.0, 3.0, peak, "at most"),
    ]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(within=table["simulated"] <= table["tolerance"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=797)
    parser.add_argument("--typical", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    children = draw_children(args.patients, seed=args.seed, min_per_level=0)
    typical = td_children(args.typical, seed=args.seed)
    table = pd.concat(
        [
            plausibility(measure(children, n_jobs=args.jobs), children),
            typical_plausibility(measure(typical, n_jobs=args.jobs)),
            timing(children),
        ],
        ignore_index=True,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out / "simulator_plausibility.csv", index=False)
    PARAMETERS.table().to_csv(args.out / "simulator_assumptions.csv")
    print(table.to_string(index=False, float_format="%.3f"))
    print(
        f"parameters {PARAMETERS.hash()}, {int(table['within'].sum())} of {len(table)}"
    )


if __name__ == "__main__":
    main()
