"""What carries the level in simulated cohorts, and that nothing does in ``null``.

    python benchmarks/simulator_information.py [--seeds 0 1 2] [--patients 797]

Out-of-fold accuracy of classifiers of tables: the laboratory's four labels, the latents
behind a walk, missing points, who the child is. In the world ``null`` all of them, and
two on the gait features, against always answering the most common level. Intervals:
95 %, patients resampled 2,000 times. Exits with the number of missed bars.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cpexplore import gait
from cpexplore.cohort import Cohort
from cpexplore.datasets import simulated_cohort
from cpexplore.io.files import write_atomic
from cpexplore.learning.tables import metadata_table, missingness_table, speed_table
from cpexplore.simulate import PARAMETERS, Child
from cpexplore.stats.resampling import cluster_weights, percentile_interval

LOGIT = make_pipeline(
    SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000)
)
BOOSTED = HistGradientBoostingClassifier(max_depth=3, max_iter=80, random_state=0)
DISCRIMINANT = make_pipeline(SimpleImputer(), LinearDiscriminantAnalysis())

BARS = {
    "missing points, logit": (0.35, 0.43),
    "four labels, discriminant": (0.60, 0.80),
    "speed, cadence, weight, pattern, logit": (0.60, 0.74),
    "speed, cadence, weight, pattern, boosted": (0.60, 0.74),
    "the same and device, logit": (0.65, 0.80),
    "the same and device, boosted": (0.65, 0.80),
}
"""Between which the accuracy must lie in the world ``standard``."""


def four_labels(cohort: Cohort) -> pd.DataFrame:
    labels = cohort.labels
    return labels[["speed", "cadence"]].assign(
        gdi=labels.filter(like="GDI").mean(axis=1),
        knee=labels.filter(like="KneeFlex").mean(axis=1),
    )


def latents(cohort: Cohort) -> pd.DataFrame:
    """What the simulator draws by level: speed, cadence, blend weight and pattern."""
    rows = [latent_row(cohort.walks.child(walk)) for walk in cohort.index.index]
    table = pd.DataFrame(rows, index=cohort.index.index)
    return pd.get_dummies(table, columns=["left", "right"], dtype=float)


def latent_row(child: Child) -> dict[str, object]:
    names = ["mild" if limb.weight < 0.2 else limb.pattern for limb in child.limbs]
    return {
        "speed": child.speed_mps,
        "cadence": child.cadence_spm,
        "weight_left": child.limbs[0].weight,
        "weight_right": child.limbs[1].weight,
        "left": names[0],
        "right": names[1],
    }


def answers(model: object, table: pd.DataFrame, cohort: Cohort) -> np.ndarray:
    """Out-of-fold levels, patients kept together."""
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    levels, patients = cohort.index["gmfcs"].astype(str), cohort.index["patient_id"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        return cross_val_predict(model, table, levels, groups=patients, cv=folds)


def accuracy_row(name: str, right: np.ndarray, patients: pd.Series) -> dict:
    """Accuracy, or a difference of accuracies, with its interval."""
    weights = cluster_weights(patients, n_resamples=2000, rng=0)
    low, high = percentile_interval(weights @ right / weights.sum(axis=1))
    return {"table": name, "accuracy": right.mean(), "low": low, "high": high}


def standard(seed: int, *, patients: int) -> pd.DataFrame:
    cohort = simulated_cohort(n_patients=patients, seed=seed, min_per_level=0)
    known = latents(cohort)
    device = known.join(pd.get_dummies(cohort.index["device"], dtype=float))
    tasks = {
        "missing points, logit": (LOGIT, missingness_table(cohort)),
        "four labels, discriminant": (DISCRIMINANT, four_labels(cohort)),
        "speed, cadence, weight, pattern, logit": (LOGIT, known),
        "speed, cadence, weight, pattern, boosted": (BOOSTED, known),
        "the same and device, logit": (LOGIT, device),
        "the same and device, boosted": (BOOSTED, device),
    }
    truth = cohort.index["gmfcs"].astype(str).to_numpy()
    rows = []
    for name, (model, table) in tasks.items():
        right = (answers(model, table, cohort) == truth).astype(float)
        row = accuracy_row(name, right, cohort.index["patient_id"])
        low, high = BARS[name]
        rows.append(row | {"kept": low <= row["accuracy"] <= high})
    return pd.DataFrame(rows).assign(world="standard", seed=seed)


def null(seed: int, *, patients: int) -> pd.DataFrame:
    """Every classifier minus the most common level; chance is inside the interval."""
    cohort = simulated_cohort(
        n_patients=patients, seed=seed, world="null", min_per_level=0
    )
    features = gait.extract_features(cohort).loc[cohort.index.index]
    core = features[list(gait.feature_columns(core=True).index)]
    core = core.loc[:, core.notna().mean() > 0.6]
    tables = {
        "four labels": four_labels(cohort),
        "missing points": missingness_table(cohort),
        "speed": speed_table(features),
        "age, height, device": metadata_table(cohort.index),
        "core gait features": core,
    }
    models = {"logit": LOGIT, "boosted": BOOSTED, "discriminant": DISCRIMINANT}
    truth = cohort.index["gmfcs"].astype(str).to_numpy()
    common = truth == cohort.index["gmfcs"].astype(str).mode()[0]
    rows = []
    for name, table in tables.items():
        for kind, model in models.items():
            gain = (answers(model, table, cohort) == truth) - common.astype(float)
            row = accuracy_row(f"{name}, {kind}", gain, cohort.index["patient_id"])
            rows.append(row | {"kept": row["low"] <= 0})
    return pd.DataFrame(rows).assign(world="null, minus most common", seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--patients", type=int, default=797)
    parser.add_argument("--null-patients", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    parts = []
    for seed in options.seeds:
        parts.append(standard(seed, patients=options.patients))
        parts.append(null(seed, patients=options.null_patients))
        print(pd.concat(parts[-2:]).to_string(float_format="%.3f"), flush=True)
    table = pd.concat(parts, ignore_index=True)
    file = options.out / "simulator_information.csv"
    print(write_atomic(file, lambda f: table.to_csv(f, index=False)))
    print(f"parameters {PARAMETERS.hash()}: {table['kept'].sum()} of {len(table)} kept")
    return int((~table["kept"]).sum())


if __name__ == "__main__":
    sys.exit(main())
