"""Simulated children as a cohort: walks made anew whenever they are asked for."""

from collections.abc import Iterator, Mapping

import pandas as pd
import xarray as xr

from cpexplore.cohort import Cohort, make_index
from cpexplore.simulate.children import Child
from cpexplore.simulate.labels import reference_labels
from cpexplore.simulate.walk import SOURCE, Truth, simulate_walk


class SimulatedWalks(Mapping[str, xr.Dataset]):
    """Walks by id, simulated anew from their child at every access.

    Nothing is kept, so the mapping is small, can be sent to other processes, and the
    order of access never matters.

    Parameters
    ----------
    children : list of Child
        Whose ``walk_id`` are the keys.
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
        """Return the child behind a walk."""
        return self._children[walk_id]

    def truth(self, walk_id: str) -> Truth:
        """Simulate a walk again and return what really happened."""
        return simulate_walk(self._children[walk_id])[1]


def cohort_of(children: list[Child], *, name: str) -> Cohort:
    """Make a cohort of any simulated children."""
    rows = pd.DataFrame([_row(child) for child in children])
    return Cohort(
        index=make_index(rows.set_index("walk_id")),
        walks=SimulatedWalks(children),
        labels=reference_labels(children),
        name=name,
    )


def _row(child: Child) -> dict[str, object]:
    same = ("walk_id", "patient_id", "visit_id", "gmfcs", "fps", "n_frames")
    about = ("age_years", "sex", "height_m", "leg_length_m", "device", "side_affected")
    row = {name: getattr(child, name) for name in (*same, *about)}
    return row | {"simulated": 1, "source": SOURCE}
