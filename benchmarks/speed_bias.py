"""How far speed and step length in leg lengths read from the simulator's truth.

    python benchmarks/speed_bias.py [--seeds 0 1 2] [--patients 40]

Truth is how fast the pelvis travels in the passes, over the true leg length. The error
of speed has two parts: the unit (the 90th percentile of the leg length in the image
against the true leg at the depth of the pass) and the rest, which is how stride length
is defined. Percent, mean over walks; intervals: 95 %, patients resampled 2,000 times.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from cpexplore import gait
from cpexplore.io.files import write_atomic
from cpexplore.simulate import PARAMETERS, Child, Truth, draw_children, simulate_walk
from cpexplore.stats.resampling import cluster_weights, percentile_interval

RATIOS = ("speed", "unit", "stride length", "step length")


def true_scale(truth: Truth) -> np.ndarray:
    """(bout,) the true leg in px at the depth of each pass."""
    depth = truth.points.sel(keypoint="mid_hip", axis="z") + truth.camera.distance_m
    passes = (
        depth.to_series().groupby(truth.bout.values).mean().drop(-1, errors="ignore")
    )
    return truth.camera.focal_px * truth.child.leg_length_m / passes.to_numpy()


def ratios(child: Child) -> dict[str, float]:
    """Measured over true; NaN where a pass was not found."""
    walk, truth = simulate_walk(child)
    found = gait.analyse_walk(walk)
    leg, true = child.leg_length_m, truth.parameters
    true_step = true["speed_mps"] * 60 / true["cadence_spm"]
    measured, scale = found.walk["scale_px"].values, true_scale(truth)
    same = len(measured) == len(scale)
    unit = float((measured / scale).mean()) if same else np.nan
    speed = found.features["speed_llps"] * leg / true["speed_mps"]
    step = found.features["step_length_mean_ll"] * leg / true_step
    return dict(zip(RATIOS, (speed, unit, speed * unit, step), strict=True))


def measure(seed: int, *, patients: int) -> pd.DataFrame:
    children = draw_children(patients, seed=seed)
    rows = [ratios(child) for child in tqdm(children, desc=f"seed {seed}")]
    owner = [f"{seed}-{child.patient_id}" for child in children]
    return pd.DataFrame(rows).assign(seed=seed, patient=owner)


def summary(walks: pd.DataFrame) -> pd.DataFrame:
    """One row per ratio: percent off the truth, over all seeds and by seed."""
    rows = {}
    for name in RATIOS:
        known = walks.dropna(subset=name)
        error = 100 * (known[name].to_numpy() - 1)
        weights = cluster_weights(known["patient"], n_resamples=2000, rng=0)
        low, high = percentile_interval(weights @ error / weights.sum(axis=1))
        by_seed = 100 * (known.groupby("seed")[name].mean() - 1)
        rows[name] = {"percent": error.mean(), "low": low, "high": high}
        rows[name] |= {f"seed {seed}": value for seed, value in by_seed.items()}
        rows[name]["walks"] = len(known)
    return pd.DataFrame.from_dict(rows, orient="index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    parts = [measure(seed, patients=options.patients) for seed in options.seeds]
    table = summary(pd.concat(parts))
    print(table.to_string(float_format="%.1f"))
    file = options.out / "speed_bias.csv"
    print(write_atomic(file, lambda f: table.to_csv(f)))
    print(f"simulator parameters {PARAMETERS.hash()}")


if __name__ == "__main__":
    main()
