"""Classifiers that are given what truly happened instead of keypoints.

Truth of simulated walks: speed, cadence, stance, angles of legs and trunk by gait cycle
and the device; neither the latent severity nor the gait pattern. It is no upper bound:
networks and features see arms too, which are not in it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed

from cpexplore import gmfcs
from cpexplore.cohort import Cohort
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.fold_task import inner_split
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.models.baselines import fit_boosting, fit_logit
from cpexplore.runs import Run, write_table
from cpexplore.simulate import SimulatedWalks
from cpexplore.simulate.walk import Truth

CYCLE_VALUES = ("contact", "min", "max", "range", "midstance")
"""What is taken of an angle in each gait cycle; midstance is 20 to 45 % of it."""


def truth_table(cohort: Cohort, file: Path, *, n_jobs: int) -> pd.DataFrame:
    """What truly happened in each walk, without severity or pattern weight."""
    if not file.exists():
        ids = cohort.index.index
        running = Parallel(n_jobs=n_jobs)
        rows = running(delayed(true_features_of)(cohort.walks, w) for w in ids)
        write_table(file, pd.DataFrame(rows, ids).rename_axis("walk_id"))
    device = pd.get_dummies(cohort.index["device"], prefix="device", dtype=float)
    return pd.read_parquet(file).join(device)


def true_features_of(walks: SimulatedWalks, walk_id: str) -> dict[str, float]:
    """What :func:`true_features` says of a walk, which is simulated again."""
    return true_features(walks.truth(walk_id))


def true_features(truth: Truth) -> dict[str, float]:
    """Timing, and of each angle its values per gait cycle: mean and side difference."""
    features = dict(truth.parameters)
    cycles = {side: true_cycles(truth, side) for side in ("left", "right")}
    for name, angle in truth.angles.data_vars.items():
        by_side = [
            cycle_values(angle.sel(side=side) if "side" in angle.dims else angle, parts)
            for side, parts in cycles.items()
            if parts
        ]
        for number, part in enumerate(CYCLE_VALUES):
            values = [side[number] for side in by_side]
            features[f"{name}_{part}"] = float(np.mean(values))
            if "side" in angle.dims:
                features[f"{name}_{part}_asym"] = float(np.ptp(values))
    return features


def true_cycles(truth: Truth, side: str) -> list[slice]:
    """Frames from contact to contact of a side, within passes."""
    contacts = truth.events.query("event == 'initial_contact' and side == @side")
    frames = np.searchsorted(truth.angles["time"].values, contacts["time_s"])
    passes = contacts["bout"].to_numpy()
    return [
        slice(a, b)
        for a, b, one, other in zip(
            frames, frames[1:], passes, passes[1:], strict=False
        )
        if one == other and b - a >= 4
    ]


def cycle_values(angle: xr.DataArray, cycles: list[slice]) -> np.ndarray:
    """Mean over cycles of :data:`CYCLE_VALUES`, deg."""
    curves = [angle.values[cycle] for cycle in cycles]
    middle = [c[len(c) // 5 : len(c) * 9 // 20 + 1].mean() for c in curves]
    rows = [
        (c[0], c.min(), c.max(), np.ptp(c), m)
        for c, m in zip(curves, middle, strict=True)
    ]
    return np.mean(rows, axis=0)


def oracle(truth: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Out-of-fold answers of both classifiers on the truth, under the run's folds."""
    splits = run.folds.groupby(["seed", "fold"])
    parts = [
        of_fold(truth, run.index, rows["walk_id"]).assign(seed=seed, fold=fold)
        for (seed, fold), rows in splits
    ]
    return pd.concat(parts, ignore_index=True)


def of_fold(
    truth: pd.DataFrame, index: pd.DataFrame, held_out: pd.Series
) -> pd.DataFrame:
    learn, inner = inner_split(index.drop(held_out), seed=0)
    scaler = FeatureScaler.fit(truth.loc[learn])
    scores, inner_scores = (scaler.transform(truth.loc[p]) for p in (learn, inner))
    levels, inner_levels = (gmfcs.encode(index.loc[p, "gmfcs"]) for p in (learn, inner))
    models = {
        "oracle_logit": fit_logit(
            scores, levels, inner=(inner_scores, inner_levels), balance=0.0
        ),
        "oracle_boosting": fit_boosting(scores, levels, balance=0.0),
    }
    known = index.loc[held_out, ["patient_id", "gmfcs"]].reset_index(names="walk_id")
    asked = scaler.transform(truth.loc[held_out])
    answers = []
    for name, model in models.items():
        proba = pd.DataFrame(np.exp(model.log_proba(asked)), columns=PROBABILITIES)
        answers.append(pd.concat([known, proba], axis=1).assign(model=name))
    return pd.concat(answers, ignore_index=True)
