"""Every model, fusion, control and peer on simulated children, in one protocol.

    python benchmarks/model_table.py --out runs/table

Stages whose answers are in ``--out`` are taken as done; ``benchmarks/table`` holds
those behind RESULTS.md, which ``--out benchmarks/table --only none`` scores again.

Stages, each a resumable run of its own: on one cohort of the public size, all fusions,
controls and peers, the main models trained three times; on three cohorts of a quarter
of that size, the main models in four worlds, those that see only legs, and the streams.
Beside the models stand the oracles, two classifiers that are given what truly happened
instead of keypoints; the better one counts. Simulated children: the table is about the
methods.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from oracle import oracle, truth_table
from scipy import special

import cpexplore
from cpexplore import gait
from cpexplore.cohort import Cohort
from cpexplore.datasets import simulated_cohort
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.io import WalkStore, write_store
from cpexplore.io.files import write_atomic
from cpexplore.learning import compare, cross_validate, score
from cpexplore.learning.comparison import ensemble, pairs
from cpexplore.learning.variants import DEFAULT_MODELS, VARIANTS, CrossvalSpec
from cpexplore.pipeline.saliency import select_by_joints
from cpexplore.preprocessing import CleanConfig
from cpexplore.runs import Run, write_json, write_table
from cpexplore.simulate import PARAMETERS
from cpexplore.simulate.constants import CONSTANTS
from cpexplore.windows import WindowConfig, Windows

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
LEGS = ("skeleton_legs", "fusion_legs")
"""The same network blind to head, trunk and arms, which show the device."""
STREAMS = ("skeleton", "skeleton_bone", "skeleton_motion")
"""Joints, bones and motion."""
ENSEMBLES = {
    "skeleton_streams": STREAMS,
    "streams_and_ordinal": ("skeleton_streams", "features_ordinal"),
}
"""Models that are the mean of the answers of others."""
PUBLIC_SIZE = 797
"""Patients of the field's public data."""
ANSWERS = "answers.parquet"
"""All that the tables need of a stage, in its folder."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Some models on one cohort under cross-validation."""

    world: str
    cohort_seed: int
    patients: int
    part: str = "main"
    models: tuple[str, ...] = DEFAULT_MODELS
    seed: int = 0
    """Of folds and training."""
    backbones: str | None = None
    """Name of the stage whose skeleton networks are taken."""

    @property
    def cohort(self) -> str:
        return f"{self.world}_{self.patients}_{self.cohort_seed}"

    @property
    def name(self) -> str:
        return f"{self.cohort}_{self.part}_{self.seed}"


def at_public_size(part: str, **changes: Any) -> Stage:
    """A stage on the standard cohort of the public size."""
    return Stage(
        world="standard", cohort_seed=1, patients=PUBLIC_SIZE, part=part, **changes
    )


FROZEN = tuple(
    name
    for name, variant in VARIANTS.items()
    if variant.fusion and variant.backbone == "plain" and not variant.fine_tuned
)
"""Fusions of cached maps of a frozen backbone."""

STAGES = (
    at_public_size("main"),
    at_public_size(
        "frozen",
        models=tuple(name for name in FROZEN if name not in DEFAULT_MODELS),
        backbones="standard_797_1_main_0",
    ),
    at_public_size(
        "fine_tuned",
        models=("fusion_fine_tuned",),
        backbones="standard_797_1_main_0",
    ),
    at_public_size("peers", models=("skeleton_triplet", "cnn")),
    *(at_public_size("main", seed=seed) for seed in (1, 2)),
    *(
        Stage(world=world, cohort_seed=seed, patients=200)
        for seed in COHORT_SEEDS
        for world in WORLDS
    ),
    *(
        Stage(
            world="standard", cohort_seed=seed, patients=200, part=part, models=models
        )
        for part, models in (("legs", LEGS), ("streams", STREAMS[1:]))
        for seed in COHORT_SEEDS
    ),
)
"""The public size shows the fusions and the peers; a quarter of the patients, the
worlds, what the upper body gives and what bones and motion add."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/table"))
    parser.add_argument("--only", nargs="*", help="names of stages, all by default")
    parser.add_argument(
        "--cohorts", type=int, nargs="*", help="seeds of those joined, all by default"
    )
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    run_stages(
        [stage for stage in STAGES if not options.only or stage.name in options.only],
        options.out,
        n_jobs=options.jobs,
    )
    seeds = options.cohorts or {stage.cohort_seed for stage in STAGES}
    joined = tuple(stage for stage in STAGES if stage.cohort_seed in seeds)
    suffix = "".join(f"_{seed}" for seed in options.cohorts or ())
    for kind, table in summarise(options.out, joined).items():
        write_table(options.out / f"{kind}{suffix}.parquet", table)
        # of the CSV, pandas reads the world "null" as missing
        file = options.out / f"{kind}{suffix}.csv"
        write_atomic(file, lambda f, t=table: t.to_csv(f, index=False))
        print(file)
    print(PUBLISHED.to_string(index=False))


def run_stages(stages: list[Stage], out: Path, *, n_jobs: int) -> None:
    """Run stages of the public size fold beside fold, then the others side by side.

    Five folds leave one of two processes idle at the end; whole stages do not, but one
    of the public size would take the better part of an hour. Stages side by side may
    share a cohort, which is therefore made first.
    """
    small = [stage for stage in stages if stage.patients != PUBLIC_SIZE]
    for stage in stages:
        if stage not in small:
            run_stage(stage, out, n_jobs=n_jobs)
    wanted = {s.cohort: s for s in small if not is_done(s, out)}
    for stage in wanted.values():
        make_cohort(stage, out, n_jobs=n_jobs)
    Parallel(n_jobs=n_jobs)(delayed(run_stage)(stage, out, n_jobs=1) for stage in small)


def run_stage(stage: Stage, out: Path, *, n_jobs: int) -> None:
    """Train and ask all models of a stage, then the oracle, unless that is done."""
    print(stage.name, flush=True)
    folder = out / stage.name
    spec = CrossvalSpec(models=stage.models)
    begun = folder.exists()
    claim(folder / "stage.json", **asdict(stage), spec=asdict(spec))
    if is_done(stage, out):
        return
    started = time.monotonic()
    made = make_cohort(stage, out, n_jobs=n_jobs)
    run = cross_validate(
        made.cohort,
        spec,
        seed=stage.seed,
        features=made.features,
        windows=made.windows,
        select=select_by_joints,
        backbones=out / stage.backbones if stage.backbones else None,
        out=folder,
        n_jobs=n_jobs,
        progress=n_jobs > 1,
    )
    others = [oracle(made.truth, run)] if stage.part == "main" else []
    write_table(folder / ANSWERS, answers(run, *others))
    if not begun:  # nothing is known of what earlier starts took
        took = round(time.monotonic() - started)
        write_json(folder / "time.json", {"seconds": took, "processes": n_jobs})


@dataclass(frozen=True, kw_only=True)
class Made:
    """A cohort and what is computed of it once."""

    cohort: Cohort
    features: pd.DataFrame
    windows: Windows
    truth: pd.DataFrame


def make_cohort(stage: Stage, out: Path, *, n_jobs: int) -> Made:
    """Simulate and measure the cohort of a stage, or read what was kept of it."""
    folder = out / "cohorts" / stage.cohort
    claim(
        folder / "cohort.json",
        cohort=stage.cohort,
        windows=asdict(WindowConfig()),
        source=source_of_cohorts(),
    )
    children = simulated_cohort(
        n_patients=stage.patients,
        seed=stage.cohort_seed,
        world=stage.world,
        min_per_level=0,
    )
    cohort = keep_walks(children, folder / "walks.zarr", n_jobs=n_jobs)
    return Made(
        cohort=cohort,
        features=core_features(cohort, folder / "features.parquet", n_jobs=n_jobs),
        windows=cut_windows(cohort, folder / "windows.npz", n_jobs=n_jobs),
        truth=truth_table(children, folder / "truth.parquet", n_jobs=n_jobs),
    )


def answers(run: Run, *others: pd.DataFrame) -> pd.DataFrame:
    """Out-of-fold answers in single precision, with the seconds of an epoch."""
    oof = pd.concat([run.oof, *others], ignore_index=True)
    seconds = run.metrics[["model", "seconds_per_epoch"]].drop_duplicates()
    oof = oof.merge(seconds, how="left", on="model", validate="many_to_one")
    return oof.astype(dict.fromkeys(PROBABILITIES, "float32"))


def is_done(stage: Stage, out: Path) -> bool:
    return (out / stage.name / ANSWERS).exists()


def claim(file: Path, **made: object) -> None:
    """Note what a folder is made with, or stop if it was begun with something else."""
    made |= {"simulator": PARAMETERS.hash(), "constants": CONSTANTS.hash()}
    made |= {"cleaning": asdict(CleanConfig())}
    told = json.loads(json.dumps(made))
    if not file.exists():
        write_json(file, told)
    elif json.loads(file.read_text()) != told:
        raise SystemExit(f"{file.parent} holds something else; delete it to go on.")


def source_of_cohorts() -> str:
    """Hash of the code that simulates walks, cuts windows and measures features."""
    root = Path(cpexplore.__file__).parent
    rooms = ("simulate", "preprocessing", "gait")
    files = [file for room in rooms for file in root.glob(f"{room}/*.py")]
    text = b"".join(f.read_bytes() for f in sorted([*files, root / "windows.py"]))
    return hashlib.sha256(text).hexdigest()


def keep_walks(cohort: Cohort, folder: Path, *, n_jobs: int) -> Cohort:
    """The cohort with its walks in a store, simulated once."""
    if not folder.exists():
        ids = cohort.index.index
        running = Parallel(n_jobs=n_jobs, return_as="generator")
        write_store(folder, running(delayed(getitem)(cohort.walks, w) for w in ids))
    return replace(cohort, walks=WalkStore(folder))


def core_features(cohort: Cohort, file: Path, *, n_jobs: int) -> pd.DataFrame:
    """The core features of a cohort, extracted once."""
    if not file.exists():
        write_table(file, gait.extract_features(cohort, n_jobs=n_jobs))
    return pd.read_parquet(file)[gait.feature_columns(core=True).index.tolist()]


def cut_windows(cohort: Cohort, file: Path, *, n_jobs: int) -> Windows:
    """The windows of a cohort, cut once."""
    if not file.exists():
        cut = vars(cohort.windows(n_jobs=n_jobs))
        write_atomic(file, lambda f: np.savez(f, **cut))
    with np.load(file) as kept:
        parts = dict(kept)
    return Windows(**parts | {"keypoint": tuple(parts["keypoint"].tolist())})


def summarise(out: Path, stages: tuple[Stage, ...] = STAGES) -> dict[str, pd.DataFrame]:
    """Join the finished stages of each world and size: scores and paired differences.

    Children of different cohorts are different children; they are resampled together.
    Two models are compared on the splits that both were trained on.
    """
    done = [stage for stage in stages if is_done(stage, out)]
    groups: dict[tuple[str, int], list[Stage]] = {}
    for stage in done:
        groups.setdefault((stage.world, stage.patients), []).append(stage)
    scores, differences, by_cohort = [], [], []
    for (world, patients), group in groups.items():
        oof = pd.concat([predictions(s, out) for s in group], ignore_index=True)
        oof = with_trainings(with_ensembles(oof))
        about = {"world": world, "patients": patients}
        for _, rows in oof.groupby("model", sort=False):
            # of several stages and a busy machine, the median; ensembles have none
            seconds = rows["seconds_per_epoch"].median()
            told = about | counts(rows) | {"seconds_per_epoch": seconds}
            scores.append(score(rows).assign(**told))
        for two in pairs([m for m in oof["model"].unique() if "oracle" not in m]):
            both = on_common_splits(oof, two)
            joined = compare(both, *two).assign(**about, **counts(both))
            if joined["cohorts"].gt(1).any() or "skeleton_trainings" in two:
                joined["p_folds"] = np.nan  # folds that share nothing, or all networks
            differences.append(joined)
            by_cohort += [
                compare(of_cohort, *two).assign(**about, cohort_seed=seed)
                for seed, of_cohort in both.groupby("cohort_seed")
            ]
    tables = {"scores": scores, "differences": differences, "by_cohort": by_cohort}
    return {kind: pd.concat(parts, ignore_index=True) for kind, parts in tables.items()}


def counts(oof: pd.DataFrame) -> dict[str, int]:
    """How many cohorts and how many trainings of each are behind a row."""
    return {
        "cohorts": oof["cohort_seed"].nunique(),
        "trainings": oof.groupby("cohort_seed")["seed"].nunique().max(),
    }


def on_common_splits(oof: pd.DataFrame, two: tuple[str, str]) -> pd.DataFrame:
    seeds = [set(oof.loc[oof["model"] == model, "seed"]) for model in two]
    return oof[oof["model"].isin(two) & oof["seed"].isin(seeds[0] & seeds[1])]


def with_ensembles(oof: pd.DataFrame) -> pd.DataFrame:
    """Add :data:`ENSEMBLES` on the splits on which all their models were trained."""
    for name, models in ENSEMBLES.items():
        seeds = [set(oof.loc[oof["model"] == model, "seed"]) for model in models]
        rows = oof[oof["seed"].isin(set.intersection(*seeds))]
        if len(rows):
            mean = ensemble(rows, models, name=name)
            oof = pd.concat([oof, mean.assign(seconds_per_epoch=np.nan)])
    return oof


def with_trainings(oof: pd.DataFrame) -> pd.DataFrame:
    """Add the mean of the skeleton's trainings, where each walk has several.

    It stands under each training: every division into folds judges the same mean.
    """
    rows, columns = oof[oof["model"] == "skeleton"], list(PROBABILITIES)
    if not rows["walk_id"].duplicated(keep=False).all():
        return oof
    logs = np.log(rows[columns].clip(lower=1e-12))
    mean = logs.groupby(rows["walk_id"]).transform("mean")
    mean = rows.assign(
        model="skeleton_trainings",
        seconds_per_epoch=np.nan,
        **dict(zip(columns, special.softmax(mean, axis=1).T, strict=True)),
    )
    return pd.concat([oof, mean])


def predictions(stage: Stage, out: Path) -> pd.DataFrame:
    """Answers of a stage, with ids and seeds of its cohort's own."""
    oof = pd.read_parquet(out / stage.name / ANSWERS)
    for column in ("walk_id", "patient_id"):
        oof[column] = f"{stage.cohort}/" + oof[column].astype(str)
    seed = 100 * stage.cohort_seed + stage.seed
    return oof.assign(cohort_seed=stage.cohort_seed, seed=seed)


if __name__ == "__main__":
    main()
