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

    Examples
    --------
    A real adult, five strides; the shipped reference is simulated:

    >>> from cpexplore import datasets
    >>> from cpexplore.gait import analyse_walk
    >>> found = analyse_walk(datasets.sample_walk("sports2d"))
    >>> found.strides["side"].value_counts().to_dict()
    {'right': 3, 'left': 2}
    >>> found.features[["cadence_spm", "stance_left_pct"]].round().to_dict()
    {'cadence_spm': 98.0, 'stance_left_pct': 61.0}
    >>> found.reasons.iloc[0].tolist()
    ['speed_dimensionless_ratio', 'leg length in m is not known']
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

    Examples
    --------
    The knees of a real adult bend most at 71 and 72 % of the cycle, in swing:

    >>> from cpexplore import datasets
    >>> from cpexplore.gait import detect_events, gait_cycles, mean_curves
    >>> from cpexplore.preprocessing import clean
    >>> walk = clean(datasets.sample_walk("sports2d"))
    >>> curves = mean_curves(gait_cycles(walk, detect_events(walk)))
    >>> (
    ...     curves["n_strides"].values.tolist(),
    ...     curves["foot_off_pct"].values.round().tolist(),
    ... )
    ([2, 3], [61.0, 62.0])
    >>> curves["knee_flexion_deg"].argmax("phase").values.tolist()
    [71, 72]
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

    Raises
    ------
    ValueError
        If ``walk`` is no valid walk.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> from cpexplore.gait import gait_features
    >>> features = gait_features(datasets.sample_walk("sports2d"))
    >>> float(features["speed_llps"].round(1))  # leg lengths per s
    1.4
    >>> bool(features.isna()["froude_ratio"])  # needs the leg length in m
    True
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

    Raises
    ------
    ValueError
        If one of the walks is no valid walk.

    Examples
    --------
    One real walk, tracked by a full and by a lite model. No left stride of the lite
    track is accepted, so more of its features are missing:

    >>> import pandas as pd
    >>> from cpexplore import datasets
    >>> from cpexplore.cohort import Cohort, make_index
    >>> from cpexplore.gait import analyse_cohort
    >>> walks = {n: datasets.sample_walk(n) for n in ("sports2d", "sports2d_lite")}
    >>> about = {"patient_id": "adult", "fps": 30, "n_frames": 166, "simulated": 0}
    >>> rows = pd.DataFrame(about | {"source": "sample"}, index=list(walks))
    >>> cohort = Cohort(index=make_index(rows), walks=walks)
    >>> analysis = analyse_cohort(cohort)
    >>> analysis.curves["n_strides"].values.tolist()  # left, right
    [[2, 3], [0, 2]]
    >>> analysis.reasons["walk_id"].value_counts().index.tolist()
    ['sports2d_lite', 'sports2d']
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

    Raises
    ------
    ValueError
        If one of the walks is no valid walk.

    Examples
    --------
    One real walk, tracked by a full and by a lite model:

    >>> import pandas as pd
    >>> from cpexplore import datasets
    >>> from cpexplore.cohort import Cohort, make_index
    >>> from cpexplore.gait import extract_features
    >>> walks = {n: datasets.sample_walk(n) for n in ("sports2d", "sports2d_lite")}
    >>> about = {"patient_id": "adult", "fps": 30, "n_frames": 166, "simulated": 0}
    >>> rows = pd.DataFrame(about | {"source": "sample"}, index=list(walks))
    >>> cohort = Cohort(index=make_index(rows), walks=walks)
    >>> features = extract_features(cohort)
    >>> features["speed_llps"].round(1).to_dict()  # leg lengths per s
    {'sports2d': 1.4, 'sports2d_lite': 1.3}
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
