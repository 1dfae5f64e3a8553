"""Who is simulated: children, their limbs and their visits.

Severity is a latent on the scale of the Gait Deviation Index, drawn around the mean of
the child's level with a spread that overlaps the neighbours. Seen the other way round
it is a severity cut by noisy thresholds: the level is what a rater would say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cpexplore._validation import check_option, check_range
from cpexplore.gmfcs import LEVELS
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.constants import CONSTANTS
from cpexplore.simulate.traits import (
    Limb,
    Person,
    device,
    draw_person,
    limbs,
    pace,
    typical_height,
)

WORLDS = ("standard", "no_device", "beyond_catalogue", "null")
"""What carries the level: everything; everything but arms and device; legs and speed in
half of the children, and in all of them the timing of head and ankle; nothing."""

TD_SPEEDS = {"very_slow": 0.18, "slow": 0.295, "free": 0.43, "fast": 0.57}
"""Speeds of typical children as speed / sqrt(g * leg length) (unverified)."""

_GRAVITY = 9.81
_MOST_VISITS = 7
_UNRELATED = {"null": 1.0, "beyond_catalogue": 0.5}


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """One child at one visit: everything that decides how the walk looks.

    Examples
    --------
    Children are drawn; a variant shares everything but what is replaced:

    >>> from dataclasses import replace
    >>> from cpexplore.simulate import draw_children
    >>> child = draw_children(4, seed=0)[0]
    >>> child.walk_id, child.gmfcs, child.device
    ('P0000_V1', 'II', 'none')
    >>> faster = replace(child, speed_mps=2 * child.speed_mps)
    >>> float(round(faster.froude_speed / child.froude_speed, 3))
    2.0
    """

    walk_id: str
    patient_id: str
    visit_id: str
    gmfcs: str | None
    """Level as rated; None for a typically developing child."""
    carrier: str | None
    """Level whose traits the body shows; differs from ``gmfcs`` only in some worlds."""
    severity: float
    """Latent on the GDI scale, lower is worse."""
    age_years: float
    sex: str
    height_m: float
    leg_length_m: float
    side_affected: str
    """``"left"``, ``"right"``, ``"both"`` or ``"none"``."""
    device: str
    limbs: tuple[Limb, Limb]
    """Left and right."""
    speed_mps: float
    """Wanted speed."""
    cadence_spm: float
    """Wanted cadence, steps/min."""
    n_frames: int
    fps: float = 25.0
    person_seed: int
    """Decides what stays the same from visit to visit."""
    seed: int
    """Decides everything else about this walk."""
    arms: str | None = None
    """Level whose arms are shown, if any."""
    hidden: str | None = None
    """Level told by coordination that no catalogued feature measures, if any."""
    plant: str | None = None
    """A key of :data:`cpexplore.simulate.planted.PLANTS`, if any."""
    plant_strength: float = 1.0
    """1 moves planted keypoints by at most 0.16 leg lengths."""
    decoy: str | None = None
    """Level that the distractors of a plant tell, unrelated to ``gmfcs``."""

    @property
    def froude_speed(self) -> float:
        """Wanted speed / sqrt(g * leg length)."""
        return self.speed_mps / np.sqrt(_GRAVITY * self.leg_length_m)


def draw_children(
    n_patients: int,
    *,
    seed: int,
    world: str = "standard",
    min_per_level: int = 5,
    fps: float = 25.0,
) -> list[Child]:
    """Draw children with cerebral palsy and their visits.

    Parameters
    ----------
    n_patients : int
        Number of patients, at least 4.
    seed : int
        The same seed gives the same children.
    world : {"standard", "no_device", "beyond_catalogue", "null"}
        What carries the level.
    min_per_level : int
        Least number of patients of each level, as far as ``n_patients`` allows. The
        public share of level IV would leave a small cohort with fewer patients than
        folds; the others give way in proportion.
    fps : float
        Frames per second of the recordings, > 0; the children stay the same.

    Returns
    -------
    list of Child
        One per visit, about 1.8 per patient, patients in order.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    Patients by level at their first visit. Level IV has 3 % of the walks of the public
    release, but its least number of patients here:

    >>> from collections import Counter
    >>> from cpexplore.simulate import draw_children
    >>> children = draw_children(100, seed=0)
    >>> first = Counter(child.gmfcs for child in children if child.visit_id == "V1")
    >>> sorted(first.items())
    [('I', 33), ('II', 35), ('III', 27), ('IV', 5)]
    """
    check_range("n_patients", n_patients, low=4)
    check_option("world", world, WORLDS)
    check_range("fps", fps, low=0, inclusive=False)
    root = np.random.SeedSequence(seed)
    rng = np.random.default_rng(root.spawn(1)[0])
    levels = _patient_levels(n_patients, min_per_level, rng=rng)
    ranks = _even_ranks(levels, rng=rng)
    streams = root.spawn(n_patients)
    return [
        replace(child, fps=fps, n_frames=round(child.n_frames * fps / child.fps))
        for number, stream in enumerate(streams)
        for child in _visits(
            number, levels[number], ranks=ranks[number], stream=stream, world=world
        )
    ]


def td_children(
    n_children: int, *, seed: int, speeds: tuple[str, ...] = tuple(TD_SPEEDS)
) -> list[Child]:
    """Draw typically developing children, each walking at several speeds.

    Parameters
    ----------
    n_children : int
        Number of children, at least 1.
    seed : int
        The same seed gives the same children.
    speeds : tuple of str
        Keys of :data:`TD_SPEEDS`.

    Returns
    -------
    list of Child
        One per child and speed; ``gmfcs`` is None and ``visit_id`` names the speed.

    Raises
    ------
    ValueError
        If a speed is unknown or ``n_children`` < 1.

    Examples
    --------
    One simulated child at its four speeds:

    >>> from cpexplore.simulate import td_children
    >>> for child in td_children(1, seed=0):
    ...     print(child.walk_id, round(child.speed_mps, 1), "m/s")
    T0000_very_slow 0.5 m/s
    T0000_slow 0.9 m/s
    T0000_free 1.2 m/s
    T0000_fast 1.7 m/s
    """
    check_range("n_children", n_children, low=1)
    for speed in speeds:
        check_option("speeds", speed, tuple(TD_SPEEDS))
    children = []
    for number, stream in enumerate(np.random.SeedSequence(seed).spawn(n_children)):
        rng = np.random.default_rng(stream)
        typical = _typical_child(f"T{number:04d}", rng=rng)
        children += [_typical_at(typical, speed, rng=rng) for speed in speeds]
    return children


def _patient_levels(
    n_patients: int, min_per_level: int, *, rng: np.random.Generator
) -> list[str]:
    share = np.array([PARAMETERS.share[level] for level in LEVELS])
    least = min(min_per_level, n_patients // len(LEVELS))
    counts = np.maximum(np.floor(share * n_patients).astype(int), least)
    while counts.sum() != n_patients:
        surplus = counts - share * n_patients
        if counts.sum() < n_patients:
            counts[np.argmin(surplus)] += 1
        else:
            counts[np.argmax(np.where(counts > least, surplus, -np.inf))] -= 1
    return [str(level) for level in rng.permutation(np.repeat(LEVELS, counts))]


def _even_ranks(levels: list[str], *, rng: np.random.Generator) -> np.ndarray:
    """Ranks in (0, 1), (n_patients, 4), spread evenly within each level.

    A Latin hypercube: pattern, severity, speed and cadence are drawn by rank, so that
    the few patients of a rare level have the spread of the level.
    """
    ranks = np.empty((len(levels), 4))
    for level in LEVELS:
        own = np.flatnonzero(np.array(levels) == level)
        order = np.stack([rng.permutation(len(own)) for _ in range(4)], axis=1)
        ranks[own] = (order + rng.uniform(0.01, 0.99, order.shape)) / len(own)
    return ranks


def _visits(
    number: int,
    level: str,
    *,
    ranks: np.ndarray,
    stream: np.random.SeedSequence,
    world: str,
) -> Iterator[Child]:
    rng = np.random.default_rng(stream)
    person = draw_person(rng, ranks=ranks)
    n_visits = min(int(rng.geometric(PARAMETERS.visit_end)), _MOST_VISITS)
    levels = _level_path(level, n_visits, rng=rng)
    for visit, rated in enumerate(levels):
        yield _visit(
            f"P{number:04d}", visit, rated, person=person, world=world, rng=rng
        )


def _level_path(level: str, n_visits: int, *, rng: np.random.Generator) -> list[str]:
    """Levels by visit; some patients move to another level once and stay there."""
    moves = PARAMETERS.moves[level]
    chance = rng.random()
    if n_visits == 1 or chance >= sum(moves.values()):
        return [level] * n_visits
    other = list(moves)[int(np.searchsorted(np.cumsum(list(moves.values())), chance))]
    change = rng.integers(1, n_visits)
    return [level] * change + [other] * (n_visits - change)


def _visit(
    patient_id: str,
    visit: int,
    level: str,
    *,
    person: Person,
    world: str,
    rng: np.random.Generator,
) -> Child:
    carrier = _carrier(level, world=world, rng=rng)
    age = min(person.age_years + visit * rng.uniform(0.6, 1.6), 20.0)
    height = typical_height(age) * PARAMETERS.height_ratio[carrier]
    height *= 1 + CONSTANTS.height_spread * person.height_z
    leg = CONSTANTS.leg_per_height * height
    keep = PARAMETERS.same_child_r
    fresh = np.sqrt(1 - keep) * rng.normal(size=3)
    residuals = np.sqrt(keep) * person.residuals + fresh
    severity = PARAMETERS.gdi[carrier] + PARAMETERS.gdi_sd * residuals[0]
    speed, cadence = pace(carrier, leg, residuals=residuals[1:])
    both, side = limbs(carrier, severity, person=person)
    return Child(
        walk_id=f"{patient_id}_V{visit + 1}",
        patient_id=patient_id,
        visit_id=f"V{visit + 1}",
        gmfcs=level,
        carrier=carrier,
        severity=float(severity),
        age_years=round(age, 1),
        sex=person.sex,
        height_m=round(height, 3),
        leg_length_m=round(leg, 3),
        side_affected=side,
        device="none" if world == "no_device" else device(carrier, person),
        limbs=both,
        speed_mps=speed,
        cadence_spm=cadence,
        n_frames=_n_frames(rng),
        person_seed=person.seed,
        seed=int(rng.integers(2**63)),
        arms=_any_level(rng) if world == "no_device" else carrier,
        hidden=level if world == "beyond_catalogue" else None,
    )


def _carrier(level: str, *, world: str, rng: np.random.Generator) -> str:
    """Level whose traits the body shows: another one where the level says nothing."""
    chance, other = rng.random(), _any_level(rng)
    return other if chance < _UNRELATED.get(world, 0.0) else level


def _any_level(rng: np.random.Generator) -> str:
    return str(rng.choice(LEVELS, p=list(PARAMETERS.share.values())))


def _n_frames(rng: np.random.Generator) -> int:
    return int(np.clip(rng.normal(*PARAMETERS.n_frames), 250, 1000))


def _typical_child(patient_id: str, *, rng: np.random.Generator) -> Child:
    age = float(np.clip(rng.normal(11, 4), 4, 18))
    height = typical_height(age) * (1 + CONSTANTS.height_spread * rng.normal())
    return Child(
        walk_id=patient_id,
        patient_id=patient_id,
        visit_id="free",
        gmfcs=None,
        carrier=None,
        severity=100.0,
        age_years=round(age, 1),
        sex=str(rng.choice(("female", "male"))),
        height_m=round(height, 3),
        leg_length_m=round(CONSTANTS.leg_per_height * height, 3),
        side_affected="none",
        device="none",
        limbs=(Limb(), Limb()),
        speed_mps=1.0,
        cadence_spm=120.0,
        n_frames=592,
        person_seed=int(rng.integers(2**63)),
        seed=0,
    )


def _typical_at(child: Child, speed: str, *, rng: np.random.Generator) -> Child:
    """The same child at another speed; cadence rises with speed and falls with size."""
    root = np.sqrt(_GRAVITY * child.leg_length_m)
    froude = TD_SPEEDS[speed] * (1 + 0.07 * rng.normal())
    step_per_leg = 0.76 * (froude / TD_SPEEDS["free"]) ** 0.45
    step_per_leg *= 1 + 0.05 * rng.normal()
    speed_mps = froude * root
    return replace(
        child,
        walk_id=f"{child.patient_id}_{speed}",
        visit_id=speed,
        speed_mps=float(speed_mps),
        cadence_spm=float(60 * speed_mps / (step_per_leg * child.leg_length_m)),
        n_frames=_n_frames(rng),
        seed=int(rng.integers(2**63)),
    )
