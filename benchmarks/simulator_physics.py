"""Measure the physics of simulated walks: feet, bones, angles, contacts.

    python benchmarks/simulator_physics.py [--every 8] [--seed 0] [--out DIR]

Every 8th walk of the full-size cohort at its own 25 Hz; every 32nd one again at 200 Hz,
where the moment of contact can be seen. Prints one row per bar and the share of walks
that keep it; exits with the number of missed bars.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore.io.files import write_atomic
from cpexplore.simulate import PARAMETERS, Child, Truth, draw_children, simulate_walk

BONES = (
    *(("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("ankle", "big_toe")),
    *(("heel", "big_toe"), ("shoulder", "elbow"), ("elbow", "wrist")),
)
SIDES = ("left", "right")
FAST = 200.0
ON_GROUND = 0.0015
"""Height of a foot on the ground, leg lengths."""


def physics(truth: Truth) -> dict[str, float | str | None]:
    """Largest slip, hover, spread of bones and error of angles in one walk."""
    leg = truth.child.leg_length_m
    drift = [drifts(truth, side, double=False) for side in SIDES]
    doubled = [drifts(truth, side, double=True) for side in SIDES]
    walking = truth.bout.values >= 0
    bent = np.median(np.abs(truth.correction.values[walking]), axis=(0, 1))
    return {
        "gmfcs": truth.child.gmfcs,
        "slip_pct": 100 * np.concatenate(drift).max() / leg,
        "slip_double_support_pct": 100 * np.concatenate(doubled).max() / leg,
        "hover_pct": 100 * float(lowest(truth)[truth.contact.values].max()),
        "sink_pct": -100 * float(truth.points.sel(axis="y").min()) / leg,
        "bone_spread_pct": 100 * max(bone_spreads(truth)) / leg,
        "angle_error_deg": angle_error(truth),
        **dict(zip(("hip_deg", "knee_deg", "ankle_deg"), bent, strict=True)),
    }


def drifts(truth: Truth, side: str, *, double: bool) -> np.ndarray:
    """How far the point in contact moves in each stance, m.

    The footprint is named by its heel end, so that rolling from heel to toe is no slip.
    """
    heel, toe = (
        truth.points.sel(keypoint=f"{side}_{end}").values for end in ("heel", "big_toe")
    )
    ahead = np.cos(heading(truth))[:, None] * [1.0, 0.0]
    length = np.linalg.norm(toe - heel, axis=1)[:, None]
    on_heel = (heel[:, 1] <= toe[:, 1])[:, None]
    footprint = np.where(on_heel, heel[:, [0, 2]], toe[:, [0, 2]] - length * ahead)
    down = truth.contact.sel(side=side).values
    if double:
        down = down & truth.contact.values.all(axis=1)
    stance = np.cumsum(np.diff(down, prepend=False) & down)
    return np.array(
        [
            np.hypot(*np.ptp(footprint[down & (stance == number)], axis=0))
            for number in np.unique(stance[down])
        ]
    )


def heading(truth: Truth) -> np.ndarray:
    """0 where the child walks to the right, pi where to the left; NaN in turns."""
    along = truth.points.sel(keypoint="mid_hip", axis="x").values
    angle = np.full(len(along), np.nan)
    for number in range(int(truth.bout.max()) + 1):
        inside = truth.bout.values == number
        angle[inside] = 0.0 if along[inside][-1] > along[inside][0] else np.pi
    return angle


def lowest(truth: Truth) -> np.ndarray:
    """Height of the lower end of both feet (n, 2), leg lengths."""
    ends = [
        truth.points.sel(keypoint=[f"{side}_heel", f"{side}_big_toe"], axis="y")
        for side in SIDES
    ]
    return np.stack([end.min("keypoint").values for end in ends], axis=1) / (
        truth.child.leg_length_m
    )


def bone_spreads(truth: Truth) -> list[float]:
    """Range of the length of every bone over the recording, m."""
    pairs = [(f"{side}_{a}", f"{side}_{b}") for side in SIDES for a, b in BONES]
    pairs.append(("mid_hip", "neck"))
    lengths = [
        np.linalg.norm(
            truth.points.sel(keypoint=a).values - truth.points.sel(keypoint=b).values,
            axis=1,
        )
        for a, b in pairs
    ]
    return [float(np.ptp(length)) for length in lengths]


def angle_error(truth: Truth) -> float:
    """Largest difference of true angles from those of the points in the room, deg."""
    ahead = np.cos(heading(truth))
    walking = np.isfinite(ahead)

    def inclination(upper: str, lower: str) -> np.ndarray:
        bone = truth.points.sel(keypoint=lower) - truth.points.sel(keypoint=upper)
        forward = bone.sel(axis="x").values * ahead
        return np.degrees(np.arctan2(forward, -bone.sel(axis="y").values))

    errors = [-inclination("neck", "mid_hip") - truth.angles["trunk_lean_deg"].values]
    for side in SIDES:
        thigh = inclination(f"{side}_hip", f"{side}_knee")
        shank = inclination(f"{side}_knee", f"{side}_ankle")
        pitch = inclination(f"{side}_heel", f"{side}_big_toe") - 90
        for name, angle in (
            ("thigh_deg", thigh),
            ("shank_deg", shank),
            ("knee_flexion_deg", thigh - shank),
            ("foot_pitch_deg", pitch),
            ("ankle_dorsiflexion_deg", pitch - shank),
        ):
            errors.append(angle - truth.angles[name].sel(side=side).values)
    return float(max(np.abs(error[walking]).max() for error in errors))


def contact_lags(child: Child) -> pd.DataFrame:
    """How late a foot touches or leaves the ground after the event says so, s."""
    fast = replace(child, fps=FAST, n_frames=int(8 * FAST))
    truth = simulate_walk(fast)[1]
    time, margin = truth.bout["time"].values, int(0.3 * FAST)
    down = np.diff((lowest(truth) < ON_GROUND).astype(int), axis=0)
    rows = []
    for column, side in enumerate(SIDES):
        for _, event in truth.events[truth.events["side"] == side].iterrows():
            at = int(np.searchsorted(time, event["time_s"]))
            around = truth.bout.values[max(at - margin, 0) : at + margin]
            if len(around) < 2 * margin or (around != event["bout"]).any():
                continue
            change = 1 if event["event"] == "initial_contact" else -1
            moments = time[np.flatnonzero(down[:, column] == change)] + 0.5 / FAST
            lag = (moments - event["time_s"])[
                np.abs(moments - event["time_s"]).argmin()
            ]
            rows.append((child.walk_id, child.gmfcs, event["event"], lag))
    return pd.DataFrame(rows, columns=["walk_id", "gmfcs", "event", "lag_s"])


def summary(walks: pd.DataFrame, lags: pd.DataFrame) -> pd.DataFrame:
    """One row per bar: worst and median walk, and the share that keeps it."""
    bars = {
        "slip_pct": ("slip of the point in contact, whole stance, % of leg", 1.0),
        "slip_double_support_pct": ("the same in double support", 1.0),
        "hover_pct": ("height of a foot in stance, % of leg", 1.0),
        "sink_pct": ("depth below the floor, % of leg", 0.01),
        "bone_spread_pct": ("range of bone lengths, % of leg", 1e-6),
        "angle_error_deg": ("angle round trip, deg", 0.1),
        "hip_deg": ("median correction of the hip, deg", 3.0),
        "knee_deg": ("median correction of the knee, deg", 3.0),
        "ankle_deg": ("median correction of the ankle, deg", 3.0),
    }
    rows = [row(name, bar, walks[column]) for column, (name, bar) in bars.items()]
    late = 1000 * lags["lag_s"].abs()
    rows.append(row("contact against event at 200 Hz, ms", 10.0, late))
    for level, own in late.groupby(lags["gmfcs"]):
        rows.append(row(f"the same, level {level}", 10.0, own))
    return pd.DataFrame(rows)


def row(name: str, bar: float, values: pd.Series) -> dict[str, object]:
    return {
        "quantity": name,
        "bar": bar,
        "n": len(values),
        "median": values.median(),
        "p95": values.quantile(0.95),
        "worst": values.max(),
        "kept_pct": 100 * (values <= bar).mean(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    children = draw_children(797, seed=options.seed, min_per_level=0)
    chosen = children[:: options.every]
    walks = pd.DataFrame([physics(simulate_walk(child)[1]) for child in chosen])
    lags = pd.concat([contact_lags(child) for child in children[:: 4 * options.every]])
    table = summary(walks, lags)
    write_atomic(
        options.out / "simulator_physics.csv", lambda f: table.to_csv(f, index=False)
    )
    print(table.to_string(index=False, float_format="%.3g"))
    print(f"parameters {PARAMETERS.hash()}, seed {options.seed}")
    whole = ~table["quantity"].str.contains("correction|level")
    return int((table["kept_pct"][whole] < 100).sum())


if __name__ == "__main__":
    sys.exit(main())
