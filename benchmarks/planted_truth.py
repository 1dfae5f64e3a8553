"""Which attribution method finds the keypoints in which a level was planted.

Simulated children walk alike; then a few keypoints are moved by an amount that tells
the level and others, the distractors, in the same way by an amount that tells nothing.
A network learns from three fifths of the children and stops by one; methods rank the
keypoints of the held-out windows for their true level. Networks below 90 % held-out
accuracy are dropped and counted: they have not found the plant, so no map of them can.

    python benchmarks/planted_truth.py --preset quick --seeds 5 --out planted.csv
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from cpexplore import gmfcs
from cpexplore.attribution import CONTROLS, localisation, rank_joints
from cpexplore.attribution.methods import attribute_levels
from cpexplore.cohort import make_folds
from cpexplore.learning import FitConfig, fit
from cpexplore.learning.data import make_walk_set
from cpexplore.learning.training import seeded
from cpexplore.models import STGCN, STGCNConfig, infer
from cpexplore.simulate import planted_cohort
from cpexplore.simulate.planted import PLANTS
from cpexplore.skeleton import adjacency
from cpexplore.windows import Windows

METHODS = (
    *("grad_cam", "grad_cam_signed", "integrated_gradients", "occlusion"),
    *("integrated_gradients_typical", "occlusion_typical"),
)
NETWORKS = {
    "two_block": replace(STGCNConfig.preset("quick"), blocks=((32, 2), (64, 2))),
    "quick": STGCNConfig.preset("quick"),
    "paper": STGCNConfig.preset("paper"),
}
LEAST_ACCURACY = 0.9


def study(
    plant: str, *, seed: int, network: str, patients: int, epochs: int
) -> pd.DataFrame:
    """Train one network on one planted cohort and see what each method finds."""
    started = time.perf_counter()
    cohort = planted_cohort(plant, n_patients=patients, seed=seed)
    windows = cohort.windows()
    folds = make_folds(cohort.index, folds=5, seed=seed).set_index("walk_id")["fold"]
    index = cohort.index.loc[folds.index]
    train, held_out = index[folds > 0], index[folds == 0]
    with seeded(seed):
        model = STGCN(NETWORKS[network], adjacency("body_25"))
    config = FitConfig(epochs=epochs, patience=epochs)
    inner = make_walk_set(train[folds[train.index] == 1], windows)
    learn = make_walk_set(train[folds[train.index] > 1], windows)
    model = fit(model, learn, inner=inner, config=config, seed=seed).model
    unseen = windows.of(held_out.index.tolist())
    target = gmfcs.encode(held_out.loc[unseen.walk_id, "gmfcs"])
    accuracy = (infer(model, torch.tensor(unseen.x)).argmax(1).numpy() == target).mean()
    rankings = ranked(model, unseen, target, patients=held_out["patient_id"])
    by_level = PLANTS[plant].by_level
    found = localisation(
        rankings[rankings["level"] != "all"] if by_level else rankings,
        by_level or PLANTS[plant].carriers,
    )
    if not by_level:
        found = found[found["level"] == "all"]
    about = {"plant": plant, "seed": seed, "network": network, "accuracy": accuracy}
    seconds = time.perf_counter() - started
    return found.assign(**about, seconds=seconds)


def ranked(
    model: STGCN, windows: Windows, target: np.ndarray, *, patients: pd.Series
) -> pd.DataFrame:
    """Rank the keypoints by every method, over all windows and by level."""
    methods = (*METHODS, *CONTROLS)
    maps = [
        attribute_levels(model, windows, method=method, targets=target[None])[0].mean(1)
        for method in methods
    ]
    saliency = xr.DataArray(
        np.array(maps),
        dims=("method", "window", "keypoint"),
        coords={
            "method": list(methods),
            "keypoint": list(windows.keypoint),
            "walk_id": ("window", windows.walk_id),
        },
    )
    parts = {"all": np.arange(len(windows))}
    parts |= {
        level: np.flatnonzero(target == code)
        for code, level in enumerate(gmfcs.LEVELS)
        if (target == code).any()
    }
    return pd.concat(
        rank_joints(
            saliency.isel(window=rows), groups=patients, n_resamples=1, rng=0
        ).assign(level=level)
        for level, rows in parts.items()
    )


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over plants and seeds of the networks that learnt the plant."""
    learnt = rows[rows["accuracy"] >= LEAST_ACCURACY]
    figures = ["top_1", "top_share", "auc", "hop_distance"]
    one_each = learnt.groupby(["network", "method", "plant", "seed"])[figures].mean()
    table = one_each.groupby(["network", "method"]).mean()
    table["n_networks"] = one_each.groupby(["network", "method"]).size()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=list(NETWORKS), default="quick")
    parser.add_argument("--plants", nargs="*", default=list(PLANTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("planted_truth.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = pd.read_csv(options.out) if options.out.exists() else pd.DataFrame()
    for seed in range(options.seeds):
        for plant in options.plants:
            key = {"plant": plant, "seed": seed, "network": options.preset}
            if len(rows) and (rows[list(key)] == pd.Series(key)).all(axis=1).any():
                continue
            done = study(
                plant,
                seed=seed,
                network=options.preset,
                patients=options.patients,
                epochs=options.epochs,
            )
            rows = pd.concat([rows, done], ignore_index=True)
            rows.to_csv(options.out, index=False)
            print(done.to_string(index=False), flush=True)
    tried = rows.drop_duplicates(["network", "plant", "seed"])
    dropped = (tried["accuracy"] < LEAST_ACCURACY).groupby(tried["network"]).sum()
    print(summary(rows).round(3).to_string())
    print("dropped, did not learn the plant:", dropped.to_dict())


if __name__ == "__main__":
    main()
