"""Tables that must not be enough: clip length, tracking quality, speed, who it is."""

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_columns
from cpexplore.cohort import Cohort

SPEED = "speed_llps"
"""The feature that :func:`speed_table` uses: leg lengths per second."""


def missingness_table(cohort: Cohort) -> pd.DataFrame:
    """How long each clip is and how much of it was tracked.

    Returns
    -------
    pandas.DataFrame
        Index ``walk_id``; ``duration_s`` and ``tracked_ratio``, the share of frames
        and keypoints that are there: in a raw walk those with coordinates, in a cleaned
        one those seen with confidence and not repaired.
    """
    index = cohort.index
    tracked = [_tracked(cohort.walk(walk_id)) for walk_id in index.index]
    return pd.DataFrame(
        {"duration_s": index["n_frames"] / index["fps"], "tracked_ratio": tracked},
        index=index.index,
    )


def _tracked(walk: xr.Dataset) -> float:
    if "observed" in walk:
        return float(walk["observed"].mean())
    return float(np.isfinite(walk["position"].values).mean())


def speed_table(features: pd.DataFrame) -> pd.DataFrame:
    """Walking speed alone.

    Raises
    ------
    ValueError
        If the features lack it.
    """
    check_columns(features, [SPEED], name="features")
    return features.filter(items=[SPEED])


def metadata_table(index: pd.DataFrame) -> pd.DataFrame:
    """Age, height and one column per assistive device.

    Returns
    -------
    pandas.DataFrame
        Index ``walk_id``; NaN where unknown.
    """
    device = pd.get_dummies(index["device"], prefix="device", dtype=float)
    device.loc[index["device"].isna()] = np.nan
    return pd.concat([index[["age_years", "height_m"]], device], axis=1)
