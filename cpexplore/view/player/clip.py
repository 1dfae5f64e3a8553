"""What the player shows of one walk, aligned by label and never by position."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import uniform_filter1d

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_option, quoted
from cpexplore.skeleton import body_parts, keypoint_set
from cpexplore.walks import validate_walk

CURVES = (
    "hip_flexion_deg",
    "knee_flexion_deg",
    "ankle_dorsiflexion_deg",
    "trunk_lean_deg",
)
"""The angles that are drawn, top to bottom, where a walk has them."""

EVENTS = ("initial_contact", "foot_off")

_Labelled = TypeVar("_Labelled", xr.DataArray, xr.Dataset)

_SALIENCY_DIMS = ("method", "level", "time", "keypoint")
_METHODS = {
    "grad_cam": "Grad-CAM",
    "grad_cam_signed": "Grad-CAM, signed",
    "integrated_gradients": "Integrated gradients",
    "untrained": "Grad-CAM, untrained",
    "random": "Random order",
    "activation_norm": "Norm of the activations",
}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One walk and everything that is drawn with it, on the frames of the walk."""

    walk: xr.Dataset
    """A raw or cleaned walk."""
    saliency: xr.DataArray | None = None
    """Dims (method, level, time, keypoint), as the walk's; NaN where no evidence."""
    angles: xr.Dataset | None = None
    """Dims (time, side) or (time), degrees."""
    events: pd.DataFrame | None = None
    """``side, event, time_s``, in order of time."""
    level: str = ""
    """Level whose saliency is seen first."""
    method: str = ""
    """Method whose saliency is seen first."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.walk.sizes["time"]

    @property
    def start(self) -> int:
        """First frame that shows the person, with evidence where there is any."""
        shown = self.walk["position"].count(["keypoint", "space"]) > 0
        if self.saliency is not None:
            shown &= self.saliency.count(["method", "level", "keypoint"]) > 0
        return int(shown.values.argmax())

    @property
    def title(self) -> str:
        """Name of the walk."""
        return self.walk.attrs["walk_id"]

    @property
    def subtitle(self) -> str:
        """Length, frame rate and where the walk comes from, for people to read."""
        clock = self.walk["time"].values
        seconds = clock[-1] - clock[0]
        kind = "simulated" if self.walk.attrs["simulated"] else "recorded"
        return f"{kind} · {seconds:.1f} s · {self.walk.attrs['fps']:g} frames/s"


def make_clip(
    walk: xr.Dataset,
    saliency: xr.DataArray | None = None,
    *,
    angles: xr.Dataset | None = None,
    events: pd.DataFrame | None = None,
    level: str | None = None,
    method: str | None = None,
) -> Clip:
    """Align saliency, angles and events with the frames and keypoints of a walk.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk.
    saliency : xarray.DataArray of shape ([method], [level], time, keypoint), optional
        Evidence on the walk's own clock, s, and at any frame rate: each frame takes
        the nearest value within half a frame. NaN means no evidence.
    angles : xarray.Dataset of shape (time, [side]), optional
        Joint angles, degrees, as :func:`cpexplore.gait.joint_angles` gives them.
    events : pandas.DataFrame, optional
        Columns ``side, event, time_s``, as :func:`cpexplore.gait.detect_events` gives
        them.
    level, method : str, optional
        Whose saliency is seen first; the first one by default.

    Returns
    -------
    Clip
        What :func:`cpexplore.view.player.html_fragments` and the widget draw.

    Raises
    ------
    ValueError
        If the walk is invalid, or something does not belong to it.
    """
    validate_walk(walk)
    aligned = None if saliency is None else _align_saliency(saliency, walk)
    return Clip(
        walk=walk,
        saliency=aligned,
        level=_choice(aligned, "level", level),
        method=_choice(aligned, "method", method),
        angles=None if angles is None else _align_angles(angles, walk),
        events=None if events is None else _check_events(events),
    )


def method_label(method: str) -> str:
    """Name an attribution method for people.

    Examples
    --------
    >>> method_label("grad_cam"), method_label("guided_backprop")
    ('Grad-CAM', 'Guided backprop')
    """
    return _METHODS.get(method, method.replace("_", " ").capitalize())


def level_label(level: str) -> str:
    """Name a level for people.

    Examples
    --------
    >>> level_label("III"), level_label("all")
    ('GMFCS III', 'all')
    """
    return f"GMFCS {level}" if level in gmfcs.LEVELS else level


def angle_label(name: str) -> str:
    """Name a joint angle for people.

    Examples
    --------
    >>> angle_label("knee_flexion_deg")
    'Knee flexion'
    """
    return name.removesuffix("_deg").replace("_", " ").capitalize()


def keypoint_side(keypoint: str) -> str:
    """Side of a keypoint: ``"left"``, ``"right"`` or ``""`` on the midline.

    Examples
    --------
    >>> keypoint_side("left_knee"), keypoint_side("neck")
    ('left', '')
    """
    side = keypoint.partition("_")[0]
    return side if side in ("left", "right") else ""


def keypoint_rows(walk: xr.Dataset) -> list[tuple[str, list[str]]]:
    """Keypoints by body part from head to feet, left beside right, for a heat map."""

    def stem(keypoint: str) -> str:
        return keypoint.removeprefix("left_").removeprefix("right_")

    rows = []
    for part, members in body_parts(walk.attrs["keypoint_set"]).items():
        stems = list(dict.fromkeys(stem(member) for member in members))
        rows.append((part, sorted(members, key=lambda k: (stems.index(stem(k)), k))))
    return rows


def bones(walk: xr.Dataset) -> list[tuple[int, int]]:
    """Positions along ``keypoint`` of the two ends of each bone, outer end first."""
    names = walk["keypoint"].values.tolist()
    edges = keypoint_set(walk.attrs["keypoint_set"]).edges
    return [(names.index(outer), names.index(inner)) for outer, inner in edges]


def camera_path(walk: xr.Dataset) -> tuple[np.ndarray, tuple[float, float]]:
    """Where a camera that follows the person looks, and how much it sees.

    Returns
    -------
    centre : numpy.ndarray of shape (time, 2)
        Median keypoint, averaged over half a second, px.
    reach : tuple of float
        Half width and half height of the view, px.
    """
    position = walk["position"].transpose("time", "keypoint", "space").values
    middle = pd.DataFrame(walk["position"].median("keypoint").values)
    span = max(1, round(walk.attrs["fps"] / 2))
    filled = middle.interpolate(limit_direction="both").fillna(0.0)
    centre = uniform_filter1d(filled.to_numpy(), span, axis=0, mode="nearest")
    away = np.abs(position - centre[:, None, :]).reshape(-1, 2)
    away = away[np.isfinite(away).all(1)]
    reach = np.quantile(away, 0.995, axis=0) if len(away) else np.ones(2)
    half_width, half_height = np.maximum(reach * 1.12, 1.0)
    return centre, (float(half_width), float(half_height))


def fixed_view(walk: xr.Dataset) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that is seen in the walk, px."""
    points = walk["position"].transpose("time", "keypoint", "space").values
    points = points.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return (-1.0, -1.0, 1.0, 1.0)
    low, high = np.quantile(points, [0.002, 0.998], axis=0)
    margin = 0.06 * max(*(high - low), 1.0)
    left, top = low - margin
    right, bottom = high + margin
    return float(left), float(top), float(right), float(bottom)


def excluded_spans(walk: xr.Dataset) -> list[tuple[float, float]]:
    """Seconds during which a cleaned walk has no pass: turns, nobody in view."""
    if "bout" not in walk:
        return []
    clock = walk["time"].values
    outside = np.concatenate([[False], walk["bout"].values < 0, [False]])
    edges = np.flatnonzero(np.diff(outside.astype(int)))
    return [
        (float(clock[start]), float(clock[stop - 1]))
        for start, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def on_clock(values: _Labelled, walk: xr.Dataset, *, name: str) -> _Labelled:
    """Take the nearest value at each frame of a walk, NaN beyond half a frame.

    Raises
    ------
    ValueError
        If the time of ``values``, called ``name``, does not increase.
    """
    clock = np.asarray(values["time"].values)
    wanted = np.asarray(walk["time"].values)
    if not (np.diff(clock) > 0).all():
        raise ValueError(f"The time of `{name}` must increase strictly.")
    steps = [np.median(np.diff(times)) for times in (clock, wanted) if len(times) > 1]
    tolerance = 0.51 * max(steps, default=1.0)
    return values.reindex(time=wanted, method="nearest", tolerance=tolerance)


def _choice(saliency: xr.DataArray | None, dim: str, wanted: str | None) -> str:
    if saliency is None:
        return ""
    options = saliency[dim].values.tolist()
    if wanted is None:
        return options[0]
    check_option(dim, wanted, options)
    return wanted


def _align_saliency(saliency: xr.DataArray, walk: xr.Dataset) -> xr.DataArray:
    dims = set(map(str, saliency.dims))
    if not {"time", "keypoint"} <= dims <= set(_SALIENCY_DIMS):
        raise ValueError(
            "`saliency` must have the dimensions 'time', 'keypoint' and may have "
            f"'method', 'level'; got {quoted(saliency.dims)}."
        )
    shared = set(walk["keypoint"].values.tolist()) & set(
        saliency["keypoint"].values.tolist()
    )
    if not shared:
        raise ValueError(
            "`saliency` must share keypoints with `walk`; got none of "
            f"{walk.attrs['keypoint_set']!r}. Convert the walk with "
            "`convert_keypoints`."
        )
    for dim, default in (("method", saliency.attrs.get("method", "")), ("level", "")):
        if dim not in saliency.dims:
            if dim not in saliency.coords:
                saliency = saliency.assign_coords({dim: default})
            saliency = saliency.expand_dims(dim)
    aligned = on_clock(saliency, walk, name="saliency")
    aligned = aligned.reindex(keypoint=walk["keypoint"].values)
    return aligned.transpose(*_SALIENCY_DIMS).astype(np.float32)


def _align_angles(angles: xr.Dataset, walk: xr.Dataset) -> xr.Dataset:
    drawn = [name for name in CURVES if name in angles]
    if not drawn:
        raise ValueError(
            f"`angles` must have one of {quoted(CURVES)}; "
            f"got {quoted(angles.data_vars) or 'nothing'}."
        )
    return on_clock(angles[drawn], walk, name="angles")


def _check_events(events: pd.DataFrame) -> pd.DataFrame:
    check_columns(events, ("side", "event", "time_s"), name="events")
    for side in events["side"].unique():
        check_option("side", side, ("left", "right"))
    for event in events["event"].unique():
        check_option("event", event, EVENTS)
    return events.sort_values("time_s", ignore_index=True)
