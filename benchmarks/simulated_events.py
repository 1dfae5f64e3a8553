"""Swaps, events and knee of simulated children against their truth.

Detector noise, dropouts and swaps are on. A swap counts where it moves ankle or knee by
more than 0.1 leg lengths and both ankles are seen. Events are scored 0.3 s inside the
passes that cleaning found. Cadence is the feature of that name against all true
strides within passes, two steps in each; the median over the cycles that the events
make, which nothing else uses, stands beside it without a bar. Stance is the median over
these cycles. The features of least knee flexion in stance and largest in swing are
compared with the median over true cycles, the error of a walk is the mean of its legs.
This measures the method; it says nothing about children.

    python benchmarks/simulated_events.py [--patients 60] [--seeds 0 1 2]

The gait pattern has its own script, ``simulated_patterns.py``.
"""

import argparse
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed
from scipy.interpolate import CubicSpline

from cpexplore.gait import analyse_walk
from cpexplore.preprocessing import clean, leg_length_px, read_audit
from cpexplore.simulate import Child, Truth, draw_children, simulate_walk, td_children

SIDES = ("left", "right")
EVENTS = ("initial_contact", "foot_off")
MARGIN_S, SAME_EVENT_S = 0.3, 0.25
BARS = {
    "cadence_pct": 1.0,
    "median_cadence_pct": np.inf,
    "stance_points": 2.0,
    "knee_min_deg": 2.0,
    "knee_max_deg": 2.0,
}
SWAP_BAR_PCT = 95.0


def swaps(walk: xr.Dataset, cleaned: xr.Dataset, truth: Truth) -> dict[str, int]:
    """Repaired, missed and invented swapped frames that can be seen."""
    found = np.zeros(walk.sizes["time"], bool)
    (audit,) = (r for r in read_audit(cleaned) if r["step"] == "unswap")
    for start, stop in audit["swapped"]:
        found[start:stop] = True
    gap = {
        part: walk["position"].sel(keypoint=f"left_{part}").values
        - walk["position"].sel(keypoint=f"right_{part}").values
        for part in ("knee", "ankle")
    }
    apart = np.fmax(*(np.hypot(*track.T) for track in gap.values()))
    seen = (apart > 0.1 * leg_length_px(walk)) & np.isfinite(gap["ankle"][:, 0])
    real = truth.swapped.values
    return {
        "repaired": int((found & real & seen).sum()),
        "missed": int((~found & real & seen).sum()),
        "invented": int((found & ~real & seen).sum()),
    }


def times_of(events: pd.DataFrame, side: str, event: str) -> np.ndarray:
    keep = (events["side"] == side) & (events["event"] == event)
    return np.sort(events.loc[keep, "time_s"].to_numpy())


def inside_passes(walk: xr.Dataset, times: np.ndarray) -> np.ndarray:
    """Whether the frames within the margin around each time belong to a pass."""
    clock, bout = walk["time"].values, walk["bout"].values
    near = np.abs(clock - times[:, None]) <= MARGIN_S
    room = (times - clock[0] > MARGIN_S) & (clock[-1] - times > MARGIN_S)
    return room & ~(near & (bout < 0)).any(axis=1)


def event_errors(walk: xr.Dataset, found: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    """One row per true event; the error is NaN where it was missed."""
    rows = []
    for side in SIDES:
        for event in EVENTS:
            real, ours = (times_of(e, side, event) for e in (truth.events, found))
            for time in real[inside_passes(walk, real)]:
                off = ours[np.abs(ours - time) < SAME_EVENT_S] - time
                rows.append((event, 1000 * off[0] if len(off) else np.nan))
    return pd.DataFrame(rows, columns=["event", "error_ms"])


def cycles(events: pd.DataFrame, side: str) -> list[tuple[float, float, float]]:
    """Contact, foot off and next contact of every cycle of a leg."""
    contacts, offs = (times_of(events, side, event) for event in EVENTS)
    found = []
    for start, end in pairwise(contacts):
        off = offs[(offs > start) & (offs < end)]
        if len(off) == 1 and end - start < 4:
            found.append((start, float(off[0]), end))
    return found


def tempo(events: pd.DataFrame) -> tuple[float, float]:
    """Median cadence, steps/min, and median stance, %, over cycles."""
    found = np.array([cycle for side in SIDES for cycle in cycles(events, side)])
    if not len(found):
        return np.nan, np.nan
    start, off, end = found.T
    duration = end - start
    return np.median(120 / duration), np.median(100 * (off - start) / duration)


def error_pct(ours: float, real: float) -> float:
    return abs(100 * (ours / real - 1))


def true_curves(truth: Truth, events: pd.DataFrame, side: str, name: str) -> np.ndarray:
    """(cycle, 101) the true angle over every true cycle of a leg, degrees."""
    angle = truth.angles[name].sel(side=side)
    share = np.linspace(0, 1, 101)
    between = CubicSpline(angle["time"], angle)  # lines would cut peaks off at 25 Hz
    curves = [
        between(start + share * (end - start)) for start, _, end in cycles(events, side)
    ]
    return np.array(curves).reshape(-1, 101)


def knee_errors(
    features: pd.Series, truth: Truth, real: pd.DataFrame
) -> dict[str, float]:
    """Mean over the legs of |error| of least stance and largest swing flexion."""
    low, high = [], []
    for side in SIDES:
        curves = true_curves(truth, real, side, "knee_flexion_deg")
        if len(curves):
            least, largest = curves[:, 10:63].min(axis=1), curves[:, 60:].max(axis=1)
            low.append(features[f"knee_min_stance_{side}_deg"] - np.median(least))
            high.append(features[f"knee_max_swing_{side}_deg"] - np.median(largest))
    errors = {"knee_min_deg": low, "knee_max_deg": high}
    return {
        name: float(np.mean(known)) if len(known := finite(values)) else np.nan
        for name, values in errors.items()
    }


def finite(errors: list[float]) -> np.ndarray:
    size = np.abs(np.array(errors, float))
    return size[np.isfinite(size)]


def score(child: Child) -> tuple[dict[str, object], pd.DataFrame]:
    """Errors of one recording: a row of the table of walks, and its events."""
    walk, truth = simulate_walk(child)
    found = analyse_walk(clean(walk))
    cleaned, events = found.walk, found.events
    real = truth.events[inside_passes(cleaned, truth.events["time_s"].to_numpy())]
    (cadence, stance), (true_cadence, true_stance) = tempo(events), tempo(real)
    row = {
        "level": child.gmfcs or "TD",
        "device": child.device,
        "cadence_pct": error_pct(
            found.features["cadence_spm"], truth.parameters["cadence_spm"]
        ),
        "median_cadence_pct": error_pct(cadence, true_cadence),
        "stance_points": abs(stance - true_stance),
        **knee_errors(found.features, truth, real),
        **swaps(walk, cleaned, truth),
    }
    errors = event_errors(cleaned, events, truth).assign(level=row["level"])
    return row, errors


def report(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Median and 95th percentile over walks, swap recall and precision over frames."""
    groups = rows.groupby(by)
    counts = groups[["repaired", "missed", "invented"]].sum()
    found, real = (
        counts["repaired"] + counts[other] for other in ("invented", "missed")
    )
    spread = {
        f"{name}{end}": groups[name].quantile(q)
        for name in BARS
        for end, q in (("", 0.5), ("_p95", 0.95))
    }
    return pd.DataFrame(
        {
            "walks": groups.size(),
            **spread,
            "swap_frames": real,
            "swap_recall_pct": 100 * counts["repaired"] / real,
            "swap_precision_pct": 100 * counts["repaired"] / found,
        }
    ).round(2)


def missed_bars(walks: pd.Series) -> list[str]:
    """Names of the bars that a group of walks misses."""
    far = [name for name, bar in BARS.items() if walks[name] > bar]
    shares = ("swap_recall_pct", "swap_precision_pct")
    return far + [name for name in shares if walks[name] < SWAP_BAR_PCT]


def cohorts(seeds: list[int], n_patients: int) -> list[Child]:
    """All recordings of one cohort per seed."""
    return [
        child
        for seed in seeds
        for child in draw_children(n_patients, seed=seed, min_per_level=8)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    typical = [
        child
        for seed in options.seeds
        for child in td_children(12, seed=seed, speeds=("free",))
    ]
    children = cohorts(options.seeds, options.patients) + typical
    parallel = Parallel(n_jobs=options.jobs)
    scored = parallel(delayed(score)(child) for child in children)
    rows = pd.DataFrame([row for row, _ in scored])
    levels = dict.fromkeys(("I", "II", "III"), "I-III")
    rows["group"] = rows["level"].replace(levels)
    rows["aid"] = np.where(rows["device"] == "none", "none", "device")
    events = pd.concat([errors for _, errors in scored])
    for by in (["group"], ["group", "aid"], ["level"]):
        print(report(rows, by).T.to_string(), "\n")
    spread = events.groupby(["level", "event"])["error_ms"].agg(
        n="size",
        missed=lambda e: int(e.isna().sum()),
        bias="median",
        median=lambda e: e.abs().median(),
        p95=lambda e: e.abs().quantile(0.95),
    )
    print(spread.round(1).to_string(), "\n")
    walks = report(rows, ["group"])
    missed = {group: missed_bars(walks.loc[group]) for group in ("I-III", "IV")}
    for group, names in missed.items():
        print(f"missed by {group}:", ", ".join(names) or "nothing")
    return any(missed.values())


if __name__ == "__main__":
    sys.exit(main())
