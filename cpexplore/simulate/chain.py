"""The legs as a chain between two footprints: forward kinematics and its closure.

Lengths are in leg lengths (thigh + shank = 1), angles in radians. The sagittal plane
has u forward and v up. Inclinations are 0 when vertical and positive with the distal
end forward; foot pitch is 0 when flat and positive with the toe up. Arrays of joints
have the shape (2, 3, n): left and right; hip, knee and ankle; instants.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.linalg import cho_factor, cho_solve

THIGH, SHANK = 0.5, 0.5
HEEL_BACK, TOE_AHEAD, ANKLE_HEIGHT = 0.055, 0.195, 0.07
FOOT = HEEL_BACK + TOE_AHEAD
"""Distance from heel to big toe."""

_COST_SD = np.array([1.0, 1.0, 1.5])
_FREE_PLACE = 100.0
_PATH_EVERY = 3
_PATH_SLACK = 0.05
_ITERATIONS = 4


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
    path: np.ndarray,
    smoothness_s: float,
) -> np.ndarray:
    """Correct joint angles so that feet neither slip nor sink and hips do not jerk.

    With both feet on the ground prescribed angles are over-determined. This finds the
    smallest smooth correction for which the footprints keep their distance and height
    during double support, the swinging foot stays above the ground, and the hips
    travel over the footprints nearly as wanted, as their momentum asks for.

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
    path : array of shape (n,)
        Wanted distance walked by the hips.
    smoothness_s : float
        Length scale of the correction, s.

    Returns
    -------
    numpy.ndarray of shape (2, 3, n)
        The correction, rad.

    Notes
    -----
    The correction is the mean of a Gaussian process (Matern 5/2) conditioned on the
    linearised demands, iterated. Where each foot is put has a flat prior: it is
    whatever costs the legs least.
    """
    kernel = _matern(time[:, None] - time, smoothness_s)
    lifted = _lift_sign(contact)
    floor = np.where(lifted > 0, clearance[1], clearance[0])
    low = np.zeros(len(time), dtype=bool)
    correction = np.zeros_like(joints)
    for _ in range(_ITERATIONS):
        segments = inclinations(joints + correction, pelvis)
        feet = ground_vector(segments)
        low |= (lifted != 0) & (lifted * (feet[1, 1] - feet[1, 0]) < floor)
        demands = _Demands.joined(
            _double_support(contact),
            _clear_swing(low, lifted * floor),
            _steady_hips(contact, path),
        )
        slopes, misfit = demands.linearised(feet, ground_jacobian(segments))
        misfit = misfit + np.einsum("msj,sjm->m", slopes, correction[..., demands.rows])
        correction = _smallest(demands, slopes, misfit, kernel=kernel)
    return correction


@dataclass(frozen=True, kw_only=True)
class _Demands:
    """What is asked of the feet: ``sign . feet[axis]`` = target + shift of place."""

    rows: np.ndarray
    """int (m,) instants."""
    axis: np.ndarray
    """int (m,) 0 = along, 1 = upright."""
    sign: np.ndarray
    """(m, 2) share of the left and the right foot."""
    target: np.ndarray
    """(m,) leg lengths."""
    place: np.ndarray
    """int (m,): demands of one place share an unknown shift; -1 = no shift."""
    slack: np.ndarray
    """(m,) tolerated variance, relative to that of the correction."""

    @classmethod
    def joined(cls, *parts: "_Demands") -> "_Demands":
        names = [field.name for field in fields(cls)]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def linearised(
        self, feet: np.ndarray, jacobian: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Slopes (m, 2, 3) by joint angle and misfit (m,)."""
        slopes = self.sign[..., None] * jacobian[self.axis, :, :, self.rows]
        values = (self.sign * feet[self.axis, :, self.rows]).sum(axis=1)
        return slopes, self.target - values


def _double_support(contact: np.ndarray) -> _Demands:
    """Both feet down: their distance is fixed for the step, their height equal."""
    both = contact.all(axis=0)
    rows = np.flatnonzero(both)
    step = np.cumsum(np.diff(both, prepend=False) & both)[rows]
    m = len(rows)
    return _Demands(
        rows=np.tile(rows, 2),
        axis=np.repeat([0, 1], m),
        sign=np.tile([-1.0, 1.0], (2 * m, 1)),
        target=np.zeros(2 * m),
        place=np.concatenate([3 * step, np.full(m, -1)]),
        slack=np.full(2 * m, 1e-7),
    )


def _clear_swing(low: np.ndarray, height: np.ndarray) -> _Demands:
    """The swinging foot, where it was too low, is at its least height."""
    rows = np.flatnonzero(low)
    return _Demands(
        rows=rows,
        axis=np.ones_like(rows),
        sign=np.tile([-1.0, 1.0], (len(rows), 1)),
        target=height[rows],
        place=np.full(len(rows), -1),
        slack=np.full(len(rows), 1e-7),
    )


def _steady_hips(contact: np.ndarray, path: np.ndarray) -> _Demands:
    """Each footprint stays where it is while the hips travel their path above it."""
    side, rows = np.nonzero(contact[:, ::_PATH_EVERY])
    rows = rows * _PATH_EVERY
    begins = np.diff(contact, axis=1, prepend=False) & contact
    footprint = np.cumsum(begins, axis=1)[side, rows]
    return _Demands(
        rows=rows,
        axis=np.zeros_like(rows),
        sign=np.eye(2)[side],
        target=-path[rows],
        place=3 * footprint + 1 + side,
        slack=np.full(len(rows), _PATH_SLACK),
    )


def _smallest(
    demands: _Demands, slopes: np.ndarray, misfit: np.ndarray, *, kernel: np.ndarray
) -> np.ndarray:
    """Smallest smooth curves (2, 3, n) that meet the demands."""
    weighted = (slopes * _COST_SD).reshape(-1, 6)
    at = kernel[:, demands.rows]
    gram = (weighted @ weighted.T) * at[demands.rows]
    place = demands.place
    gram += _FREE_PLACE * ((place[:, None] == place) & (place >= 0))
    gram[np.diag_indices_from(gram)] += demands.slack
    force = cho_solve(cho_factor(gram, check_finite=False), misfit, check_finite=False)
    curves = at @ (weighted * force[:, None])
    return curves.T.reshape(2, 3, -1) * _COST_SD[:, None]


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
