"""Every model, fusion, control and peer on simulated children, in one protocol.

    python benchmarks/model_table.py --out runs/table

Stages, each a resumable run of its own: the main models in four worlds, on three
cohorts each; all models on one cohort of the public size. Beside the models stands the
oracle, the better of two classifiers that are given what truly happened instead of
keypoints. Simulated children: the table is about the methods.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from oracle import oracle, truth_table

from cpexplore import gait
from cpexplore.cohort import Cohort
from cpexplore.datasets import simulated_cohort
from cpexplore.io.files import write_atomic
from cpexplore.learning import compare, cross_validate, score
from cpexplore.learning.comparison import pairs
from cpexplore.learning.variants import DEFAULT_MODELS, VARIANTS, CrossvalSpec
from cpexplore.pipeline.saliency import select_by_joints
from cpexplore.runs import Run, write_json, write_table
from cpexplore.simulate import PARAMETERS
from cpexplore.simulate.constants import CONSTANTS

PUBLISHED = pd.DataFrame(
    {
        "model": ["Yang 2026, fusion", "Yang 2026, skeleton", "Zhao 2024"],
        "accuracy": [0.7086, 0.7086 - 0.056, 0.766],
        "linear_kappa": [np.nan, np.nan, 0.733],
    }
)
"""Other children, other videos: for orientation, not goals."""

WORLDS = ("standard", "no_device", "beyond_catalogue", "null")
COHORT_SEEDS = (1, 2, 3)
MAIN = (*DEFAULT_MODELS, "features_boosting")
LEGS = ("skeleton_legs", "fusion_legs")
"""The same network blind to head, trunk and arms, which show the device."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One cohort under cross-validation."""

    world: str
    cohort_seed: int
    patients: int
    models: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.world}_{self.patients}_{self.cohort_seed}"


STAGES = (
    *(
        Stage(
            world=world,
            cohort_seed=seed,
            patients=200,
            models=(*MAIN, *LEGS) if world == "standard" else MAIN,
        )
        for seed in COHORT_SEEDS
        for world in WORLDS
    ),
    Stage(
        world="standard",
        cohort_seed=1,
        patients=797,
        models=tuple(dict.fromkeys((*MAIN, *VARIANTS))),
    ),
)
"""A quarter of the patients shows the worlds; the public size, every model."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/table"))
    parser.add_argument("--only", nargs="*", help="names of stages, all by default")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for stage in STAGES:
        if not options.only or stage.name in options.only:
            print(stage.name, flush=True)
            run_stage(stage, options.out / stage.name, n_jobs=options.jobs)
    for kind, table in summarise(options.out).items():
        write_table(options.out / f"{kind}.parquet", table)
        file = options.out / f"{kind}.csv"  # pandas reads the world "null" as missing
        write_atomic(file, lambda f, t=table: t.to_csv(f, index=False))
        print(file)
    print(PUBLISHED.to_string(index=False))


def run_stage(stage: Stage, out: Path, *, n_jobs: int) -> None:
    """Train and ask all models of a stage, then the oracle, unless that is done."""
    claim(stage, out / "stage.json")
    if (out / "oracle.parquet").exists():
        return
    cohort = simulated_cohort(
        n_patients=stage.patients,
        seed=stage.cohort_seed,
        world=stage.world,
        min_per_level=0,
    )
    run = cross_validate(
        cohort,
        CrossvalSpec(models=stage.models),
        features=core_features(cohort, out / "features.parquet", n_jobs=n_jobs),
        select=select_by_joints,
        out=out,
        n_jobs=n_jobs,
        progress=True,
    )
    truth = truth_table(cohort, out / "truth.parquet")
    write_table(out / "oracle.parquet", oracle(truth, run))


def claim(stage: Stage, file: Path) -> None:
    """Note what a stage is made with, or stop if it was begun with something else."""
    made = asdict(stage) | {
        "simulator": PARAMETERS.hash(),
        "constants": CONSTANTS.hash(),
    }
    made = json.loads(json.dumps(made))
    if not file.exists():
        write_json(file, made)
    elif json.loads(file.read_text()) != made:
        raise SystemExit(
            f"{file.parent} holds another stage; delete it to run this one."
        )


def core_features(cohort: Cohort, file: Path, *, n_jobs: int) -> pd.DataFrame:
    """The core features of a cohort, extracted once."""
    if not file.exists():
        write_table(file, gait.extract_features(cohort, n_jobs=n_jobs))
    return pd.read_parquet(file)[gait.feature_columns(core=True).index.tolist()]


def summarise(out: Path) -> dict[str, pd.DataFrame]:
    """Join the finished stages of each world and size: scores and paired differences.

    Children of different cohorts are different children; they are resampled together.
    """
    done = [stage for stage in STAGES if (out / stage.name / "oracle.parquet").exists()]
    groups: dict[tuple[str, int], list[Stage]] = {}
    for stage in done:
        groups.setdefault((stage.world, stage.patients), []).append(stage)
    scores, differences, by_cohort = [], [], []
    for (world, patients), stages in groups.items():
        oof = pd.concat([predictions(s, out) for s in stages], ignore_index=True)
        cohorts = {"world": world, "patients": patients, "cohorts": len(stages)}
        scores.append(score(oof).assign(**cohorts))
        models = [m for m in oof["model"].unique() if not m.startswith("oracle")]
        for two in pairs(models):
            differences.append(compare(oof, *two).assign(**cohorts))
            by_cohort += [
                compare(of_seed, *two).assign(**cohorts, cohort_seed=seed)
                for seed, of_seed in oof.groupby("seed")
            ]
    tables = {"scores": scores, "differences": differences, "by_cohort": by_cohort}
    return {kind: pd.concat(parts, ignore_index=True) for kind, parts in tables.items()}


def predictions(stage: Stage, out: Path) -> pd.DataFrame:
    """Out-of-fold answers of a stage, with ids and a seed of its cohort's own."""
    run = Run(out / stage.name)
    answers = [run.oof, pd.read_parquet(run.path / "oracle.parquet")]
    oof = pd.concat(answers, ignore_index=True)
    for column in ("walk_id", "patient_id"):
        oof[column] = f"{stage.name}/" + oof[column].astype(str)
    return oof.assign(seed=stage.cohort_seed)


if __name__ == "__main__":
    main()
