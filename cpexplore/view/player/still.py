"""One frame as a drawing: SVG text or an image, without a browser."""

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cpexplore._validation import check_range
from cpexplore.view.player.clip import (
    Clip,
    bones,
    camera_path,
    keypoint_side,
    level_label,
    method_label,
)
from cpexplore.view.player.packing import CIVIDIS, colour_range

SIZE = 480
"""Width and height of a drawing, px."""

_PAPER, _INK, _FAINT = "#f4f5f7", "#1c2430", "#8c95a1"
_SIDES = {"left": "#d55e00", "right": "#0072b2", "": "#77818d"}
_DASH = (6.0, 5.0)
_SHARP = 3  # images are drawn this much larger, then reduced


@dataclass(frozen=True, kw_only=True, slots=True)
class Bone:
    """A line between two keypoints."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str
    opacity: float
    dashed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """A keypoint: a disc."""

    at: tuple[float, float]
    radius: float
    fill: str
    outline: str
    opacity: float


def svg(clip: Clip, frame: int) -> str:
    """Draw one frame as SVG.

    Parameters
    ----------
    clip : Clip
        The walk and its saliency.
    frame : int
        Number of the frame, 0 to ``clip.n_frames - 1``.

    Returns
    -------
    str
        A complete ``<svg>`` element; all text is escaped.

    Raises
    ------
    ValueError
        If there is no such frame.
    """
    shapes = "".join(map(_svg_shape, draw(clip, frame)))
    lines = [clip.title, caption(clip, frame)]
    texts = "".join(
        f'<text x="14" y="{22 + 17 * k}" font-size="{size}" fill="{colour}">'
        f"{html.escape(line)}</text>"
        for k, (line, size, colour) in enumerate(
            zip(lines, (13, 11), (_INK, _FAINT), strict=True)
        )
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" '
        f'width="{SIZE}" height="{SIZE}" font-family="Liberation Sans, sans-serif">'
        f'<rect width="{SIZE}" height="{SIZE}" rx="8" fill="{_PAPER}"/>'
        f"{shapes}{texts}</svg>"
    )


def image(clip: Clip, frame: int) -> Image.Image:
    """Draw one frame as an image of 480 x 480 px; parameters as in :func:`svg`."""
    large = SIZE * _SHARP
    canvas = Image.new("RGB", (large, large), _PAPER)
    pen = ImageDraw.Draw(canvas, "RGBA")
    for shape in draw(clip, frame):
        _paint(pen, shape)
    lines = [clip.title, caption(clip, frame)]
    for k, (line, colour) in enumerate(zip(lines, (_INK, _FAINT), strict=True)):
        font = ImageFont.load_default((13 - 2 * k) * _SHARP)
        at = (14 * _SHARP, (10 + 18 * k) * _SHARP)
        pen.text(at, line, fill=colour, font=font)
    return canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def caption(clip: Clip, frame: int) -> str:
    """Say which moment and which saliency a drawing shows."""
    parts = [f"{float(clip.walk['time'][frame]):.2f} s, frame {frame}"]
    if clip.saliency is not None:
        parts += [level_label(clip.level), method_label(clip.method)]
    return " · ".join(part for part in parts if part)


def draw(clip: Clip, frame: int) -> Iterator[Bone | Joint]:
    """Yield the bones, then the joints of one frame, least salient first, in px."""
    check_range("frame", frame, low=0, high=clip.n_frames - 1)
    walk = clip.walk.transpose("time", "keypoint", "space", ...)
    centre, reach = camera_path(walk)
    scale = SIZE / 2 / max(reach)
    points = (walk["position"].values[frame] - centre[frame]) * scale + SIZE / 2
    seen = np.isfinite(points).all(1)
    confidence = walk["confidence"].values[frame]
    sides = [keypoint_side(name) for name in walk["keypoint"].values.tolist()]
    for outer, inner in bones(walk):
        if seen[outer] and seen[inner]:
            yield Bone(
                start=(float(points[outer][0]), float(points[outer][1])),
                end=(float(points[inner][0]), float(points[inner][1])),
                colour=_SIDES[sides[outer]],
                opacity=0.18 + 0.77 * float(min(confidence[outer], confidence[inner])),
                dashed=sides[outer] == "left",
            )
    fills, weights = _evidence(clip, frame)
    for joint in np.argsort(weights if len(weights) else np.zeros(len(points))):
        if seen[joint]:
            yield Joint(
                at=(float(points[joint][0]), float(points[joint][1])),
                radius=3 + (8 * float(weights[joint]) if len(weights) else 0.6),
                fill=fills[joint] if fills else _SIDES[sides[joint]],
                outline=_PAPER if not fills or fills[joint] != _PAPER else _FAINT,
                opacity=0.25 + 0.75 * float(confidence[joint]),
            )


def _evidence(clip: Clip, frame: int) -> tuple[list[str], np.ndarray]:
    """Colour and share of the largest evidence (0 to 1) of every keypoint."""
    if clip.saliency is None:
        return [], np.empty(0)
    maps = clip.saliency.sel({"method": clip.method})
    span = colour_range(maps.values)
    values = maps.sel(level=clip.level).isel(time=frame).values
    shares = (values - span["from"]) / (span["to"] - span["from"])
    codes = np.round(np.nan_to_num(shares) * (len(CIVIDIS) - 1)).astype(int)
    fills = [
        CIVIDIS[code] if np.isfinite(value) else _PAPER
        for code, value in zip(codes, values, strict=True)
    ]
    return fills, np.nan_to_num(np.abs(values) / span["to"])


def _svg_shape(shape: Bone | Joint) -> str:
    if isinstance(shape, Bone):
        dash = f' stroke-dasharray="{_DASH[0]} {_DASH[1]}"' if shape.dashed else ""
        (x1, y1), (x2, y2) = shape.start, shape.end
        return (
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{shape.colour}" stroke-width="3.2" stroke-linecap="round" '
            f'opacity="{shape.opacity:.2f}"{dash}/>'
        )
    x, y = shape.at
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{shape.radius:.1f}" '
        f'fill="{shape.fill}" stroke="{shape.outline}" stroke-width="1.2" '
        f'opacity="{shape.opacity:.2f}"/>'
    )


def _paint(pen: ImageDraw.ImageDraw, shape: Bone | Joint) -> None:
    alpha = f"{round(255 * shape.opacity):02x}"
    if isinstance(shape, Bone):
        for start, end in _dashes(shape):
            ends = [(x * _SHARP, y * _SHARP) for x, y in (start, end)]
            pen.line(ends, fill=shape.colour + alpha, width=3 * _SHARP)
        return
    x, y = shape.at
    box = [(x - shape.radius) * _SHARP, (y - shape.radius) * _SHARP]
    box += [(x + shape.radius) * _SHARP, (y + shape.radius) * _SHARP]
    pen.ellipse(
        box, fill=shape.fill + alpha, outline=shape.outline + alpha, width=_SHARP
    )


def _dashes(bone: Bone) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    start, end = np.array(bone.start), np.array(bone.end)
    length = float(np.hypot(*(end - start)))
    if not bone.dashed or length == 0:
        return [(start, end)]
    step = (end - start) / length
    begins = np.arange(0.0, length, sum(_DASH))
    return [
        (start + b * step, start + min(b + _DASH[0], length) * step) for b in begins
    ]
