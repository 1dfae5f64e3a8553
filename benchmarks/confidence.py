"""How far probabilities and sets of levels can be believed, on many unseen children.

Takes a finished run of the public size and answers: calibration error after
temperature, accuracy of the more confident half, coverage of the sets of levels on the
run's own children (cross-conformal), and coverage on a cohort of another seed with as
many children of level IV as of the others, judged as `cpexplore explain` does: all
folds' models together, sets calibrated on the run's out-of-fold answers. Simulated
children: the figures are about the method.

    python benchmarks/confidence.py --run runs/table/standard_797_1_main_0
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore import gait, learning
from cpexplore.cohort import Cohort
from cpexplore.datasets import simulated_cohort
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.calibration import risk_coverage
from cpexplore.learning.conformal import (
    conformal_sets,
    conformal_thresholds,
    coverage_by_level,
    prediction_sets,
)
from cpexplore.learning.fold_models import mean_prediction
from cpexplore.learning.threads import one_thread
from cpexplore.pipeline.calibrating import ASSURANCE, COVERAGE, MODELS
from cpexplore.runs import Run, write_table
from cpexplore.simulate import PARAMETERS

LEAST_COVERAGE, LARGEST_ECE = 0.88, 0.05


def own_children(run: Run) -> pd.DataFrame:
    """Calibration error and accuracy of the confident half, out of fold, by model."""
    scores = learning.score(run.oof.query("model in @MODELS"))
    rows = scores[(scores["metric"] == "ece") & (scores["level"] == "all")]
    rows = rows.filter(items=["model", "metric", "estimate", "ci_low", "ci_high"])
    halves = []
    for model in MODELS:
        curve = risk_coverage(run.oof, model=model)
        half = curve.loc[np.isclose(curve["coverage"], 0.5)].iloc[0]
        halves.append(
            {
                "model": model,
                "metric": "accuracy of the more confident half",
                "estimate": 1 - half["risk"],
                "ci_low": 1 - half["ci_high"],
                "ci_high": 1 - half["ci_low"],
            }
        )
    return pd.concat([rows, pd.DataFrame(halves)], ignore_index=True)


def answers(run: Run, cohort: Cohort, file: Path, *, n_jobs: int) -> pd.DataFrame:
    """What all folds' models together say of a cohort's walks, asked once."""
    if not file.exists():
        models = learning.load_fold_models(run)
        windows = cohort.windows(n_jobs=n_jobs)
        features = gait.extract_features(cohort, n_jobs=n_jobs)
        with one_thread():
            write_table(file, mean_prediction(models, windows, features))
    return pd.read_parquet(file)


def coverage_on(said: pd.DataFrame, cohort: Cohort, run: Run) -> pd.DataFrame:
    """Coverage and size of the sets of unseen children, by model and level."""
    tables = []
    for model in MODELS:
        own = run.oof[run.oof["model"] == model]
        thresholds = conformal_thresholds(own, coverage=COVERAGE, assurance=ASSURANCE)
        rows = said[said["model"] == model].set_index("walk_id")
        sets = prediction_sets(rows[list(PROBABILITIES)].to_numpy(), thresholds)
        table = cohort.index.loc[rows.index, ["patient_id", "gmfcs"]]
        table["size"] = [len(levels) for levels in sets]
        table["covered"] = [
            level in levels for level, levels in zip(table["gmfcs"], sets, strict=True)
        ]
        table = table.sample(frac=1, random_state=0)  # the walk that stands for a child
        tables.append(coverage_by_level(table).assign(model=model))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=98)
    parser.add_argument("--world", default="standard", help="that of the run")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    run = Run(options.run)
    own = own_children(run)
    print(own.round(3).to_string(index=False), "\n")
    for model in MODELS:
        sets = conformal_sets(
            run.oof, model=model, coverage=COVERAGE, assurance=ASSURANCE
        )
        print(f"{model}, the run's own children")
        print(coverage_by_level(sets).round(3).to_string(index=False), "\n")
    cohort = simulated_cohort(
        n_patients=options.patients,
        seed=options.seed,
        world=options.world,
        min_per_level=options.patients // 4,
    )
    study = json.loads((run.path / "parts" / "study.json").read_text())["fingerprint"]
    made = f"{options.world}_{options.patients}_{options.seed}_{PARAMETERS.hash()}"
    file = run.path / f"unseen_{made}_{study[:12]}.parquet"
    said = answers(run, cohort, file, n_jobs=options.jobs)
    covered = coverage_on(said, cohort, run)
    print(f"{len(set(cohort.index['patient_id']))} unseen children")
    print(covered.round(3).to_string(index=False))
    low = covered[covered["estimate"] < LEAST_COVERAGE]
    for _, row in low.iterrows():
        print(f"below {LEAST_COVERAGE}: {row['model']}, level {row['level']}")
    for _, row in own[own["metric"] == "ece"].iterrows():
        if row["estimate"] > LARGEST_ECE:
            print(f"above {LARGEST_ECE}: calibration error of {row['model']}")


if __name__ == "__main__":
    main()
