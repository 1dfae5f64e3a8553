"""Follow one person through frames in which a detector found several."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

_LONGEST_GAP = 12
_STEP = (0.3, 0.06)
_SAME_SIZE = 1.6
_SHORTEST = 5
_COMMON = 3


@dataclass(frozen=True, kw_only=True)
class Followed:
    """The person who was followed, and how sure that is."""

    triples: np.ndarray
    """float32 (time, keypoint, 3); NaN where the person was not found."""
    n_people: int
    """Most people in any frame."""
    switches: tuple[int, ...]
    """Frames at which another stretch of track begins."""
    jumps: tuple[int, ...]
    """Those of ``switches`` without a gap: the person is suddenly elsewhere."""


@dataclass
class _Stretch:
    """Consecutive detections that are one person by place and size."""

    pose: np.ndarray
    frames: list[int] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    weight: float = 0.0

    def add(self, frame: int, number: int, person: np.ndarray) -> None:
        """Append detection ``number`` of ``frame``; unseen points keep their place."""
        seen = _seen(person)
        self.pose = np.where(seen[:, None], person, self.pose)
        self.frames.append(frame)
        self.people.append(number)
        self.sizes.append(_size(person[seen]))
        self.weight += float(person[seen, 2].sum())

    def overlaps(self, other: "_Stretch") -> bool:
        """Whether both last at the same time, so that they are two people."""
        apart = self.frames[-1] < other.frames[0] or other.frames[-1] < self.frames[0]
        return not apart


def follow(detections: Sequence[np.ndarray]) -> Followed:
    """Follow the person who is seen best and longest.

    Detections are linked from frame to frame by place and size (optimal assignment).
    The stretch with the largest total confidence is the person; stretches of similar
    size at other times are taken for the same person and reported as switches.

    Parameters
    ----------
    detections : sequence of array (people, keypoint, 3)
        Everyone in each frame: x px, y px, confidence (0: missing).

    Returns
    -------
    Followed
        One person per frame at most.
    """
    stretches = _linked(detections)
    chosen = _one_person(stretches)
    n_keypoints = detections[0].shape[1] if len(detections) else 0
    triples = np.full((len(detections), n_keypoints, 3), np.nan, np.float32)
    for stretch in chosen:
        for frame, number in zip(stretch.frames, stretch.people, strict=True):
            triples[frame] = detections[frame][number]
    pairs = list(pairwise(chosen))
    return Followed(
        triples=triples,
        n_people=max((len(people) for people in detections), default=0),
        switches=tuple(after.frames[0] for _, after in pairs),
        jumps=tuple(
            after.frames[0]
            for before, after in pairs
            if after.frames[0] == before.frames[-1] + 1
        ),
    )


def _linked(detections: Sequence[np.ndarray]) -> list[_Stretch]:
    stretches: list[_Stretch] = []
    for frame, people in enumerate(detections):
        seen = [n for n, person in enumerate(people) if _seen(person).any()]
        near = [s for s in stretches if frame - s.frames[-1] <= _LONGEST_GAP]
        costs = np.array(
            [[_cost(s, frame, people[n]) for n in seen] for s in near]
        ).reshape(len(near), len(seen))
        rows, columns = linear_sum_assignment(costs)
        pairs = zip(rows, columns, strict=True)
        owner = {seen[c]: near[r] for r, c in pairs if costs[r, c] < 1}
        for number in seen:
            if number not in owner:
                owner[number] = _Stretch(pose=people[number])
                stretches.append(owner[number])
            owner[number].add(frame, number, people[number])
    return stretches


def _cost(stretch: _Stretch, frame: int, person: np.ndarray) -> float:
    """Distance and change of size, in units of what is plausible; < 1 links."""
    common = _seen(stretch.pose) & _seen(person)
    before, after = stretch.pose[common], person[common]
    sizes = _size(before), _size(after)
    if common.sum() < _COMMON or min(sizes) <= 0:
        return 10.0
    shift = np.median(np.linalg.norm(after[:, :2] - before[:, :2], axis=1))
    steps = shift / max(sizes) + 0.5 * abs(np.log(sizes[0] / sizes[1]))
    return float(steps / (_STEP[0] + _STEP[1] * (frame - stretch.frames[-1])))


def _seen(person: np.ndarray) -> np.ndarray:
    """Which keypoints have a place: finite, not ``0, 0``, with some confidence."""
    placed = np.isfinite(person).all(axis=1) & (person[:, :2] != 0).any(axis=1)
    return placed & (person[:, 2] > 0)


def _size(points: np.ndarray) -> float:
    """Diagonal of the bounding box, px."""
    return float(np.linalg.norm(np.ptp(points[:, :2], axis=0))) if len(points) else 0.0


def _one_person(stretches: list[_Stretch]) -> list[_Stretch]:
    """The heaviest stretch and what continues it before and after, in order of time."""
    if not stretches:
        return []
    ranked = sorted(stretches, key=lambda s: (-s.weight, s.frames[0]))
    chosen = ranked[:1]
    size = float(np.median(chosen[0].sizes))
    for stretch in ranked[1:]:
        other = float(np.median(stretch.sizes))
        similar = size < _SAME_SIZE * other and other < _SAME_SIZE * size
        long_enough = len(stretch.frames) >= _SHORTEST
        if similar and long_enough and not any(stretch.overlaps(c) for c in chosen):
            chosen.append(stretch)
    return sorted(chosen, key=lambda s: s.frames[0])
