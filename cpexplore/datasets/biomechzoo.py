"""Seven healthy children with marker truth: the sample study of biomechZoo.

Straight overground walking, Vicon at 100 Hz, with the laboratory's own events and
Plug-in-Gait angles (MIT, (c) 2025 McGill MOTION Lab). The recordings are projected on
the sagittal plane, so that they look like what a single camera sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_columns
from cpexplore.skeleton import keypoint_set
from cpexplore.walks import make_walk

PX_PER_MM = 0.25
"""Scale of the projection: a child's leg of 0.75 m becomes about 190 px."""

_SIDES = {"left": "L", "right": "R"}
_LANDMARKS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "toe")
_RENAMED = {"toe": "big_toe"}
_ANGLES = ("hip", "knee", "ankle", "pelvis")
_EVENTS = {"Foot Strike": "initial_contact", "Foot Off": "foot_off"}


@dataclass(frozen=True, kw_only=True)
class LaboratoryWalk:
    """A walk and what the motion laboratory measured with it."""

    walk: xr.Dataset
    """BODY_25 walk from joint centres, heel and toe markers; head and small toes are
    missing, neck and mid-hip are the means of shoulders and hips."""
    events: pd.DataFrame
    """Labelled events: side, event, time_s, sorted by time."""
    angles: xr.Dataset
    """Plug-in-Gait flexion ``{hip,knee,ankle,pelvis}_deg (time, side)``."""
    leg_length_m: float
    """Mean of both legs."""
    px_per_m: float = 1000 * PX_PER_MM
    """Scale of the projection."""


def load_biomechzoo(root: str | Path) -> dict[str, LaboratoryWalk]:
    """Load the biomechZoo children as 2D walks with their laboratory truth.

    Parameters
    ----------
    root : str or path
        Folder with ``subjects.csv``, ``events.csv`` and one CSV per trial:
        coordinates in mm, x forward, y down.

    Returns
    -------
    dict of str to LaboratoryWalk
        By trial name.

    Raises
    ------
    FileNotFoundError
        If one of the tables is missing.
    ValueError
        If a table lacks a column.

    Examples
    --------
    The converted trials are not part of the project:

    >>> from cpexplore.datasets import biomechzoo_folder, load_biomechzoo
    >>> children = load_biomechzoo(biomechzoo_folder())  # doctest: +SKIP
    >>> {trial: len(one.events) for trial, one in children.items()}  # doctest: +SKIP
    """
    root = Path(root)
    subjects = _read(root / "subjects.csv", ("trial", "fps", "l_leg_mm", "r_leg_mm"))
    events = _read(root / "events.csv", ("trial", "side", "event", "time_s"))
    return {
        row["trial"]: _laboratory_walk(root, row, events)
        for row in subjects.to_dict("records")
    }


def _laboratory_walk(root: Path, subject: dict, events: pd.DataFrame) -> LaboratoryWalk:
    trial = subject["trial"]
    frames = _read_trial(root, trial)
    walk = _walk(frames, trial, subject["fps"])
    return LaboratoryWalk(
        walk=walk,
        events=_trial_events(events.loc[events["trial"] == trial]),
        angles=_angles(frames, walk),
        leg_length_m=(subject["l_leg_mm"] + subject["r_leg_mm"]) / 2000,
    )


def _read_trial(root: Path, trial: str) -> pd.DataFrame:
    points = [f"{s}_{p}_{c}" for s in "RL" for p in _LANDMARKS for c in "xy"]
    angles = [f"pig_{s}_{joint}_flex" for s in "RL" for joint in _ANGLES]
    return _read(root / f"{trial}.csv", ("frame", *points, *angles))


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(
            f"`root` must be the biomechZoo folder; {path} is missing."
        )
    table = pd.read_csv(path)
    check_columns(table, columns, name=path.name)
    return table


def _walk(frames: pd.DataFrame, trial: str, fps: float) -> xr.Dataset:
    names = keypoint_set("body_25").keypoints
    position = np.full((len(frames), len(names), 2), np.nan)
    for keypoint, points in _points(frames).items():
        position[:, names.index(keypoint)] = PX_PER_MM * points
    return make_walk(
        position,
        np.isfinite(position[..., 0]),
        fps=fps,
        keypoint_set="body_25",
        walk_id=trial,
        patient_id=trial[:5],
        time=frames["frame"].to_numpy() / fps,
        source="biomechZoo sample study, MIT, (c) 2025 McGill MOTION Lab",
    )


def _points(frames: pd.DataFrame) -> Mapping[str, np.ndarray]:
    """Sagittal coordinates (time, 2) in mm by keypoint name."""
    points = {
        f"{side}_{_RENAMED.get(mark, mark)}": frames[
            [f"{letter}_{mark}_x", f"{letter}_{mark}_y"]
        ].to_numpy()
        for side, letter in _SIDES.items()
        for mark in _LANDMARKS
    }
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        points[middle] = (points[f"left_{part}"] + points[f"right_{part}"]) / 2
    return points


def _trial_events(rows: pd.DataFrame) -> pd.DataFrame:
    return (
        pd.DataFrame(
            {
                "side": rows["side"].str.lower(),
                "event": rows["event"].replace(_EVENTS),
                "time_s": rows["time_s"],
            }
        )
        .sort_values("time_s")
        .reset_index(drop=True)
    )


def _angles(frames: pd.DataFrame, walk: xr.Dataset) -> xr.Dataset:
    curves = {
        f"{joint}_deg": (
            ("time", "side"),
            frames[[f"pig_{s}_{joint}_flex" for s in _SIDES.values()]].to_numpy(),
        )
        for joint in _ANGLES
    }
    return xr.Dataset(curves, coords={"time": walk["time"], "side": list(_SIDES)})
