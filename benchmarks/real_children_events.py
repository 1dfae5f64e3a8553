"""Gait events of seven real children against the motion laboratory's.

Joint centres of straight overground walks (Vicon, 100 Hz) are projected on the sagittal
plane and treated like a tracked video, at 100 Hz and thinned to 25 Hz. Labelled events
less than 150 ms from an end of the clip are not scored; a detected event counts as
invented only between the first and the last labelled one of its side. No constant of
the detector was fitted on these children.

    CPEXPLORE_SHARED=DIR python benchmarks/real_children_events.py [--myogait DIR]

The option scores the PyPI package myogait on the same walks and compares; see
``gait_speed.py`` for how to install it into a folder.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore.datasets import LaboratoryWalk, biomechzoo_folder, load_biomechzoo
from cpexplore.gait import detect_events
from cpexplore.gait.events import METHODS
from cpexplore.preprocessing import clean

SAME_EVENT_S = 0.2
"""A detected event farther from a labelled one is another event."""
MARGIN_S = 0.15
"""Labelled events nearer to an end of the clip are not scored."""
BAR_MEDIAN_MS = {100.0: 15.0, 25.0: 20.0}
BAR_WITHIN_50_MS_PCT = 95.0
BAR_LOST = 1


def thinned(walk: xr.Dataset, every: int) -> xr.Dataset:
    """Keep every n-th frame, as a slower camera would."""
    slow = walk.isel(time=slice(None, None, every))
    return slow.assign_attrs(fps=walk.attrs["fps"] / every)


def times_of(events: pd.DataFrame, side: str, event: str) -> np.ndarray:
    keep = (events["side"] == side) & (events["event"] == event)
    return events.loc[keep, "time_s"].to_numpy()


def match(
    lab: LaboratoryWalk, found: pd.DataFrame, side: str, event: str
) -> tuple[list[float], int, int]:
    """Errors in ms, number missed and number invented."""
    first, last = lab.walk["time"].values[[0, -1]]
    labelled, detected = (
        times_of(events, side, event) for events in (lab.events, found)
    )
    scored = labelled[(labelled >= first + MARGIN_S) & (labelled <= last - MARGIN_S)]
    apart = np.abs(detected - scored[:, None])
    near = apart.min(axis=1, initial=np.inf) <= SAME_EVENT_S
    errors = [
        1000 * float(detected[row.argmin()] - time)
        for row, time in zip(apart[near], scored[near], strict=True)
    ]
    own_side = lab.events.loc[lab.events["side"] == side, "time_s"]
    between = detected[detected == np.clip(detected, own_side.min(), own_side.max())]
    foreign = np.abs(between[:, None] - labelled).min(axis=1, initial=np.inf)
    return errors, int((~near).sum()), int((foreign > SAME_EVENT_S).sum())


Detector = Callable[[xr.Dataset], pd.DataFrame]
"""From a raw walk to ``side, event, time_s``."""


def ours(method: str) -> Detector:
    return lambda walk: detect_events(clean(walk), method=method)


def theirs(method: str) -> Detector:
    """The events of myogait, after its own filter, on the clock of the walk."""
    import myogait
    from gait_speed import as_myogait

    names = {"hs": "initial_contact", "to": "foot_off"}

    def detect(walk: xr.Dataset) -> pd.DataFrame:
        inside = walk.assign(position=walk["position"] + [500.0, 600.0])
        data = as_myogait(inside, width=2000, height=1000)
        data = myogait.normalize(data, filters=["butterworth"])
        found = myogait.detect_events(data, method=method)["events"]
        start = float(walk["time"][0])
        rows = [
            (side, event, start + one["time"])
            for side in ("left", "right")
            for short, event in names.items()
            for one in found[f"{side}_{short}"]
        ]
        return pd.DataFrame(rows, columns=["side", "event", "time_s"])

    return detect


def measure(
    labs: dict[str, LaboratoryWalk], every: int, method: str, *, detect: Detector
) -> list[dict[str, object]]:
    """One row per kind of event."""
    rows = []
    for event in ("initial_contact", "foot_off"):
        errors, missed, invented = [], 0, 0
        for lab in labs.values():
            found = detect(thinned(lab.walk, every))
            for side in ("left", "right"):
                off, lost, extra = match(lab, found, side, event)
                errors, missed, invented = errors + off, missed + lost, invented + extra
        size = np.abs(errors)
        rows.append(
            {
                "fps": 100.0 / every,
                "method": method,
                "event": event,
                "n": len(errors),
                "bias_ms": np.median(errors) if errors else np.nan,
                "median_ms": np.median(size) if errors else np.nan,
                "p95_ms": np.percentile(size, 95) if errors else np.nan,
                "within_50_ms_pct": 100 * np.mean(size <= 50) if errors else np.nan,
                "missed": missed,
                "invented": invented,
            }
        )
    return rows


def fails(row: pd.Series) -> bool:
    return (
        not row["median_ms"] <= BAR_MEDIAN_MS[row["fps"]]
        or not row["within_50_ms_pct"] >= BAR_WITHIN_50_MS_PCT
        or max(row["missed"], row["invented"]) > BAR_LOST
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--myogait", type=Path, help="folder it was installed in")
    options = parser.parse_args()
    labs = load_biomechzoo(options.data or biomechzoo_folder())
    detectors = {method: ours(method) for method in METHODS}
    if options.myogait:
        sys.path.append(str(options.myogait))
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        detectors |= {f"myogait {m}": theirs(m) for m in ("zeni", "velocity")}
    table = pd.DataFrame(
        [
            row
            for every in (1, 4)
            for method, detect in detectors.items()
            for row in measure(labs, every, method, detect=detect)
        ]
    )
    print(table.round(1).to_string(index=False))
    judged = table[table["method"] == "consensus"]
    missed = judged[judged.apply(fails, axis=1)]
    print("missed bars of the consensus:", len(missed))
    return bool(len(missed))


if __name__ == "__main__":
    sys.exit(main())
