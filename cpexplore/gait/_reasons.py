"""Why a feature could not be computed, in one sentence."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pandas as pd

from cpexplore.gait._body import SIDES
from cpexplore.gait._gait import Gait
from cpexplore.gait.catalogue import CATALOGUE, feature_columns

_PARTICULAR = {
    "stance_excess": "the reference has no walks at this speed",
    "double_support_excess": "the reference has no walks at this speed",
    "heel_rise_time": "the heel does not rise by 0.04 leg lengths in stance",
    "sgdi": "a curve has gaps, or the reference has fewer than 3 complete limbs",
    "gvi2d": "too few strides follow each other, or the reference has too few",
}
"""Why a feature may be missing although cycles were measured."""
_LAST = "fewer than {} cycles gave a value, or the reference lacks it"
_NEED_METRES = ("speed_dimensionless", "froude", "cadence_dimensionless")


def missing_reasons(gait: Gait, features: pd.Series, *, upright: bool) -> pd.DataFrame:
    """Give a reason for every NaN.

    Parameters
    ----------
    gait : Gait
        The measured walk.
    features : pandas.Series
        Its features, one per column of :func:`feature_columns`.
    upright : bool
        Whether the hips are above the ankles in the image.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature`` (the column's name) and ``reason``.
    """
    told: dict[tuple[str, str], str] = {}
    missing = np.flatnonzero(np.isnan(features.to_numpy()))
    reasons = []
    for name, aggregate, keypoints in (_needs()[at] for at in missing):
        scope = aggregate if aggregate in (*SIDES, "global") else "both"
        if (name, scope) not in told:
            told[name, scope] = _reason(gait, name, scope, keypoints, upright=upright)
        reasons.append(told[name, scope])
    feature = features.index.to_numpy(dtype=object)[missing]
    return pd.DataFrame({"feature": feature, "reason": reasons}, dtype="str")


@cache
def _needs() -> list[tuple[str, str, tuple[str, ...]]]:
    """Feature, aggregate and keypoints of every column."""
    columns = feature_columns()
    fields = (columns[key] for key in ("name", "aggregate", "keypoints"))
    return list(zip(*fields, strict=True))


def _reason(
    gait: Gait, name: str, scope: str, keypoints: Iterable[str], *, upright: bool
) -> str:
    """Look for the cause from the outside in: set, tracks, direction, cycles."""
    points = gait.body.points
    lacking = [k for k in keypoints if k not in points]
    if lacking:
        return f"{gait.body.keypoint_set} has no {', '.join(lacking)}"
    if not (gait.body.bout >= 0).any():
        if not upright:
            return "the hips are below the ankles: the recording must have y down"
        return "no pass across the image with a known direction of travel"
    unseen = [k for k in keypoints if np.isnan(points[k][gait.body.bout >= 0]).all()]
    if unseen:
        return f"never seen: {', '.join(unseen)}"
    if name in _NEED_METRES and np.isnan(gait.leg_length_m):
        return "leg length in m is not known"
    needed = max(gait.min_cycles, int(CATALOGUE.at[name, "cycles"]))
    sides = SIDES if scope in ("both", "global") else (scope,)
    counts = {side: _n_cycles(gait, side) for side in sides}
    if min(counts.values()) < needed:
        return "; ".join(
            _few(gait, side, n, needed) for side, n in counts.items() if n < needed
        )
    return _PARTICULAR.get(name, _LAST.format(needed))


def _n_cycles(gait: Gait, side: str) -> int:
    return int((gait.strides.side == SIDES.index(side)).sum())


def _few(gait: Gait, side: str, n: int, needed: int) -> str:
    rejected = gait.strides.rejected[side]
    left_out = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
    why = f" (left out: {left_out})" if left_out else ""
    return f"{n} {side} cycles, {needed} needed{why}"
