"""What the preset `quick` loses against `paper`, on one fold of simulated children.

Both are trained as in a study, on the same walks of the same fold, and asked about the
same held-out children. One fold cannot show a loss of two points; the interval says so.

    python benchmarks/preset_accuracy.py --patients 96 --seed 0 --fold 0
"""

import argparse
import time

import numpy as np
import pandas as pd

from cpexplore.cohort import Cohort, make_folds
from cpexplore.datasets import simulated_cohort
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import FitConfig, compare, fit, predict, score
from cpexplore.learning.augment import Augmentation
from cpexplore.learning.calibration import fit_temperature
from cpexplore.learning.data import make_walk_set, mirror_features
from cpexplore.learning.fold_models import finish
from cpexplore.learning.fold_task import inner_split
from cpexplore.learning.tabular import level_shares
from cpexplore.learning.threads import one_thread
from cpexplore.learning.training import seeded
from cpexplore.models import STGCN, STGCNConfig
from cpexplore.skeleton import adjacency, mirror_index
from cpexplore.windows import Windows

PRESETS = ("quick", "paper")


def answers(
    preset: str, cohort: Cohort, windows: Windows, *, fold: int, seed: int
) -> pd.DataFrame:
    """Train one preset on one fold and ask it about the held-out walks."""
    started = time.perf_counter()
    folds = make_folds(cohort.index, folds=5, seed=seed).set_index("walk_id")["fold"]
    held_out = cohort.index.loc[folds.index[folds == fold]]
    learn, inner = inner_split(cohort.index.drop(held_out.index), seed=seed)
    config = FitConfig()
    augment = Augmentation(
        config=config.augment,
        keypoint_mirror=mirror_index("body_25"),
        feature_mirror=mirror_features([]),
    )
    with seeded(seed):
        network = STGCN(STGCNConfig.preset(preset), adjacency("body_25"))
    parts = (
        make_walk_set(cohort.index.loc[walks], windows)
        for walks in (learn, inner, held_out.index)
    )
    train, stop_by, asked = parts
    model = fit(
        network, train, inner=stop_by, augment=augment, config=config, seed=seed
    ).model
    log_proba = {
        part: predict(model, walks).numpy()
        for part, walks in (("inner", stop_by), ("asked", asked))
    }
    known = np.isfinite(log_proba["inner"]).all(1)
    levels = stop_by.target.numpy()[known]
    proba = finish(
        log_proba["asked"],
        fit_temperature(log_proba["inner"][known], levels),
        priors=level_shares(train.target.numpy()),
        n_windows=asked.n_windows.numpy(),
    )
    table = held_out[["patient_id", "gmfcs"]].reset_index(names="walk_id")
    table[list(PROBABILITIES)] = proba
    seconds = time.perf_counter() - started
    print(f"{preset}: {seconds / 60:.1f} min, {len(held_out)} walks", flush=True)
    return table.assign(model=preset, seed=seed, fold=fold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fold", type=int, default=0)
    options = parser.parse_args()
    cohort = simulated_cohort(n_patients=options.patients, seed=options.seed)
    windows = cohort.windows()
    with one_thread():
        oof = pd.concat(
            [answers(p, cohort, windows, fold=options.fold, seed=0) for p in PRESETS],
            ignore_index=True,
        )
    for table in (score(oof), compare(oof, *PRESETS)):
        rows = table[table["metric"].isin(["accuracy", "linear_kappa", "nll"])]
        print(rows.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
