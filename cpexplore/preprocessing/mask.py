"""Missing points: what the detector did not see, or did not trust."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import with_audit


def mask_low_confidence(walk: xr.Dataset, *, min_confidence: float = 0.3) -> xr.Dataset:
    """Make points missing that the detector did not trust.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw walk.
    min_confidence : float
        Points below are missing, 0 to 1. Sports2D's default.

    Returns
    -------
    xarray.Dataset
        With ``observed (time, keypoint)``: the point was detected and trusted. A
        point that is not has position NaN and confidence 0.

    Raises
    ------
    ValueError
        If ``min_confidence`` is outside [0, 1].

    Examples
    --------
    A person is in 138 frames of the sample. The near arm is trusted in all of them, the
    far one, which the trunk hides, is not:

    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import mask_low_confidence
    >>> masked = mask_low_confidence(datasets.sample_walk("sports2d"))
    >>> wrists = masked["observed"].sel(keypoint=["left_wrist", "right_wrist"])
    >>> wrists.sum("time").values.tolist()
    [138, 117]
    """
    check_range("min_confidence", min_confidence, low=0, high=1)
    position, confidence = walk["position"].values, walk["confidence"].values
    detected = np.isfinite(position).all(axis=-1) & (confidence > 0)
    observed = detected & (confidence >= np.float32(min_confidence))
    masked = walk.assign(
        position=(
            walk["position"].dims,
            np.where(observed[..., None], position, np.nan),
        ),
        confidence=(walk["confidence"].dims, np.where(observed, confidence, 0)),
        observed=(walk["confidence"].dims, observed),
    )
    return with_audit(
        masked,
        "mask",
        detected=int(detected.sum()),
        masked=int(detected.sum() - observed.sum()),
    )
