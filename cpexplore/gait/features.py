"""From a measured walk to the columns of the feature table."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from cpexplore.gait._gait import Gait, Values, Walked
from cpexplore.gait.catalogue import AGGREGATES, CATALOGUE, all_columns
from cpexplore.gait.features_coordination import coordination
from cpexplore.gait.features_deviation import deviation
from cpexplore.gait.features_kinematic import kinematic
from cpexplore.gait.features_smoothness import smoothness
from cpexplore.gait.features_spatiotemporal import spatiotemporal
from cpexplore.gait.features_stability import stability
from cpexplore.gait.features_symmetry import symmetry
from cpexplore.gait.features_variability import variability
from cpexplore.gait.reference import Reference

FAMILIES: tuple[Callable[[Gait], Values], ...] = (
    spatiotemporal,
    kinematic,
    smoothness,
    stability,
    coordination,
)
"""What is computed from the measured walk alone."""


_NAMES = CATALOGUE.index.to_list()
_SIDED = CATALOGUE[CATALOGUE["sides"] == "each"].index.to_list()
_DIRECTION = CATALOGUE.loc[_SIDED, "direction"].to_numpy()
_TYPICAL = {"pfke_knee": 0.0, "pfke_ankle": 0.0}
"""Typical value of the two-sided features that are already deviations."""


def walk_features(gait: Gait) -> Walked:
    """Compute every feature that needs no reference.

    Parameters
    ----------
    gait : Gait
        A measured walk.

    Returns
    -------
    Walked
        Values by stride, by side and of the whole walk.
    """
    found = [family(gait) for family in FAMILIES]
    stride = {name: v for values in found for name, v in values.stride.items()}
    means = gait.side_mean(np.stack(list(stride.values()), axis=-1))
    sided = dict(zip(stride, means.T, strict=True))
    found.append(variability(gait, stride))
    for values in found:
        sided.update(values.side)
    found.append(symmetry(sided, gait.mean_curves))
    whole = {name: v for values in found for name, v in values.walk.items()}
    return Walked(stride=stride, sided=sided, whole=whole)


def feature_series(gait: Gait, walked: Walked, reference: Reference) -> pd.Series:
    """Compare with the reference and arrange as :func:`feature_columns` lists.

    Parameters
    ----------
    gait : Gait
        A measured walk.
    walked : Walked
        Its features without a reference.
    reference : Reference
        Whom to compare with; its means decide which side of a two-sided feature is the
        worse one.

    Returns
    -------
    pandas.Series
        Float, one value per column of the catalogue; aggregates of two sides are NaN
        unless both are known.
    """
    compared = deviation(gait, walked, reference)
    sided, whole = walked.sided | compared.side, walked.whole | compared.walk
    usual = {**reference.usual_by_name, **_TYPICAL}
    table = aggregates(
        np.array([sided[name] for name in _SIDED]).T,
        direction=_DIRECTION,
        usual=np.array([usual.get(name, np.nan) for name in _SIDED]),
    )
    row = dict(zip(_SIDED, table, strict=True))
    columns = [row[name] if name in row else [whole[name]] for name in _NAMES]
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
