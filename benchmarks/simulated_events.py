"""Swaps, events, knee and gait pattern of simulated children against their truth.

Detector noise, dropouts and swaps are on. A swap counts where it moves ankle or knee by
more than 0.1 leg lengths and both ankles are seen. Events are scored 0.3 s inside the
passes that cleaning found. Cadence is the feature of that name against all true
strides within passes, two steps in each; the median over the cycles that the events
make, which nothing else uses, stands beside it without a bar. Stance is the median over
these cycles. The features of least knee flexion in stance and largest in swing are
compared with the median over true cycles, the error of a walk is the mean of its legs.
This measures the method; it says nothing about children.

The gait pattern is judged on clear limbs: both legs of one pattern, blend weight at
least 0.8, at least 80 % of the leg's points tracked. It is compared with the class of
the limb's own true curves by the same rule, and with the pattern it was drawn from,
which a child's own deviation may have left. Clear limbs are rare, some 13 of levels I
to III in a cohort of 60 patients, so further cohorts (``--pattern-seeds``) are drawn
for the pattern alone. The bar is judged on the limbs of all seeds; every set of seeds
is printed.

    python benchmarks/simulated_events.py [--patients 60] [--seeds 0 1 2]
        [--pattern-seeds 200 201 ...]
"""

import argparse
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed
from scipy.interpolate import CubicSpline
from scipy.stats import binomtest

from cpexplore.gait import analyse_walk, default_reference, gait_pattern
from cpexplore.gait.indices import (
    PFKE_WINDOW,
    STANCE_WINDOW,
    couple_scores,
    stance_pattern,
)
from cpexplore.gait.kinematics import ANGLES
from cpexplore.preprocessing import clean, leg_length_px, read_audit
from cpexplore.simulate import Child, Truth, draw_children, simulate_walk, td_children
from cpexplore.stats.resampling import cluster_weights, percentile_interval

SIDES = ("left", "right")
EVENTS = ("initial_contact", "foot_off")
LEG = ("hip", "knee", "ankle", "heel", "big_toe")
MARGIN_S, SAME_EVENT_S = 0.3, 0.25
CLEAR_WEIGHT, TRACKED = 0.8, 0.8
NEAR_SD = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, np.inf)
"""Bins of the distance of a limb's true curves from the nearest other class."""
N_RESAMPLES = 2000
BARS = {
    "cadence_pct": 1.0,
    "median_cadence_pct": np.inf,
    "stance_points": 2.0,
    "knee_min_deg": 2.0,
    "knee_max_deg": 2.0,
}
SHARE_BAR_PCT = {"swaps": 95.0, "pattern": 90.0}
RULES = {"stance": (stance_pattern, STANCE_WINDOW), "pfke": (gait_pattern, PFKE_WINDOW)}
"""The class of ``gait_patterns``, and the published couple in mid-stance."""


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


def class_of(curves: dict[str, np.ndarray], rule: str) -> tuple[str, float]:
    """Class and margin of a limb from its curves, "" and NaN below 2 cycles."""
    pattern, window = RULES[rule]
    reference = default_reference()
    z = []
    for name, cycle in curves.items():
        at = ANGLES.index(name)
        mean, sd = reference.mean[:, at], reference.sd[:, at]
        scores = couple_scores(cycle, mean=mean, sd=sd, window=window)
        scores = scores[np.isfinite(scores)]
        z.append(float(np.median(scores)) if len(scores) > 1 else np.nan)
    return pattern(*z)


def may_be_clear(child: Child) -> bool:
    """Whether a child has one pattern, fully shown by a limb at least."""
    left, right = child.limbs
    one_pattern = left.pattern == right.pattern
    return one_pattern and max(left.weight, right.weight) >= CLEAR_WEIGHT


def clear_limbs(
    child: Child, walk: xr.Dataset, truth: Truth, *, measured: xr.Dataset
) -> list[dict[str, object]]:
    """Classes of the clear limbs: drawn, of the true curves, and measured."""
    rows = []
    if not may_be_clear(child):
        return rows
    walking = truth.bout.values >= 0
    for side, limb in zip(SIDES, child.limbs, strict=True):
        points = walk["confidence"].sel(keypoint=[f"{side}_{part}" for part in LEG])
        tracked = float((points.values[walking] >= 0.3).mean())
        if limb.weight < CLEAR_WEIGHT or tracked < TRACKED:
            continue
        row = {
            "level": child.gmfcs,
            "patient": child.person_seed,
            "drawn": limb.pattern.replace("_", " "),
        }
        names = ("knee_flexion_deg", "ankle_dorsiflexion_deg")
        own = measured.sel(stride=measured["side"] == side)
        ours = {name: own[name].values for name in names}
        real = {name: true_curves(truth, truth.events, side, name) for name in names}
        for rule in RULES:
            row[rule], _ = class_of(ours, rule)
            row[f"{rule}_true"], row[f"{rule}_true_margin"] = class_of(real, rule)
        rows.append(row)
    return rows


def score(child: Child) -> tuple[dict[str, object], pd.DataFrame, list]:
    """Errors of one recording: a row of the walk table, its events, its clear limbs."""
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
    limbs = clear_limbs(child, walk, truth, measured=found.cycles)
    return row, errors, limbs


def score_pattern(child: Child) -> list:
    """The clear limbs of one recording."""
    walk, truth = simulate_walk(child)
    found = analyse_walk(clean(walk))
    return clear_limbs(child, walk, truth, measured=found.cycles)


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


def pattern_report(limbs: pd.DataFrame) -> pd.DataFrame:
    """Percent of clear limbs whose class is right; a limb without a class is wrong.

    By rule and by what is right. The bar's column has the Wilson interval, which takes
    limbs for independent, and a bootstrap over patients, who have two limbs and up to
    seven visits.
    """
    rows = {}
    for group, table in [("all", limbs), *limbs.groupby("group")]:
        for rule in RULES:
            right = is_right(table, rule)
            drawn = table["drawn"]
            test = binomtest(int(right.sum()), len(table))
            low, high = test.proportion_ci(method="wilson")
            patients_low, patients_high = over_patients(right, table["patient"])
            rows[group, rule] = {
                "limbs": len(table),
                "patients": table["patient"].nunique(),
                "classed": (table[rule] != "").sum(),
                "as_true_curves": right.sum(),
                "as_true_curves_pct": 100 * right.mean(),
                "low_pct": 100 * low,
                "high_pct": 100 * high,
                "patients_low_pct": 100 * patients_low,
                "patients_high_pct": 100 * patients_high,
                "as_drawn_pct": 100 * (table[rule] == drawn).mean(),
                "true_as_drawn_pct": 100 * (table[f"{rule}_true"] == drawn).mean(),
            }
    return pd.DataFrame(rows).T.round(1)


def is_right(limbs: pd.DataFrame, rule: str) -> pd.Series:
    """Whether each limb has the class of its own true curves."""
    return (limbs[rule] != "") & (limbs[rule] == limbs[f"{rule}_true"])


def over_patients(right: pd.Series, patients: pd.Series) -> tuple[float, float]:
    """95 % interval of the share of right limbs, patients resampled."""
    weights = cluster_weights(patients, n_resamples=N_RESAMPLES, rng=0)
    low, high = percentile_interval(weights @ right / weights.sum(axis=1))
    return float(low), float(high)


def print_patterns(limbs: pd.DataFrame) -> pd.DataFrame:
    """Print the clear limbs of each set of seeds; return the report on all of them."""
    for name, table in limbs.groupby(level=0, sort=False):
        print(f"clear limbs of --{name}\n{pattern_report(table).to_string()}\n")
    patterns = pattern_report(limbs)
    print(f"clear limbs of all seeds\n{patterns.to_string()}\n")
    margin = pd.cut(limbs["stance_true_margin"], NEAR_SD, right=False)
    right = is_right(limbs, "stance").rename("right")
    print(pd.crosstab(margin, [limbs["group"], right]).to_string(), "\n")
    for truth in ("stance_true", "drawn"):
        print(pd.crosstab(limbs[truth], limbs["stance"]).to_string(), "\n")
    return patterns


def missed_bars(walks: pd.Series, pattern_pct: float) -> list[str]:
    """Names of the bars that a group of walks misses."""
    missed = [name for name, bar in BARS.items() if walks[name] > bar]
    swaps_bar = SHARE_BAR_PCT["swaps"]
    missed += [
        name
        for name in ("swap_recall_pct", "swap_precision_pct")
        if walks[name] < swaps_bar
    ]
    if pattern_pct < SHARE_BAR_PCT["pattern"]:
        missed.append("pattern")
    return missed


def cohorts(seeds: list[int], n_patients: int) -> list[Child]:
    return [
        child
        for seed in seeds
        for child in draw_children(n_patients, seed=seed, min_per_level=8)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--pattern-seeds", type=int, nargs="*", default=list(range(200, 210))
    )
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    typical = [
        child
        for seed in options.seeds
        for child in td_children(12, seed=seed, speeds=("free",))
    ]
    children = cohorts(options.seeds, options.patients) + typical
    more = filter(may_be_clear, cohorts(options.pattern_seeds, options.patients))
    parallel = Parallel(n_jobs=options.jobs)
    scored = parallel(delayed(score)(child) for child in children)
    found = [limbs for *_, limbs in scored]
    further = parallel(delayed(score_pattern)(child) for child in more)
    own, others = (
        pd.DataFrame([limb for limbs in recordings for limb in limbs])
        for recordings in (found, further)
    )
    rows = pd.DataFrame([row for row, _, _ in scored])
    limbs = pd.concat([own, others], keys=["seeds", "pattern-seeds"])
    for table in (rows, limbs):
        levels = dict.fromkeys(("I", "II", "III"), "I-III")
        table["group"] = table["level"].replace(levels)
    rows["aid"] = np.where(rows["device"] == "none", "none", "device")
    events = pd.concat([errors for _, errors, _ in scored])
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
    patterns = print_patterns(limbs)
    walks = report(rows, ["group"])
    missed = {
        group: missed_bars(
            walks.loc[group], patterns.loc[(group, "stance"), "as_true_curves_pct"]
        )
        for group in ("I-III", "IV")
    }
    for group, names in missed.items():
        print(f"missed by {group}:", ", ".join(names) or "nothing")
    return any(missed.values())


if __name__ == "__main__":
    sys.exit(main())
