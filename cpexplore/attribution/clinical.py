"""Saliency in clinical terms: over the gait cycle, over a walk, for a whole fold."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_columns, check_dims, check_option, check_range
from cpexplore.attribution._inputs import label, model_id
from cpexplore.attribution.methods import METHODS, attribute_levels
from cpexplore.gait import detect_events, gait_cycles
from cpexplore.gmfcs import LEVELS
from cpexplore.models.stgcn import STGCN
from cpexplore.windows import Windows

DEFAULT_METHODS = ("grad_cam", "grad_cam_signed", "occlusion")
"""Methods of a run, the first of which ranks the joints that choose the features:
seconds per walk; Integrated Gradients takes ten times longer."""

_STRIDE_COLUMNS = ("walk_id", "side", "start_s", "end_s")


def stride_table(
    walks: Mapping[str, xr.Dataset], walk_ids: Iterable[str]
) -> pd.DataFrame:
    """List the strides of cleaned walks.

    Parameters
    ----------
    walks : mapping of str to xarray.Dataset
        Cleaned walks by id.
    walk_ids : iterable of str
        Which walks.

    Returns
    -------
    pandas.DataFrame
        ``walk_id, side, start_s, end_s``, times on the walk's own clock, s; a side with
        fewer than two strides has none.

    Raises
    ------
    KeyError
        If there is no walk of that id.
    ValueError
        If a walk is not cleaned.

    Examples
    --------
    Five strides of a real adult, each a little longer than a second.

    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import clean
    >>> walks = {"adult": clean(datasets.sample_walk("sports2d"))}
    >>> strides = stride_table(walks, ["adult"])
    >>> strides["side"].tolist()
    ['right', 'left', 'right', 'left', 'right']
    >>> (strides["end_s"] - strides["start_s"]).round(1).tolist()
    [1.2, 1.2, 1.2, 1.2, 1.2]
    """
    tables = [pd.DataFrame({name: [] for name in _STRIDE_COLUMNS})]
    for walk_id in walk_ids:
        walk = walks[walk_id]
        cycles = gait_cycles(walk, detect_events(walk))
        strides = {name: cycles[name].values for name in _STRIDE_COLUMNS[1:]}
        tables.append(pd.DataFrame({"walk_id": walk_id, **strides}))
    return pd.concat([table for table in tables if len(table)] or tables[:1])


def phase_saliency(
    saliency: xr.DataArray, strides: pd.DataFrame, *, n_bins: int = 10
) -> xr.DataArray:
    """Average the saliency of windows over the gait cycle, walk by walk.

    Parameters
    ----------
    saliency : xarray.DataArray
        Dims ``window, time, keypoint`` and perhaps others, with the coordinates
        ``walk_id (window)`` and ``time_s (window, time)``.
    strides : pandas.DataFrame
        ``walk_id, side, start_s, end_s``, from :func:`stride_table`.
    n_bins : int
        Bins of the gait cycle, >= 1.

    Returns
    -------
    xarray.DataArray
        Dims of the input with ``walk`` for ``window`` and ``phase`` for ``time``;
        ``phase`` is the middle of each bin, percent of the cycle. A left keypoint is
        seen over left cycles, a right or midline one over right cycles. NaN where no
        frame of a cycle is in a window.

    Raises
    ------
    ValueError
        If a dimension or a column is missing, or ``n_bins`` < 1.
    KeyError
        If a coordinate is missing.

    Examples
    --------
    A knee that counts in the first 0.4 s of a stride of 1 s: in two fifths of it.

    >>> import numpy as np
    >>> import pandas as pd
    >>> import xarray as xr
    >>> clock = np.arange(25)[None] / 25
    >>> maps = xr.DataArray(
    ...     (clock < 0.4).astype(float)[..., None],
    ...     dims=("window", "time", "keypoint"),
    ...     coords={
    ...         "keypoint": ["left_knee"],
    ...         "walk_id": ("window", ["w1"]),
    ...         "time_s": (("window", "time"), clock),
    ...     },
    ... )
    >>> strides = pd.DataFrame(
    ...     {"walk_id": ["w1"], "side": ["left"], "start_s": [0.0], "end_s": [1.0]}
    ... )
    >>> phases = phase_saliency(maps, strides, n_bins=5)
    >>> phases.sel(walk="w1", keypoint="left_knee").to_series().to_dict()
    {10.0: 1.0, 30.0: 1.0, 50.0: 0.0, 70.0: 0.0, 90.0: 0.0}
    """
    check_dims(saliency, {"window": [], "time": [], "keypoint": []}, name="saliency")
    check_columns(strides, _STRIDE_COLUMNS, name="strides")
    check_range("n_bins", n_bins, low=1)
    ordered = saliency.transpose(..., "window", "time", "keypoint")
    names = ordered["keypoint"].values.tolist()
    left = np.array([name.startswith("left_") for name in names], dtype=bool)
    walk_of = ordered["walk_id"].values.astype(str)
    walk_ids = list(dict.fromkeys(walk_of.tolist()))
    clock, values = ordered["time_s"].values, ordered.values
    lead = values.shape[:-3]
    binned = np.full((*lead, len(walk_ids), len(names), n_bins), np.nan, np.float32)
    for row, walk_id in enumerate(walk_ids):
        own = walk_of == walk_id
        frames = values[..., own, :, :].reshape(*lead, -1, len(names))
        for side, members in (("left", left), ("right", ~left)):
            of_side = (strides["walk_id"] == walk_id) & (strides["side"] == side)
            table = strides.loc[of_side, ["start_s", "end_s"]].to_numpy(dtype=float)
            weights = _bin_weights(clock[own].ravel(), table, n_bins=n_bins)
            mean = np.einsum("...fv,fb->...vb", frames[..., members], weights)
            binned[..., row, members, :] = mean
    dims = [*map(str, ordered.dims[:-3]), "walk", "keypoint", "phase"]
    coords = {dim: ordered[dim].values for dim in dims if dim in ordered.coords}
    phase = (np.arange(n_bins) + 0.5) * 100 / n_bins
    coords |= {"walk": np.array(walk_ids, dtype=np.str_), "phase": phase}
    return xr.DataArray(binned, dims=dims, coords=coords, attrs=saliency.attrs)


def _bin_weights(clock: np.ndarray, strides: np.ndarray, *, n_bins: int) -> np.ndarray:
    """Weights (frame, bin) that average frames within each bin; NaN for empty bins.

    ``strides`` holds start and end, s, one row per stride; strides do not overlap.
    """
    inside = np.zeros((len(clock), n_bins))
    for start, end in strides:
        frames = np.flatnonzero((clock >= start) & (clock < end))
        phase = (clock[frames] - start) / (end - start)
        bins = (phase * n_bins + 1e-9).astype(int)  # frames often lie on an edge
        inside[frames, np.minimum(bins, n_bins - 1)] = 1
    count = inside.sum(axis=0)
    return inside / np.where(count > 0, count, np.nan)


def saliency_of(
    model: STGCN,
    windows: Windows,
    *,
    methods: tuple[str, ...] = DEFAULT_METHODS,
    strides: pd.DataFrame | None = None,
    keep: np.ndarray | None = None,
    simulated: bool = False,
) -> xr.Dataset:
    """Everything that a run keeps about the saliency of some walks.

    Parameters
    ----------
    model : STGCN
        A network that has not seen these walks.
    windows : Windows
        Of the walks; all windows of a walk together.
    methods : tuple of str
        Names for :func:`cpexplore.attribution.attribute`.
    strides : pandas.DataFrame, optional
        From :func:`stride_table`; without it, the phases are NaN.
    keep : array of bool or int, optional
        Windows whose maps are kept whole; none by default.
    simulated : bool
        Whether the walks are simulated.

    Returns
    -------
    xarray.Dataset
        float32: ``joint_saliency (method, walk, level, keypoint)``, the mean over time;
        ``phase_saliency (method, walk, level, keypoint, phase)``; ``window_saliency
        (method, window, level, time, keypoint)`` with the coordinates
        ``window_walk_id, window_start`` and ``window_time_s``.

    Raises
    ------
    ValueError
        If a method is unknown, the strides lack a column, the windows do not suit the
        network, or ``keep`` names a window that there is not.

    Examples
    --------
    The network is untrained, the walk is real.

    >>> from cpexplore import datasets
    >>> from cpexplore.models import STGCN, STGCNConfig
    >>> from cpexplore.preprocessing import clean
    >>> from cpexplore.skeleton import adjacency
    >>> from cpexplore.windows import walk_windows
    >>> walk = clean(datasets.sample_walk("sports2d"))
    >>> untrained = STGCN(STGCNConfig(blocks=((4, 1),)), adjacency("body_25"))
    >>> strides = stride_table({"sports2d": walk}, ["sports2d"])
    >>> maps = saliency_of(
    ...     untrained, walk_windows(walk), methods=("grad_cam",), strides=strides
    ... )
    >>> dict(maps["phase_saliency"].sizes)
    {'method': 1, 'walk': 1, 'level': 4, 'keypoint': 25, 'phase': 10}
    >>> maps.sizes["window"]  # none was to be kept whole
    0
    """
    for method in methods:
        check_option("methods", method, tuple(METHODS))
    keep = np.zeros(0, dtype=int) if keep is None else np.asarray(keep)
    kept = np.flatnonzero(keep) if keep.dtype == bool else keep
    for number in (kept.min(initial=0), kept.max(initial=0)):
        check_range("keep", number, low=0, high=max(0, len(windows) - 1))
    table = pd.DataFrame(columns=_STRIDE_COLUMNS) if strides is None else strides
    nothing = _maps(model, windows.select(kept[:0]), methods)
    phases, whole = [phase_saliency(nothing, table)], [nothing]
    joints = [phases[0].isel(phase=0, drop=True)]
    for walk_id in dict.fromkeys(windows.walk_id.tolist()):
        own = np.flatnonzero(windows.walk_id == walk_id)
        maps = _maps(model, windows.select(own), methods)
        mean = maps.mean(("window", "time")).reset_coords(drop=True)
        joints.append(mean.expand_dims(walk=[walk_id]))
        phases.append(phase_saliency(maps, table))
        whole.append(maps.isel(window=np.isin(own, kept)))
    windowed = xr.concat(whole, "window").drop_vars("window")
    coords = {"walk_id": "window_walk_id", "start": "window_start"}
    dataset = xr.Dataset(
        {
            "joint_saliency": xr.concat(joints, "walk"),
            "phase_saliency": xr.concat(phases, "walk"),
            "window_saliency": windowed.rename(coords | {"time_s": "window_time_s"}),
        },
        attrs={
            "layer": "last",
            "target": "logit",
            "model_id": model_id(model),
            "simulated": int(simulated),
        },
    )
    return dataset.transpose("method", "walk", "window", "level", ...)


def _maps(model: STGCN, windows: Windows, methods: tuple[str, ...]) -> xr.DataArray:
    """Saliency for every level, dims (method, level, window, time, keypoint)."""
    levels = LEVELS[: model.config.n_classes]
    targets = range(len(levels))
    values = np.stack(
        [attribute_levels(model, windows, method=m, targets=targets) for m in methods]
    )
    one = label(values[0, 0], windows)
    return xr.DataArray(
        values,
        dims=("method", "level", *one.dims),
        coords={"method": list(methods), "level": list(levels), **one.coords},
        name="saliency",
    )


def merge_saliency(parts: list[xr.Dataset]) -> xr.Dataset:
    """Put the saliency of several folds together.

    Parameters
    ----------
    parts : list of xarray.Dataset
        From :func:`saliency_of`, of different walks with the same methods.

    Returns
    -------
    xarray.Dataset
        As from one call; ``model_id`` lists all models, separated by spaces.

    Raises
    ------
    ValueError
        If there is no part, or the methods differ.

    Examples
    --------
    Two untrained networks, as of two folds, and a walk for each.

    >>> from cpexplore import datasets
    >>> from cpexplore.models import STGCN, STGCNConfig
    >>> from cpexplore.skeleton import adjacency
    >>> from cpexplore.windows import walk_windows
    >>> parts = [
    ...     saliency_of(
    ...         STGCN(STGCNConfig(blocks=((4, 1),)), adjacency("body_25")),
    ...         walk_windows(datasets.sample_walk(name)),
    ...         methods=("grad_cam",),
    ...     )
    ...     for name in ("sports2d", "sports2d_lite")
    ... ]
    >>> merged = merge_saliency(parts)
    >>> merged["walk"].values.tolist(), len(merged.attrs["model_id"].split())
    (['sports2d', 'sports2d_lite'], 2)
    """
    if not parts:
        raise ValueError("`parts` must hold at least one dataset; got 0.")
    by_walk = [part[["joint_saliency", "phase_saliency"]] for part in parts]
    by_window = [part[["window_saliency"]] for part in parts]
    merged = xr.merge(
        [
            xr.concat(by_walk, "walk", join="exact"),
            xr.concat(by_window, "window", join="exact"),
        ]
    )
    models = " ".join(part.attrs["model_id"] for part in parts)
    return merged.assign_attrs({**parts[0].attrs, "model_id": models})


def on_walk_clock(saliency: xr.DataArray, walk: xr.Dataset) -> xr.DataArray:
    """Lay the maps of a walk's windows over its frames.

    Parameters
    ----------
    saliency : xarray.DataArray
        Dims ``window, time, keypoint`` and perhaps others, of one walk, with the
        coordinate ``time_s (window, time)``.
    walk : xarray.Dataset
        The walk; its clock is taken.

    Returns
    -------
    xarray.DataArray
        The other dims, then ``time, keypoint``: the mean over windows, linear between
        their frames; NaN where no window is. Frames that padding played more than once
        count once, with their mean.

    Raises
    ------
    ValueError
        If a dimension is missing.
    KeyError
        If the coordinate ``time_s``, or the clock of the walk, is missing.

    Examples
    --------
    Three frames of a window at 25 Hz, laid over six frames of a walk at 50 Hz.

    >>> import numpy as np
    >>> import xarray as xr
    >>> maps = xr.DataArray(
    ...     np.arange(3.0).reshape(1, 3, 1),
    ...     dims=("window", "time", "keypoint"),
    ...     coords={
    ...         "keypoint": ["left_knee"],
    ...         "time_s": (("window", "time"), np.arange(3)[None] / 25),
    ...     },
    ... )
    >>> walk = xr.Dataset(coords={"time": np.arange(6) / 50})
    >>> on_walk_clock(maps, walk).sel(keypoint="left_knee").values.round(2).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0, nan]
    """
    check_dims(saliency, {"window": [], "time": [], "keypoint": []}, name="saliency")
    frames = walk["time"].values
    nowhere = saliency.isel(window=[]).sum("window").reset_coords(drop=True)
    laid = [nowhere.isel(time=[0] * len(frames)).assign_coords(time=frames) * np.nan]
    for number in range(saliency.sizes["window"]):
        window = saliency.isel(window=number).reset_coords(drop=True)
        clock = saliency["time_s"].values[number]
        window = window.assign_coords(time=clock).groupby("time").mean()
        laid.append(window.interp(time=frames))
    mean = xr.concat(laid, "window").mean("window")
    return mean.transpose(..., "time", "keypoint").assign_attrs(saliency.attrs)
