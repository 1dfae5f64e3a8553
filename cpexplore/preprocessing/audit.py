"""The audit: what each cleaning step did to a walk, in ``attrs["cleaning_audit"]``."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr


def with_audit(walk: xr.Dataset, step: str, **record: Any) -> xr.Dataset:
    """Append the record of a step to the audit of a walk."""
    audit = [*read_audit(walk), {"step": step, **record}]
    return walk.assign_attrs(cleaning_audit=json.dumps(audit))


def check_after(walk: xr.Dataset, variable: str, step: str) -> None:
    """Raise unless ``walk`` has what an earlier step adds.

    Raises
    ------
    ValueError
        If the variable is missing.
    """
    if variable not in walk.variables:
        raise ValueError(
            f"`walk` must have the variable {variable!r}; got a walk without it. "
            f"Call `{step}` first."
        )


def with_values(walk: xr.Dataset, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Replace the values of variables that a walk has; others are left out.

    Much faster than ``assign``, which aligns coordinates that cannot differ here.
    """
    old = {name: walk.variables[name].data for name in walk.data_vars}
    return walk.copy(data={name: values.get(str(name), old[name]) for name in old})


def read_audit(walk: xr.Dataset) -> list[dict[str, Any]]:
    """Read what the cleaning steps did, in the order in which they ran.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk, cleaned or not.

    Returns
    -------
    list of dict
        One per step, with ``step`` and the step's own numbers; empty for a raw walk.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import clean, read_audit
    >>> walk = datasets.sample_walk("sports2d")
    >>> read_audit(walk)
    []
    >>> audit = read_audit(clean(walk))
    >>> [record["step"] for record in audit]
    ['mask', 'unswap', 'despike', 'fill', 'smooth', 'direction', 'passes', 'scale']
    >>> audit[1]["swapped"]  # first frame, and the one after the last
    [[134, 135]]
    """
    return json.loads(walk.attrs.get("cleaning_audit", "[]"))
