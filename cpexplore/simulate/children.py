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
from cpexplore.simulate.curves import PATTERNS

WORLDS = ("standard", "no_device", "beyond_catalogue", "null")
"""What carries the level."""

TD_SPEEDS = {"very_slow": 0.18, "slow": 0.295, "free": 0.43, "fast": 0.57}
"""Speeds of typical children as speed / sqrt(g * leg length) (unverified)."""

_MIXES = ("mild", *PATTERNS, "asymmetric")
_DEVICES = ("none", "crutches", "walker")
_GRAVITY = 9.81


@dataclass(frozen=True, kw_only=True, slots=True)
class Limb:
    """How one leg walks."""

    pattern: str = "crouch"
    """One of :data:`cpexplore.simulate.curves.PATTERNS`."""
    weight: float = 0.0
    """How far from typical (0) towards the pattern (1)."""
    stiff: bool = False
    """Whether the knee is stiff in swing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """One child at one visit: everything that decides how the walk looks."""

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

    @property
    def froude_speed(self) -> float:
        """Wanted speed / sqrt(g * leg length)."""
        return self.speed_mps / np.sqrt(_GRAVITY * self.leg_length_m)


def draw_children(
    n_patients: int, *, seed: int, world: str = "standard", min_per_level: int = 5
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

    Returns
    -------
    list of Child
        One per visit, about 1.8 per patient, patients in order.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    check_range("n_patients", n_patients, low=4)
    check_option("world", world, WORLDS)
    root = np.random.SeedSequence(seed)
    levels = _patient_levels(
        n_patients, min_per_level, rng=np.random.default_rng(root.spawn(1)[0])
    )
    streams = root.spawn(n_patients)
    return [
        child
        for number, (level, stream) in enumerate(zip(levels, streams, strict=True))
        for child in _visits(number, level, stream=stream, world=world)
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
        If a speed is unknown.
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
    return list(rng.permutation(np.repeat(LEVELS, counts)))


def _visits(
    number: int, level: str, *, stream: np.random.SeedSequence, world: str
) -> Iterator[Child]:
    rng = np.random.default_rng(stream)
    person = _person(rng)
    n_visits = _n_visits(rng)
    levels = _level_path(level, n_visits, rng=rng)
    for visit, rated in enumerate(levels):
        yield _visit(
            f"P{number:04d}", visit, rated, person=person, world=world, rng=rng
        )


def _n_visits(rng: np.random.Generator) -> int:
    """Between 1 and 7 recordings per patient, 1.82 on average as published."""
    return int(min(1 + rng.geometric(0.55) - 1, 7))


def _level_path(level: str, n_visits: int, *, rng: np.random.Generator) -> list[str]:
    """Levels by visit; some patients move to a neighbouring level and stay there."""
    if n_visits == 1 or rng.random() > 0.36:
        return [level] * n_visits
    at = LEVELS.index(level)
    other = at + 1 if at == 0 else at - 1 if at == 3 else at + rng.choice((-1, 1))
    change = rng.integers(1, n_visits)
    return [level] * change + [LEVELS[other]] * (n_visits - change)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Person:
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


def _person(rng: np.random.Generator) -> _Person:
    return _Person(
        age_years=float(np.clip(rng.normal(11, 4), 4, 20)),
        sex=str(rng.choice(("female", "male"), p=(0.42, 0.58))),
        height_z=rng.normal(),
        residuals=rng.normal(size=3),
        pattern_rank=rng.random(),
        limb_ranks=rng.random((2, 3)),
        device_rank=rng.random(),
        side=str(rng.choice(("left", "right"))),
        seed=int(rng.integers(2**63)),
    )


def _visit(
    patient_id: str,
    visit: int,
    level: str,
    *,
    person: _Person,
    world: str,
    rng: np.random.Generator,
) -> Child:
    carrier = _carrier(level, world=world, rng=rng)
    age = min(person.age_years + visit * rng.uniform(0.6, 1.6), 20.0)
    height = typical_height(age) * PARAMETERS.height_ratio[carrier]
    height *= 1 + 0.045 * person.height_z
    leg = 0.52 * height
    keep = PARAMETERS.same_child_r
    fresh = np.sqrt(1 - keep) * rng.normal(size=3)
    residuals = np.sqrt(keep) * person.residuals + fresh
    severity = PARAMETERS.gdi[carrier] + PARAMETERS.gdi_sd * residuals[0]
    speed, cadence = _pace(carrier, leg, residuals[1:])
    limbs, side = _limbs(carrier, severity, person=person)
    device = _device(carrier, person) if world != "no_device" else "none"
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
        device=device,
        limbs=limbs,
        speed_mps=speed,
        cadence_spm=cadence,
        n_frames=int(np.clip(rng.normal(592, 110), 250, 1000)),
        person_seed=person.seed,
        seed=int(rng.integers(2**63)),
    )


def _carrier(level: str, *, world: str, rng: np.random.Generator) -> str:
    """Level whose traits the body shows: another one where the level says nothing."""
    chance, other = rng.random(), rng.choice(LEVELS, p=list(PARAMETERS.share.values()))
    unrelated = {"null": 1.0, "beyond_catalogue": 0.5}.get(world, 0.0)
    return str(other) if chance < unrelated else level


def typical_height(age_years: float) -> float:
    """Height of a typical child, m (105, 125, 155 cm at 3.5, 6.5, 12.5 years)."""
    ages, heights = (
        (2, 3.5, 6.5, 9.5, 12.5, 15, 18),
        (0.88, 1, 1.2, 1.37, 1.53, 1.65, 1.7),
    )
    return float(np.interp(age_years, ages, heights))


def _pace(level: str, leg_m: float, residuals: np.ndarray) -> tuple[float, float]:
    """Wanted speed (m/s) and cadence (steps/min), related to each other and to size."""
    size = np.clip((leg_m - 0.71) / 0.11, -2, 2)
    speed_z = 0.25 * size + np.sqrt(1 - 0.25**2) * residuals[0]
    shared = (PARAMETERS.speed_cadence_r + 0.35 * 0.25) / np.sqrt(1 - 0.25**2)
    own = np.sqrt(1 - 0.35**2 - shared**2)
    cadence_z = -0.35 * size + shared * residuals[0] + own * residuals[1]
    speed = PARAMETERS.speed_mps[level] + PARAMETERS.speed_sd * speed_z
    cadence = PARAMETERS.cadence_spm[level] + PARAMETERS.cadence_sd * cadence_z
    return float(np.clip(speed, 0.2, 1.8)), float(np.clip(cadence, 50, 190))


def _limbs(
    level: str, severity: float, *, person: _Person
) -> tuple[tuple[Limb, Limb], str]:
    """Left and right limb, and the affected side."""
    mix = _MIXES[_pick(PARAMETERS.patterns[level], person.pattern_rank)]
    weight = _blend_weight(severity)
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


def _blend_weight(severity: float) -> float:
    """Blend weight by severity: straight lines through the level means."""
    known = sorted((PARAMETERS.gdi[k], PARAMETERS.blend[k]) for k in LEVELS)
    gdi, blend = np.array(known).T
    weight = np.interp(severity, gdi, blend)
    weight += (blend[1] - blend[0]) / (gdi[1] - gdi[0]) * min(severity - gdi[0], 0)
    weight += (blend[3] - blend[2]) / (gdi[3] - gdi[2]) * max(severity - gdi[3], 0)
    return float(np.clip(weight, 0, 1.2))


def _device(level: str, person: _Person) -> str:
    return _DEVICES[_pick(PARAMETERS.device[level], person.device_rank)]


def _pick(shares: tuple[float, ...], rank: float) -> int:
    """Option at a rank in [0, 1) of cumulated shares."""
    edges = np.cumsum(shares) / np.sum(shares)
    return min(int(np.searchsorted(edges, rank, side="right")), len(shares) - 1)


def _typical_child(patient_id: str, *, rng: np.random.Generator) -> Child:
    age = float(np.clip(rng.normal(11, 4), 4, 18))
    height = typical_height(age) * (1 + 0.045 * rng.normal())
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
        leg_length_m=round(0.52 * height, 3),
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
        n_frames=int(np.clip(rng.normal(592, 110), 250, 1000)),
        seed=int(rng.integers(2**63)),
    )
