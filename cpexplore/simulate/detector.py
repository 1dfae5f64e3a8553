"""The keypoint detector: what OpenPose would make of the true projection.

Jitter grows as confidence falls; the far limb is seen worse than the near one; legs
swap where they cross; keypoints and whole stretches are lost.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.camera import WIDTH
from cpexplore.simulate.children import Child
from cpexplore.simulate.constants import CONSTANTS
from cpexplore.skeleton import keypoint_set

KEYPOINTS = keypoint_set("body_25").keypoints

_LEG = ("hip", "knee", "ankle", "big_toe", "small_toe", "heel")
_LEFT_LEG = np.array([KEYPOINTS.index(f"left_{part}") for part in _LEG])
_RIGHT_LEG = np.array([KEYPOINTS.index(f"right_{part}") for part in _LEG])
_FACE = np.array([k.endswith(("eye", "ear")) for k in KEYPOINTS])
_HANDS = np.array([k.endswith("wrist") for k in KEYPOINTS])
_SIDE = np.array([{"l": -1, "r": 1}.get(k[0], 0) * ("_" in k) for k in KEYPOINTS])
_SIDE[KEYPOINTS.index("mid_hip")] = 0


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What the detector reports, frame by frame."""

    position: np.ndarray
    """(n, 25, 2) px; NaN where missing."""
    confidence: np.ndarray
    """(n, 25) 0 to 1; 0 where missing."""
    swapped: np.ndarray
    """bool (n,): left and right leg are exchanged."""


def detect(
    clean: np.ndarray,
    *,
    depth: np.ndarray,
    leg_px: float,
    child: Child,
    rng: np.random.Generator,
) -> Detection:
    """Detect keypoints in the true projection.

    Parameters
    ----------
    clean : array of shape (n, 25, 2)
        True projection, px.
    depth : array of shape (n, 25)
        Distance from the camera plane, m.
    leg_px : float
        Leg length in the picture.
    child : Child
        Its level says how often the view is lost, its device what is hidden.
    rng : numpy.random.Generator
        All randomness.

    Returns
    -------
    Detection
        Of the same length.
    """
    level = child.carrier or "I"
    seen = _other_person(clean, chance=PARAMETERS.other_person[level], rng=rng)
    far = _farness(depth)
    crossing = _crossing(clean, leg_px)
    confidence = _confidence(far, crossing, walker=child.device == "walker", rng=rng)
    position = seen + _jitter(confidence, far, leg_px, rng=rng)
    swapped = _swaps(crossing, rng=rng)
    position = _exchanged(position, swapped)
    confidence = _exchanged(confidence, swapped)
    lost_share = PARAMETERS.lost_share[level] * rng.gamma(2.0, 0.5)
    missing = _missing(confidence, far, lost_share, rng=rng)
    missing |= ~((clean[..., 0] > 0) & (clean[..., 0] < WIDTH))
    return Detection(
        position=np.where(missing[..., None], np.nan, position),
        confidence=np.where(missing, 0.0, confidence),
        swapped=swapped,
    )


def _other_person(
    clean: np.ndarray, *, chance: float, rng: np.random.Generator
) -> np.ndarray:
    """Follow someone taller and out of step beside the child for a moment."""
    happens, length = rng.random() < chance, _length(CONSTANTS.other_frames, rng=rng)
    begin = int(rng.integers(0, len(clean) - length))
    aside = rng.choice((-1, 1)) * rng.uniform(*CONSTANTS.other_aside_px)
    if not happens:
        return clean
    seen, piece = clean.copy(), slice(begin, begin + length)
    ground = clean[piece, :, 1].max(axis=1)[:, None, None]
    feet = np.concatenate([clean[piece, 8:9, :1], ground], axis=2)
    adult = CONSTANTS.other_size * (np.roll(clean, 7, axis=0)[piece] - feet)
    seen[piece] = feet + adult + np.array([aside, 0.0])
    return seen


def _farness(depth: np.ndarray) -> np.ndarray:
    """0 for the near side and the middle, 1 for the far side (n, 25)."""
    hips = depth[:, [_RIGHT_LEG[0], _LEFT_LEG[0]]]
    apart = (hips[:, 0] - hips[:, 1])[:, None] * _SIDE
    return np.clip(apart / 0.1, 0, 1)


def _crossing(clean: np.ndarray, leg_px: float) -> np.ndarray:
    """1 where the ankles lie over each other, 0 where they are far apart (n,)."""
    apart = np.abs(clean[:, _LEFT_LEG[2], 0] - clean[:, _RIGHT_LEG[2], 0])
    return np.clip(1 - apart / (CONSTANTS.crossing_reach * leg_px), 0, 1)


def _confidence(
    far: np.ndarray, crossing: np.ndarray, *, walker: bool, rng: np.random.Generator
) -> np.ndarray:
    small, at_best = CONSTANTS.confidence_small, CONSTANTS.confidence
    usual = np.array(
        [
            next((c for part, c in small.items() if k.endswith(part)), at_best)
            for k in KEYPOINTS
        ]
    )
    leg = np.isin(np.arange(len(KEYPOINTS)), np.r_[_LEFT_LEG, _RIGHT_LEG])
    lost = CONSTANTS.confidence_lost
    level = usual - lost["far"] * far - lost["crossing"] * far * leg * crossing[:, None]
    level = level - lost["far_face"] * far * _FACE
    level = level - lost["walker"] * walker * (leg | _HANDS)
    wobble = _slow_noise(far.shape, memory=CONSTANTS.confidence_memory, rng=rng)
    return np.clip(level + CONSTANTS.confidence_wobble * wobble, 0.02, 0.98)


def _jitter(
    confidence: np.ndarray,
    far: np.ndarray,
    leg_px: float,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Between 1 and 2 % of leg length near, half as much again far (n, 25, 2)."""
    farther = 1 + (PARAMETERS.far_jitter - 1) * far
    sd = rng.uniform(*PARAMETERS.jitter) * leg_px * farther
    least, rise = CONSTANTS.jitter_by_confidence
    sd = sd * (least + rise * np.clip(0.8 - confidence, 0, 1))
    shape = (*confidence.shape, 2)
    noise = _slow_noise(shape, memory=CONSTANTS.jitter_memory, rng=rng)
    return sd[..., None] * noise


def _swaps(crossing: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Frames in which the legs are exchanged, begun only where they cross."""
    chance = rng.uniform(*PARAMETERS.swap_chance)
    begin = rng.random(len(crossing)) < chance * (crossing > 0.3)
    swapped = np.zeros(len(crossing), dtype=bool)
    for frame in np.flatnonzero(begin):
        swapped[frame : frame + _length(CONSTANTS.swap_frames, rng=rng)] = True
    return swapped


def _exchanged(values: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    exchanged = values.copy()
    frames = np.flatnonzero(swapped)[:, None]
    exchanged[frames, _LEFT_LEG] = values[frames, _RIGHT_LEG]
    exchanged[frames, _RIGHT_LEG] = values[frames, _LEFT_LEG]
    return exchanged


def _missing(
    confidence: np.ndarray,
    far: np.ndarray,
    lost_share: float,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Single misses, the far face, stretches without a leg, frames without a child."""
    n, v = confidence.shape
    rise, below = CONSTANTS.missed
    missing = rng.random((n, v)) < rise * np.clip(below - confidence, 0, 1)
    missing |= _FACE & (far > 0.5) & (rng.random((n, v)) < CONSTANTS.far_face_missed)
    frames, share = CONSTANTS.leg_lost
    for begin, stop in _stretches(n, share=lost_share, mean=frames, rng=rng):
        leg = (_LEFT_LEG, _RIGHT_LEG)[rng.integers(2)]
        hidden = leg[rng.integers(1, 3) :]
        missing[begin:stop, hidden] |= rng.random((stop - begin, len(hidden))) < share
    share, frames = CONSTANTS.child_lost
    for begin, stop in _stretches(n, share=share, mean=frames, rng=rng):
        missing[begin:stop] = True
    return missing


def _length(ends: tuple[int, int], *, rng: np.random.Generator) -> int:
    """A number of frames between two ends, both possible."""
    return int(rng.integers(ends[0], ends[1] + 1))


def _stretches(
    n: int, *, share: float, mean: float, rng: np.random.Generator
) -> list[tuple[int, int]]:
    starts = rng.integers(0, n, size=rng.poisson(share * n / mean))
    lengths = np.maximum(rng.exponential(mean, size=len(starts)).astype(int), 1)
    return [(int(a), int(min(a + b, n))) for a, b in zip(starts, lengths, strict=True)]


def _slow_noise(
    shape: tuple[int, ...], *, memory: float, rng: np.random.Generator
) -> np.ndarray:
    """Unit-variance first-order autoregressive noise along the first axis."""
    white = rng.standard_normal(shape)
    white[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], white, axis=0))
