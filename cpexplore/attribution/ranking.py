"""From saliency to a ranking of keypoints, and from that to a choice of features."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from cpexplore._validation import check_columns, check_dims, check_option, check_range
from cpexplore.gait.catalogue import feature_columns
from cpexplore.gmfcs import LEVELS
from cpexplore.stats.resampling import cluster_weights, percentile_interval

NORMALISE = ("none", "clip", "cohort")
"""How saliency is scaled; see :func:`rank_joints`."""


def rank_joints(
    saliency: xr.DataArray,
    *,
    groups: ArrayLike | Mapping[str, str],
    levels: Mapping[str, str] | None = None,
    normalise: str = "cohort",
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Rank keypoints by their mean saliency, with intervals over patients.

    Saliency is averaged over time, then over the windows of a walk, the walks of a
    patient, and the patients.

    Parameters
    ----------
    saliency : xarray.DataArray
        Dims ``window`` or ``walk`` and ``keypoint``; perhaps ``time``, ``method`` and
        ``level`` (what the saliency speaks for).
    groups : mapping or array
        The patient of each walk, by walk id; or of each window or walk, in order.
    levels : mapping, optional
        The true level of each walk, by walk id. When given, the rows of a level are
        about the walks that have it, and ``"all"`` takes every walk at its own level.
        Otherwise the rows of a level are about all walks, and ``"all"`` is the mean
        over levels.
    normalise : {"none", "clip", "cohort"}
        Leave the unit of the saliency; divide by the sum over keypoints (of absolute
        values) within each window or walk, so that all count alike; or divide the mean
        over patients by that sum, so that estimates are shares.
    n_resamples : int
        Bootstrap resamples of patients.
    ci_level : float
        Nominal coverage of the interval.
    rng : numpy.random.Generator, int or None
        Source of the resamples.

    Returns
    -------
    pandas.DataFrame
        ``method, level, keypoint, estimate, ci_low, ci_high, ci_level, rank, n_walks,
        n_patients``; rank 1 has the largest estimate. Sorted by method, level, rank.

    Raises
    ------
    ValueError
        If a dimension, a patient or a level is missing, an option is unknown, there is
        no map to rank, or the bootstrap is not possible.

    Examples
    --------
    A child with two walks counts once: the knee has 5 of 8, not 18 of 24. Intervals
    of two children say next to nothing.

    >>> import xarray as xr
    >>> saliency = xr.DataArray(
    ...     [[8.0, 0.0], [8.0, 0.0], [2.0, 6.0]],
    ...     dims=("walk", "keypoint"),
    ...     coords={"walk": ["a", "b", "c"], "keypoint": ["left_knee", "nose"]},
    ... )
    >>> ranking = rank_joints(saliency, groups={"a": "P1", "b": "P1", "c": "P2"}, rng=0)
    >>> ranking[["keypoint", "estimate", "ci_low", "ci_high"]].values.tolist()
    [['left_knee', 0.625, 0.25, 1.0], ['nose', 0.375, 0.0, 0.75]]
    """
    check_option("normalise", normalise, NORMALISE)
    by_walk = _by_walk(saliency, clip=normalise == "clip")
    walk_ids = _walk_ids(saliency)
    patient = one_per_walk(groups, walk_ids, name="groups")
    own = None if levels is None else one_per_walk(levels, walk_ids, name="levels")
    rows = []
    for method in by_walk["method"].values.tolist():
        for level, table in _tables(by_walk.sel({"method": method}), own):
            owner = patient.loc[table.index].to_numpy()
            children = pd.DataFrame(table.groupby(owner).mean())
            estimate, (low, high) = mean_and_interval(
                children,
                shares=normalise == "cohort",
                n_resamples=n_resamples,
                ci_level=ci_level,
                rng=rng,
            )
            ranked = pd.DataFrame(
                {
                    "method": method,
                    "level": level,
                    "keypoint": table.columns,
                    "estimate": estimate,
                    "ci_low": low,
                    "ci_high": high,
                    "ci_level": ci_level,
                    "rank": (-estimate).argsort(kind="stable").argsort() + 1,
                    "n_walks": len(table),
                    "n_patients": len(children),
                }
            )
            rows.append(ranked.sort_values("rank"))
    if not rows:
        raise ValueError(
            "`saliency` must hold a map of some walk, of the walk's own level where "
            "`levels` are given; it holds none."
        )
    return pd.concat(rows, ignore_index=True)


def _walk_ids(saliency: xr.DataArray) -> np.ndarray:
    """The walk of each window or walk of the saliency."""
    for name in ("walk", "walk_id", "window_walk_id", "window"):
        if name in saliency.coords:
            return saliency[name].values.astype(str)
    return np.arange(saliency.sizes["window"]).astype(str)


def one_per_walk(
    given: ArrayLike | Mapping[str, str], walk_ids: np.ndarray, *, name: str
) -> pd.Series:
    """One entry per walk, by walk id, from a mapping or one entry per window.

    Raises
    ------
    ValueError
        If a walk has no entry, or the number of entries is another.
    """
    if isinstance(given, Mapping | pd.Series):
        unique = pd.unique(walk_ids)
        missing = [walk_id for walk_id in unique if walk_id not in given]
        if missing:
            raise ValueError(
                f"`{name}` must have an entry for every walk; "
                f"{len(missing)} are missing, the first is {str(missing[0])!r}."
            )
        return pd.Series([given[walk_id] for walk_id in unique], unique)
    values = np.asarray(given)
    if values.shape != walk_ids.shape:
        raise ValueError(
            f"`{name}` must have one entry per window or walk; "
            f"got the shape {values.shape} for {len(walk_ids)}."
        )
    return pd.Series(values, walk_ids).groupby(level=0, sort=False).first()


def _by_walk(saliency: xr.DataArray, *, clip: bool) -> xr.DataArray:
    """Mean saliency with dims (method, level, walk, keypoint)."""
    entry = "walk" if "walk" in saliency.dims else "window"
    check_dims(saliency, {entry: [], "keypoint": []}, name="saliency")
    values = saliency.mean("time") if "time" in saliency.dims else saliency
    if clip:
        values = values / abs(values).sum("keypoint").where(lambda total: total > 0)
    target = str(saliency.attrs.get("target", "all"))
    known = {
        "method": str(saliency.attrs.get("method", "saliency")),
        "level": target if target in LEVELS else "all",
    }
    for dim, name in known.items():
        if dim not in values.dims:
            values = values.drop_vars(dim, errors="ignore").expand_dims({dim: [name]})
    values = values.transpose("method", "level", entry, "keypoint")
    plain = xr.DataArray(
        values.values,
        dims=("method", "level", "walk", "keypoint"),
        coords={dim: values[dim].values for dim in ("method", "level", "keypoint")},
    )
    return plain.assign_coords(walk=_walk_ids(saliency)).groupby("walk").mean()


def _tables(
    values: xr.DataArray, own: pd.Series | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Level, and its table of walk by keypoint, for each level and then for all."""

    def table(part: xr.DataArray) -> pd.DataFrame:
        values = part.transpose("walk", "keypoint").values
        names = part["walk"].values, part["keypoint"].values
        return pd.DataFrame(values, *names).dropna(how="all")

    names = [str(level) for level in values["level"].values]
    by_level = {level: table(values.sel(level=level)) for level in names}
    if own is not None:
        if names == ["all"]:  # one map of each walk, whatever its level
            by_level = dict.fromkeys(LEVELS, by_level["all"])
        by_level = {
            level: rows.loc[own.loc[rows.index] == level]
            for level, rows in by_level.items()
        }
        everyone = pd.concat(by_level.values())
    else:
        everyone = table(values.mean("level"))
    yield from ((level, rows) for level, rows in by_level.items() if len(rows))
    if len(by_level) > 1 and len(everyone):
        yield "all", everyone


def mean_and_interval(
    children: pd.DataFrame,
    *,
    shares: bool = False,
    n_resamples: int,
    ci_level: float,
    rng: np.random.Generator | int | None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Mean over patients (rows) by column and its bootstrap interval; NaN is skipped.

    With ``shares``, means are divided by their absolute sum over columns.
    """
    patients = children.index.to_numpy()
    weights = cluster_weights(patients, n_resamples=n_resamples, rng=rng)
    means = children.to_numpy(dtype=float)
    estimate = _weighted_mean(np.ones((1, len(means))), means)[0]
    replicates = _weighted_mean(weights, means)
    if shares:
        estimate, replicates = _shares(estimate), _shares(replicates)
    return estimate, percentile_interval(replicates, ci_level=ci_level)


def _weighted_mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    total = weights @ known.astype(float)
    return weights @ np.where(known, values, 0.0) / np.where(total > 0, total, np.nan)


def _shares(values: np.ndarray) -> np.ndarray:
    """Divide by the sum of absolute values along the last axis; NaN if that is 0."""
    total = np.abs(values).sum(axis=-1, keepdims=True)
    return values / np.where(total > 0, total, np.nan)


def feature_scores(ranking: pd.DataFrame, catalogue: pd.DataFrame) -> pd.Series:
    """Score features by how much the network looked at their keypoints.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From :func:`rank_joints`; with several methods, their ranks are averaged. The
        rows of level ``"all"`` count, or all rows if there are none.
    catalogue : pandas.DataFrame
        The feature catalogue, of which the core columns are scored, or a table of
        columns made by :func:`cpexplore.gait.catalogue.feature_columns`.

    Returns
    -------
    pandas.Series
        Index ``column``: the mean over the feature's keypoints of a weight that falls
        evenly from 1 for the first keypoint of the ranking to 0 for the last. Keypoints
        that the network does not have are left out; NaN if it has none of them.

    Raises
    ------
    ValueError
        If ``ranking`` lacks a column.

    Examples
    --------
    A network that looks at the ankle first and at the elbow last.

    >>> import pandas as pd
    >>> from cpexplore.gait import feature_columns
    >>> keypoints = ["left_ankle", "left_knee", "left_hip", "left_wrist", "left_elbow"]
    >>> ranking = pd.DataFrame(
    ...     {"method": "grad_cam", "level": "all", "keypoint": keypoints}
    ... ).assign(rank=range(1, 6))
    >>> wanted = ["knee_min_stance_left_deg", "elbow_rom_left_deg"]
    >>> feature_scores(ranking, feature_columns().loc[wanted]).to_dict()
    {'knee_min_stance_left_deg': 0.75, 'elbow_rom_left_deg': 0.125}
    """
    check_columns(ranking, ("method", "level", "keypoint", "rank"), name="ranking")
    overall = ranking[ranking["level"] == "all"]
    rows = overall if len(overall) else ranking
    ranks = pd.Series(rows.groupby("keypoint")["rank"].mean())
    weight = 1 - (ranks - 1) / max(len(ranks) - 1, 1)
    given = "aggregate" in catalogue.columns
    columns = catalogue if given else feature_columns(catalogue, core=True)
    scores = [weight.reindex(list(names)).mean() for names in columns["keypoints"]]
    return pd.Series(scores, columns.index, name="score", dtype=float)


def select_features(
    ranking: pd.DataFrame, catalogue: pd.DataFrame, *, share: float = 0.5
) -> list[str]:
    """Keep the features whose keypoints the network looked at most.

    Parameters
    ----------
    ranking, catalogue : pandas.DataFrame
        As for :func:`feature_scores`.
    share : float
        Share of the columns to keep, in (0, 1]; at least one is kept.

    Returns
    -------
    list of str
        Names of feature columns, in the order of the catalogue. Of columns with the
        same score the earlier one goes first.

    Raises
    ------
    ValueError
        If ``share`` is out of range or ``ranking`` lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpexplore.gait import feature_columns
    >>> keypoints = ["left_ankle", "left_knee", "left_hip", "left_wrist", "left_elbow"]
    >>> ranking = pd.DataFrame(
    ...     {"method": "grad_cam", "level": "all", "keypoint": keypoints}
    ... ).assign(rank=range(1, 6))
    >>> wanted = ["knee_min_stance_left_deg", "elbow_rom_left_deg"]
    >>> select_features(ranking, feature_columns().loc[wanted], share=0.5)
    ['knee_min_stance_left_deg']
    """
    check_range("share", share, low=1e-9, high=1)
    scores = feature_scores(ranking, catalogue)
    n_kept = max(1, round(share * len(scores)))
    order = scores.sort_values(ascending=False, kind="stable", na_position="last")
    kept = set(order.index[:n_kept])
    return [str(column) for column in scores.index if column in kept]
