"""A study small enough to train in a test: windows and features that know the level."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import special

from cpexplore import gmfcs
from cpexplore.cohort import Cohort, make_index
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import CrossvalSpec, FitConfig
from cpexplore.models import STGCNConfig
from cpexplore.skeleton import keypoint_set
from cpexplore.walks import make_walk
from cpexplore.windows import Windows

N_FRAMES = 16


@dataclass
class Study:
    """What cross-validation needs."""

    cohort: Cohort
    windows: Windows
    features: pd.DataFrame
    spec: CrossvalSpec


def make_study(*, n_patients: int = 40, seed: int = 0) -> Study:
    """Two walks per child; the right knee and two features carry the level.

    The last child's first walk has no window, one feature is missing too often, one is
    constant, and one child changes level.
    """
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), 2)
    level = (patient % 4) + 1
    level[1] = level[0] % 4 + 1
    walk_id = [f"w{number:03d}" for number in range(len(patient))]
    severity = level + rng.normal(0, 0.3, len(level))
    rows = pd.DataFrame(
        {
            "patient_id": [f"p{number:02d}" for number in patient],
            "gmfcs": gmfcs.as_levels(level),
            "fps": 25.0,
            "n_frames": rng.integers(100, 300, len(level)),
            "age_years": rng.uniform(5, 15, len(level)),
            "height_m": rng.uniform(1.0, 1.6, len(level)),
            "device": np.where(level > 2, "walker", "none"),
            "simulated": 1,
            "source": "test",
        },
        index=walk_id,
    )
    features = pd.DataFrame(
        {
            "speed_llps": 3 - 0.4 * severity,
            "knee_rom_mean_deg": 60 - 8 * severity + rng.normal(0, 3, len(level)),
            "noise_deg": rng.normal(size=len(level)),
            "rare_s": np.where(rng.random(len(level)) < 0.8, np.nan, 1.0),
            "constant_ratio": 1.0,
        },
        index=pd.Index(walk_id, name="walk_id"),
    )
    features.iloc[3, 1] = np.nan
    names = keypoint_set("body_25").keypoints
    per_walk = np.repeat(np.arange(len(level)), rng.integers(1, 4, len(level)))
    per_walk = per_walk[per_walk != len(level) - 2]
    x = rng.normal(0, 0.1, (len(per_walk), 3, N_FRAMES, len(names))).astype(np.float32)
    x[:, 1, :, names.index("right_knee")] += severity[per_walk, None] / 4
    x[:, 2] = 1.0
    windows = Windows(
        x=x,
        walk_id=np.array(walk_id)[per_walk],
        start=np.zeros(len(x), np.int64),
        padded_pct=np.zeros(len(x), np.float32),
        time=np.tile(np.arange(N_FRAMES) / 25.0, (len(x), 1)),
        keypoint=names,
    )
    walks = {name: _walk(name) for name in walk_id}
    spec = CrossvalSpec(
        backbone=STGCNConfig(
            blocks=((8, 2), (16, 2)), embed_dim=32, dropout=0.0, separable=True
        ),
        fit=FitConfig(epochs=4),
    )
    cohort = Cohort(index=make_index(rows), walks=walks)
    return Study(cohort=cohort, windows=windows, features=features, spec=spec)


def _walk(walk_id: str):
    shape = (4, len(keypoint_set("body_25").keypoints))
    return make_walk(
        np.ones((*shape, 2)),
        np.ones(shape),
        fps=25.0,
        keypoint_set="body_25",
        walk_id=walk_id,
    )


@pytest.fixture(scope="session")
def study() -> Study:
    """The study, made once; nothing may change it."""
    return make_study()


def _oof(rng, n, *, shares=(0.34, 0.35, 0.28, 0.03)) -> pd.DataFrame:
    """Predictions of a model ``m``, one walk per child, that know the level roughly."""
    target = rng.choice(4, size=n, p=shares)
    seen = target[:, None] + rng.normal(0, 0.8, (n, 1))
    proba = special.softmax(-((np.arange(4) - seen) ** 2), axis=1)
    table = pd.DataFrame(proba, columns=list(PROBABILITIES))
    table["walk_id"] = table["patient_id"] = [f"p{i}" for i in range(n)]
    table["gmfcs"] = gmfcs.decode(target)
    return table.assign(model="m", seed=0, fold=np.arange(n) % 5, n_windows=1)


@pytest.fixture(scope="session")
def make_oof():
    return _oof


def _two_models(rng, n=60, models=("a", "b")) -> pd.DataFrame:
    """Predictions of models on the same walks, two a child, the second knowing more."""
    tables = []
    target = rng.integers(0, 4, n)
    for strength, model in enumerate(models):
        logits = rng.normal(size=(n, 4)) + strength * np.eye(4)[target]
        proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        table = pd.DataFrame(proba, columns=list(PROBABILITIES))
        table["walk_id"] = [f"w{i}" for i in range(n)]
        table["patient_id"] = [f"p{i // 2}" for i in range(n)]
        table["gmfcs"] = gmfcs.decode(target)
        tables.append(table.assign(model=model, seed=0, fold=np.arange(n) % 5))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="session")
def two_models():
    return _two_models
