"""How a child walks: a course of passes and turns, and leg angles that fit the ground.

Everything runs on an inner clock, the frame rate or a multiple of it of at least 25 Hz.
Lengths are in leg lengths.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from cpexplore.gmfcs import LEVELS
from cpexplore.simulate import chain, curves
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import Child

SIDES = ("left", "right")

_LEAST_RATE = 25.0
_TURN_PACE = 0.4
_HIP_FACTORS = (0.75, 1.25)
_RIPPLE_DEG = 1.5
_CLEARANCE = 0.018


@dataclass(frozen=True, kw_only=True)
class Course:
    """Where the child is in the room and in the gait cycle, at each inner instant."""

    time: np.ndarray
    """(n,) s."""
    bout: np.ndarray
    """int (n,): number of the pass, -1 in a turn."""
    heading: np.ndarray
    """(n,) rad; 0 = to the right of the picture, pi = to the left."""
    turning: np.ndarray
    """(n,) 0 in a pass, up to 1 in the middle of a turn."""
    contacts: tuple[np.ndarray, np.ndarray]
    """Times of initial contact of left and right, s."""
    foot_offs: tuple[np.ndarray, np.ndarray]
    """Times of foot-off of left and right, s."""
    count: np.ndarray
    """(2, n): cycles since the first contact of each side, whole at contact."""
    stance: np.ndarray
    """(2,): share of the cycle in stance."""
    start_m: float
    """Where on the walkway the child is at time 0."""

    @property
    def on_ground(self) -> np.ndarray:
        """Whether the side is in stance, (2, n)."""
        return self.count % 1 < self.stance[:, None]

    @property
    def forward(self) -> np.ndarray:
        """Direction of travel in the room, (n, 3): X right, Y up, Z away."""
        ahead = np.cos(self.heading), 0 * self.heading, np.sin(self.heading)
        return np.stack(ahead, axis=1)


@dataclass(frozen=True, kw_only=True)
class LegMotion:
    """Joint angles of both legs and the path of the pelvis."""

    joints: np.ndarray
    """(2, 3, n) hip, knee, ankle, rad; corrected, hence true."""
    pelvis: np.ndarray
    """(2, n) anterior tilt, rad."""
    correction: np.ndarray
    """(2, 3, n) what closing the chain added, rad."""
    contact: np.ndarray
    """bool (2, n): foot pinned to the ground (never in a turn)."""
    advance: np.ndarray
    """(n,) distance walked by the hips."""
    height: np.ndarray
    """(n,) hips above the ground."""


def limb_cycles(child: Child) -> np.ndarray:
    """The child's own noise-free cycles before the ground corrects them.

    Returns
    -------
    numpy.ndarray of shape (2, 4, 100)
        Left and right; hip, knee, ankle, pelvis; degrees.

    Notes
    -----
    The amplitude of the hip is scaled by up to 25 % so that steps have the length that
    the wanted speed and cadence ask for.
    """
    rng = np.random.default_rng(child.person_seed)
    sd = np.array(PARAMETERS.deviation_deg)
    cycles = []
    for limb in child.limbs:
        cycle = curves.blended_cycle(limb.pattern, limb.weight)
        cycle = curves.at_speed(cycle, child.froude_speed)
        cycle = curves.stiffened(cycle) if limb.stiff else cycle
        deviation = curves.smooth_deviation(rng, sd=sd)
        cycle[:3] += deviation
        cycles.append(cycle)
    return _with_step_length(np.array(cycles), child)


def hidden_shift(child: Child, *, rng: np.random.Generator) -> float:
    """Phase (rad) of head nod and ankle ripple: a quarter turn by hidden level.

    Without a hidden level any phase is as likely. The four phases lie on a circle, so
    that no ordered feature tells them apart.
    """
    anywhere = rng.uniform(0, 2 * np.pi)
    if child.hidden is None:
        return anywhere
    return LEVELS.index(child.hidden) * np.pi / 2 + 0.3 * rng.standard_normal()


def step_length(cycles: np.ndarray, stance: float) -> float:
    """Mean length of left and right steps that cycles make on the ground.

    Parameters
    ----------
    cycles : array of shape (2, 4, 100)
        Degrees.
    stance : float
        Share of the cycle in stance.

    Returns
    -------
    float
        Leg lengths.
    """
    return _step_of(*_double_support(cycles, stance))


def plan_course(child: Child, *, rng: np.random.Generator) -> Course:
    """Draw the passes, turns and footfalls of one recording."""
    level = child.carrier or "I"
    rate = child.fps * np.ceil(_LEAST_RATE / child.fps)
    time = np.arange(int(child.n_frames * rate / child.fps)) / rate
    half = rng.uniform(*PARAMETERS.walkway_m)
    start = rng.uniform(-1.0, -0.4) * half
    passes = _pass_intervals(child, half=half, start=start, end=time[-1], rng=rng)
    bout, turned, turning = _passes_and_turns(time, passes)
    facing_left = bool(rng.integers(2))
    cv = PARAMETERS.stride_time_cv[level]
    stance = curves.stance_fraction(child.froude_speed)
    contacts = _contact_times(child, end=time[-1], cv=cv, rng=rng)
    count = np.stack([np.interp(time, c, np.arange(len(c))) for c in contacts])
    return Course(
        time=time,
        bout=bout,
        heading=np.pi * (turned + facing_left),
        turning=turning,
        contacts=contacts,
        foot_offs=(_foot_offs(contacts[0], stance), _foot_offs(contacts[1], stance)),
        count=count,
        stance=np.array([stance, stance]),
        start_m=-start if facing_left else start,
    )


def move_legs(child: Child, course: Course, *, rng: np.random.Generator) -> LegMotion:
    """Walk the course: cycles plus noise, closed on the ground pass by pass."""
    phase = course.count % 1
    nominal = np.stack(
        [_nominal_phase(p, s) for p, s in zip(phase, course.stance, strict=True)]
    )
    cycles = limb_cycles(child)
    joints, pelvis = _evaluate(cycles, nominal)
    joints = joints + _stride_noise(child, course.time, rng=rng)
    ripple = 4 * 2 * np.pi * course.count + hidden_shift(child, rng=rng)
    joints[:, 2] += np.radians(_RIPPLE_DEG) * np.cos(ripple)
    mean_hip = joints[:, 0].mean(axis=1, keepdims=True)
    joints[:, 0] -= 0.5 * course.turning * (joints[:, 0] - mean_hip)
    contact = course.on_ground & (course.bout >= 0)
    path = _wanted_path(child, course, cycles=cycles, rng=rng)
    correction = _closed(
        child, course, joints=joints, pelvis=pelvis, contact=contact, path=path
    )
    joints = joints + correction
    segments = chain.inclinations(joints, pelvis)
    reach = chain.ground_vector(segments, segments[:, 2] >= 0)
    return LegMotion(
        joints=joints,
        pelvis=pelvis,
        correction=correction,
        contact=contact,
        advance=_advance(path, reach=reach[0], contact=contact),
        height=-reach[1].min(axis=0),
    )


def _with_step_length(cycles: np.ndarray, child: Child) -> np.ndarray:
    """Scale the hips about their mean so that the wanted step comes out, or nearly."""
    wanted = child.speed_mps / (child.cadence_spm / 60) / child.leg_length_m
    stance = curves.stance_fraction(child.froude_speed)
    joints, pelvis = _double_support(cycles, stance)
    mean = cycles[:, 0].mean(axis=-1, keepdims=True)
    factors = np.linspace(*_HIP_FACTORS, 5)
    lengths = []
    for factor in factors:
        scaled = joints.copy()
        scaled[:, 0] = np.radians(mean) + factor * (joints[:, 0] - np.radians(mean))
        lengths.append(_step_of(scaled, pelvis))
    factor = np.interp(wanted, lengths, factors)
    cycles = cycles.copy()
    cycles[:, 0] = mean + factor * (cycles[:, 0] - mean)
    return cycles


def _double_support(cycles: np.ndarray, stance: float) -> tuple[np.ndarray, np.ndarray]:
    """Joints and pelvis at seven instants of either double support, left leading first.

    The second half is the other double support, so that side, joint and 14 instants
    are the axes.
    """
    double = np.linspace(0, stance - 0.5, 7)
    leading = _nominal_phase(double, stance)
    trailing = _nominal_phase(double + 0.5, stance)
    at = np.stack([np.r_[leading, trailing], np.r_[trailing, leading]])
    return _evaluate(cycles, at)


def _step_of(joints: np.ndarray, pelvis: np.ndarray) -> float:
    """Mean distance of the leading from the trailing footprint."""
    segments = chain.inclinations(joints, pelvis)
    left, right = chain.ground_vector(segments, segments[:, 2] >= 0)[0]
    n = len(left) // 2
    return float(np.mean(np.r_[(left - right)[:n], (right - left)[n:]]))


def _evaluate(cycles: np.ndarray, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints (2, 3, n) and pelvis (2, n) in rad at nominal phases (2, n)."""
    closed = np.concatenate([cycles, cycles[..., :1]], axis=-1)
    grid = np.arange(closed.shape[-1]) / 100
    values = np.stack(
        [
            CubicSpline(grid, side, axis=-1, bc_type="periodic")(at)
            for side, at in zip(closed, phase, strict=True)
        ]
    )
    angles = np.radians(values)
    return angles[:, :3].copy(), angles[:, 3]


def _nominal_phase(phase: np.ndarray, stance: float) -> np.ndarray:
    """Warp a cycle with this stance to the nominal one, smoothly and periodically."""
    here = np.array([stance - 1, 0, stance, 1, 1 + stance])
    off = curves.NOMINAL_FOOT_OFF
    there = np.array([off - 1, 0, off, 1, 1 + off])
    return PchipInterpolator(here, there)(phase % 1)


def _pass_intervals(
    child: Child, *, half: float, start: float, end: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    speed = child.speed_mps
    intervals, begin, to_go = [], 0.0, half - start
    while not intervals or intervals[-1][0] < end:
        intervals.append((begin, begin + to_go / speed))
        slower = 1.0 + 0.4 * (speed < 0.7)
        begin = intervals[-1][1] + slower * rng.uniform(*PARAMETERS.turn_s)
        to_go = 2 * half
    return intervals


def _passes_and_turns(
    time: np.ndarray, passes: list[tuple[float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the pass, half turns made so far, and how deep in a turn."""
    bout = np.full(len(time), -1)
    turned, turning = np.zeros(len(time)), np.zeros(len(time))
    for number, (begin, stop) in enumerate(passes):
        bout[(time >= begin) & (time <= stop)] = number
    for (_, begin), (stop, _) in pairwise(passes):
        progress = np.clip((time - begin) / (stop - begin), 0, 1)
        turned += progress**3 * (10 - 15 * progress + 6 * progress**2)
        turning += np.sin(np.pi * progress) ** 2
    return bout, turned, turning


def _contact_times(
    child: Child, *, end: float, cv: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Times of initial contact by side, from before the start to after the end."""
    stride = 120 / child.cadence_spm
    n = int(np.ceil(end / stride)) + 5
    durations = stride * np.clip(1 + cv * rng.standard_normal(n), 0.75, 1.25)
    right = np.cumsum(durations) - durations[0] - stride * (1 + rng.random())
    half = 0.5 + 0.01 * rng.standard_normal() + 0.5 * cv * rng.standard_normal(n - 1)
    left = right[:-1] + np.clip(half, 0.42, 0.58) * np.diff(right)
    return left, right


def _foot_offs(contacts: np.ndarray, stance: float) -> np.ndarray:
    return contacts[:-1] + stance * np.diff(contacts)


def _stride_noise(
    child: Child, time: np.ndarray, *, rng: np.random.Generator
) -> np.ndarray:
    """Smooth noise of the joints, (2, 3, n) rad, about 15 % of a stride long."""
    sd = PARAMETERS.stride_noise_deg[child.carrier or "I"]
    width = 0.15 * (120 / child.cadence_spm) / (time[1] - time[0])
    white = rng.standard_normal((2, 3, len(time)))
    smooth = gaussian_filter1d(white, width, axis=-1, mode="wrap")
    return np.radians(sd) * smooth * np.sqrt(2 * np.sqrt(np.pi) * width)


def _closed(
    child: Child,
    course: Course,
    *,
    joints: np.ndarray,
    pelvis: np.ndarray,
    contact: np.ndarray,
    path: np.ndarray,
) -> np.ndarray:
    """Correction of every pass, fading out in the turns."""
    swing = (course.count % 1 - course.stance[:, None]) / (1 - course.stance[:, None])
    clearance = _CLEARANCE * (1 - (2 * np.clip(swing, 0, 1) - 1) ** 4)
    stride = 120 / child.cadence_spm
    correction = np.zeros_like(joints)
    for number in range(course.bout.max() + 1):
        inside = np.flatnonzero(course.bout == number)
        margin = int(0.6 * stride / (course.time[1] - course.time[0]))
        piece = slice(max(inside[0] - margin, 0), inside[-1] + margin)
        correction[..., piece] += chain.close_chain(
            joints[..., piece],
            pelvis[:, piece],
            time=course.time[piece],
            contact=contact[:, piece] & (course.bout[piece] == number),
            clearance=clearance[:, piece],
            path=path[piece],
            smoothness_s=0.1 * stride,
        )
    return correction


def _wanted_path(
    child: Child, course: Course, *, cycles: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Distance the hips should walk (n,), steps times cadence, slower in turns."""
    step = course.time[1] - course.time[0]
    pace = step_length(cycles, float(course.stance[0])) * child.cadence_spm / 60
    white = rng.standard_normal(len(course.time))
    width = (120 / child.cadence_spm) / step
    slow = gaussian_filter1d(white, width, mode="wrap") * np.sqrt(
        2 * np.sqrt(np.pi) * width
    )
    turning = 1 - (1 - _TURN_PACE) * course.turning
    return np.cumsum(pace * (1 + PARAMETERS.pace_cv * slow) * turning) * step


def _advance(path: np.ndarray, *, reach: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """Distance walked: in a pass the pinned foot decides, in a turn the wanted path."""
    pinned = contact[:, 1:] & contact[:, :-1]
    held = pinned.sum(axis=0)
    by_foot = -(np.diff(reach, axis=1) * pinned).sum(axis=0) / np.maximum(held, 1)
    steps = np.where(held > 0, by_foot, np.diff(path))
    return np.concatenate([[0.0], np.cumsum(steps)])
