"""A clip as a small header and one block of bytes, as the player reads it."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from cpexplore.view.player.clip import (
    Clip,
    angle_label,
    bones,
    camera_path,
    excluded_spans,
    fixed_view,
    keypoint_rows,
    keypoint_side,
    level_label,
    method_label,
)

CIVIDIS = tuple(to_hex(mpl.colormaps["cividis"](code)) for code in range(0, 256, 5))
"""A perceptually uniform map that colour-blind readers see alike, low to high."""


class Packer:
    """Collects arrays into one block of bytes and says where each one lies."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0

    @property
    def blob(self) -> bytes:
        """All arrays, each starting at a multiple of eight bytes."""
        return b"".join(self._blocks)

    def add(self, values: np.ndarray, dtype: str) -> dict[str, Any]:
        """Append an array; unsigned integers are steps from the lowest value.

        Parameters
        ----------
        values : numpy.ndarray
            Any shape; NaN is kept.
        dtype : {"float32", "uint16", "uint8"}
            How exactly: 65,534 or 254 equal steps, or not at all.

        Returns
        -------
        dict
            ``dtype, offset, size`` and, for integers, ``low`` and ``step``:
            value = low + step * code, and the largest code is NaN.
        """
        spec: dict[str, Any] = {"dtype": dtype, "offset": self._size}
        if dtype == "float32":
            codes = np.asarray(values, dtype="<f4")
        else:
            codes, spec["low"], spec["step"] = quantise(values, dtype)
        spec["size"] = int(codes.size)
        block = codes.astype(codes.dtype.newbyteorder("<")).tobytes()
        block += bytes(-len(block) % 8)
        self._blocks.append(block)
        self._size += len(block)
        return spec


def quantise(values: np.ndarray, dtype: str) -> tuple[np.ndarray, float, float]:
    """Round values to equal steps between the lowest and the highest.

    Parameters
    ----------
    values : numpy.ndarray
        Any shape; not finite is missing.
    dtype : {"uint16", "uint8"}
        Type of the codes; the largest one means missing.

    Returns
    -------
    codes : numpy.ndarray
        Same shape as ``values``.
    low, step : float
        The value is ``low + step * code``.

    Examples
    --------
    >>> codes, low, step = quantise(np.array([0.0, np.nan, 1.0]), "uint8")
    >>> codes.tolist(), low, round(1 / step)
    ([0, 255, 254], 0.0, 254)
    """
    missing = np.iinfo(dtype).max
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    low = float(values[finite].min()) if finite.any() else 0.0
    high = float(values[finite].max()) if finite.any() else 0.0
    step = (high - low) / (missing - 1) or 1.0
    codes = np.full(values.shape, missing, dtype=dtype)
    codes[finite] = np.round((values[finite] - low) / step)
    return codes, low, step


def pack(clips: Sequence[Clip]) -> tuple[list[dict[str, Any]], bytes]:
    """Pack one clip, or two that are compared.

    Returns
    -------
    headers : list of dict
        One per clip: names, bones, events and where its arrays lie; plain JSON.
    blob : bytes
        The arrays of all clips.
    """
    packer = Packer()
    return [_pack_clip(clip, packer) for clip in clips], packer.blob


def _pack_clip(clip: Clip, packer: Packer) -> dict[str, Any]:
    walk = clip.walk.transpose("time", "keypoint", "space", ...)
    names = walk["keypoint"].values.tolist()
    centre, reach = camera_path(walk)
    header = {
        "title": clip.title,
        "subtitle": clip.subtitle,
        "names": names,
        "sides": [keypoint_side(name) for name in names],
        "bones": bones(walk),
        "rows": [
            [part, [names.index(name) for name in members]]
            for part, members in keypoint_rows(walk)
        ],
        "time": packer.add(walk["time"].values, "float32"),
        "position": packer.add(walk["position"].values, "uint16"),
        "confidence": packer.add(walk["confidence"].values, "uint8"),
        "centre": packer.add(centre, "float32"),
        "reach": reach,
        "view": fixed_view(walk),
        "excluded": excluded_spans(walk),
        "events": _events(clip),
        "curves": _curves(clip, packer),
        "start": clip.start,
        "level": clip.level,
        "method": clip.method,
        **_saliency(clip, packer),
    }
    if "direction" in walk:
        header["direction"] = packer.add(walk["direction"].values, "uint8")
    return header


def _events(clip: Clip) -> list[list[Any]]:
    if clip.events is None:
        return []
    columns = clip.events[["side", "event", "time_s"]].dropna()
    return columns.astype(object).to_numpy().tolist()


def _curves(clip: Clip, packer: Packer) -> list[dict[str, Any]]:
    if clip.angles is None:
        return []
    curves = []
    for name, angle in clip.angles.items():
        sided = angle if "side" in angle.dims else angle.expand_dims(side=[""])
        lines = [
            {"side": str(side), **packer.add(sided.sel(side=side).values, "uint16")}
            for side in sided["side"].values
        ]
        curves.append({"label": angle_label(str(name)), "lines": lines})
    return curves


def _saliency(clip: Clip, packer: Packer) -> dict[str, Any]:
    """Each method on its own scale, its levels on a common one."""
    if clip.saliency is None:
        return {"methods": [], "levels": []}
    levels = [str(level) for level in clip.saliency["level"].values]
    methods = [
        {
            "name": str(method),
            "label": method_label(str(method)),
            **colour_range(maps := clip.saliency.sel({"method": method}).values),
            **packer.add(maps, "uint8"),
        }
        for method in clip.saliency["method"].values
    ]
    labels = [{"name": level, "label": level_label(level)} for level in levels]
    return {"methods": methods, "levels": labels}


def colour_range(maps: np.ndarray) -> dict[str, float]:
    """From where to where the colours go: 0 to the largest, or both ways alike."""
    finite = maps[np.isfinite(maps)]
    largest = float(np.abs(finite).max()) if len(finite) else 0.0
    largest = largest or 1.0
    signed = (finite < -1e-6 * largest).any()  # not the dust of interpolation
    return {"from": -largest if signed else 0.0, "to": largest}
