"""The walk: one recording of one person, as an ``xarray.Dataset``.

A walk has ``position (time, keypoint, space)`` in px (x right, y down, missing =
NaN) and ``confidence (time, keypoint)`` in [0, 1]. Functions take and return walks
and never change their input.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from cpexplore._validation import check_dims, check_option, check_range
from cpexplore.skeleton import DERIVED, KEYPOINT_SETS, keypoint_set

SCHEMA = 1
"""Version of the walk layout, stored in ``attrs["schema"]``."""

SPACE = ("x", "y")

_TEXT_ATTRS = ("walk_id", "patient_id", "keypoint_set", "source")


def make_walk(
    position: np.ndarray,
    confidence: np.ndarray,
    *,
    fps: float,
    keypoint_set: str,
    walk_id: str,
    patient_id: str | None = None,
    time: np.ndarray | None = None,
    source: str = "",
    simulated: bool = False,
    attrs: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Make a walk from plain arrays.

    Parameters
    ----------
    position : array of shape (time, keypoint, 2)
        Image coordinates in px, x right, y down; NaN where missing.
    confidence : array of shape (time, keypoint)
        Detection confidence, 0 to 1; NaN counts as 0.
    fps : float
        Frames per second, > 0.
    keypoint_set : str
        A key of :data:`cpexplore.skeleton.KEYPOINT_SETS`; gives the keypoint names.
    walk_id : str
        Name of the recording, not empty.
    patient_id : str, optional
        Pseudonym of the person; ``walk_id`` when not given.
    time : array of shape (time,), optional
        Seconds on the original clock, increasing; default frame number / ``fps``.
    source : str
        Where the recording comes from, for people to read.
    simulated : bool
        Whether a simulator made it.
    attrs : mapping, optional
        Further attributes (str, int or float only).

    Returns
    -------
    xarray.Dataset
        A valid walk.

    Raises
    ------
    ValueError
        If shapes, ranges or names do not fit; the message says which.

    Examples
    --------
    >>> walk = make_walk(
    ...     np.zeros((5, 17, 2)),
    ...     np.ones((5, 17)),
    ...     fps=25,
    ...     keypoint_set="coco_17",
    ...     walk_id="w1",
    ... )
    >>> dict(walk.sizes)
    {'time': 5, 'keypoint': 17, 'space': 2}
    """
    check_range("fps", fps, low=0, inclusive=False)
    check_option("keypoint_set", keypoint_set, tuple(KEYPOINT_SETS))
    position = np.asarray(position, dtype=np.float32)
    names = KEYPOINT_SETS[keypoint_set].keypoints
    if position.ndim != 3 or position.shape[1:] != (len(names), 2):
        raise ValueError(
            f"`position` must have the shape (time, {len(names)}, 2) for "
            f"{keypoint_set!r}; got {position.shape}."
        )
    n_frames = len(position)
    clock = np.arange(n_frames) / fps if time is None else np.asarray(time, float)
    if clock.shape != (n_frames,):
        raise ValueError(
            f"`time` must have the shape ({n_frames},), one per frame; "
            f"got {clock.shape}."
        )
    confidence = np.nan_to_num(np.asarray(confidence, dtype=np.float32), nan=0.0)
    if confidence.shape != position.shape[:2]:
        raise ValueError(
            f"`confidence` must have the shape {position.shape[:2]}, like `position`; "
            f"got {confidence.shape}."
        )
    walk = xr.Dataset(
        {
            "position": (("time", "keypoint", "space"), position),
            "confidence": (("time", "keypoint"), confidence),
        },
        coords={"time": clock, "keypoint": list(names), "space": list(SPACE)},
        attrs={
            "fps": float(fps),
            "walk_id": walk_id,
            "patient_id": walk_id if patient_id is None else patient_id,
            "keypoint_set": keypoint_set,
            "source": source,
            "simulated": int(simulated),
            "schema": SCHEMA,
            **(attrs or {}),
        },
    )
    validate_walk(walk)
    return walk


def validate_walk(walk: xr.Dataset) -> None:
    """Raise unless ``walk`` keeps the walk contract.

    Parameters
    ----------
    walk : xarray.Dataset
        What claims to be a walk.

    Raises
    ------
    TypeError
        If it is no Dataset.
    ValueError
        If a variable, dimension, attribute or value is wrong; the message says which.

    Examples
    --------
    >>> from cpexplore.datasets import sample_walk
    >>> walk = sample_walk("sports2d")
    >>> validate_walk(walk)  # nothing is wrong
    >>> validate_walk(walk.drop_vars("confidence"))
    Traceback (most recent call last):
    ValueError: `walk` lacks the variable 'confidence'.
    """
    if not isinstance(walk, xr.Dataset):
        raise TypeError(
            f"`walk` must be an xarray.Dataset; got {type(walk).__name__}. "
            "Make one with `make_walk` or `read_walk`."
        )
    _check_attrs(walk)
    names = keypoint_set(walk.attrs["keypoint_set"]).keypoints
    for variable in ("position", "confidence"):
        if variable not in walk:
            raise ValueError(f"`walk` lacks the variable {variable!r}.")
    check_dims(
        walk["position"], {"time": [], "keypoint": names, "space": SPACE}, name="walk"
    )
    if walk.sizes["keypoint"] != len(names):
        raise ValueError(
            f"`walk` must have the {len(names)} keypoints of "
            f"{walk.attrs['keypoint_set']!r}; got {walk.sizes['keypoint']}."
        )
    if walk.sizes["time"] == 0:
        raise ValueError("`walk` must have at least one frame; got 0.")
    clock = walk["time"].values
    if not (np.isfinite(clock).all() and (np.diff(clock) > 0).all()):
        raise ValueError("`time` must increase strictly and be finite.")
    if np.isinf(walk["position"].values).any():
        raise ValueError("`position` must be finite or NaN; got infinity.")
    confidence = walk["confidence"].values
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(
            "`confidence` must lie in [0, 1]; got values from "
            f"{confidence.min()} to {confidence.max()}."
        )


def convert_keypoints(walk: xr.Dataset, to: str) -> xr.Dataset:
    """Convert a walk to another keypoint set, by name.

    Keypoints that both sets have are copied. ``neck`` and ``mid_hip`` are the mean of
    shoulders and hips and take the lower confidence of their parents. What cannot be
    derived (the feet of a COCO-17 walk) is missing: NaN with confidence 0.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk; further variables along ``keypoint`` (``observed``) are
        converted too, those without it are kept.
    to : str
        Name of the wanted keypoint set.

    Returns
    -------
    xarray.Dataset
        A new walk; the same object's contents if it has the set already.

    Raises
    ------
    ValueError
        If ``to`` is unknown.

    Examples
    --------
    COCO-17 has fewer keypoints; on the way back the feet are missing:

    >>> from cpexplore.datasets import sample_walk
    >>> walk = sample_walk("sports2d")
    >>> coco = convert_keypoints(walk, "coco_17")
    >>> walk.sizes["keypoint"], coco.sizes["keypoint"]
    (33, 17)
    >>> back = convert_keypoints(coco, "body_25")["position"].sel(space="x")
    >>> back.isel(time=100).sel(keypoint=["mid_hip", "left_heel"]).notnull().values
    array([ True, False])
    """
    target = keypoint_set(to)
    if walk.attrs["keypoint_set"] == to:
        return walk.copy()
    present = set(walk["keypoint"].values.tolist())
    converted = walk.reindex(
        keypoint=list(target.keypoints), fill_value={"observed": False}
    ).copy(deep=True)
    for name in target.keypoints:
        parents = list(DERIVED.get(name, ()))
        if name in present or not parents or not present.issuperset(parents):
            continue
        pair = walk.sel(keypoint=parents)
        at = {"keypoint": name}
        mean = pair["position"].mean("keypoint", skipna=False)
        converted["position"].loc[at] = mean
        converted["confidence"].loc[at] = pair["confidence"].min("keypoint")
        if "observed" in converted:
            converted["observed"].loc[at] = pair["observed"].all("keypoint")
    converted["confidence"] = converted["confidence"].fillna(0.0)
    return converted.assign_attrs(keypoint_set=to)


def is_cleaned(walk: xr.Dataset) -> bool:
    """Whether :func:`cpexplore.preprocessing.clean` has been applied.

    Examples
    --------
    >>> from cpexplore.datasets import sample_walk
    >>> from cpexplore.preprocessing import clean
    >>> walk = sample_walk("sports2d")
    >>> is_cleaned(walk), is_cleaned(clean(walk))
    (False, True)
    """
    return "cleaned" in walk.attrs


def to_movement(walk: xr.Dataset) -> xr.Dataset:
    """Convert a walk to the pose schema of the ``movement`` package.

    Returns
    -------
    xarray.Dataset
        ``position (time, space, keypoint, individual)`` and ``confidence (time,
        keypoint, individual)`` with one individual, the patient id.

    Examples
    --------
    >>> from cpexplore.datasets import sample_walk
    >>> poses = to_movement(sample_walk("sports2d"))
    >>> poses["position"].dims, poses["position"].shape
    (('time', 'space', 'keypoint', 'individual'), (166, 2, 33, 1))
    """
    person = [walk.attrs["patient_id"]]
    poses = walk[["position", "confidence"]].expand_dims(individual=person, axis=-1)
    attrs = {**walk.attrs, "ds_type": "poses", "time_unit": "seconds"}
    return poses.transpose("time", "space", "keypoint", "individual").assign_attrs(
        attrs
    )


def from_movement(
    poses: xr.Dataset, *, keypoint_set: str, walk_id: str, individual: int = 0
) -> xr.Dataset:
    """Make a walk of one individual of a ``movement`` pose dataset.

    Parameters
    ----------
    poses : xarray.Dataset
        With ``position``, ``confidence`` and a ``time`` in seconds; plural dimension
        names of older releases are understood.
    keypoint_set : str
        The set whose names the keypoints carry; absent ones are missing.
    walk_id : str
        Name of the new walk.
    individual : int
        Which individual to take.

    Raises
    ------
    ValueError
        If ``fps`` is not in the attributes or the set is unknown.

    Examples
    --------
    There and back again:

    >>> from cpexplore.datasets import sample_walk
    >>> walk = sample_walk("sports2d")
    >>> poses = to_movement(walk)
    >>> again = from_movement(poses, keypoint_set="blazepose_33", walk_id="again")
    >>> again["position"].equals(walk["position"])
    True
    """
    old = {"keypoints": "keypoint", "individuals": "individual"}
    poses = poses.rename({k: v for k, v in old.items() if k in poses.dims})
    if not poses.attrs.get("fps"):
        raise ValueError("`poses` lacks the attribute 'fps'; set it in Hz.")
    check_option("keypoint_set", keypoint_set, tuple(KEYPOINT_SETS))
    one = poses.isel(individual=individual).reindex(
        keypoint=list(KEYPOINT_SETS[keypoint_set].keypoints)
    )
    return make_walk(
        one["position"].transpose("time", "keypoint", "space").values,
        one["confidence"].transpose("time", "keypoint").values,
        fps=float(poses.attrs["fps"]),
        keypoint_set=keypoint_set,
        walk_id=walk_id,
        patient_id=str(one["individual"].item()),
        time=one["time"].values,
        source=str(poses.attrs.get("source_software", "movement")),
    )


def _check_attrs(walk: xr.Dataset) -> None:
    needed = ("fps", *_TEXT_ATTRS, "simulated", "schema")
    missing = [name for name in needed if name not in walk.attrs]
    if missing:
        raise ValueError(f"`walk` lacks the attributes {', '.join(missing)}.")
    check_range("fps", walk.attrs["fps"], low=0, inclusive=False)
    for name in _TEXT_ATTRS:
        if not isinstance(walk.attrs[name], str):
            raise ValueError(
                f"`{name}` must be a str; got {type(walk.attrs[name]).__name__}."
            )
    if not walk.attrs["walk_id"]:
        raise ValueError("`walk_id` must not be empty.")
