"""What decides how a patient walks: what stays between visits, and traits by level.

Traits are drawn by ranks that belong to the patient, so that a change of level changes
the traits and a visit at the same level does not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from cpexplore.gmfcs import LEVELS
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.curves import PATTERNS

_MIXES = ("mild", *PATTERNS, "asymmetric")
_DEVICES = ("none", "crutches", "walker")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limb:
    """How one leg walks.

    Examples
    --------
    A child with a crouched left leg and a typical right one, by the least knee flexion
    (deg) in stance:

    >>> from dataclasses import replace
    >>> from cpexplore.simulate import Limb, simulate_walk, td_children
    >>> child = td_children(1, seed=0, speeds=("free",))[0]
    >>> child = replace(child, limbs=(Limb(pattern="crouch", weight=1.0), Limb()))
    >>> truth = simulate_walk(child)[1]
    >>> truth.parameters.filter(like="knee").round(0).to_dict()
    {'knee_min_stance_left_deg': 27.0, 'knee_min_stance_right_deg': 3.0}
    """

    pattern: str = "crouch"
    """One of :data:`cpexplore.simulate.curves.PATTERNS`."""
    weight: float = 0.0
    """How far from typical (0) towards the pattern (1)."""
    stiff: bool = False
    """Whether the knee is stiff in swing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """What a patient keeps from visit to visit."""

    age_years: float
    sex: str
    height_z: float
    residuals: np.ndarray
    pattern_rank: float
    limb_ranks: np.ndarray
    device_rank: float
    side: str
    seed: int


def draw_person(rng: np.random.Generator, *, ranks: np.ndarray) -> Person:
    """Draw a patient at these ranks (4,) of pattern, severity, speed and cadence."""
    return Person(
        age_years=float(np.clip(rng.normal(*PARAMETERS.age_years), 4, 20)),
        sex=str(rng.choice(("female", "male"), p=(0.42, 0.58))),
        height_z=rng.normal(),
        residuals=norm.ppf(ranks[1:]),
        pattern_rank=float(ranks[0]),
        limb_ranks=rng.random((2, 3)),
        device_rank=rng.random(),
        side=str(rng.choice(("left", "right"))),
        seed=int(rng.integers(2**63)),
    )


def typical_height(age_years: float) -> float:
    """Height of a typical child, m; 2 to 5 cm below the PhysioNet gait-maturation set.

    An assumption: that set has 105, 125 and 155 cm at 3-4, 6-7 and 11-14 years.
    """
    ages, heights = (
        (2, 3.5, 6.5, 9.5, 12.5, 15, 18),
        (0.88, 1, 1.2, 1.37, 1.53, 1.65, 1.7),
    )
    return float(np.interp(age_years, ages, heights))


def pace(level: str, leg_m: float, *, residuals: np.ndarray) -> tuple[float, float]:
    """Wanted speed (m/s) and cadence (steps/min), related to each other and to size."""
    size = np.clip((leg_m - 0.71) / 0.11, -2, 2)
    speed_z = 0.25 * size + np.sqrt(1 - 0.25**2) * residuals[0]
    shared = (PARAMETERS.speed_cadence_r + 0.35 * 0.25) / np.sqrt(1 - 0.25**2)
    own = np.sqrt(1 - 0.35**2 - shared**2)
    cadence_z = -0.35 * size + shared * residuals[0] + own * residuals[1]
    speed = PARAMETERS.speed_mps[level] + PARAMETERS.speed_sd * speed_z
    cadence = PARAMETERS.cadence_spm[level] + PARAMETERS.cadence_sd * cadence_z
    return float(np.clip(speed, 0.2, 1.8)), float(np.clip(cadence, 50, 190))


def limbs(
    level: str, severity: float, *, person: Person
) -> tuple[tuple[Limb, Limb], str]:
    """Left and right limb, and the affected side."""
    mix = _MIXES[_pick(PARAMETERS.patterns[level], person.pattern_rank)]
    weight = blend_weight(severity)
    stiff = person.limb_ranks[:, 1] < PARAMETERS.stiff_knee[level]
    chosen = [PATTERNS[int(rank * len(PATTERNS))] for rank in person.limb_ranks[:, 0]]
    patterns, weights = [mix, mix], np.array([weight, weight])
    side = "both"
    if mix == "mild":
        patterns, weights = chosen, 0.2 * person.limb_ranks[:, 2]
    elif mix == "asymmetric":
        patterns, side = chosen, person.side
        weights[1 if side == "left" else 0] *= 0.3
    left, right = (
        Limb(pattern=pattern, weight=float(w), stiff=bool(s) and mix != "mild")
        for pattern, w, s in zip(patterns, weights, stiff, strict=True)
    )
    return (left, right), side


def blend_weight(severity: float) -> float:
    """Blend weight by severity: straight lines through the level means."""
    known = sorted((PARAMETERS.gdi[k], PARAMETERS.blend[k]) for k in LEVELS)
    gdi, blend = np.array(known).T
    weight = np.interp(severity, gdi, blend)
    weight += (blend[1] - blend[0]) / (gdi[1] - gdi[0]) * min(severity - gdi[0], 0)
    weight += (blend[3] - blend[2]) / (gdi[3] - gdi[2]) * max(severity - gdi[3], 0)
    return float(np.clip(weight, 0, 1.2))


def device(level: str, person: Person) -> str:
    """Pick a patient's device at a level."""
    return _DEVICES[_pick(PARAMETERS.device[level], person.device_rank)]


def _pick(shares: tuple[float, ...], rank: float) -> int:
    """Option at a rank in [0, 1) of cumulated shares."""
    edges = np.cumsum(shares) / np.sum(shares)
    return min(int(np.searchsorted(edges, rank, side="right")), len(shares) - 1)
