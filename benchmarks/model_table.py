"""Every model, fusion, control and peer on simulated children, in one protocol.

    python benchmarks/model_table.py --out runs/table_standard --world standard

Resumable: cohort data, folds and epochs that are done are kept. Beside the models
stands the oracle, the better of two classifiers that are given what truly happened
(speed, cadence, stance, true angles, device) instead of keypoints. Simulated children:
the table is about the methods.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore import gait, gmfcs
from cpexplore.cohort import Cohort
from cpexplore.datasets import simulated_cohort
from cpexplore.learning import cross_validate, score
from cpexplore.learning.fold_task import inner_split
from cpexplore.learning.metrics import PROBABILITIES
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.learning.variants import DEFAULT_MODELS, VARIANTS, CrossvalSpec
from cpexplore.models.baselines import fit_boosting, fit_logit
from cpexplore.pipeline.saliency import select_by_joints
from cpexplore.runs import Run, write_table
from cpexplore.simulate.walk import Truth

PUBLISHED = pd.DataFrame(
    {
        "model": ["Yang 2026, fusion", "Yang 2026, skeleton", "Zhao 2024"],
        "accuracy": [0.7086, 0.7086 - 0.056, 0.766],
        "linear_kappa": [np.nan, np.nan, 0.733],
    }
)
"""Other children, other videos: for orientation, not goals."""


def main() -> None:
    options = parse()
    out = Path(options.out)
    cohort = simulated_cohort(
        n_patients=options.patients,
        seed=options.cohort_seed,
        world=options.world,
        min_per_level=0,
    )
    main_models = DEFAULT_MODELS
    models = main_models if options.main else ("features_boosting", *VARIANTS)
    models = tuple(dict.fromkeys((*main_models, *models)))
    run = cross_validate(
        cohort,
        CrossvalSpec(models=models),
        repeats=options.repeats,
        features=core_features(cohort, out / "features.parquet", n_jobs=options.jobs),
        select=select_by_joints,
        out=out,
        n_jobs=options.jobs,
        progress=True,
    )
    truth = truth_table(cohort, out / "truth.parquet")
    oof = pd.concat([run.oof, oracle(truth, run)], ignore_index=True)
    table = score(oof)
    table.to_csv(out / "model_table.csv", index=False)
    shown = ["accuracy", "linear_kappa", "quadratic_kappa", "mae", "nll", "ece"]
    wide = table[table["metric"].isin(shown)].pivot_table(
        index="model", columns="metric", values="estimate", sort=False
    )
    print(wide[shown].round(3).to_string())
    print(PUBLISHED.to_string(index=False))
    headline = run.comparisons[run.comparisons["metric"] == "accuracy"]
    print(headline.round(3).to_string(index=False))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="run directory")
    parser.add_argument("--patients", type=int, default=797)
    parser.add_argument("--cohort-seed", type=int, default=1)
    parser.add_argument("--world", default="standard")
    parser.add_argument("--repeats", type=int, default=1, help="splits")
    parser.add_argument("--main", action="store_true", help="without ablations")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def core_features(cohort: Cohort, file: Path, *, n_jobs: int) -> pd.DataFrame:
    if not file.exists():
        write_table(file, gait.extract_features(cohort, n_jobs=n_jobs))
    return pd.read_parquet(file)[gait.feature_columns(core=True).index.tolist()]


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


if __name__ == "__main__":
    main()
