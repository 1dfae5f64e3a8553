"""How much the strides of a leg differ; needs at least five of them."""

import numpy as np

from cpexplore.gait._gait import Gait, Values, column_mean, column_sd
from cpexplore.gait.features_kinematic import SHORT_NAMES

LEAST = 5
"""Strides of a side that a measure of variability needs."""

CV_OF = (
    "stride_time",
    "step_time",
    "stance",
    "single_support",
    "step_length",
    "stride_length",
    "stride_speed",
)
"""Positive values whose coefficient of variation is taken."""

CHANGE_OF = ("step_length", "step_time", "stance", "single_support", "stride_speed")
"""Values whose change from stride to stride enters the GVI-like score."""

SD_OF = SHORT_NAMES[:7]
"""Angles whose curves are compared stride by stride."""

CMC_OF = SHORT_NAMES[:3]


def variability(gait: Gait, per_stride: dict[str, np.ndarray]) -> Values:
    """Describe how much the strides of each leg differ.

    Parameters
    ----------
    gait : Gait
        A measured walk.
    per_stride : dict of str to array of shape (stride,)
        Values of the other families.

    Returns
    -------
    Values
        Per side: ``<value>_cv``, ``<value>_change``, ``<value>_change_sd``,
        ``<angle>_curve_sd`` and ``<angle>_cmc``.
    """
    found: dict[str, list] = {}
    for s in range(2):
        own = gait.strides.side == s
        bout = gait.strides.bout[own]
        values = {name: per_stride[name][own] for name in {*CV_OF, *CHANGE_OF}}
        one_side = {
            **{f"{name}_cv": variation(values[name]) for name in CV_OF},
            **_changes(values, follows=np.diff(bout) == 0),
            **_curves(gait.curves[own]),
        }
        for name, value in one_side.items():
            found.setdefault(name, []).append(value)
    return Values(side={name: np.array(pair) for name, pair in found.items()})


def variation(values: np.ndarray) -> float:
    """Coefficient of variation in percent, corrected for few values.

    Parameters
    ----------
    values : array of shape (stride,)
        Positive values; NaN are left out, fewer than five values give NaN.

    Notes
    -----
    100 (1 + 1 / (4 n)) SD / mean.

    Examples
    --------
    >>> round(variation(np.array([1.0, 1.1, 0.9, 1.0, 1.0])), 3)
    7.425
    """
    n = np.isfinite(values).sum()
    mean = column_mean(values, least=LEAST)
    spread = column_sd(values, least=LEAST) / np.abs(mean)
    return float(100.0 * (1 + 1 / (4 * max(n, 1))) * spread)


def multiple_correlation(curves: np.ndarray) -> np.ndarray:
    """Kadaba's coefficient of multiple correlation: 1 = all strides alike.

    Parameters
    ----------
    curves : array of shape (stride, 101, ...)
        Complete curves.

    Returns
    -------
    array of shape (...)
        NaN where strides differ from each other more than a curve from its own mean.
    """
    n, points = curves.shape[:2]
    within = ((curves - curves.mean(axis=0)) ** 2).sum(axis=(0, 1)) / (points * (n - 1))
    total = ((curves - curves.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
    ratio = 1 - within / (total / (points * n - 1))
    return np.sqrt(np.where(ratio >= 0, ratio, np.nan))


def _changes(values: dict[str, np.ndarray], *, follows: np.ndarray) -> dict[str, float]:
    """Mean and SD of the change between strides that follow each other in a pass."""
    changes = {name: np.abs(np.diff(values[name]))[follows] for name in CHANGE_OF}
    least = LEAST - 1
    return {
        **{
            f"{name}_change": float(column_mean(change, least=least))
            for name, change in changes.items()
        },
        **{
            f"{name}_change_sd": float(column_sd(change, least=least))
            for name, change in changes.items()
        },
    }


def _curves(curves: np.ndarray) -> dict[str, float]:
    """SD over strides, averaged over the cycle, and multiple correlation."""
    spread = column_mean(column_sd(curves, least=LEAST), least=81)
    found = {f"{name}_curve_sd": spread[a] for a, name in enumerate(SD_OF)}
    for a, name in enumerate(CMC_OF):
        whole = curves[np.isfinite(curves[..., a]).all(axis=1), :, a]
        enough = len(whole) >= LEAST
        found[f"{name}_cmc"] = multiple_correlation(whole) if enough else np.nan
    return found
