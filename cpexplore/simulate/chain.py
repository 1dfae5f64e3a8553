"""The legs as a chain between two footprints: forward kinematics and its closure.

Lengths are in leg lengths (thigh + shank = 1), angles in radians. The sagittal plane
has u forward and v up. Inclinations are 0 when vertical and positive with the distal
end forward; foot pitch is 0 when flat and positive with the toe up. Arrays of joints
have the shape (2, 3, n): left and right; hip, knee and ankle; instants.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, cho_factor, cho_solve

from cpexplore.simulate.constants import CONSTANTS

THIGH, SHANK = CONSTANTS.thigh, CONSTANTS.shank
HEEL_BACK, TOE_AHEAD = CONSTANTS.heel_back, CONSTANTS.toe_ahead
ANKLE_HEIGHT = CONSTANTS.ankle_height
FOOT = HEEL_BACK + TOE_AHEAD
"""Distance from heel to big toe."""

_RIGHT_LESS_LEFT = np.array([[-1.0], [1.0]])
_BY_PITCH = np.array([1.0, -1.0, 1.0])
_COST_SD = np.array([0.95, 1.4, 1.05])
_FREE_PLACE = 100.0
_PATH_EVERY_S = 0.06
_PATH_SLACK = 0.06
_ROUNDS = 8
_CAREFUL_ROUNDS, _CAREFUL_STEP = 24, 0.5
_COARSE_S = 0.03
_RELEASES = 4
_CLOSE_ENOUGH = 1e-3


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


def ground_vector(segments: np.ndarray, on_heel: np.ndarray) -> np.ndarray:
    """Vector from the hip to where the heel is, or would be, on the ground.

    Parameters
    ----------
    segments : array of shape (2, 3, n)
        Thigh, shank and foot inclination, rad.
    on_heel : bool array of shape (2, n)
        Whether the foot stands on its heel, else on its toe.

    Returns
    -------
    numpy.ndarray of shape (2, 2, n)
        u and v by axis, then side. The footprint is named by its heel end, so that
        rolling from heel to toe does not move it.
    """
    thigh, shank, pitch = segments.swapaxes(0, 1)
    ahead = np.where(on_heel, -HEEL_BACK, TOE_AHEAD)
    u = THIGH * np.sin(thigh) + SHANK * np.sin(shank) - np.where(on_heel, 0, FOOT)
    v = -THIGH * np.cos(thigh) - SHANK * np.cos(shank)
    u += ahead * np.cos(pitch) + ANKLE_HEIGHT * np.sin(pitch)
    v += ahead * np.sin(pitch) - ANKLE_HEIGHT * np.cos(pitch)
    return np.stack([u, v])


def ground_jacobian(segments: np.ndarray, on_heel: np.ndarray) -> np.ndarray:
    """Derivative of :func:`ground_vector` by hip, knee and ankle angle.

    Returns
    -------
    numpy.ndarray of shape (2, 2, 3, n)
        By axis, side and joint.
    """
    thigh, shank, pitch = segments.swapaxes(0, 1)
    ahead = np.where(on_heel, -HEEL_BACK, TOE_AHEAD)
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
    during double support, each foot changes between heel and toe when it is flat, the
    swinging foot stays above the ground, and the hips travel over the footprints
    nearly as wanted, as their momentum asks for.

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
    whatever costs the legs least. Full steps settle at 25 Hz; where many more instants
    a stance make them swing to and fro, half steps are taken instead.
    """
    problem = _Problem(
        joints=joints,
        pelvis=pelvis,
        contact=contact,
        clearance=clearance,
        path=path,
        kernel=_matern(time[:, None] - time, smoothness_s),
        path_every=max(int(_PATH_EVERY_S / (time[1] - time[0]) + 1e-6), 1),
    )
    correction, settled = problem.solve(rounds=_ROUNDS)
    if not settled and time[1] - time[0] < _COARSE_S:
        correction, _ = problem.solve(rounds=_CAREFUL_ROUNDS, step=_CAREFUL_STEP)
    return correction


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What :func:`close_chain` is asked, and how it is solved."""

    joints: np.ndarray
    pelvis: np.ndarray
    contact: np.ndarray
    clearance: np.ndarray
    path: np.ndarray
    kernel: np.ndarray
    path_every: int
    """Instants between demands on the hips' path."""

    def solve(self, *, rounds: int, step: float = 1.0) -> tuple[np.ndarray, bool]:
        """The correction (2, 3, n), and whether it met all demands."""
        on_heel = inclinations(self.joints, self.pelvis)[:, 2] >= 0
        hinges = self.contact & _switches(on_heel)
        flat, low = np.zeros_like(hinges), np.zeros_like(hinges)
        correction = np.zeros_like(self.joints)
        for number in range(rounds):
            segments = inclinations(self.joints + correction, self.pelvis)
            stance = _Stance(segments, self.contact, on_heel)
            flat |= hinges | stance.rocking_the_wrong_way()
            low |= stance.below(self.clearance)
            demands = [
                *stance.double_support(),
                stance.steady_hips(self.path, every=self.path_every),
                *(stance.foot_flat(flat[side], side) for side in (0, 1)),
                *(stance.clear_swing(self.clearance, low[tip], tip) for tip in (0, 1)),
            ]
            if max(demand.error for demand in demands) < _CLOSE_ENOUGH:
                return correction, True
            forces, better = _smallest(demands, correction, self.kernel)
            first = number == 0 or step == 1.0
            correction = better if first else correction + step * (better - correction)
            if number < _RELEASES:
                for demand, force in zip(demands, forces, strict=True):
                    demand.release(force)
        return correction, False


@dataclass(frozen=True, kw_only=True)
class _Demand:
    """Linearised wish: at ``rows`` the slopes times the change make up the misfit."""

    rows: np.ndarray
    """int (m,) instants."""
    slopes: np.ndarray
    """(m, 2, 3) derivative by joint angle."""
    misfit: np.ndarray
    """(m,) what is missing, leg lengths."""
    place: np.ndarray | None = None
    """int (m,): demands of one place share an unknown shift."""
    slack: float = 1e-7
    """Tolerated variance, relative to that of the correction."""
    active: np.ndarray | None = None
    """bool (n,): instants at which an inequality is held as an equality."""
    push: np.ndarray | float = 1.0
    """Sign that a force of an inequality must have."""

    @property
    def error(self) -> float:
        """Largest misfit of a demand that has to be met."""
        met_later = self.place is not None or not len(self.rows)
        return 0.0 if met_later else float(np.abs(self.misfit).max())

    def release(self, force: np.ndarray) -> None:
        """Let go of an inequality where its force pulls instead of pushing."""
        if self.active is not None:
            self.active[self.rows[force * self.push < 0]] = False


class _Stance:
    """Legs at one iteration, and what the ground demands of them."""

    def __init__(
        self, segments: np.ndarray, contact: np.ndarray, on_heel: np.ndarray
    ) -> None:
        self.segments, self.contact, self.on_heel = segments, contact, on_heel
        self.feet = ground_vector(segments, on_heel)
        self.slopes = ground_jacobian(segments, on_heel)

    def rocking_the_wrong_way(self) -> np.ndarray:
        """Where a foot on its heel pitches down or one on its toe pitches up (2, n)."""
        pitch = self.segments[:, 2]
        return self.contact & np.where(self.on_heel, pitch < 0, pitch > 0)

    def double_support(self) -> list[_Demand]:
        """Both feet down: their distance is fixed for the step, their height equal."""
        both = self.contact.all(axis=0)
        rows = np.flatnonzero(both)
        step = np.cumsum(np.diff(both, prepend=False) & both)[rows]
        gap = self.feet[:, 1] - self.feet[:, 0]
        slopes = self.slopes * _RIGHT_LESS_LEFT[..., None]
        return [
            _Demand(
                rows=rows,
                slopes=slopes[axis][..., rows].transpose(2, 0, 1),
                misfit=-gap[axis, rows],
                place=step if axis == 0 else None,
            )
            for axis in (0, 1)
        ]

    def steady_hips(self, path: np.ndarray, *, every: int) -> _Demand:
        """Each footprint stays put while the hips travel their path above it."""
        side, rows = np.nonzero(self.contact[:, ::every])
        rows = rows * every
        begins = np.diff(self.contact, axis=1, prepend=False) & self.contact
        own = np.eye(2)[side][..., None]
        return _Demand(
            rows=rows,
            slopes=own * self.slopes[0][..., rows].transpose(2, 0, 1),
            misfit=-path[rows] - self.feet[0, side, rows],
            place=2 * np.cumsum(begins, axis=1)[side, rows] + side,
            slack=_PATH_SLACK,
        )

    def foot_flat(self, flat: np.ndarray, side: int) -> _Demand:
        """The foot lies flat."""
        rows = np.flatnonzero(flat)
        slopes = np.zeros((len(rows), 2, 3))
        slopes[:, side] = _BY_PITCH
        return _Demand(
            rows=rows,
            slopes=slopes,
            misfit=-self.segments[side, 2, rows],
            active=flat,
            push=np.where(self.on_heel[side, rows], 1.0, -1.0),
        )

    def below(self, clearance: np.ndarray) -> np.ndarray:
        """Where heel and toe of the swinging foot are too low (2, n)."""
        lifted = _lift_sign(self.contact)
        floor = self._floor(clearance)
        heights = np.stack([self._height(tip) for tip in (0, 1)])
        return (lifted != 0) & (heights < floor)

    def clear_swing(self, clearance: np.ndarray, low: np.ndarray, tip: int) -> _Demand:
        """Heel (0) or toe (1) of the swinging foot, where too low, is just not."""
        rows = np.flatnonzero(low)
        sign = _lift_sign(self.contact)[rows, None, None] * _RIGHT_LESS_LEFT
        slopes = ground_jacobian(self.segments, self._standing_on(tip))[1][..., rows]
        return _Demand(
            rows=rows,
            slopes=sign * slopes.transpose(2, 0, 1),
            misfit=(self._floor(clearance) - self._height(tip))[rows],
            active=low,
        )

    def _floor(self, clearance: np.ndarray) -> np.ndarray:
        return np.where(_lift_sign(self.contact) > 0, clearance[1], clearance[0])

    def _standing_on(self, tip: int) -> np.ndarray:
        """``on_heel`` as if the swinging foot stood on its heel (0) or toe (1)."""
        swinging = ~self.contact
        return np.where(swinging, tip == 0, self.on_heel)

    def _height(self, tip: int) -> np.ndarray:
        """Height of a tip of the swinging foot above the standing one (n,)."""
        upright = ground_vector(self.segments, self._standing_on(tip))[1]
        return _lift_sign(self.contact) * (upright[1] - upright[0])


def _smallest(
    demands: list[_Demand], correction: np.ndarray, kernel: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Forces by demand, and the smallest smooth curves (2, 3, n) that meet them."""
    rows = np.concatenate([demand.rows for demand in demands])
    slopes = np.concatenate([demand.slopes for demand in demands])
    misfit = np.concatenate([demand.misfit for demand in demands])
    misfit += np.einsum("msj,sjm->m", slopes, correction[..., rows])
    weighted = (slopes * _COST_SD).reshape(-1, 6)
    at = kernel[:, rows]
    gram = (weighted @ weighted.T) * at[rows]
    gram += block_diag(*(_shared_shift(demand) for demand in demands))
    force = cho_solve(cho_factor(gram, check_finite=False), misfit, check_finite=False)
    curves = at @ (weighted * force[:, None])
    ends = np.cumsum([len(demand.rows) for demand in demands])[:-1]
    return np.split(force, ends), curves.T.reshape(2, 3, -1) * _COST_SD[:, None]


def _shared_shift(demand: _Demand) -> np.ndarray:
    """Covariance of what the demand leaves open: a shift by place, and slack."""
    slack = demand.slack * np.eye(len(demand.rows))
    if demand.place is None:
        return slack
    return slack + _FREE_PLACE * (demand.place[:, None] == demand.place)


def _switches(on_heel: np.ndarray) -> np.ndarray:
    """Instants on either side of a change between heel and toe (2, n)."""
    changes = np.diff(on_heel, axis=1, prepend=on_heel[:, :1])
    return changes | np.roll(changes, -1, axis=1)


def _matern(lag: np.ndarray, scale: float) -> np.ndarray:
    scaled = np.sqrt(5) * np.abs(lag) / scale
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def _lift_sign(contact: np.ndarray) -> np.ndarray:
    """+1 where only the right foot swings, -1 where only the left one does, else 0."""
    left, right = contact
    return left.astype(int) * ~right - right.astype(int) * ~left
