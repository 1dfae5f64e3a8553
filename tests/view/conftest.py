"""A small finished run with simulated numbers, for everything that reads runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore import gmfcs, runs
from cpexplore.cohort import make_index
from cpexplore.io.files import write_netcdf
from cpexplore.io.store import write_store
from cpexplore.preprocessing import clean
from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import make_walk

METHODS = ("grad_cam", "grad_cam_signed")
MODELS = ("majority", "skeleton", "fusion_cross_attention")
KEPT = 5
"""Walks whose frames and windows the run keeps."""


FEATURES = (
    "speed_llps",
    "cadence_spm",
    "knee_min_stance_left_deg",
    "knee_min_stance_right_deg",
    "step_width_asym_ratio",
)


@pytest.fixture
def make_run() -> Callable[..., runs.Run]:
    """Write a run directory; all that a network would have said is random."""
    return write_run


@pytest.fixture(scope="module")
def module_run(tmp_path_factory) -> Callable[..., runs.Run]:
    """Write a run directory that the tests of a module share."""

    def make(**options: str) -> runs.Run:
        return write_run(tmp_path_factory.mktemp("run") / "demo", **options)

    return make


def write_run(path: Path, *, patient: str = "P", source: str = "simulated") -> runs.Run:
    """Write every file that explorer and report read: 16 walks of 8 children."""
    rng = np.random.default_rng(7)
    index = _index(patient, source)
    cleaned = [
        clean(walking(cadence_hz=0.8 + 0.1 * k)[0].assign_attrs(walk_id=walk_id))
        for k, walk_id in enumerate(index.index[:KEPT])
    ]
    features = _features(index, rng)
    tables = {
        "index": index,
        "features": features,
        "oof": _oof(index, rng),
        "ranking": _ranking(rng),
        "folds": index[["patient_id"]].reset_index().assign(seed=0, fold=0),
        "metrics": _metrics(rng),
        "comparisons": _comparisons(),
        "selection": pd.DataFrame(
            {"feature": FEATURES, "kept": 1, "score": 0.2}
        ).assign(seed=0, fold=0),
        "feature_reasons": pd.DataFrame(
            [(f"{patient}1_V2", FEATURES[2], "too few cycles")],
            columns=["walk_id", "feature", "reason"],
        ),
    }
    for name, table in tables.items():
        runs.write_table(path / runs.FILES[name], table)
    write_netcdf(path / runs.FILES["curves"], _curves(index, rng))
    write_netcdf(path / runs.FILES["saliency"], _saliency(cleaned, rng))
    write_store(path / "walks.zarr", cleaned)
    (path / "statistics").mkdir()
    association = _association(features, rng)
    for name in ("association", "odds_ratios"):
        association.to_csv(path / "statistics" / f"{name}.csv", index=False)
    config = {"cohort": source, "preset": "test", "notes": [f"made by {source}"]}
    runs.write_json(path / runs.FILES["config"], config)
    return runs.load_run(path)


def _index(patient: str, source: str) -> pd.DataFrame:
    patients = [f"{patient}{k}" for k in range(8) for _ in range(2)]
    rows = pd.DataFrame(
        {
            "patient_id": patients,
            "gmfcs": [gmfcs.LEVELS[k // 4] for k in range(16)],
            "fps": 25.0,
            "n_frames": 124,
            "simulated": 1,
            "source": source,
        },
        index=[f"{name}_V{k % 2 + 1}" for k, name in enumerate(patients)],
    )
    return make_index(rows)


def _features(index: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    severity = gmfcs.encode(index["gmfcs"])[:, None]
    values = severity * rng.uniform(-2, 2, len(FEATURES))
    values = values + rng.normal(size=(len(index), len(FEATURES)))
    features = pd.DataFrame(values, index.index, FEATURES)
    features.iloc[3, 2] = np.nan
    return features


def _curves(index: pd.DataFrame, rng: np.random.Generator) -> xr.Dataset:
    phase = np.arange(101)
    size = (len(index), 2)
    dims = ("walk", "side", "phase")
    lift = rng.normal(gmfcs.encode(index["gmfcs"])[:, None] * 6, 2, size)[..., None]
    knee = lift + 30 - 25 * np.cos(2 * np.pi * (phase - 72) / 100) * -1
    return xr.Dataset(
        {
            "knee_flexion_deg": (dims, knee),
            "hip_flexion_deg": (dims, knee[..., ::-1] - 20),
            "foot_off_pct": (dims[:2], rng.uniform(58, 72, size)),
            "n_strides": (dims[:2], rng.integers(2, 9, size)),
        },
        coords={
            "walk": index.index.to_numpy(str),
            "side": ["left", "right"],
            "phase": phase,
        },
    )


def _oof(index: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for model in MODELS:
        p = rng.dirichlet(np.ones(4), len(index))
        rows.append(
            pd.DataFrame(p, columns=[f"p_{level}" for level in gmfcs.LEVELS]).assign(
                walk_id=index.index,
                patient_id=index["patient_id"].to_numpy(),
                gmfcs=index["gmfcs"].astype(str).to_numpy(),
                model=model,
                seed=0,
                fold=0,
                n_windows=1,
            )
        )
    return pd.concat(rows, ignore_index=True)


def _metrics(rng: np.random.Generator) -> pd.DataFrame:
    names = ("accuracy", "balanced_accuracy", "linear_kappa", "quadratic_kappa", "mae")
    rows = [(name, "all") for name in (*names, "within_one")]
    rows += [("recall", level) for level in gmfcs.LEVELS]
    parts = [
        pd.DataFrame(rows, columns=["metric", "level"]).assign(
            model=model, estimate=rng.uniform(0.3, 0.7, len(rows))
        )
        for model in MODELS
    ]
    table = pd.concat(parts, ignore_index=True)
    spread = {"ci_low": table["estimate"] - 0.1, "ci_high": table["estimate"] + 0.1}
    table["seconds_per_epoch"] = table["model"].map({"skeleton": 1.25})
    return table.assign(**spread, ci_level=0.95, n_walks=16, n_patients=8)


def _comparisons() -> pd.DataFrame:
    row = {"model_a": "fusion_cross_attention", "model_b": "skeleton"}
    row |= {"metric": "accuracy", "estimate": 0.02, "ci_low": -0.1, "ci_high": 0.14}
    row |= {"ci_level": 0.95, "p_value": 0.7, "n_walks": 16, "n_patients": 8}
    return pd.DataFrame([row])


def _ranking(rng: np.random.Generator) -> pd.DataFrame:
    keypoints = KEYPOINT_SETS["body_25"].keypoints
    parts = []
    for method in METHODS:
        for level in ("all", *gmfcs.LEVELS):
            share = rng.dirichlet(np.ones(len(keypoints)))
            part = {"method": method, "level": level, "keypoint": keypoints}
            part |= {"estimate": share, "ci_low": 0.8 * share, "ci_high": 1.2 * share}
            parts.append(pd.DataFrame(part).assign(ci_level=0.95))
    return pd.concat(parts, ignore_index=True)


def _saliency(walks: list[xr.Dataset], rng: np.random.Generator) -> xr.Dataset:
    keypoints = list(KEYPOINT_SETS["body_25"].keypoints)
    length = 100
    clocks = [walk["time"].values[10 : 10 + length] for walk in walks]
    shape = (len(METHODS), len(walks), len(gmfcs.LEVELS), length, len(keypoints))
    wave = np.sin(np.arange(length)[:, None] / 6 + np.arange(len(keypoints))) ** 2
    scale = rng.uniform(0.2, 1, (*shape[:3], 1, len(keypoints)))
    maps = (wave * scale).astype(np.float32)
    maps[1] -= 0.5
    ids = [walk.attrs["walk_id"] for walk in walks]
    return xr.Dataset(
        {
            "window_saliency": (
                ("method", "window", "level", "time", "keypoint"),
                maps,
            )
        },
        coords={
            "method": list(METHODS),
            "level": list(gmfcs.LEVELS),
            "keypoint": keypoints,
            "window_walk_id": ("window", ids),
            "window_start": ("window", [10] * len(ids)),
            "window_time_s": (("window", "time"), np.stack(clocks)),
        },
    )


def _association(features: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rho = rng.uniform(-0.8, 0.8, features.shape[1])
    columns = {"feature": features.columns, "estimate": rho, "ci_low": rho - 0.1}
    columns |= {"ci_high": rho + 0.1, "q_value": (1 - np.abs(rho)) / 5}
    columns |= {"n_rows": 16, "n_missing": features.isna().sum().to_numpy()}
    return pd.DataFrame(columns)


@pytest.fixture
def walker() -> Callable:
    """Make a walking stick figure with its angles and events."""
    return walking


@pytest.fixture
def evidence() -> Callable[[xr.Dataset], xr.DataArray]:
    """Make saliency of two methods and four levels for a walk."""
    return saliency_of


def walking(n_frames: int = 124, *, fps: float = 25.0, cadence_hz: float = 1.0):
    """A figure of legs and trunk that walks to the right, and its true events."""
    time = np.arange(n_frames) / fps
    angles = _swing(time, cadence_hz)
    names = KEYPOINT_SETS["body_25"].keypoints
    place = _figure(angles, 300 + 120 * time)
    position = np.stack([place[name] for name in names], axis=1)
    confidence = np.full((n_frames, len(names)), 0.9)
    confidence[:, names.index("left_wrist")] = 0.2
    walk = make_walk(
        position,
        confidence,
        fps=fps,
        keypoint_set="body_25",
        walk_id="figure",
        simulated=True,
    )
    return walk, angles, _contacts(time[-1], cadence_hz)


def _swing(time: np.ndarray, cadence_hz: float) -> xr.Dataset:
    phase = 2 * np.pi * cadence_hz * time[:, None] + [0, np.pi]
    dims = ("time", "side")
    return xr.Dataset(
        {
            "hip_flexion_deg": (dims, 5 + 25 * np.cos(phase)),
            "knee_flexion_deg": (dims, 30 - 25 * np.cos(phase + 1)),
            "trunk_lean_deg": ("time", 4 + 2 * np.cos(2 * phase[:, 0])),
        },
        coords={"time": time, "side": ["left", "right"]},
    )


def _figure(angles: xr.Dataset, travel: np.ndarray) -> dict[str, np.ndarray]:
    def at(x: float, y: float) -> np.ndarray:
        return np.stack([travel + x, np.full(len(travel), y)], axis=-1)

    def below(start: np.ndarray, angle_deg: np.ndarray, length: float) -> np.ndarray:
        radians = np.deg2rad(angle_deg)
        return start + length * np.stack([np.sin(radians), np.cos(radians)], axis=-1)

    place = {"mid_hip": at(0, 300), "neck": at(12, 180), "nose": at(30, 150)}
    for side, shift in (("left", 3), ("right", -3)):
        hip = angles["hip_flexion_deg"].sel(side=side).values
        shank = hip - angles["knee_flexion_deg"].sel(side=side).values
        place |= {f"{side}_eye": at(27, 143), f"{side}_ear": at(14, 146)}
        place[f"{side}_shoulder"] = at(12 + shift, 184)
        place[f"{side}_elbow"] = below(place[f"{side}_shoulder"], -hip, 55)
        place[f"{side}_wrist"] = below(place[f"{side}_elbow"], 20 - hip, 50)
        place[f"{side}_hip"] = at(shift, 300)
        place[f"{side}_knee"] = below(place[f"{side}_hip"], hip, 80)
        place[f"{side}_ankle"] = below(place[f"{side}_knee"], shank, 78)
        for part, reach, drop in (("big_toe", 34, 12), ("small_toe", 30, 13)):
            place[f"{side}_{part}"] = place[f"{side}_ankle"] + [reach, drop]
        place[f"{side}_heel"] = place[f"{side}_ankle"] + [-10, 12]
    return place


def _contacts(until: float, cadence_hz: float) -> pd.DataFrame:
    offsets = {
        ("left", "initial_contact"): 0.2,
        ("right", "foot_off"): 0.32,
        ("right", "initial_contact"): 0.7,
        ("left", "foot_off"): 0.82,
    }
    rows = [
        (side, event, (offset + stride) / cadence_hz)
        for stride in range(20)
        for (side, event), offset in offsets.items()
    ]
    events = pd.DataFrame(rows, columns=["side", "event", "time_s"])
    return events[events["time_s"] <= until]


def saliency_of(walk: xr.Dataset) -> xr.DataArray:
    """Waves that run through the body, stronger at the knees and feet."""
    keypoints = walk["keypoint"].values.tolist()
    weight = [
        2.0 if "knee" in k or "toe" in k or "heel" in k else 0.7 for k in keypoints
    ]
    phase = 2 * np.pi * walk["time"].values[:, None] + np.arange(len(keypoints))
    wave = np.sin(phase) ** 2 * weight
    levels = [wave * strength for strength in (0.4, 0.6, 0.8, 1.0)]
    maps = np.stack([levels, np.stack(levels)[:, ::-1] - 0.3])
    return xr.DataArray(
        maps.astype(np.float32),
        {
            "method": ["grad_cam", "occlusion"],
            "level": list(gmfcs.LEVELS),
            "time": walk["time"].values,
            "keypoint": keypoints,
        },
        ("method", "level", "time", "keypoint"),
    )
