"""Simulated children as a cohort: walks made anew whenever they are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
import xarray as xr

from cpexplore._validation import check_option
from cpexplore.cohort import Cohort, make_index
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import WORLDS, Child, draw_children
from cpexplore.simulate.labels import reference_labels
from cpexplore.simulate.planted import planted_children
from cpexplore.simulate.walk import SOURCE, Truth, simulate_walk

PARAMETERS_NOTE = "simulator parameters "
"""How the note of a cohort begins that ends with the hash of the parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """How large a named cohort is and what it is like."""

    n_patients: int
    """Number of patients."""
    min_per_level: int = 0
    """Least number of patients of each level."""
    plant: str | None = None
    """Where the level is planted, if it is."""


PRESETS: MappingProxyType[str, Preset] = MappingProxyType(
    {
        "demo": Preset(n_patients=96, min_per_level=5),
        "gillette": Preset(n_patients=797),
        "planted": Preset(n_patients=120, plant="knee_amplitude"),
    }
)
"""The named cohorts of :func:`preset_cohort`."""


class SimulatedWalks(Mapping[str, xr.Dataset]):
    """Walks by id, simulated anew from their child at every access.

    Nothing is kept, so the mapping is small, can be sent to other processes, and the
    order of access never matters.

    Parameters
    ----------
    children : list of Child
        Whose ``walk_id`` are the keys.

    Examples
    --------
    A walk is made when it is asked for, the child behind it is kept:

    >>> from cpexplore.simulate import SimulatedWalks, td_children
    >>> walks = SimulatedWalks(td_children(2, seed=0, speeds=("free",)))
    >>> list(walks)
    ['T0000_free', 'T0001_free']
    >>> dict(walks["T0000_free"].sizes)
    {'time': 682, 'keypoint': 25, 'space': 2}
    >>> walks.child("T0000_free").device
    'none'
    """

    def __init__(self, children: list[Child]) -> None:
        self._children = {child.walk_id: child for child in children}

    def __getitem__(self, walk_id: str) -> xr.Dataset:
        return simulate_walk(self._children[walk_id])[0]

    def __contains__(self, walk_id: object) -> bool:
        return walk_id in self._children

    def __iter__(self) -> Iterator[str]:
        return iter(self._children)

    def __len__(self) -> int:
        return len(self._children)

    def child(self, walk_id: str) -> Child:
        """Return the child behind a walk.

        Raises
        ------
        KeyError
            If there is no such walk.
        """
        return self._children[walk_id]

    def truth(self, walk_id: str) -> Truth:
        """Simulate a walk again and return what really happened.

        Raises
        ------
        KeyError
            If there is no such walk.
        """
        return simulate_walk(self._children[walk_id])[1]


def cohort_of(children: list[Child], *, name: str) -> Cohort:
    """Make a cohort of any simulated children.

    Parameters
    ----------
    children : list of Child
        One per walk.
    name : str
        What to call it in reports.

    Returns
    -------
    Cohort
        Walks are simulated when asked for; ``labels`` are what a gait laboratory would
        have measured.

    Raises
    ------
    ValueError
        If two children share a ``walk_id``.

    Examples
    --------
    Two typical children at two speeds, and what a laboratory would have read (m/s):

    >>> from cpexplore.simulate import cohort_of, td_children
    >>> children = td_children(2, seed=0, speeds=("slow", "free"))
    >>> cohort = cohort_of(children, name="typical")
    >>> len(cohort), cohort.simulated
    (4, True)
    >>> cohort.labels["speed"].round(1).to_dict()
    {'T0000_slow': 0.9, 'T0000_free': 1.2, 'T0001_slow': 0.9, 'T0001_free': 1.1}
    """
    rows = pd.DataFrame([_row(child) for child in children])
    return Cohort(
        index=make_index(rows.set_index("walk_id")),
        walks=SimulatedWalks(children),
        labels=reference_labels(children),
        name=name,
        notes=(f"{PARAMETERS_NOTE}{PARAMETERS.hash()}",),
    )


def preset_cohort(
    name: str,
    *,
    n_patients: int | None = None,
    seed: int = 0,
    world: str = "standard",
    plant: str | None = None,
) -> Cohort:
    """Make one of the named cohorts.

    Parameters
    ----------
    name : {"demo", "gillette", "planted"}
        96 patients with at least five of each level; as many patients and visits as
        the public release; 120 patients whose level sits in the knees alone.
    n_patients : int, optional
        Another number of patients.
    seed : int
        The same seed gives the same cohort.
    world : str
        What carries the level, see :data:`WORLDS`; a planted cohort has its own.
    plant : str, optional
        Another plant than the preset's, see :data:`PLANTS`.

    Returns
    -------
    Cohort
        As :func:`cohort_of`.

    Raises
    ------
    ValueError
        If there is no such preset, world or plant, a world is asked of a planted cohort
        or a plant of another one, or there are too few patients.

    Examples
    --------
    A small cohort like ``"demo"``: 13 visits of 8 patients, recorded in 25 keypoints.

    >>> from cpexplore.simulate import preset_cohort
    >>> cohort = preset_cohort("demo", n_patients=8, seed=0)
    >>> cohort.name, len(cohort), cohort.index["patient_id"].nunique()
    ('simulated-demo-standard-8-0', 13, 8)
    >>> cohort.walk("P0000_V1").sizes["keypoint"]
    25
    """
    check_option("name", name, tuple(PRESETS))
    check_option("world", world, WORLDS)
    preset = PRESETS[name]
    n = preset.n_patients if n_patients is None else n_patients
    if preset.plant:
        if world != "standard":
            raise ValueError(
                "`world` must be 'standard' where the level is planted; got "
                f"{world!r}. Leave it out."
            )
        return planted_cohort(plant or preset.plant, n_patients=n, seed=seed)
    if plant is not None:
        raise ValueError(
            f"`plant` must go with the preset 'planted'; got {plant!r} with {name!r}. "
            "Leave it out."
        )
    children = draw_children(
        n, seed=seed, world=world, min_per_level=preset.min_per_level
    )
    return cohort_of(children, name=f"simulated-{name}-{world}-{n}-{seed}")


def planted_cohort(
    plant: str = "knee_amplitude",
    *,
    n_patients: int = 120,
    seed: int = 0,
    strength: float = 1.0,
) -> Cohort:
    """Make a cohort whose level sits in known keypoints and nowhere else.

    Parameters
    ----------
    plant : str
        A key of :data:`PLANTS`, which says what carries the level and what distracts.
    n_patients : int
        At least 8, one walk each; levels are equally frequent.
    seed : int
        The same seed gives the same cohort.
    strength : float
        1 moves keypoints by at most 0.16 leg lengths.

    Returns
    -------
    Cohort
        As :func:`cohort_of`.

    Raises
    ------
    ValueError
        If the plant is unknown or a number out of range.

    Examples
    --------
    The knees tell the level, the elbows only distract:

    >>> from cpexplore.simulate import PLANTS, planted_cohort
    >>> cohort = planted_cohort("knee_amplitude", n_patients=8)
    >>> cohort.index["gmfcs"].value_counts().sort_index().to_dict()
    {'I': 2, 'II': 2, 'III': 2, 'IV': 2}
    >>> plant = PLANTS["knee_amplitude"]
    >>> plant.carriers, plant.distractors
    (('left_knee', 'right_knee'), ('left_elbow', 'right_elbow'))
    """
    children = planted_children(plant, n_patients, seed=seed, strength=strength)
    return cohort_of(children, name=f"planted-{plant}-{n_patients}-{seed}")


def _row(child: Child) -> dict[str, object]:
    same = ("walk_id", "patient_id", "visit_id", "gmfcs", "fps", "n_frames")
    about = ("age_years", "sex", "height_m", "leg_length_m", "device", "side_affected")
    row = {name: getattr(child, name) for name in (*same, *about)}
    return row | {"simulated": 1, "source": SOURCE}
