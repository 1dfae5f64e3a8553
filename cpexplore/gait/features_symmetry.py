"""How alike the two legs walk: of single values and of whole curves.

Every index is without sign, so that exchanging the legs changes nothing; which side is
the worse one is in the sided columns.
"""

import numpy as np

from cpexplore.gait._gait import Values

QUANTITIES = (
    "step_time",
    "step_length",
    "stance",
    "single_support",
    "hip_rom",
    "knee_rom",
    "ankle_rom",
)
"""Positive quantities, for which ratios make sense."""

CURVES = ("hip", "knee", "ankle")
"""Angles whose left and right curves are compared: the first of :data:`ANGLES`."""


def symmetry(sided: dict[str, np.ndarray], curves: np.ndarray) -> Values:
    """Compare the two legs.

    Parameters
    ----------
    sided : dict of str to array of shape (2,)
        Left and right value of every sided feature.
    curves : array of shape (2, 101, angle)
        Mean curves of the left and the right leg, degrees.

    Returns
    -------
    Values
        Per walk: ``<quantity>_si``, ``_minmax``, ``_ga``, ``_sa`` and
        ``<angle>_rmsd_lr``, ``_rmsd_lr_centred``, ``_r_lr``.
    """
    walk: dict[str, float] = {}
    for name in QUANTITIES:
        indices = symmetry_indices(*sided[name])
        walk.update({f"{name}_{index}": value for index, value in indices.items()})
    for a, name in enumerate(CURVES):
        indices = curve_symmetry(*curves[..., a])
        walk.update({f"{name}_{index}": value for index, value in indices.items()})
    return Values(walk=walk)


def symmetry_indices(left: float, right: float) -> dict[str, float]:
    """Symmetry index, ratio, gait asymmetry and symmetry angle of two positive values.

    Parameters
    ----------
    left, right : float
        Values of the two legs; NaN gives NaN, as does anything not positive.

    Returns
    -------
    dict of str to float
        ``si`` = 200 |L - R| / (L + R) (Robinson 1987), ``minmax`` = smaller / larger,
        ``ga`` = 100 |ln(L / R)| (Plotnik 2007) and ``sa`` = 100 |45 - arctan(L / R)| /
        90, in degrees (Zifchock 2008); all but ``minmax`` are 0 for equal legs. The
        three sources are unverified.

    Examples
    --------
    >>> {k: round(v, 2) for k, v in symmetry_indices(1.0, 3.0).items()}
    {'si': 100.0, 'minmax': 0.33, 'ga': 109.86, 'sa': 29.52}
    """
    if not (left > 0 and right > 0):
        return dict.fromkeys(("si", "minmax", "ga", "sa"), np.nan)
    low, high = sorted((float(left), float(right)))
    return {
        "si": 200.0 * (high - low) / (high + low),
        "minmax": low / high,
        "ga": 100.0 * float(np.log(high / low)),
        "sa": 100.0 * (45.0 - float(np.rad2deg(np.arctan2(low, high)))) / 90.0,
    }


def curve_symmetry(left: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Distance and correlation of two curves over the points known of both.

    Parameters
    ----------
    left, right : array of shape (101,)
        Mean curves, degrees.

    Returns
    -------
    dict of str to float
        ``rmsd_lr`` and, after removing each mean, ``rmsd_lr_centred`` in degrees;
        Pearson's ``r_lr``. NaN where less than 80 % of the points is known.
    """
    known = np.isfinite(left) & np.isfinite(right)
    if known.mean() < 0.8:
        return dict.fromkeys(("rmsd_lr", "rmsd_lr_centred", "r_lr"), np.nan)
    left, right = left[known], right[known]
    left_centred, right_centred = left - left.mean(), right - right.mean()
    size = np.sqrt((left_centred**2).sum() * (right_centred**2).sum())
    return {
        "rmsd_lr": _rms(left - right),
        "rmsd_lr_centred": _rms(left_centred - right_centred),
        "r_lr": float(left_centred @ right_centred / size) if size else np.nan,
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
