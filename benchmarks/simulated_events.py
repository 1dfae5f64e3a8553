"""Swap repair, events, cadence and stance of simulated children against their truth.

Detector noise, dropouts and swaps are on. A swap counts where it moves ankle or knee by
more than 0.1 leg lengths and both ankles are seen. Events are scored 0.3 s inside the
passes that cleaning found. Cadence and stance are medians per walk. This measures the
method; it says nothing about children.

    python benchmarks/simulated_events.py [--patients 60] [--seed 7]
"""

import argparse
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed

from cpexplore.gait import detect_events
from cpexplore.preprocessing import clean, leg_length_px, read_audit
from cpexplore.simulate import Child, Truth, draw_children, simulate_walk, td_children

SIDES = ("left", "right")
EVENTS = ("initial_contact", "foot_off")
MARGIN_S, SAME_EVENT_S = 0.3, 0.25
CADENCE_BAR_PCT, STANCE_BAR_POINTS, SWAP_BAR_PCT = 1.0, 2.0, 95.0


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


def tempo(events: pd.DataFrame) -> tuple[float, float]:
    """Median cadence, steps/min, and median stance, %, over cycles."""
    strides, stances = [], []
    for side in SIDES:
        contacts, offs = (times_of(events, side, event) for event in EVENTS)
        for start, end in pairwise(contacts):
            off = offs[(offs > start) & (offs < end)]
            if len(off) == 1 and end - start < 4:
                strides.append(120 / (end - start))
                stances.append(100 * (off[0] - start) / (end - start))
    return (np.median(strides), np.median(stances)) if strides else (np.nan, np.nan)


def score(child: Child) -> tuple[dict[str, object], pd.DataFrame]:
    """Errors of one recording: a row of the walk table and its events."""
    walk, truth = simulate_walk(child)
    cleaned = clean(walk)
    found = detect_events(cleaned)
    real = truth.events[inside_passes(cleaned, truth.events["time_s"].to_numpy())]
    (cadence, stance), (true_cadence, true_stance) = tempo(found), tempo(real)
    row = {
        "level": child.gmfcs or "TD",
        "device": child.device,
        "cadence_pct": abs(100 * (cadence / true_cadence - 1)),
        "stance_points": abs(stance - true_stance),
        **swaps(walk, cleaned, truth),
    }
    return row, event_errors(cleaned, found, truth).assign(level=row["level"])


def report(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Median and 95th percentile over walks, swap recall and precision over frames."""
    groups = rows.groupby(by)
    counts = groups[["repaired", "missed", "invented"]].sum()
    found, real = (
        counts["repaired"] + counts[other] for other in ("invented", "missed")
    )
    return pd.DataFrame(
        {
            "walks": groups.size(),
            "cadence_pct": groups["cadence_pct"].median(),
            "cadence_p95": groups["cadence_pct"].quantile(0.95),
            "stance_points": groups["stance_points"].median(),
            "stance_p95": groups["stance_points"].quantile(0.95),
            "swap_frames": real,
            "swap_recall_pct": 100 * counts["repaired"] / real,
            "swap_precision_pct": 100 * counts["repaired"] / found,
        }
    ).round(2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    children = draw_children(options.patients, seed=options.seed, min_per_level=8)
    children += td_children(12, seed=options.seed, speeds=("free",))
    scored = Parallel(n_jobs=options.jobs)(delayed(score)(child) for child in children)
    rows = pd.DataFrame([row for row, _ in scored])
    rows["group"] = rows["level"].replace(dict.fromkeys(("I", "II", "III"), "I-III"))
    events = pd.concat([errors for _, errors in scored])
    for by in (["group"], ["level"], ["group", "device"]):
        print(report(rows, by).to_string(), "\n")
    spread = events.groupby(["level", "event"])["error_ms"].agg(
        n="size",
        missed=lambda e: int(e.isna().sum()),
        bias="median",
        median=lambda e: e.abs().median(),
        p95=lambda e: e.abs().quantile(0.95),
    )
    print(spread.round(1).to_string())
    judged = report(rows, ["group"]).loc["I-III"]
    kept = (
        judged["cadence_pct"] <= CADENCE_BAR_PCT
        and judged["stance_points"] <= STANCE_BAR_POINTS
        and min(judged["swap_recall_pct"], judged["swap_precision_pct"]) >= SWAP_BAR_PCT
    )
    print("bars of levels I-III:", "kept" if kept else "missed")
    return not kept


if __name__ == "__main__":
    sys.exit(main())
