"""The audit: what each cleaning step did to a walk, in ``attrs["cleaning_audit"]``."""

import json
from typing import Any

import xarray as xr


def with_audit(walk: xr.Dataset, step: str, **record: Any) -> xr.Dataset:
    """Append the record of a step to the audit of a walk."""
    audit = [*read_audit(walk), {"step": step, **record}]
    return walk.assign_attrs(cleaning_audit=json.dumps(audit))


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
    """
    return json.loads(walk.attrs.get("cleaning_audit", "[]"))
