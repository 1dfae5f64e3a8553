"""The whole gait catalogue against the PyPI package myogait on the same walk.

A simulated child walks to and fro for 600 frames (24 s at 25 Hz). Ours: cleaning,
events, angles, cycles and every feature of the catalogue with its reasons. Theirs:
normalise, angles, events, cycles and analysis. Both run in this process, one core,
alternating; the median CPU time of each is compared. Then a cohort runs through the
joblib seam and is scaled to 1,450 walks.

myogait is not a dependency: put it into a folder of its own and name that folder,

    pip install --no-deps --target DIR myogait==0.9.2 opencv-python-headless openpyxl \
        et_xmlfile ezc3d
    OMP_NUM_THREADS=1 python benchmarks/gait_speed.py --myogait DIR

Without it only our own times are measured.
"""

import argparse
import copy
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from cpexplore.gait import analyse_cohort, detect_events, gait_features
from cpexplore.preprocessing import clean
from cpexplore.simulate import cohort_of, draw_children, simulate_walk

N_FRAMES, N_WALKS = 600, 1_450
MAX_WALK_MS, MAX_COHORT_S, MIN_RATIO = 40.0, 40.0, 15.0

LANDMARKS = {
    "NOSE": "nose",
    **{
        f"{side.upper()}_{theirs}": f"{side}_{ours}"
        for side in ("left", "right")
        for theirs, ours in (
            ("EYE", "eye"),
            ("EAR", "ear"),
            ("SHOULDER", "shoulder"),
            ("ELBOW", "elbow"),
            ("WRIST", "wrist"),
            ("HIP", "hip"),
            ("KNEE", "knee"),
            ("ANKLE", "ankle"),
            ("HEEL", "heel"),
            ("FOOT_INDEX", "big_toe"),
        )
    },
}
"""myogait's landmark names and ours."""


def make_walk() -> xr.Dataset:
    """A simulated child without a device, at least 600 frames long."""
    children = draw_children(60, seed=600)
    child = next(c for c in children if c.n_frames >= N_FRAMES and c.device == "none")
    return simulate_walk(child)[0].isel(time=slice(0, N_FRAMES))


def as_myogait(walk: xr.Dataset, *, width: float = 1920, height: float = 1080) -> dict:
    """The walk in myogait's own input format."""
    from myogait.schema import create_empty

    data = create_empty("walk.mp4", fps=walk.attrs["fps"], width=int(width),
                        height=int(height), n_frames=walk.sizes["time"])  # fmt: skip
    data["extraction"] = {"model": "mediapipe"}
    names = walk["keypoint"].values.tolist()
    places = [(theirs, names.index(ours)) for theirs, ours in LANDMARKS.items()]
    position = walk["position"].values / [width, height]
    confidence = walk["confidence"].values
    data["frames"] = [
        {
            "frame_idx": t,
            "time_s": float(walk["time"][t]),
            "landmarks": {
                name: {
                    "x": float(position[t, v, 0]),
                    "y": float(position[t, v, 1]),
                    "visibility": float(confidence[t, v]),
                }
                for name, v in places
            },
            "confidence": float(confidence[t].mean()),
        }
        for t in range(walk.sizes["time"])
    ]
    return data


def run_myogait(data: dict) -> None:
    """What its own pipeline does after pose extraction."""
    import myogait

    data = myogait.normalize(data, filters=["butterworth"])
    data = myogait.compute_angles(data)
    data = myogait.detect_events(data, method="zeni")
    cycles = myogait.segment_cycles(data)
    myogait.analyze_gait(data, cycles)


def cpu_ms(task: Callable[[], object]) -> float:
    started = time.process_time()
    task()
    return 1000 * (time.process_time() - started)


def time_cohort(n_walks: int, n_jobs: int) -> float:
    """Wall seconds for raw walks kept in memory, once the workers have started."""
    children = draw_children(n_walks, seed=1)[:n_walks]
    cohort = cohort_of(children, name="speed")
    kept = {walk_id: cohort.walk(walk_id) for walk_id in cohort.index.index}
    cohort = type(cohort)(index=cohort.index, walks=kept, name="speed")
    analyse_cohort(cohort, n_jobs=n_jobs)
    started = time.perf_counter()
    analyse_cohort(cohort, n_jobs=n_jobs)
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--myogait", type=Path, help="folder it was installed in")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--walks", type=int, default=96)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    walk = make_walk()
    cleaned = clean(walk)
    gait_features(walk)
    tasks: dict[str, Callable[[], object]] = {
        "cleaning": lambda: clean(walk),
        "events": lambda: detect_events(cleaned),
        "all": lambda: gait_features(walk),
    }
    if options.myogait:
        sys.path.append(str(options.myogait))
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        data = as_myogait(walk)
        tasks["myogait"] = lambda: run_myogait(copy.deepcopy(data))
    times = {name: [] for name in tasks}
    for _ in range(options.repeats):
        for name, task in tasks.items():
            times[name].append(cpu_ms(task))
    median = {name: float(np.median(values)) for name, values in times.items()}
    for name, value in median.items():
        print(f"{name:10s} {value:7.1f} CPU ms per {N_FRAMES} frames")
    missed = median["all"] > MAX_WALK_MS
    if "myogait" in median:
        ratio = median["myogait"] / median["all"]
        print(f"ratio      {ratio:7.1f}x (at least {MIN_RATIO:g})")
        missed |= ratio < MIN_RATIO
    seconds = time_cohort(options.walks, options.jobs) * N_WALKS / options.walks
    print(f"cohort     {seconds:7.1f} s for {N_WALKS} walks, {options.jobs} processes")
    return int(missed or seconds > MAX_COHORT_S)


if __name__ == "__main__":
    sys.exit(main())
