"""The whole body in the room: BODY_25 points in metres from leg motion and posture.

The room has X to the right of the picture, Y up and Z away from the camera.
"""

from dataclasses import dataclass

import numpy as np

from cpexplore.simulate import chain, gait
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import Child
from cpexplore.simulate.constants import CONSTANTS
from cpexplore.simulate.gait import Course, LegMotion
from cpexplore.skeleton import keypoint_set

KEYPOINTS = keypoint_set("body_25").keypoints

_TRUNK, _HEAD = CONSTANTS.trunk, CONSTANTS.head
_UPPER_ARM, _FOREARM = CONSTANTS.upper_arm, CONSTANTS.forearm
_HIP_HALF, _SHOULDER_HALF = CONSTANTS.hip_half, CONSTANTS.shoulder_half
_NOD_DEG = 4.0
_SMALL_TOE = CONSTANTS.small_toe
_FACE = {
    "nose": (0.10, 0.0, 0.0),
    "eye": (0.08, 0.045, 0.035),
    "ear": (0.0, 0.02, 0.08),
}


@dataclass(frozen=True, kw_only=True)
class Posture:
    """Angles of trunk, head and arms over time, rad."""

    trunk: np.ndarray
    """(n,) forward lean."""
    head: np.ndarray
    """(n,) forward pitch."""
    twist: np.ndarray
    """(n,) shoulders about the vertical, + = right shoulder forward."""
    upper_arm: np.ndarray
    """(2, n) inclination, + = elbow forward."""
    elbow: np.ndarray
    """(2, n) flexion."""


def hold_body(child: Child, course: Course, *, rng: np.random.Generator) -> Posture:
    """Move trunk, head and arms in time with the legs.

    Parameters
    ----------
    child : Child
        Whose body.
    course : Course
        Gives the phase of both legs.
    rng : numpy.random.Generator
        Individual differences.

    Notes
    -----
    No numbers by level are published for these; all are named assumptions.
    """
    level, arm_level = child.carrier or "I", child.arms or "I"
    turn = 2 * np.pi * course.count
    stride = turn[1]
    sway = PARAMETERS.trunk_sway_deg[level] * rng.uniform(0.6, 1.4)
    lean = PARAMETERS.trunk_lean_deg[level]
    lean += PARAMETERS.trunk_lean_sd * rng.standard_normal()
    trunk = lean + sway * np.cos(2 * stride + rng.normal(0, 0.4))
    trunk = trunk + 0.4 * sway * np.cos(stride + rng.uniform(0, 2 * np.pi))
    swing = PARAMETERS.arm_swing_deg[arm_level] * rng.uniform(0.6, 1.4, size=(2, 1))
    bent = PARAMETERS.elbow_deg[arm_level] + 10 * rng.standard_normal((2, 1))
    if child.side_affected in ("left", "right"):
        affected = ("left", "right").index(child.side_affected)
        swing[affected] *= 0.5
        bent[affected] += 20
    arms = -np.cos(turn - 0.3)
    nod = _NOD_DEG * np.cos(stride + gait.hidden_shift(child, rng=rng))
    return Posture(
        trunk=np.radians(trunk),
        head=np.radians(0.5 * trunk + 5 * rng.standard_normal() + nod),
        twist=np.radians(6) * np.cos(stride),
        upper_arm=np.radians(swing * arms - 0.25 * bent),
        elbow=np.radians(np.clip(bent + 0.6 * swing * arms, 5, 120)),
    )


def place_body(
    child: Child,
    course: Course,
    *,
    legs: LegMotion,
    posture: Posture,
) -> np.ndarray:
    """Put all keypoints into the room.

    Returns
    -------
    numpy.ndarray of shape (n, 25, 3)
        X, Y, Z in metres.
    """
    points = _legs(legs) | _upper_body(child, course, legs=legs, posture=posture)
    n = len(course.time)
    local = np.stack(
        [
            np.stack(np.broadcast_arrays(*points[k], np.zeros(n))[:3], 1)
            for k in KEYPOINTS
        ],
        axis=1,
    )
    walked = np.diff(legs.advance, prepend=0.0) * child.leg_length_m
    return _into_room(local * child.leg_length_m, course, walked=walked)


def _legs(legs: LegMotion) -> dict[str, tuple]:
    """Leg keypoints as (forward, up, to the right) of the point between the hips."""
    points: dict[str, tuple] = {"mid_hip": (0.0, legs.height, 0.0)}
    segments = chain.inclinations(legs.joints, legs.pelvis)
    for index, (side, w) in enumerate((("left", -_HIP_HALF), ("right", _HIP_HALF))):
        thigh, shank, pitch = segments[index]
        knee_u = chain.THIGH * np.sin(thigh)
        knee_v = legs.height - chain.THIGH * np.cos(thigh)
        ankle_u = knee_u + chain.SHANK * np.sin(shank)
        ankle_v = knee_v - chain.SHANK * np.cos(shank)
        sole_u = ankle_u + chain.ANKLE_HEIGHT * np.sin(pitch)
        sole_v = ankle_v - chain.ANKLE_HEIGHT * np.cos(pitch)
        points[f"{side}_hip"] = (0.0, legs.height, w)
        points[f"{side}_knee"] = (knee_u, knee_v, w)
        points[f"{side}_ankle"] = (ankle_u, ankle_v, w)
        outside = w + np.sign(w) * _SMALL_TOE[1]
        for name, ahead, lateral in (
            ("heel", -chain.HEEL_BACK, w),
            ("big_toe", chain.TOE_AHEAD, w),
            ("small_toe", _SMALL_TOE[0], outside),
        ):
            u, v = sole_u + ahead * np.cos(pitch), sole_v + ahead * np.sin(pitch)
            points[f"{side}_{name}"] = (u, v, lateral)
    return points


def _upper_body(
    child: Child, course: Course, *, legs: LegMotion, posture: Posture
) -> dict[str, tuple]:
    neck_u = _TRUNK * np.sin(posture.trunk)
    neck_v = legs.height + _TRUNK * np.cos(posture.trunk)
    points: dict[str, tuple] = {"neck": (neck_u, neck_v, 0.0)}
    sin, cos = np.sin(posture.head), np.cos(posture.head)
    centre_u, centre_v = neck_u + _HEAD * sin, neck_v + _HEAD * cos
    for name, (ahead, above, aside) in _FACE.items():
        u = centre_u + ahead * cos + above * sin
        v = centre_v - ahead * sin + above * cos
        if aside:
            points[f"left_{name}"], points[f"right_{name}"] = (
                (u, v, -aside),
                (u, v, aside),
            )
        else:
            points[name] = (u, v, 0.0)
    for index, (side, sign) in enumerate((("left", -1), ("right", 1))):
        shoulder_u = neck_u + sign * _SHOULDER_HALF * np.sin(posture.twist)
        shoulder_w = sign * _SHOULDER_HALF * np.cos(posture.twist)
        shoulder = np.stack([shoulder_u, neck_v - 0.02])
        elbow, wrist = _arm(
            shoulder, child, course, index=index, legs=legs, posture=posture
        )
        points[f"{side}_shoulder"] = (*shoulder, shoulder_w)
        points[f"{side}_elbow"] = (*elbow, shoulder_w)
        points[f"{side}_wrist"] = (*wrist, shoulder_w)
    return points


def _arm(
    shoulder: np.ndarray,
    child: Child,
    course: Course,
    *,
    index: int,
    legs: LegMotion,
    posture: Posture,
) -> tuple[np.ndarray, np.ndarray]:
    """Elbow and wrist (2, n): swinging freely, or with the hand on the device."""
    if child.device == "none":
        upper = posture.upper_arm[index]
        fore = upper + posture.elbow[index]
        elbow = shoulder + _UPPER_ARM * np.stack([np.sin(upper), -np.cos(upper)])
        return elbow, elbow + _FOREARM * np.stack([np.sin(fore), -np.cos(fore)])
    return _reach(shoulder, _handle(child, course, index=index, legs=legs))


def _handle(child: Child, course: Course, *, index: int, legs: LegMotion) -> np.ndarray:
    """Where the hand holds the device, relative to the hips (2, n)."""
    pace = np.polynomial.Polynomial.fit(course.time, legs.advance, 12)(course.time)
    ahead = PARAMETERS.hand_ahead + pace - legs.advance
    if child.device == "crutches":
        ahead = ahead - 0.10 * np.cos(2 * np.pi * course.count[1 - index] + np.pi)
    return np.stack([ahead, np.full(len(course.time), 0.98 * np.median(legs.height))])


def _reach(shoulder: np.ndarray, hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bend the elbow backwards so that the hand is at its place, or near it."""
    to_hand = hand - shoulder
    far = np.hypot(*to_hand)
    distance = np.clip(far, 0.3 * _UPPER_ARM, 0.98 * (_UPPER_ARM + _FOREARM))
    wrist = shoulder + to_hand / far * distance
    along = np.arctan2(to_hand[0], -to_hand[1])
    cosine = (_UPPER_ARM**2 + distance**2 - _FOREARM**2) / (2 * _UPPER_ARM * distance)
    upper = along - np.arccos(np.clip(cosine, -1, 1))
    return shoulder + _UPPER_ARM * np.stack([np.sin(upper), -np.cos(upper)]), wrist


def _into_room(local: np.ndarray, course: Course, *, walked: np.ndarray) -> np.ndarray:
    """Turn forward, up and right into X, Y, Z, and walk ``walked`` m per instant."""
    ahead = course.forward
    aside = np.stack([ahead[:, 2], 0 * ahead[:, 0], -ahead[:, 0]], axis=1)
    up = np.array([0.0, 1.0, 0.0])
    ground = np.cumsum(walked[:, None] * ahead, axis=0)
    ground[:, 0] += course.start_m
    axes = np.stack([ahead, np.broadcast_to(up, ahead.shape), aside], axis=1)
    return ground[:, None] + local @ axes
