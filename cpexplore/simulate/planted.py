"""Planted cohorts: the level sits in known keypoints and nowhere else.

Children walk alike whatever their level. Then some keypoints are moved a little, by an
amount that tells the level, and some others, the distractors, are moved in the same
way by an amount that tells nothing. An attribution method that works must point at
the first and not at the second.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from cpexplore._validation import check_option, check_range
from cpexplore.gmfcs import LEVELS
from cpexplore.simulate.children import Child, draw_children

_STRENGTH = 0.16
"""Largest displacement, leg lengths."""


def _both(*parts: str) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts for side in ("left", "right"))


_LEG = ("knee", "ankle", "heel", "big_toe", "small_toe")
_TRUNK = ("neck", *_both("shoulder"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """Where and how the level is planted.

    Examples
    --------
    In ``leg_phase`` the right leg tells the level and the left one distracts; in
    ``level_specific`` level III sits in the trunk:

    >>> from cpexplore.simulate import PLANTS
    >>> plant = PLANTS["leg_phase"]
    >>> plant.kind, plant.carriers[0], plant.distractors[0]
    ('phase', 'right_knee', 'left_knee')
    >>> PLANTS["level_specific"].by_level["III"]
    ('neck', 'left_shoulder', 'right_shoulder')
    """

    carriers: tuple[str, ...]
    """Keypoints that tell the level (all of them, where it depends on the level)."""
    distractors: tuple[str, ...]
    """Keypoints that move in the same way and tell nothing."""
    kind: str
    """How: amplitude, range, timing, asymmetry, phase or offset."""
    by_level: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Keypoints by level, where each level has its own."""


PLANTS: MappingProxyType[str, Plant] = MappingProxyType(
    {
        "knee_amplitude": Plant(
            carriers=_both("knee"), distractors=_both("elbow"), kind="amplitude"
        ),
        "trunk_offset": Plant(
            carriers=_TRUNK, distractors=_both("ankle"), kind="offset"
        ),
        "ankle_timing": Plant(
            carriers=_both("ankle"), distractors=_both("wrist"), kind="timing"
        ),
        "wrist_asymmetry": Plant(
            carriers=_both("wrist"), distractors=_both("knee"), kind="asymmetry"
        ),
        "leg_phase": Plant(
            carriers=tuple(f"right_{part}" for part in _LEG),
            distractors=tuple(f"left_{part}" for part in _LEG),
            kind="phase",
        ),
        "elbow_range": Plant(
            carriers=_both("elbow"), distractors=_both("heel"), kind="range"
        ),
        "level_specific": Plant(
            carriers=(*_both("knee"), *_TRUNK, *_both("ankle")),
            distractors=_both("elbow"),
            kind="amplitude",
            by_level={
                "II": _both("knee"),
                "III": _TRUNK,
                "IV": _both("ankle"),
            },
        ),
    }
)
"""The plants by name; in ``level_specific`` every level has its own keypoints, which a
map that does not ask for a level cannot find."""


def planted_children(
    plant: str, n_patients: int, *, seed: int, strength: float = 1.0
) -> list[Child]:
    """Draw children whose level is planted.

    Parameters
    ----------
    plant : str
        A key of :data:`PLANTS`.
    n_patients : int
        Number of children, at least 8; levels are equally frequent.
    seed : int
        The same seed gives the same children.
    strength : float
        1 moves keypoints by at most 0.16 leg lengths.

    Returns
    -------
    list of Child
        One walk each, mild patterns, no device.

    Raises
    ------
    ValueError
        If the plant is unknown or a number out of range.
    """
    check_option("plant", plant, tuple(PLANTS))
    check_range("n_patients", n_patients, low=8)
    check_range("strength", strength, low=0)
    drawn = draw_children(n_patients, seed=seed, world="null")
    first = [child for child in drawn if child.visit_id == "V1"]
    rng = np.random.default_rng([seed, 77])
    levels = rng.permutation(np.resize(LEVELS, n_patients))
    decoys = rng.permutation(np.resize(LEVELS, n_patients))
    return [
        replace(
            child,
            gmfcs=str(level),
            carrier="I",
            device="none",
            plant=plant,
            plant_strength=strength,
            decoy=str(decoy),
        )
        for child, level, decoy in zip(first, levels, decoys, strict=True)
    ]


def displaced(
    points: np.ndarray,
    child: Child,
    *,
    keypoints: tuple[str, ...],
    phase: np.ndarray,
    forward: np.ndarray,
) -> np.ndarray:
    """Move the planted keypoints and the distractors.

    Parameters
    ----------
    points : array of shape (n, V, 3)
        Keypoints in the room, m.
    child : Child
        With a ``plant``; others are returned as they are.
    keypoints : tuple of str
        Names along V.
    phase : array of shape (2, n)
        Gait cycle of left and right, 0 to 1.
    forward : array of shape (n, 3)
        Direction of travel, unit length.

    Returns
    -------
    numpy.ndarray of shape (n, V, 3)
        Moved along the direction of travel; bones may change length.
    """
    if child.plant is None or child.gmfcs is None or child.decoy is None:
        return points
    plant = PLANTS[child.plant]
    moved = points.copy()
    size = _STRENGTH * child.plant_strength * child.leg_length_m
    own = plant.by_level.get(child.gmfcs, ()) if plant.by_level else plant.carriers
    rank = 3 if plant.by_level else LEVELS.index(child.gmfcs)
    for names, step in ((own, rank), (plant.distractors, LEVELS.index(child.decoy))):
        for name in names:
            side = int(name.startswith("right"))
            shift = _SHAPES[plant.kind](phase[side], step / 3, side)
            moved[:, keypoints.index(name)] += (size * shift)[:, None] * forward
    return moved


def _amplitude(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return share * np.sin(2 * np.pi * phase)


def _range(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return share * np.sin(4 * np.pi * phase)


def _timing(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return 0.7 * np.sin(2 * np.pi * (phase - 0.75 * share))


def _asymmetry(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return np.full_like(phase, (2 * side - 1) * (share - 0.5))


def _phase(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return share * np.exp(-0.5 * ((phase - 0.75) / 0.07) ** 2)


def _offset(phase: np.ndarray, share: float, side: int) -> np.ndarray:
    return np.full_like(phase, share - 0.5)


_SHAPES: dict[str, Callable[[np.ndarray, float, int], np.ndarray]] = {
    "amplitude": _amplitude,
    "range": _range,
    "timing": _timing,
    "asymmetry": _asymmetry,
    "phase": _phase,
    "offset": _offset,
}
