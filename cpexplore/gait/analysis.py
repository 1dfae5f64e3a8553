"""The whole way from a walk, or a cohort of walks, to gait features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed

from cpexplore._validation import check_range
from cpexplore.cohort import Cohort
from cpexplore.gait._body import SIDES, make_body
from cpexplore.gait._gait import Gait, Walked, by_side, make_gait
from cpexplore.gait._reasons import missing_reasons
from cpexplore.gait.cycles import PHASE, label_cycles
from cpexplore.gait.events import detect_events
from cpexplore.gait.features import feature_series, walk_features
from cpexplore.gait.features_deviation import gait_patterns
from cpexplore.gait.kinematics import ANGLES, joint_angles
from cpexplore.gait.reference import Reference, default_reference
from cpexplore.preprocessing import clean
from cpexplore.preprocessing.passes import is_upright

_CHUNK = 16
"""Walks per task of a parallel run."""


@dataclass(frozen=True, kw_only=True)
class GaitAnalysis:
    """One walk, from clean keypoints to features."""

    walk: xr.Dataset
    """The cleaned walk."""
    events: pd.DataFrame
    """``side, event, time_s, confidence``."""
    angles: xr.Dataset
    """See :func:`joint_angles`."""
    cycles: xr.Dataset
    """See :func:`gait_cycles`."""
    strides: pd.DataFrame
    """One row per accepted stride: ``side, bout, start_s``, then the value of every
    feature that is measured stride by stride, for its SD and number."""
    patterns: pd.DataFrame
    """``side, pattern, margin, knee_z, ankle_z, strike``: see :func:`gait_patterns`."""
    features: pd.Series
    """One value per column of :func:`feature_columns`; NaN where not computable."""
    reasons: pd.DataFrame
    """``feature, reason`` for every NaN of ``features``."""


@dataclass(frozen=True, kw_only=True)
class CohortAnalysis:
    """Features and mean curves of many walks."""

    features: pd.DataFrame
    """One row per walk, index ``walk_id``; columns of :func:`feature_columns`."""
    reasons: pd.DataFrame
    """``walk_id, feature, reason`` for every NaN of ``features``."""
    curves: xr.Dataset
    """Mean angles with dims (walk, side, phase), ``foot_off_pct`` and ``n_strides``
    with dims (walk, side)."""


def analyse_walk(
    walk: xr.Dataset,
    *,
    reference: Reference | None = None,
    min_cycles: int = 2,
    leg_length_m: float = np.nan,
) -> GaitAnalysis:
    """Analyse one walk: clean it if needed, then events, angles, cycles, features.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk.
    reference : Reference, optional
        Whom to compare with; default :func:`default_reference`.
    min_cycles : int
        Cycles that a side needs for a mean, at least 1.
    leg_length_m : float
        True leg length, for dimensionless speed and cadence only.

    Returns
    -------
    GaitAnalysis
        Everything that was computed on the way. Features that cannot be computed are
        NaN and have a reason; a walk never makes this function fail.

    Raises
    ------
    ValueError
        If ``walk`` is no valid walk or ``min_cycles`` < 1.
    """
    check_range("min_cycles", min_cycles, low=1)
    walk = clean(walk)
    events = detect_events(walk)
    gait = make_gait(
        make_body(walk), events, min_cycles=min_cycles, leg_length_m=leg_length_m
    )
    reference = reference or default_reference()
    walked = walk_features(gait)
    features = feature_series(gait, walked, reference)
    return GaitAnalysis(
        walk=walk,
        events=events,
        angles=joint_angles(walk),
        cycles=label_cycles(gait.strides, gait.curves),
        strides=_stride_table(gait, walked),
        patterns=gait_patterns(gait, reference),
        features=features,
        reasons=missing_reasons(gait, features, upright=is_upright(walk)),
    )


def mean_curves(cycles: xr.Dataset) -> xr.Dataset:
    """Average the cycles of each leg.

    Parameters
    ----------
    cycles : xarray.Dataset
        From :func:`cpexplore.gait.gait_cycles`, dims (stride, phase).

    Returns
    -------
    xarray.Dataset
        The same angles with dims (side, phase), ``foot_off_pct`` and ``n_strides`` with
        dim side, left then right; NaN for a leg without strides. At each percent the
        mean of the strides that are known there.
    """
    side = np.array([SIDES.index(name) for name in cycles["side"].values], int)

    def mean(values: xr.DataArray) -> np.ndarray:
        return by_side(values.values, side, min_cycles=1)

    return xr.Dataset(
        {
            **{name: (("side", "phase"), mean(cycles[name])) for name in cycles},
            "foot_off_pct": ("side", mean(cycles["foot_off_pct"])),
            "n_strides": ("side", np.bincount(side, minlength=2)),
        },
        coords={"side": list(SIDES), "phase": PHASE},
    )


def gait_features(walk: xr.Dataset, *, reference: Reference | None = None) -> pd.Series:
    """Compute the gait features of one walk.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk.
    reference : Reference, optional
        Whom to compare with; default :func:`default_reference`.

    Returns
    -------
    pandas.Series
        One value per column of :func:`feature_columns`; NaN where not computable, see
        :func:`analyse_walk` for the reasons.
    """
    return _analyse_row(walk, np.nan, reference or default_reference()).features


def analyse_cohort(
    cohort: Cohort, *, reference: Reference | None = None, n_jobs: int = 1
) -> CohortAnalysis:
    """Analyse every walk of a cohort.

    Parameters
    ----------
    cohort : Cohort
        Its walks may be raw or cleaned; ``leg_length_m`` of its index is used.
    reference : Reference, optional
        Whom to compare with; default :func:`default_reference`.
    n_jobs : int
        Processes, see :class:`joblib.Parallel`; the result does not depend on it.

    Returns
    -------
    CohortAnalysis
        Rows in the order of the cohort's index.
    """
    reference = reference or default_reference()
    reference.warm_up()
    legs = cohort.index["leg_length_m"]
    ids = list(cohort.index.index)
    chunks = [ids[i : i + _CHUNK] for i in range(0, len(ids), _CHUNK)]
    done = Parallel(n_jobs=n_jobs)(
        delayed(_analyse_chunk)(_some(cohort.walks, chunk), legs.loc[chunk], reference)
        for chunk in chunks
    )
    rows = [row for chunk in cast("list[list[_Row]]", done) for row in chunk]
    index = pd.Index(ids, name="walk_id", dtype="str")
    features = pd.DataFrame([row.features for row in rows]).set_axis(index)
    reasons = [
        row.reasons.assign(walk_id=walk_id)[["walk_id", "feature", "reason"]]
        for walk_id, row in zip(ids, rows, strict=True)
    ]
    return CohortAnalysis(
        features=features,
        reasons=pd.DataFrame(pd.concat(reasons, ignore_index=True)),
        curves=_label_curves(ids, rows),
    )


def extract_features(
    cohort: Cohort, *, reference: Reference | None = None, n_jobs: int = 1
) -> pd.DataFrame:
    """Compute the gait features of every walk of a cohort.

    Parameters
    ----------
    cohort : Cohort
        Its walks may be raw or cleaned.
    reference : Reference, optional
        Whom to compare with; default :func:`default_reference`.
    n_jobs : int
        Processes, see :class:`joblib.Parallel`; the result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        Index ``walk_id``, columns of :func:`feature_columns`.
    """
    return analyse_cohort(cohort, reference=reference, n_jobs=n_jobs).features


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What a worker sends back for one walk."""

    features: pd.Series
    reasons: pd.DataFrame
    curves: np.ndarray
    foot_off_pct: np.ndarray
    n_strides: np.ndarray


def _some(walks: Mapping[str, xr.Dataset], ids: list[str]) -> Mapping[str, xr.Dataset]:
    """Send a worker its own walks only, or the recipe if walks are made when asked."""
    return {i: walks[i] for i in ids} if isinstance(walks, dict) else walks


def _analyse_chunk(
    walks: Mapping[str, xr.Dataset], legs: pd.Series, reference: Reference
) -> list[_Row]:
    return [
        _analyse_row(walks[str(walk_id)], float(leg), reference)
        for walk_id, leg in legs.items()
    ]


def _analyse_row(walk: xr.Dataset, leg_length_m: float, reference: Reference) -> _Row:
    walk = clean(walk)
    gait = make_gait(
        make_body(walk), detect_events(walk), min_cycles=2, leg_length_m=leg_length_m
    )
    walked = walk_features(gait)
    features = feature_series(gait, walked, reference)
    strides = gait.strides
    return _Row(
        features=features,
        reasons=missing_reasons(gait, features, upright=is_upright(walk)),
        curves=gait.mean_curves,
        foot_off_pct=gait.side_mean(strides.percent(strides.foot_off)),
        n_strides=np.bincount(strides.side, minlength=2),
    )


def _stride_table(gait: Gait, walked: Walked) -> pd.DataFrame:
    strides = gait.strides
    known = {
        "side": np.array(SIDES)[strides.side],
        "bout": strides.bout,
        "start_s": strides.start,
    }
    return pd.DataFrame(known | walked.stride).rename_axis("stride")


def _label_curves(ids: list[str], rows: list[_Row]) -> xr.Dataset:
    curves = np.array([row.curves for row in rows], np.float32)
    foot_off = np.array([row.foot_off_pct for row in rows])
    dims = ("walk", "side", "phase")
    return xr.Dataset(
        {
            **{name: (dims, curves[..., a]) for a, name in enumerate(ANGLES)},
            "foot_off_pct": (dims[:2], foot_off),
            "n_strides": (dims[:2], np.array([row.n_strides for row in rows])),
        },
        coords={"walk": ids, "side": list(SIDES), "phase": PHASE},
        attrs={"units": "deg"},
    )
