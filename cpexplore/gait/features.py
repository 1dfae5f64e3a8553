"""From a measured walk to the columns of the feature table."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from cpexplore.gait._gait import Gait, Values, by_side
from cpexplore.gait.catalogue import AGGREGATES, CATALOGUE, all_columns
from cpexplore.gait.features_kinematic import kinematic
from cpexplore.gait.features_spatiotemporal import spatiotemporal

FAMILIES: tuple[Callable[[Gait], Values], ...] = (spatiotemporal, kinematic)
"""What is computed for every walk; together they fill the catalogue."""


def base_features(gait: Gait) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Compute every feature once per side, or once per walk.

    Returns
    -------
    tuple of dict
        Sided features as (left, right), and features of the whole walk.
    """
    sided: dict[str, np.ndarray] = {}
    whole: dict[str, float] = {}
    for family in FAMILIES:
        values = family(gait)
        per_stride = np.stack(list(values.stride.values()), axis=-1)
        means = by_side(per_stride, gait.strides.side, min_cycles=gait.min_cycles)
        sided.update(zip(values.stride, means.T, strict=True))
        sided.update(values.side)
        whole.update(values.walk)
    return sided, whole


def feature_series(
    sided: dict[str, np.ndarray], whole: dict[str, float], *, usual: pd.Series
) -> pd.Series:
    """Arrange the values as the columns of :func:`feature_columns`.

    Parameters
    ----------
    sided : dict of str to array of shape (2,)
        Left and right value of every sided feature.
    whole : dict of str to float
        Features of the whole walk.
    usual : pandas.Series
        Reference mean by feature: decides which side of a two-sided feature is worse.

    Returns
    -------
    pandas.Series
        Float, one value per column of the catalogue; aggregates of two sides are NaN
        unless both are known.
    """
    is_sided = (CATALOGUE["sides"] == "each").to_numpy()
    names = CATALOGUE.index[is_sided]
    values = np.array([sided[name] for name in names]).T
    table = aggregates(
        values,
        direction=CATALOGUE["direction"].to_numpy()[is_sided],
        usual=usual.reindex(names).to_numpy(float),
    )
    row = dict(zip(names, table, strict=True))
    columns = [
        row[name] if each else [whole[name]]
        for name, each in zip(CATALOGUE.index, is_sided, strict=True)
    ]
    return pd.Series(np.concatenate(columns), index=all_columns().index, dtype=float)


def aggregates(
    values: np.ndarray, *, direction: np.ndarray, usual: np.ndarray
) -> np.ndarray:
    """Left, right, mean, worse, better and asymmetry of sided features.

    Parameters
    ----------
    values : array of shape (2, feature)
        Left and right.
    direction : array of shape (feature,)
        With severity: +1 up, -1 down, 0 two-sided.
    usual : array of shape (feature,)
        Reference mean, used where ``direction`` is 0: the worse side is further away.

    Returns
    -------
    array of shape (feature, 6)
        In the order of :data:`cpexplore.gait.catalogue.AGGREGATES`; all but the sides
        are NaN unless both sides are known.

    Examples
    --------
    >>> aggregates(
    ...     np.array([[5.0], [20.0]]), direction=np.array([1]), usual=np.array([6.0])
    ... ).tolist()
    [[5.0, 20.0, 12.5, 20.0, 5.0, 15.0]]
    """
    left, right = values
    badness = np.where(direction == 0, np.abs(values - usual), direction * values)
    right_worse = badness[1] > badness[0]
    judged = np.isfinite(badness).all(axis=0)
    worse = np.where(judged, np.where(right_worse, right, left), np.nan)
    better = np.where(judged, np.where(right_worse, left, right), np.nan)
    by_name = {
        "left": left,
        "right": right,
        "mean": (left + right) / 2,
        "worse": worse,
        "better": better,
        "asym": np.abs(left - right),
    }
    return np.stack([by_name[aggregate] for aggregate in AGGREGATES], axis=-1)
