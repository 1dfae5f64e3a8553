"""The legs as a chain between two footprints: forward kinematics and its closure.

Lengths are in leg lengths (thigh + shank = 1), angles in radians. The sagittal plane
has u forward and v up. Inclinations are 0 when vertical and positive with the distal
end forward; foot pitch is 0 when flat and positive with the toe up. Arrays of joints
have the shape (2, 3, n): left and right; hip, knee and ankle; instants.
"""

import numpy as np

THIGH, SHANK = 0.5, 0.5
HEEL_BACK, TOE_AHEAD, ANKLE_HEIGHT = 0.055, 0.195, 0.07
FOOT = HEEL_BACK + TOE_AHEAD
"""Distance from heel to big toe."""

_COST_SD = np.array([1.0, 1.0, 1.5])[:, None]
_FREE_STEP = 30.0
_ITERATIONS = 5


def inclinations(joints: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """Turn joint angles into thigh, shank and foot inclinations.

    Parameters
    ----------
    joints : array of shape (2, 3, n)
        Hip and knee flexion and ankle dorsiflexion, rad.
    pelvis : array of shape (2, n)
        Anterior pelvic tilt, rad.

    Returns
    -------
    numpy.ndarray of shape (2, 3, n)
        Thigh and shank inclination and foot pitch, rad.
    """
    thigh = joints[:, 0] - pelvis
    shank = thigh - joints[:, 1]
    return np.stack([thigh, shank, shank + joints[:, 2]], axis=1)


def ground_vector(segments: np.ndarray) -> np.ndarray:
    """Vector from the hip to where the heel is, or would be, on the ground.

    The lowest point of the foot is the heel while the foot pitches up and the toe
    while it pitches down. The footprint is named by its heel end, so that rolling from
    heel to toe does not move it.

    Parameters
    ----------
    segments : array of shape (2, 3, n)
        Thigh, shank and foot inclination, rad.

    Returns
    -------
    numpy.ndarray of shape (2, 2, n)
        u and v by axis, then side.
    """
    thigh, shank, pitch = segments.swapaxes(0, 1)
    ahead, print_offset = _contact_point(pitch)
    u = THIGH * np.sin(thigh) + SHANK * np.sin(shank) - print_offset
    v = -THIGH * np.cos(thigh) - SHANK * np.cos(shank)
    u += ahead * np.cos(pitch) + ANKLE_HEIGHT * np.sin(pitch)
    v += ahead * np.sin(pitch) - ANKLE_HEIGHT * np.cos(pitch)
    return np.stack([u, v])


def ground_jacobian(segments: np.ndarray) -> np.ndarray:
    """Derivative of :func:`ground_vector` by hip, knee and ankle angle.

    Returns
    -------
    numpy.ndarray of shape (2, 2, 3, n)
        By axis, side and joint.
    """
    thigh, shank, pitch = segments.swapaxes(0, 1)
    ahead, _ = _contact_point(pitch)
    sin, cos = np.sin(pitch), np.cos(pitch)
    by_thigh = THIGH * np.stack([np.cos(thigh), np.sin(thigh)])
    by_shank = SHANK * np.stack([np.cos(shank), np.sin(shank)])
    by_foot = np.stack(
        [ANKLE_HEIGHT * cos - ahead * sin, ahead * cos + ANKLE_HEIGHT * sin]
    )
    below_knee = by_shank + by_foot
    return np.stack([by_thigh + below_knee, -below_knee, by_foot], axis=2)


def close_chain(
    joints: np.ndarray,
    pelvis: np.ndarray,
    *,
    time: np.ndarray,
    contact: np.ndarray,
    clearance: np.ndarray,
    smoothness_s: float,
) -> np.ndarray:
    """Correct joint angles so that feet neither slip nor sink.

    With both feet on the ground prescribed angles are over-determined. This finds the
    smallest smooth correction for which the footprints keep their distance and height
    during double support and the swinging foot stays above the ground.

    Parameters
    ----------
    joints : array of shape (2, 3, n)
        Wanted hip, knee and ankle angles, rad.
    pelvis : array of shape (2, n)
        Anterior pelvic tilt, rad.
    time : array of shape (n,)
        Seconds, increasing.
    contact : bool array of shape (2, n)
        Which foot is on the ground.
    clearance : array of shape (2, n)
        Least height of the swinging foot.
    smoothness_s : float
        Length scale of the correction, s.

    Returns
    -------
    numpy.ndarray of shape (2, 3, n)
        The correction, rad.

    Notes
    -----
    The correction is the mean of a Gaussian process (Matern 5/2) conditioned on the
    linearised constraints, iterated. The length of each step has a flat prior: it is
    whatever costs the legs least.
    """
    both = contact.all(axis=0)
    step = np.cumsum(np.diff(both, prepend=False) & both)
    lifted = _lift_sign(contact)
    floor = np.where(lifted > 0, clearance[1], clearance[0])
    low = np.zeros_like(both)
    correction = np.zeros_like(joints)
    for _ in range(_ITERATIONS):
        segments = inclinations(joints + correction, pelvis)
        left, right = ground_vector(segments).swapaxes(0, 1)
        gap, jacobian = right - left, ground_jacobian(segments)
        jacobian = np.stack([-jacobian[:, 0], jacobian[:, 1]], axis=1)
        low |= (lifted != 0) & (lifted * gap[1] < floor)
        along, upright = np.flatnonzero(both), np.flatnonzero(both | low)
        rows = np.concatenate([along, upright])
        if not len(rows):
            break
        slopes = np.concatenate([jacobian[0][..., along], jacobian[1][..., upright]], 2)
        target = np.concatenate([0 * along, (lifted * floor)[upright]])
        misfit = target - np.concatenate([gap[0, along], gap[1, upright]])
        misfit += np.einsum("sjm,sjm->m", slopes, correction[..., rows])
        same_step = np.zeros((len(rows), len(rows)))
        same_step[: len(along), : len(along)] = step[along, None] == step[along]
        correction = _smallest(
            slopes, misfit, at=rows, time=time, scale=smoothness_s, free=same_step
        )
    return correction


def _smallest(
    slopes: np.ndarray,
    misfit: np.ndarray,
    *,
    at: np.ndarray,
    time: np.ndarray,
    scale: float,
    free: np.ndarray,
) -> np.ndarray:
    """Smallest smooth curves whose slopes at some instants explain the misfit."""
    weighted = (slopes * _COST_SD).reshape(6, -1)
    kernel = _matern(time[:, None] - time[at], scale)
    gram = (weighted.T @ weighted) * kernel[at] + _FREE_STEP * free
    gram[np.diag_indices_from(gram)] += 1e-7
    force = np.linalg.solve(gram, misfit)
    curves = (weighted * force) @ kernel.T
    return curves.reshape(2, 3, -1) * _COST_SD


def _matern(lag: np.ndarray, scale: float) -> np.ndarray:
    scaled = np.sqrt(5) * np.abs(lag) / scale
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def _lift_sign(contact: np.ndarray) -> np.ndarray:
    """+1 where only the right foot swings, -1 where only the left one does, else 0."""
    left, right = contact
    return left.astype(int) * ~right - right.astype(int) * ~left


def _contact_point(pitch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    heel = pitch >= 0
    return np.where(heel, -HEEL_BACK, TOE_AHEAD), np.where(heel, 0.0, FOOT)
