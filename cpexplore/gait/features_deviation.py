"""How far a walk is from the reference cohort: the features that need one."""

import numpy as np
import pandas as pd

from cpexplore.gait._body import SIDES
from cpexplore.gait._gait import Gait, Values, Walked
from cpexplore.gait.features_kinematic import SHORT_NAMES, strike
from cpexplore.gait.indices import (
    INDEX_ANGLES,
    PFKE_WINDOW,
    STANCE_WINDOW,
    couple_scores,
    gait_pattern,
    profile_score,
    stance_pattern,
    variable_scores,
)
from cpexplore.gait.kinematics import ANGLES
from cpexplore.gait.reference import CHANGES, SPEED, Reference

MAP_ANGLES = SHORT_NAMES[:7]
"""Angles of the movement analysis profile: the first seven of :data:`ANGLES`."""

_INDEX = [ANGLES.index(angle) for angle in INDEX_ANGLES]
_KNEE, _ANKLE = (
    ANGLES.index(angle) for angle in ("knee_flexion_deg", "ankle_dorsiflexion_deg")
)


def deviation(gait: Gait, walked: Walked, reference: Reference) -> Values:
    """Compare a walk with the reference.

    Parameters
    ----------
    gait : Gait
        The measured walk.
    walked : Walked
        Its features so far.
    reference : Reference
        Whom to compare with.

    Returns
    -------
    Values
        Per side: ``gvs_<angle>``, ``sgps``, ``sgdi``, ``pfke_knee``, ``pfke_ankle``,
        ``pfke_margin``, ``stiff_knee_score``, ``stance_excess``, ``gvi2d``; per walk:
        ``sgps_overall`` and ``double_support_excess``.
    """
    scores = variable_scores(gait.mean_curves, reference.mean)
    knee_z, ankle_z = couple(gait, reference, window=PFKE_WINDOW)
    margins = [gait_pattern(*pair)[1] for pair in zip(knee_z, ankle_z, strict=True)]
    matched = reference.at_speed(walked.whole[SPEED]).to_dict()
    side = {
        **{f"gvs_{name}": scores[:, a] for a, name in enumerate(MAP_ANGLES)},
        "sgps": profile_score(scores[:, _INDEX]),
        "sgdi": reference.index.score(gait.mean_curves[..., _INDEX]),
        "pfke_knee": knee_z,
        "pfke_ankle": ankle_z,
        "pfke_margin": np.array(margins),
        "stiff_knee_score": stiff_knee_score(walked.sided, reference),
        "stance_excess": walked.sided["stance"] - matched["stance"],
        "gvi2d": reference.variability.score(
            np.array([walked.sided[name] for name in CHANGES]).T
        ),
    }
    walk = {
        "sgps_overall": float(profile_score(scores[:, _INDEX].ravel())),
        "double_support_excess": walked.whole["double_support"]
        - matched["double_support"],
    }
    return Values(side=side, walk=walk)


def couple(
    gait: Gait, reference: Reference, *, window: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Knee and ankle z of the plantarflexor-knee extension couple, each (2,).

    The median over the strides of a side; NaN with too few of them.
    """
    pairs = []
    for angle in (_KNEE, _ANKLE):
        z = couple_scores(
            gait.curves[..., angle],
            mean=reference.mean[:, angle],
            sd=reference.sd[:, angle],
            window=window,
        )
        by_leg = [z[(gait.strides.side == s) & np.isfinite(z)] for s in range(2)]
        pairs.append(
            np.array(
                [np.median(v) if len(v) >= gait.min_cycles else np.nan for v in by_leg]
            )
        )
    return pairs[0], pairs[1]


def stiff_knee_score(sided: dict[str, np.ndarray], reference: Reference) -> np.ndarray:
    """How many of four signs of a stiff knee each leg shows; 3 or more = stiff.

    Peak in swing, range in early swing and total range below, timing of the peak above
    the reference mean by more than 2 SD (Goldberg et al. 2006, unverified).
    """
    z = {
        name: (sided[name] - reference.usual[name]) / reference.spread[name]
        for name in (
            "knee_max_swing",
            "knee_rom_early_swing",
            "knee_rom",
            "knee_t_max_swing",
        )
    }
    signs = [z[name] < -2 for name in list(z)[:3]] + [z["knee_t_max_swing"] > 2]
    known = np.isfinite(list(z.values())).all(axis=0)
    return np.where(known, np.sum(signs, axis=0), np.nan)


def gait_patterns(gait: Gait, reference: Reference) -> pd.DataFrame:
    """Classify each leg by knee and ankle in stance, and by foot contact.

    Parameters
    ----------
    gait : Gait
        A measured walk.
    reference : Reference
        Whom to compare with.

    Returns
    -------
    pandas.DataFrame
        One row per side: ``side``, ``pattern`` (Rodda-Graham class, "" if unknown; two
        different classes are group V, asymmetric), ``margin`` (distance to the nearest
        other class, SD), ``knee_z``, ``ankle_z``, ``strike`` ("heel", "flat",
        "forefoot" or "").

    Notes
    -----
    Differs from Sangeux et al. 2015: z is the mean over the whole of stance, 0 to 60 %
    of the cycle, not over 20 to 45 %, and the larger deviation names a limb with both
    recurvatum and equinus (see :func:`cpexplore.gait.indices.stance_pattern`). Rodda
    and Graham describe knee and ankle throughout stance, and a longer window averages
    the detector's noise and the child's own deviation: on simulated limbs the class
    agreed more often both with that of the true curves and with the drawn pattern. The
    features ``pfke_knee``, ``pfke_ankle`` and ``pfke_margin`` are as published.
    """
    knee_z, ankle_z = couple(gait, reference, window=STANCE_WINDOW)
    classes = [stance_pattern(*pair) for pair in zip(knee_z, ankle_z, strict=True)]
    contact = gait.curve("foot_pitch_deg")[:, 0]
    pitch = gait.side_mean(contact)
    return pd.DataFrame(
        {
            "side": SIDES,
            "pattern": [name for name, _ in classes],
            "margin": [margin for _, margin in classes],
            "knee_z": knee_z,
            "ankle_z": ankle_z,
            "strike": [strike(float(angle)) for angle in pitch],
        }
    )
