"""A small finished run with simulated numbers, for everything that reads runs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore import gmfcs, runs
from cpexplore.datasets import simulated_cohort
from cpexplore.gait import CohortAnalysis, analyse_cohort
from cpexplore.io.store import write_store
from cpexplore.preprocessing import clean
from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import make_walk

METHODS = ("grad_cam", "grad_cam_signed")
MODELS = ("majority", "skeleton", "fusion_cross_attention")
KEPT = 5
"""Walks whose frames and windows the run keeps."""


@pytest.fixture(scope="session")
def studied() -> tuple:
    """Eight simulated children with their gait analysis."""
    cohort = simulated_cohort(n_patients=8, seed=1)
    return cohort, analyse_cohort(cohort)


@pytest.fixture
def make_run(studied) -> Callable[[Path], runs.Run]:
    """Write a run directory; all that a network would have said is random."""
    return lambda path: write_run(path, *studied)


def write_run(path: Path, cohort, analysis: CohortAnalysis) -> runs.Run:
    """Write every file that a run has."""
    rng = np.random.default_rng(7)
    index = cohort.index
    cleaned = [clean(cohort.walk(walk_id)) for walk_id in index.index[:KEPT]]
    tables = {
        "index": index,
        "features": analysis.features,
        "feature_reasons": analysis.reasons,
        "oof": _oof(index, rng),
        "ranking": _ranking(rng),
    }
    for name, table in tables.items():
        runs.write_table(path / runs.FILES[name], table)
    runs.write_netcdf(path / "curves.nc", analysis.curves)
    runs.write_netcdf(path / "saliency.nc", _saliency(cleaned, rng))
    write_store(path / "walks.zarr", cleaned)
    (path / "statistics").mkdir()
    _association(analysis.features, rng).to_csv(
        path / "statistics" / "association.csv", index=False
    )
    runs.write_json(path / "config.json", {"cohort": "simulated", "preset": "test"})
    return runs.load_run(path)


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
    length = 124
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
    chosen = features.columns[features.notna().mean() > 0.9][:12]
    rho = rng.uniform(-0.8, 0.8, len(chosen))
    columns = {"feature": chosen, "estimate": rho, "ci_low": rho - 0.1}
    columns |= {"ci_high": rho + 0.1, "q_value": (1 - np.abs(rho)) / 5}
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
