"""What could be known at best: classifiers that are given what truly happened.

Truth of simulated walks: speed, cadence, stance, the angles of the moving child and the
device; neither the latent severity nor the gait pattern.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore import gmfcs
from cpexplore.cohort import Cohort
from cpexplore.learning.fold_task import inner_split
from cpexplore.learning.metrics import PROBABILITIES
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.models.baselines import fit_boosting, fit_logit
from cpexplore.runs import Run, write_table
from cpexplore.simulate.walk import Truth


def truth_table(cohort: Cohort, file: Path) -> pd.DataFrame:
    """What truly happened in each walk, without severity or pattern weight."""
    if not file.exists():
        rows = {w: true_features(cohort.walks.truth(w)) for w in cohort.index.index}
        write_table(file, pd.DataFrame(rows).T.rename_axis("walk_id"))
    device = pd.get_dummies(cohort.index["device"], prefix="device", dtype=float)
    return pd.read_parquet(file).join(device)


def true_features(truth: Truth) -> dict[str, float]:
    moving = truth.bout.values >= 0
    features = true_timing(truth, moving)
    for name, angle in truth.angles.data_vars.items():
        values = angle.values[moving]
        sides = values.T if values.ndim == 2 else values[None]
        for statistic in (np.nanmin, np.nanmax, np.nanmean):
            by_side = [statistic(side) for side in sides]
            key = f"{name}_{statistic.__name__}"
            features |= {key: np.mean(by_side), f"{key}_asym": np.ptp(by_side)}
    return features


def true_timing(truth: Truth, moving: np.ndarray) -> dict[str, float]:
    """Speed in leg lengths per second, cadence in steps per minute, stance in %."""
    hip = truth.points.sel(keypoint="mid_hip", axis="x")
    leg = np.linalg.norm(
        truth.points.sel(keypoint="right_hip")
        - truth.points.sel(keypoint="right_ankle"),
        axis=-1,
    )
    step = np.abs(np.diff(hip.values)) / np.diff(hip["time"].values)
    both = moving[1:] & moving[:-1]
    contacts = truth.events.query("event == 'initial_contact'").sort_values("time_s")
    gaps = contacts.groupby("bout")["time_s"].diff()
    return {
        "speed": float(np.median(step[both]) / leg.max()),
        "cadence": float(60 / gaps.median()),
        "stance": float(100 * truth.contact.values[moving].mean()),
    }


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
        "oracle_logit": fit_logit(scores, levels, inner=(inner_scores, inner_levels)),
        "oracle_boosting": fit_boosting(scores, levels),
    }
    known = index.loc[held_out, ["patient_id", "gmfcs"]].reset_index(names="walk_id")
    asked = scaler.transform(truth.loc[held_out])
    answers = []
    for name, model in models.items():
        proba = pd.DataFrame(np.exp(model.log_proba(asked)), columns=PROBABILITIES)
        answers.append(pd.concat([known, proba], axis=1).assign(model=name))
    return pd.concat(answers, ignore_index=True)
