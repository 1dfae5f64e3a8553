"""Rules that find initial contact and foot off in the signals of one pass.

All signals are pan-invariant: positions relative to the pelvis, or to the other foot.
Between two moments in which the legs pass each other there is one double support: the
front leg makes contact and the rear leg leaves the ground. Every rule looks for its
two events inside these steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import xarray as xr
from scipy.signal import butter, find_peaks, sosfiltfilt

from cpexplore.preprocessing.frames import keypoint_xy

SIDES = ("left", "right")

_PARTS = ("heel", "big_toe", "ankle")
_SHORTEST_STEP_S = 0.2
_LEAST_RANGE_LL = 0.1
_PROMINENCE = 0.2
_STILL_SHARE = 0.15
_HIGH_PASS_PER_STRIDE = 0.5
_FALL_WINDOW = 0.1
_CONTACT_EARLY_PCT = 3.0
_SPEEDS_LLPS = (0.65, 2.5)
_LATE_PCT = {"big_toe": (-0.5, 4.1), "ankle": (-3.1, 1.0)}


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Signals of one pass, in leg lengths, x forward and y up; side 0 is left."""

    time: np.ndarray
    """(time,) s."""
    fps: float
    """Frames per second."""
    x: dict[str, np.ndarray]
    """Part to forward position (side, time); gaps bridged by straight lines."""
    y: dict[str, np.ndarray]
    """Part to height (side, time)."""
    hip: np.ndarray
    """Forward position of the mid-hip (time,)."""
    confidence: dict[str, np.ndarray]
    """Part to confidence (side, time); 0 where the point is not observed."""
    known: dict[str, np.ndarray]
    """Part to bool (side, time): the point is not missing."""

    @property
    def has_feet(self) -> bool:
        """Whether heels and toes were seen at all."""
        return all(self.known[part].any(axis=1).all() for part in ("heel", "big_toe"))

    @cached_property
    def steps(self) -> "list[Step]":
        """The steps of the pass in order of time."""
        return find_steps(self)

    @cached_property
    def stride_frames(self) -> float:
        """Median duration of a stride in frames; NaN with fewer than two steps."""
        peaks = [step.peak for step in self.steps]
        return 2 * float(np.median(np.diff(peaks))) if len(peaks) > 1 else np.nan

    @cached_property
    def speed_llps(self) -> float:
        """Speed in leg lengths per s: two median steps in a median stride."""
        gap = self.x["ankle"][0] - self.x["ankle"][1]
        steps = np.abs(gap[[step.peak for step in self.steps]])
        return 2 * float(np.median(steps)) * self.fps / self.stride_frames

    def velocity(self, signal: np.ndarray) -> np.ndarray:
        """Derivative along time, per s."""
        return np.gradient(signal, axis=-1) * self.fps


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One double support, from one crossing of the legs to the next."""

    lead: int
    """The side in front: it makes contact; the other leaves the ground."""
    start: int
    """First frame."""
    peak: int
    """The frame in which the ankles are furthest apart."""
    stop: int
    """The frame after the last one."""


def make_pass(walk: xr.Dataset, bout: int) -> Pass | None:
    """Take the signals of one pass from a cleaned walk; None without both ankles."""
    frames = np.flatnonzero(walk["bout"].values == bout)
    if len(frames) < 2:
        return None
    names = walk["keypoint"].values.tolist()
    scale = walk["scale_px"].values[bout]
    forward = walk["direction"].values[frames[0]] / scale
    position = walk["position"].values[frames].astype(float)
    seen = walk["confidence"].values[frames]
    x, y, known, confidence = {}, {}, {}, {}
    for part in _PARTS:
        tracks = np.stack([keypoint_xy(position, names, f"{s}_{part}") for s in SIDES])
        known[part] = np.isfinite(tracks).all(axis=-1)
        x[part] = _bridged(tracks[..., 0] * forward)
        y[part] = _bridged(-tracks[..., 1] / scale)
        columns = [names.index(f"{s}_{part}") for s in SIDES if f"{s}_{part}" in names]
        confidence[part] = seen[:, columns].T if columns else np.zeros((2, len(frames)))
    if not known["ankle"].any(axis=1).all():
        return None
    hip = keypoint_xy(position, names, "mid_hip")[:, 0] * forward
    return Pass(
        time=walk["time"].values[frames],
        fps=walk.attrs["fps"],
        x=x,
        y=y,
        hip=_bridged(hip[None])[0],
        confidence=confidence,
        known=known,
    )


def _bridged(tracks: np.ndarray) -> np.ndarray:
    """Straight lines over gaps, the nearest value at the ends."""
    frames, bridged = np.arange(tracks.shape[1]), tracks.copy()
    for track in bridged:
        known = np.isfinite(track)
        if known.any() and not known.all():
            track[:] = np.interp(frames, frames[known], track[known])
    return bridged


def find_steps(walked: Pass) -> list[Step]:
    """Split a pass at the moments in which one ankle passes the other."""
    gap = walked.x["ankle"][0] - walked.x["ankle"][1]
    extent = np.ptp(gap)
    if len(gap) < 5 or not extent >= _LEAST_RANGE_LL:
        return []
    found = []
    for lead, signal in enumerate((gap, -gap)):
        fenced = np.r_[signal.min(), signal, signal.min()]
        peaks, _ = find_peaks(
            fenced,
            prominence=_PROMINENCE * extent,
            distance=max(1, round(_SHORTEST_STEP_S * walked.fps)),
        )
        found += [(int(peak) - 1, lead) for peak in peaks]
    found = _whole(_alternating(sorted(found), gap), gap)
    peaks = [peak for peak, _ in found]
    bounds = [0, *(_between(gap, a, b) for a, b in pairwise(peaks)), len(gap)]
    return [
        Step(lead=lead, start=bounds[k], peak=peak, stop=bounds[k + 1])
        for k, (peak, lead) in enumerate(found)
    ]


def _alternating(
    found: list[tuple[int, int]], gap: np.ndarray
) -> list[tuple[int, int]]:
    """Of neighbouring extrema with the same leading side keep the largest."""
    kept: list[tuple[int, int]] = []
    for peak, lead in found:
        if kept and kept[-1][1] == lead:
            if abs(gap[peak]) > abs(gap[kept[-1][0]]):
                kept[-1] = (peak, lead)
        else:
            kept.append((peak, lead))
    return kept


def _whole(found: list[tuple[int, int]], gap: np.ndarray) -> list[tuple[int, int]]:
    """Leave out a step at an end of the pass that is cut before it is half as long."""
    lengths = [gap[peak] * (1, -1)[lead] for peak, lead in found]
    least = np.median(lengths) / 2 if lengths else 0.0
    ends = (0, len(gap) - 1)
    return [
        step
        for step, length in zip(found, lengths, strict=True)
        if step[0] not in ends or length >= least
    ]


def _between(gap: np.ndarray, first: int, second: int) -> int:
    """First frame after ``first`` beyond the mean level of two extrema."""
    level = (gap[first] + gap[second]) / 2
    beyond = (gap[first : second + 1] > level) != (gap[first] > level)
    return first + int(beyond.argmax())


def extremum(signal: np.ndarray, start: int, stop: int) -> float:
    """Frame, with its fraction, of the largest value of a stretch; NaN at a border."""
    peak = start + int(signal[start:stop].argmax())
    if not 1 <= peak < len(signal) - 1:
        return np.nan
    before, at, after = signal[peak - 1 : peak + 2].tolist()
    bend = before - 2 * at + after
    if not (before <= at >= after and bend < 0):
        return np.nan
    return peak + 0.5 * (before - after) / bend


def last_below(signal: np.ndarray, share: float) -> float:
    """Frame in which a signal last rises through a share of its peak; NaN if never."""
    peak = int(signal.argmax())
    level = share * signal[peak]
    below = (signal[: peak + 1] < level).nonzero()[0]
    if not len(below) or level <= 0:
        return np.nan
    last = below[-1]
    return last + (level - signal[last]) / (signal[last + 1] - signal[last])


Frames = tuple[np.ndarray, np.ndarray]
"""Frame numbers, with fractions, of contact and foot off in each step; NaN if none."""


def zeni(walked: Pass) -> Frames:
    """Furthest ahead of, and furthest behind, the pelvis (Zeni 2008), bias removed."""
    front, rear = _front_rear(walked)
    return _corrected(
        walked,
        front=walked.x[front] - walked.hip,
        rear=walked.x[rear] - walked.hip,
        rear_part=rear,
    )


def high_pass(walked: Pass) -> Frames:
    """As Zeni, on what is faster than half a stride (Desailly 2009), bias removed."""
    front, rear = _front_rear(walked)
    cut = 2 * _HIGH_PASS_PER_STRIDE / walked.stride_frames
    n_frames = len(walked.time)
    if not (0.0005 < cut < 0.9995 and n_frames > 15):
        return _nothing(walked)
    sections = _high_pass_sections(round(cut, 3))
    pad = min(n_frames - 1, round(1.5 * walked.stride_frames))
    signals = np.stack([walked.x[front], walked.x[rear]]) - walked.hip
    fast = sosfiltfilt(sections, signals, padlen=pad)
    return _corrected(walked, front=fast[0], rear=fast[1], rear_part=rear)


@lru_cache(maxsize=256)
def _high_pass_sections(cutoff: float) -> np.ndarray:
    """Second-order Butterworth; ``cutoff`` in Nyquist frequencies."""
    return np.asarray(butter(2, cutoff, "high", output="sos"))


def foot_velocity(walked: Pass) -> Frames:
    """The foot comes to rest against, and starts to move from, the other foot.

    The heel of the front leg has come to rest when it is slower, relative to the toe
    of the rear leg, than 15 % of its peak in the step. The toe of the rear leg has
    left when it is faster than that relative to the ankle of the front leg.
    """
    if not walked.has_feet:
        return _nothing(walked)
    heel, toe, ankle = (walked.x[part] for part in _PARTS)
    landing = walked.velocity(heel - toe[::-1])
    leaving = walked.velocity(toe - ankle[::-1])
    contact = [
        s.stop - 1 - last_below(landing[s.lead, s.start : s.stop][::-1], _STILL_SHARE)
        for s in walked.steps
    ]
    off = [
        s.start + last_below(leaving[1 - s.lead, s.start : s.stop], _STILL_SHARE)
        for s in walked.steps
    ]
    return np.array(contact, float), np.array(off, float)


def oconnor(walked: Pass) -> Frames:
    """Fastest fall, and fastest rise, of the middle of the foot (O'Connor 2007).

    The fall is looked for within 10 % of a stride of the moment in which the ankles
    are furthest apart: the foot falls as fast after it has passed the other one.
    """
    if not (walked.has_feet and walked.stride_frames > 0):
        return _nothing(walked)
    rise = walked.velocity((walked.y["heel"] + walked.y["big_toe"]) / 2)
    near = round(_FALL_WINDOW * walked.stride_frames)
    contact = [
        extremum(
            -rise[s.lead], max(s.start, s.peak - near), min(s.stop, s.peak + near + 1)
        )
        for s in walked.steps
    ]
    return np.array(contact, float), _extrema(walked, front=rise, rear=rise)[1]


def ankle_separation(walked: Pass) -> Frames:
    """Ankles furthest apart: contact of the front leg; says nothing of foot off."""
    gap = walked.x["ankle"] - walked.x["ankle"][::-1]
    contact, _ = _extrema(walked, front=gap, rear=gap)
    return contact, np.full(len(walked.steps), np.nan)


RULES: dict[str, Callable[[Pass], Frames]] = {
    "zeni": zeni,
    "foot_velocity": foot_velocity,
    "oconnor": oconnor,
    "high_pass": high_pass,
    "ankle_separation": ankle_separation,
}
"""Every single rule by name."""


def _front_rear(walked: Pass) -> tuple[str, str]:
    return ("heel", "big_toe") if walked.has_feet else ("ankle", "ankle")


def _nothing(walked: Pass) -> Frames:
    return np.full(len(walked.steps), np.nan), np.full(len(walked.steps), np.nan)


def _extrema(walked: Pass, *, front: np.ndarray, rear: np.ndarray) -> Frames:
    """Largest value of the front leg's and of the rear leg's signal in each step."""
    contact = [extremum(front[s.lead], s.start, s.stop) for s in walked.steps]
    off = [extremum(rear[1 - s.lead], s.start, s.stop) for s in walked.steps]
    return np.array(contact, float), np.array(off, float)


def _corrected(
    walked: Pass, *, front: np.ndarray, rear: np.ndarray, rear_part: str
) -> Frames:
    """Extrema relative to the pelvis, minus what they are early or late on average."""
    contact, off = _extrema(walked, front=front, rear=-rear)
    late = np.interp(walked.speed_llps, _SPEEDS_LLPS, _LATE_PCT[rear_part])
    stride = walked.stride_frames
    return contact + _CONTACT_EARLY_PCT / 100 * stride, off - late / 100 * stride
