"""Joint and segment angles of the image plane, signed, in degrees.

Every angle comes from segment inclinations, not from the angle between two segments,
so that hyperextension keeps its sign. A single camera sees projections: rotation out
of the plane of progression biases them.
"""

import numpy as np
import xarray as xr

from cpexplore.gait._body import SIDES, Body, make_body

ANGLES = (
    "hip_flexion_deg",
    "knee_flexion_deg",
    "ankle_dorsiflexion_deg",
    "thigh_deg",
    "shank_deg",
    "foot_pitch_deg",
    "trunk_lean_deg",
    "elbow_flexion_deg",
    "shoulder_flexion_deg",
)
"""Variables of :func:`joint_angles`."""

MIDLINE = ("trunk_lean_deg",)
"""Angles that have no side."""


def inclination(proximal: np.ndarray, distal: np.ndarray) -> np.ndarray:
    """Inclination of a segment from the vertical.

    Parameters
    ----------
    proximal, distal : array of shape (..., 2)
        The segment's ends: forward and up, any unit.

    Returns
    -------
    array of shape (...)
        Degrees in (-180, 180]; 0 = the distal end straight below, positive = distal
        end forward.

    Examples
    --------
    >>> hip, knee = np.array([0.0, 1.0]), np.array([0.5, 0.5])
    >>> round(float(inclination(hip, knee)), 6)
    45.0
    """
    segment = distal - proximal
    return np.rad2deg(np.arctan2(segment[..., 0], -segment[..., 1]))


def pitch(heel: np.ndarray, toe: np.ndarray) -> np.ndarray:
    """Pitch of the foot: 0 = flat, positive = toe above heel, degrees.

    Parameters
    ----------
    heel, toe : array of shape (..., 2)
        Forward and up, any unit.

    Examples
    --------
    >>> heel, toe = np.array([0.0, 0.0]), np.array([0.2, 0.2])
    >>> round(float(pitch(heel, toe)), 6)
    45.0
    """
    foot = toe - heel
    return np.rad2deg(np.arctan2(foot[..., 1], foot[..., 0]))


def joint_angles(walk: xr.Dataset) -> xr.Dataset:
    """Compute all joint and segment angles of a cleaned walk.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk that :func:`cpexplore.preprocessing.clean` has made.

    Returns
    -------
    xarray.Dataset
        Variables :data:`ANGLES` with dims (time, side), in degrees; ``trunk_lean_deg``
        has no side. NaN where a keypoint is missing or the direction of travel is
        unknown.

        * ``thigh_deg``, ``shank_deg``: inclination, positive = lower end forward;
        * ``knee_flexion_deg`` = thigh - shank, negative = hyperextension;
        * ``trunk_lean_deg``: mid-hip to neck, positive = forward;
        * ``hip_flexion_deg`` = thigh + trunk lean: the trunk-referenced hip, since one
          hip point does not show the tilt of the pelvis;
        * ``foot_pitch_deg``: heel to big toe, positive = toe up;
        * ``ankle_dorsiflexion_deg`` = foot pitch - shank;
        * ``elbow_flexion_deg``, ``shoulder_flexion_deg`` (upper arm to trunk).

    Raises
    ------
    ValueError
        If the walk is not valid or not cleaned.

    Notes
    -----
    The heel-to-toe line of keypoints is taken as the sole. Its offset is a property of
    the detector, the same in patients and in a reference tracked alike.

    Examples
    --------
    A real adult, whose left heel lands at 3.1 s: the toe is up and the knee nearly
    straight.

    >>> from cpexplore import datasets
    >>> from cpexplore.gait import joint_angles
    >>> from cpexplore.preprocessing import clean
    >>> angles = joint_angles(clean(datasets.sample_walk("sports2d")))
    >>> moment = angles.sel(side="left").sel(time=3.1, method="nearest")
    >>> round(float(moment["foot_pitch_deg"])), round(float(moment["knee_flexion_deg"]))
    (11, 12)
    """
    body = make_body(walk)
    values = angle_array(body)
    variables = {
        name: ("time", values[:, 0, a])
        if name in MIDLINE
        else (("time", "side"), values[..., a])
        for a, name in enumerate(ANGLES)
    }
    angles = xr.Dataset(variables, coords={"time": body.time, "side": list(SIDES)})
    for variable in angles.values():
        variable.attrs["units"] = "deg"
    return angles.assign_attrs(walk_id=walk.attrs["walk_id"])


def angle_array(body: Body) -> np.ndarray:
    """All :data:`ANGLES` as one array of shape (time, side, angle), degrees."""
    trunk = trunk_lean(body)[:, None]
    thigh = inclination(body.pair("hip"), body.pair("knee"))
    shank = inclination(body.pair("knee"), body.pair("ankle"))
    foot = pitch(body.pair("heel"), body.pair("big_toe"))
    upper_arm = inclination(body.pair("shoulder"), body.pair("elbow"))
    forearm = inclination(body.pair("elbow"), body.pair("wrist"))
    angles = (
        wrapped(thigh + trunk),
        wrapped(thigh - shank),
        wrapped(foot - shank),
        thigh,
        shank,
        foot,
        np.broadcast_to(trunk, thigh.shape),
        wrapped(forearm - upper_arm),
        wrapped(upper_arm + trunk),
    )
    return np.stack(angles, axis=-1)


def trunk_lean(body: Body) -> np.ndarray:
    """Forward lean of the line from mid-hip to neck, (time,), degrees."""
    return -inclination(body.point("neck"), body.point("mid_hip"))


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Bring angles into [-180, 180) degrees.

    Examples
    --------
    >>> wrapped(np.array([190.0, -30.0])).tolist()
    [-170.0, -30.0]
    """
    return (angle + 180.0) % 360.0 - 180.0
