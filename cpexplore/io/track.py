"""What a foreign file says about a walk before its frame rate is settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.io.problems import wrong
from cpexplore.walks import make_walk

FPS_RANGE = (1.0, 1000.0)
"""Frame rates, Hz, outside of which a number is a typing error."""

_CONFIDENCE_SLACK = 0.2
_FARTHEST_PX = 1e7
_REGULAR = 0.02


class UnknownFpsError(ValueError):
    """Neither the file nor the caller says the frame rate."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """Points of one person as a detector wrote them."""

    triples: np.ndarray
    """float32 (time, keypoint, 3): x px, y px, confidence; ``0, 0`` or NaN: missing."""
    keypoint_set: str
    """The detector's keypoints."""
    source: str
    """The format, for people to read."""
    frame: np.ndarray | None = None
    """int (time,): frame numbers of the video, increasing."""
    time: np.ndarray | None = None
    """float (time,): seconds, where the file has a clock."""
    fps: float | None = None
    """Hz, where the file says so."""
    attrs: Mapping[str, str | int | float] = field(default_factory=dict)
    """Attributes of the walk; ``walk_id`` and the like override the defaults."""


def walk_of_track(
    track: Track, path: Path, *, fps: float | None, walk_id: str | None
) -> xr.Dataset:
    """Make a walk of a track once its frame rate is known.

    Parameters
    ----------
    track : Track
        What the file says.
    path : path
        The file, for messages; its stem names the walk unless something else does.
    fps : float or None
        Frames per second, Hz, if the caller knows it.
    walk_id : str or None
        Name of the walk, if the caller wants another one.

    Raises
    ------
    InputError
        If no frame has a person or a number is impossible.
    ValueError
        If the frame rate is unknown or contradicts the file.
    """
    rate = known_fps(path, stored=_stored_fps(track, path), given=fps)
    triples, frame = _every_frame(track, path)
    position, confidence = points(triples, path)
    if not np.isfinite(position).any():
        raise nobody(path, len(position))
    named = {"walk_id": path.stem, "source": track.source, **track.attrs}
    if walk_id is not None:
        named["walk_id"] = walk_id
    named.setdefault("patient_id", named["walk_id"])
    extra = {k: v for k, v in named.items() if k not in ("fps", "keypoint_set")}
    try:
        return make_walk(
            position,
            confidence,
            fps=rate,
            keypoint_set=track.keypoint_set,
            walk_id=str(named["walk_id"]),
            time=track.time if frame is None else frame / rate,
            attrs=extra,
        )
    except ValueError as error:
        raise wrong(path, f"holds no valid walk: {error}", "Export it again.") from None


def known_fps(path: Path, *, stored: float | None, given: float | None) -> float:
    """Settle the frame rate: what the file says, else what the caller says.

    Raises
    ------
    ValueError
        If neither says it, they disagree, or the number is impossible.
    """
    low, high = FPS_RANGE
    if given is not None:
        check_range("fps", given, low=low, high=high)
    if stored is not None and not low <= stored <= high:
        raise wrong(
            path,
            f"must say a frame rate from {low:g} to {high:g} Hz; it says {stored:g}.",
            _AGAIN,
        )
    if given is None and stored is None:
        raise UnknownFpsError(
            f"`fps` must be given: {str(path)!r} does not say its frame rate. "
            "Pass the frame rate of the video, e.g. `fps=25`."
        )
    if stored is None:
        return float(given)  # pyright: ignore[reportArgumentType]
    if given is not None and abs(given - stored) > _REGULAR * stored:
        raise ValueError(
            f"`fps` must agree with {str(path)!r}, which says {stored:g} Hz; "
            f"got {given:g}. Leave it out."
        )
    return float(stored)


def points(triples: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Split triples into position and confidence; ``0, 0`` becomes missing.

    Confidences up to 0.2 outside [0, 1], which heat-map detectors produce, are clipped.

    Returns
    -------
    tuple of numpy.ndarray
        Position (time, keypoint, 2) in px and confidence (time, keypoint).

    Raises
    ------
    InputError
        If a number is impossible, see :func:`check_numbers`.
    """
    check_numbers(triples, path)
    position = triples[..., :2].copy()
    missing = np.isnan(position).any(axis=-1) | (position == 0).all(axis=-1)
    position[missing] = np.nan
    confidence = np.nan_to_num(triples[..., 2], nan=0.0)
    return position, np.clip(confidence, 0.0, 1.0)


def check_numbers(triples: np.ndarray, path: Path) -> None:
    """Raise if a number is no px and no confidence.

    Raises
    ------
    InputError
        If a coordinate is infinite or beyond 10 million px, or a confidence is more
        than 0.2 outside [0, 1].
    """
    farthest = np.nanmax(np.abs(triples[..., :2]), initial=0.0)
    if farthest > _FARTHEST_PX:
        raise wrong(
            path,
            f"must hold px or nan; it has a coordinate of {farthest:g}.",
            _AGAIN,
        )
    low = np.nanmin(triples[..., 2], initial=0.0)
    high = np.nanmax(triples[..., 2], initial=0.0)
    if low < -_CONFIDENCE_SLACK or high > 1 + _CONFIDENCE_SLACK:
        raise wrong(
            path,
            f"must hold confidences in [0, 1]; it has {low:g} to {high:g}.",
            "Rescale them, or check the order x, y, confidence.",
        )


def nobody(path: Path, n_frames: int) -> ValueError:
    """Word the error about a recording without any finite point."""
    return wrong(
        path,
        f"must hold at least one frame with a person; none of {n_frames} has one.",
        "Check that the detector saw the person.",
    )


_AGAIN = "Export it again."


def _stored_fps(track: Track, path: Path) -> float | None:
    """Rate that the file states, or that its regular clock implies."""
    if track.fps is not None or track.time is None or len(track.time) < 2:
        return track.fps
    steps = np.diff(track.time)
    step = float(np.median(steps))
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise wrong(path, "must have a clock that increases in every row.", _AGAIN)
    if np.abs(steps - step).max() > 0.5 * step:
        return None
    return float(f"{(len(steps)) / (track.time[-1] - track.time[0]):.6g}")


def _every_frame(track: Track, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Insert empty frames where the numbering skips some."""
    if track.frame is None:
        return track.triples, None
    first, last = int(track.frame[0]), int(track.frame[-1])
    if (np.diff(track.frame) <= 0).any():
        raise wrong(path, "must number its frames in increasing order.", _AGAIN)
    n_frames = last - first + 1
    if n_frames > 2 * len(track.frame) + 100:
        raise wrong(
            path,
            f"must hold one video; it has {len(track.frame)} frames numbered from "
            f"{first} to {last}.",
            "Remove the frames of other videos.",
        )
    triples = np.full((n_frames, *track.triples.shape[1:]), np.nan, np.float32)
    triples[track.frame - first] = track.triples
    return triples, np.arange(first, last + 1)
