"""What is the same for every child and camera: proportions, the view, the detector.

A second frozen table beside :mod:`cpexplore.simulate.assumptions`, with a hash of its
own. None of these numbers was solved for, and none is taken from one publication.
"""

# ruff: noqa: RUF009  (assumed and derived return dataclass fields)

from dataclasses import dataclass

import pandas as pd

from cpexplore.simulate.assumptions import assumed, derived, hash_of, table_of

_SHAPE = "rounded proportions of a child's body"
_VIEW = "typical gait laboratory"
_OPENPOSE = "no published number; size as in recordings of OpenPose"


@dataclass(frozen=True, kw_only=True, slots=True)
class Constants:
    """Numbers that the simulator uses as they are; lengths in leg lengths.

    Examples
    --------
    The leg length of a child of 1.44 m, and where it is from:

    >>> from cpexplore.simulate import CONSTANTS
    >>> round(CONSTANTS.leg_per_height * 1.44, 2)
    0.75
    >>> CONSTANTS.table().loc["leg_per_height", "source"]
    'Pinzone 2014: leg .749 m, height 1.44 m'
    """

    thigh: float = assumed(0.5, _SHAPE)
    """Hip to knee."""
    shank: float = assumed(0.5, _SHAPE)
    """Knee to ankle."""
    heel_back: float = assumed(0.055, _SHAPE)
    """Ankle to heel along the sole."""
    toe_ahead: float = assumed(0.195, _SHAPE)
    """Ankle to big toe along the sole."""
    ankle_height: float = assumed(0.07, _SHAPE)
    """Of the ankle above the sole."""
    small_toe: tuple[float, float] = assumed((0.165, 0.05), _SHAPE)
    """Small toe ahead of the ankle and outside the foot's middle."""
    trunk: float = assumed(0.58, _SHAPE)
    """Hips to neck."""
    head: float = assumed(0.22, _SHAPE)
    """Neck to the middle of the head."""
    upper_arm: float = assumed(0.355, _SHAPE)
    """Shoulder to elbow."""
    forearm: float = assumed(0.28, _SHAPE)
    """Elbow to wrist."""
    hip_half: float = assumed(0.095, _SHAPE)
    """Half the distance of the hips."""
    shoulder_half: float = assumed(0.20, _SHAPE)
    """Half the distance of the shoulders."""
    leg_per_height: float = derived(0.52, "Pinzone 2014: leg .749 m, height 1.44 m")
    """Leg length relative to height."""
    height_spread: float = assumed(0.045, "no published number")
    """Spread of height at an age, relative to it."""
    camera_height_m: tuple[float, float] = assumed((0.8, 1.3), _VIEW)
    """Range of the height of the lens above the floor."""
    camera_yaw_sd: float = assumed(2.0, _VIEW)
    """Spread of the camera's turn away from square, deg."""
    camera_roll_sd: float = assumed(0.6, _VIEW)
    """Spread of the tilt of the horizon, deg."""
    view_m: tuple[float, float] = assumed((9.5, 10.5), _VIEW)
    """Range of the length of walkway in the picture."""
    pan: tuple[float, float] = assumed((0.3, 0.8), "no published number")
    """Range of how much of the child's bearing a panning camera follows."""
    picture_px: tuple[int, int] = assumed((1280, 720), _VIEW)
    """Width and height of the picture."""
    confidence: float = assumed(0.86, _OPENPOSE)
    """Usual confidence of a keypoint of hip, knee, trunk and head."""
    confidence_small: dict[str, float] = assumed(
        {"toe": 0.74, "heel": 0.74, "wrist": 0.74, "elbow": 0.80, "ankle": 0.82},
        _OPENPOSE,
    )
    """The same of small parts."""
    confidence_lost: dict[str, float] = assumed(
        {"far": 0.12, "crossing": 0.22, "far_face": 0.5, "walker": 0.07}, _OPENPOSE
    )
    """What the far side, a crossing leg, the far face and a walker take away."""
    confidence_wobble: float = assumed(0.06, _OPENPOSE)
    """Spread of confidence over time."""
    confidence_memory: float = assumed(0.8, _OPENPOSE)
    """Correlation of the wobble from frame to frame."""
    jitter_memory: float = assumed(0.4, _OPENPOSE)
    """Correlation of jitter from frame to frame."""
    jitter_by_confidence: tuple[float, float] = assumed((0.8, 1.5), _OPENPOSE)
    """Factor of jitter at confidence .8 or more, and its rise as confidence falls."""
    swap_frames: tuple[int, int] = assumed((1, 4), _OPENPOSE)
    """Range of how long the legs stay exchanged."""
    crossing_reach: float = assumed(0.15, _OPENPOSE)
    """Distance of the ankles at which the legs begin to cross."""
    missed: tuple[float, float] = assumed((0.15, 0.65), _OPENPOSE)
    """Rise of single misses as confidence falls below the second number."""
    far_face_missed: float = assumed(0.7, _OPENPOSE)
    """Chance to miss an eye or ear of the far side."""
    leg_lost: tuple[int, float] = assumed((70, 0.9), _OPENPOSE)
    """Mean length in frames of stretches without a leg, and the share missed there."""
    child_lost: tuple[float, int] = assumed((0.004, 4), _OPENPOSE)
    """Share of frames without a child, and mean length of such stretches."""
    other_frames: tuple[int, int] = assumed((5, 25), "no published number")
    """Range of how long another person is followed."""
    other_size: float = assumed(1.35, "no published number")
    """Size of the other person relative to the child."""
    other_aside_px: tuple[float, float] = assumed((60, 200), "no published number")
    """Range of how far aside the other person walks."""

    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of all values."""
        return hash_of(self)

    def table(self) -> pd.DataFrame:
        """List all constants as :meth:`Parameters.table` lists the parameters."""
        return table_of(self)


CONSTANTS = Constants()
"""The constants that every simulated walk uses."""
