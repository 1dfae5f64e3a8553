"""Making a reference: from simulated typically developing children or from own data."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from cpexplore.cohort import Cohort
from cpexplore.gait._body import SIDES, make_body
from cpexplore.gait._gait import column_mean, make_gait
from cpexplore.gait.events import detect_events
from cpexplore.gait.features import walk_features
from cpexplore.gait.features_kinematic import SHORT_NAMES
from cpexplore.gait.reference import Reference
from cpexplore.preprocessing import clean
from cpexplore.simulate import cohort_of, td_children

SEED = 2008
"""Seed of the default reference."""
N_CHILDREN = 30
"""Children of the default reference, each at four paces."""
PUBLISHED_SD_DEG = {"hip": 6.1, "knee": 6.3, "ankle": 5.3}
"""Mean SD over the cycle of typical children at free speed (Schwartz et al. 2008)."""


def make_reference(
    cohort: Cohort,
    *,
    source: str,
    own_pace: Collection[str] | None = None,
    licence: str = "",
    n_jobs: int = 1,
) -> Reference:
    """Measure a cohort of typically developing children as a reference.

    Parameters
    ----------
    cohort : Cohort
        Their walks, recorded and tracked like the patients'.
    source : str
        Who they are, for people to read.
    own_pace : collection of str, optional
        Ids of the walks at a self-chosen pace, one per child; default all. The others
        serve comparison at equal speed.
    licence : str
        Licence of the data.
    n_jobs : int
        Processes, see :class:`joblib.Parallel`.

    Returns
    -------
    Reference
        Walks that hold no angle curve of either leg are left out.

    Raises
    ------
    ValueError
        If fewer than 3 walks at own pace could be measured.

    Examples
    --------
    Three simulated children stand in for own recordings; 6 s of each are enough here:

    >>> from dataclasses import replace
    >>> from cpexplore.gait import make_reference
    >>> from cpexplore.simulate import cohort_of, td_children
    >>> children = td_children(3, seed=1, speeds=("free",))
    >>> short = [replace(child, n_frames=150) for child in children]
    >>> reference = make_reference(cohort_of(short, name="own"), source="3 children")
    >>> reference.n, reference.source, reference.label
    (3, '3 children', 'reference (simulated)')
    """
    ids = list(cohort.index.index)
    wanted = set(ids if own_pace is None else own_pace)
    measured = Parallel(n_jobs=n_jobs)(delayed(_measure)(cohort, i) for i in ids)
    found = {
        walk_id: one
        for walk_id, one in zip(ids, cast("list[_Measured]", measured), strict=True)
        if np.isfinite(one.curves).any()
    }
    curves = [one.curves for walk_id, one in found.items() if walk_id in wanted]
    if len(curves) < 3:
        raise ValueError(
            "`cohort` must hold at least 3 measurable walks at own pace; got "
            f"{len(curves)} of {len(wanted)}."
        )
    features = pd.concat([one.features for one in found.values()])
    return Reference(
        curves=np.array(curves),
        features=features,
        own_pace=np.repeat([walk_id in wanted for walk_id in found], len(SIDES)),
        source=source,
        simulated=cohort.simulated,
        licence=licence,
        age_years=float(column_mean(cohort.index["age_years"].to_numpy())),
    )


def simulated_reference(
    n_children: int = N_CHILDREN, *, seed: int = SEED, n_jobs: int = 1
) -> Reference:
    """Make a reference of simulated typically developing children.

    Each walks very slowly, slowly, freely and fast; the free walk is the own pace.
    They are more alike than real children, so the SD of hip, knee and ankle is scaled
    to the published one (:data:`PUBLISHED_SD_DEG`); curves and means stay theirs.

    Parameters
    ----------
    n_children : int
        Number of children, at least 3.
    seed : int
        The same seed gives the same reference.
    n_jobs : int
        Processes, see :class:`joblib.Parallel`; the result does not depend on it.

    Returns
    -------
    Reference
        With the defaults: what is shipped as :func:`default_reference`.

    Raises
    ------
    ValueError
        If fewer than 3 children could be measured.

    Examples
    --------
    Another draw of 30 simulated children takes half a minute of one processor:

    >>> from cpexplore.gait import simulated_reference, write_reference
    >>> other = simulated_reference(seed=1, n_jobs=2)  # doctest: +SKIP
    >>> write_reference(other, "seed_1.npz")  # doctest: +SKIP
    """
    children = td_children(n_children, seed=seed)
    measured = make_reference(
        cohort_of(children, name="typically developing"),
        source=f"{n_children} simulated typically developing children, seed {seed}",
        own_pace=[child.walk_id for child in children if child.visit_id == "free"],
        licence="BSD-3-Clause",
        n_jobs=n_jobs,
    )
    return _sd_as_published(measured)


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """What a walk adds to a reference."""

    curves: np.ndarray
    features: pd.DataFrame


def _measure(cohort: Cohort, walk_id: str) -> _Measured:
    walk = clean(cohort.walk(walk_id))
    gait = make_gait(
        make_body(walk), detect_events(walk), min_cycles=2, leg_length_m=np.nan
    )
    walked = walk_features(gait)
    both_legs = {name: [value, value] for name, value in walked.whole.items()}
    legs = [f"{walk_id}_{side}" for side in SIDES]
    features = pd.DataFrame(walked.sided | both_legs, index=legs)
    return _Measured(curves=gait.mean_curves, features=features)


def _sd_as_published(reference: Reference) -> Reference:
    """Scale the SD of hip, knee and ankle so that its mean is the published one."""
    measured = reference.sd.mean(axis=0)
    scale = np.ones(len(SHORT_NAMES))
    for name, published in PUBLISHED_SD_DEG.items():
        angle = SHORT_NAMES.index(name)
        scale[angle] = published / measured[angle]
    return replace(reference, sd_scale=scale)
