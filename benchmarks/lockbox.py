"""Children kept in a lock-box: judged once, by a study that was made without them.

A cohort of the public size on which nothing was ever chosen or reported. A seventh of
its patients is locked away, the main models are cross-validated on the others, and then
the box is opened: no second run in the same folder can open it again. Simulated
children: the figures are about the method.

    python benchmarks/lockbox.py --out runs/lockbox
"""

import argparse
from pathlib import Path

import pandas as pd
from model_table import PUBLIC_SIZE, claim, core_features

from cpexplore.datasets import simulated_cohort
from cpexplore.learning import compare, cross_validate, score
from cpexplore.learning.lockbox import FILE, lockbox_patients, open_lockbox
from cpexplore.learning.variants import CrossvalSpec

MODELS = (
    "features_logit",
    "features_ordinal",
    "skeleton",
    "fusion_cross_attention",
    "fusion_concat",
    "fusion_late",
)
SHOWN = ["accuracy", "balanced_accuracy", "linear_kappa", "ece"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/lockbox"))
    parser.add_argument("--patients", type=int, default=PUBLIC_SIZE)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    made = {"patients": options.patients, "seed": options.seed}
    claim(options.out / "cohort" / "cohort.json", **made)
    cohort = simulated_cohort(
        n_patients=options.patients, seed=options.seed, min_per_level=0
    )
    locked = cohort.index["patient_id"].isin(lockbox_patients(cohort.index))
    features = core_features(
        cohort, options.out / "cohort" / "features.parquet", n_jobs=options.jobs
    )
    windows = cohort.windows(n_jobs=options.jobs)
    run = cross_validate(
        cohort.select(cohort.index.index[~locked]),
        CrossvalSpec(models=MODELS),
        features=features,
        windows=windows.of(cohort.index.index[~locked].tolist()),
        out=options.out / "study",
        n_jobs=options.jobs,
        progress=True,
    )
    if not (run.path / FILE).exists():
        inside = cohort.select(cohort.index.index[locked])
        open_lockbox(run, inside, features=features, windows=windows)
    told = pd.read_parquet(run.path / FILE).assign(seed=0, fold=0)
    counts = cohort.index[locked].groupby("gmfcs", observed=False)["patient_id"]
    print("locked patients by level:", counts.nunique().to_dict())
    asked = "lock-box, the mean of five folds' models", "out of fold, one fold's model"
    for name, answers in zip(asked, (told, run.oof), strict=True):
        table = score(answers)
        table = table[table["metric"].isin(SHOWN) & (table["level"] == "all")]
        print(f"\n{name}\n{table.round(3).to_string(index=False)}")
        for other in ("skeleton", "features_ordinal"):
            difference = compare(answers, "fusion_cross_attention", other)
            difference = difference[difference["metric"].isin(SHOWN)]
            print(difference.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
