"""The camera: a pinhole beside the walkway, a little askew, perhaps panning."""

from dataclasses import dataclass

import numpy as np

from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.constants import CONSTANTS

WIDTH, HEIGHT = CONSTANTS.picture_px
"""Picture size, px."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Where the camera stands and how it looks.

    Examples
    --------
    A leg of 0.7 m, 10 m away and seen through a lens of 1000 px, is 70 px long:

    >>> import numpy as np
    >>> from cpexplore.simulate.camera import Camera, project
    >>> hip_and_foot = np.array([[[0.0, 0.7, 0.0], [0.0, 0.0, 0.0]]])
    >>> picture = project(hip_and_foot, Camera(distance_m=10.0, focal_px=1000.0))
    >>> np.diff(picture[0], axis=0).round(1).tolist()
    [[0.0, 70.0]]
    """

    distance_m: float = 9.0
    """From the middle of the walkway."""
    height_m: float = 1.0
    """Of the lens above the floor."""
    yaw_deg: float = 0.0
    """Turn to the right at rest."""
    roll_deg: float = 0.0
    """Tilt of the horizon."""
    focal_px: float = 1300.0
    """Focal length."""
    pan: float = 0.0
    """How much of the child's bearing the camera follows, 0 (static) to 1."""


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera: one in four pans, most are nearly square to the walkway."""
    distance = rng.uniform(*PARAMETERS.camera_m)
    return Camera(
        distance_m=distance,
        height_m=rng.uniform(*CONSTANTS.camera_height_m),
        yaw_deg=CONSTANTS.camera_yaw_sd * rng.standard_normal(),
        roll_deg=CONSTANTS.camera_roll_sd * rng.standard_normal(),
        focal_px=WIDTH * distance / rng.uniform(*CONSTANTS.view_m),
        pan=rng.uniform(*CONSTANTS.pan)
        if rng.random() < PARAMETERS.panning_share
        else 0.0,
    )


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Project points of the room onto the picture.

    Parameters
    ----------
    points : array of shape (n, V, 3)
        X right, Y up, Z away, m; the camera is at Z = -``distance_m``.
    camera : Camera
        The view.

    Returns
    -------
    numpy.ndarray of shape (n, V, 2)
        px, x right, y down.
    """
    x, y, z = np.moveaxis(points, -1, 0)
    depth = z + camera.distance_m
    bearing = np.arctan2(np.nanmean(x, axis=1), camera.distance_m)
    yaw = np.radians(camera.yaw_deg) + camera.pan * bearing[:, None]
    across = x * np.cos(yaw) - depth * np.sin(yaw)
    away = x * np.sin(yaw) + depth * np.cos(yaw)
    right = camera.focal_px * across / away
    down = -camera.focal_px * (y - camera.height_m) / away
    roll = np.radians(camera.roll_deg)
    return np.stack(
        [
            WIDTH / 2 + right * np.cos(roll) - down * np.sin(roll),
            HEIGHT / 2 + right * np.sin(roll) + down * np.cos(roll),
        ],
        axis=-1,
    )
