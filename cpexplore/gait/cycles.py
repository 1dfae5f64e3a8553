"""Gait cycles: strides between initial contacts, on a clock of 0 to 100 %."""

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_columns, check_range
from cpexplore.gait._body import SIDES, Body, make_body
from cpexplore.gait.kinematics import ANGLES, angle_array

PHASE = np.arange(101)
"""Percent of the gait cycle at which curves are sampled."""

DURATION_S = (0.5, 4.0)
"""Shortest and longest stride; children in level IV may need 4 s."""
STANCE_PCT = (45.0, 85.0)
"""Smallest and largest stance of a plausible stride."""
LOG_DURATION = 0.4
"""Largest |log(duration / median of the side)| of a stride."""
COVERAGE = 0.8
"""Smallest share of a stride, or of a phase of it, in which an angle must be seen."""

_KNEE = ANGLES.index("knee_flexion_deg")


@dataclass(frozen=True, kw_only=True)
class Strides:
    """Accepted strides as arrays, in the order of time; times in s."""

    side: np.ndarray
    """(S,) 0 left, 1 right."""
    bout: np.ndarray
    """(S,) number of the pass."""
    start: np.ndarray
    """(S,) initial contact."""
    opposite_off: np.ndarray
    """(S,) foot off of the other leg; NaN if not detected."""
    opposite_contact: np.ndarray
    """(S,) initial contact of the other leg; NaN if not detected."""
    foot_off: np.ndarray
    """(S,) foot off."""
    end: np.ndarray
    """(S,) next initial contact of the same leg."""
    rejected: dict[str, dict[str, int]]
    """Side to reason to the number of strides left out for it."""

    def __len__(self) -> int:
        return len(self.side)

    @property
    def duration(self) -> np.ndarray:
        """(S,) stride time, s."""
        return self.end - self.start

    def percent(self, moment: np.ndarray) -> np.ndarray:
        """(S,) when something happened, in percent of the stride."""
        return 100.0 * (moment - self.start) / self.duration

    @property
    def phases(self) -> np.ndarray:
        """(S, 101) the moments of 0 to 100 %, s."""
        return self.start[:, None] + self.duration[:, None] * PHASE / 100.0


def gait_cycles(
    walk: xr.Dataset, events: pd.DataFrame, *, min_cycles: int = 2
) -> xr.Dataset:
    """Cut the joint angles of a walk into gait cycles of 101 points.

    A cycle runs from initial contact to the next initial contact of the same leg,
    inside one pass. It is left out, with the reason, if it takes less than 0.5 s or
    more than 4 s, if |log(duration / median of the side)| >= 0.4, if stance is outside
    45 to 85 %, if the order is not initial contact, opposite foot off, opposite
    contact, foot off, or if the knee is seen in less than 80 % of its frames.

    Parameters
    ----------
    walk : xarray.Dataset
        A cleaned walk.
    events : pandas.DataFrame
        Columns ``side, event, time_s`` as :func:`cpexplore.gait.detect_events` makes.
    min_cycles : int
        A side with fewer accepted cycles has none.

    Returns
    -------
    xarray.Dataset
        The angles of :func:`joint_angles` with dims (stride, phase), in degrees, those
        of the stride's own side; NaN where not seen, a whole curve if seen for less
        than 80 %. Coordinates along ``stride``: ``side, bout, start_s,
        opposite_off_s, opposite_contact_s, foot_off_s, end_s, foot_off_pct``.
        Attribute ``rejected``: JSON, side to reason to count.

    Raises
    ------
    ValueError
        If the walk is not cleaned, a column is missing or ``min_cycles`` < 1.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> from cpexplore.gait import detect_events, gait_cycles
    >>> from cpexplore.preprocessing import clean
    >>> walk = clean(datasets.sample_walk("sports2d"))
    >>> cycles = gait_cycles(walk, detect_events(walk))
    >>> cycles["side"].values.tolist()
    ['right', 'left', 'right', 'left', 'right']
    >>> gait_cycles(walk, detect_events(walk), min_cycles=3).attrs["rejected"]
    '{"left": {"fewer than 3 cycles on this side": 2}, "right": {}}'
    """
    check_range("min_cycles", min_cycles, low=1)
    check_columns(events, ("side", "event", "time_s"), name="events")
    body = make_body(walk)
    angles = angle_array(body)
    strides = find_strides(body, events, angles=angles, min_cycles=min_cycles)
    curves = angle_curves(body, strides, angles=angles)
    return label_cycles(strides, curves).assign_attrs(walk_id=walk.attrs["walk_id"])


def label_cycles(strides: Strides, curves: np.ndarray) -> xr.Dataset:
    """Label the curves (stride, phase, angle) as :func:`gait_cycles` returns them."""
    along = {
        "side": np.array(SIDES)[strides.side],
        "bout": strides.bout,
        "start_s": strides.start,
        "opposite_off_s": strides.opposite_off,
        "opposite_contact_s": strides.opposite_contact,
        "foot_off_s": strides.foot_off,
        "end_s": strides.end,
        "foot_off_pct": strides.percent(strides.foot_off),
    }
    return xr.Dataset(
        {
            name: (("stride", "phase"), curves[..., a], {"units": "deg"})
            for a, name in enumerate(ANGLES)
        },
        coords={
            "phase": PHASE,
            **{name: ("stride", values) for name, values in along.items()},
        },
        attrs={"rejected": json.dumps(strides.rejected, sort_keys=True)},
    )


def event_times(events: pd.DataFrame, event: str) -> tuple[np.ndarray, np.ndarray]:
    """Sorted times of one event of the left and of the right leg, s."""
    side, kind = (events[name].to_numpy(dtype=object) for name in ("side", "event"))
    time, of_event = events["time_s"].to_numpy(float), kind == event
    left, right = (np.sort(time[of_event & (side == name)]) for name in SIDES)
    return left, right


def find_strides(
    body: Body, events: pd.DataFrame, *, angles: np.ndarray, min_cycles: int
) -> Strides:
    """Pair the events of a walk into plausible strides.

    Parameters
    ----------
    body : Body
        The walk.
    events : pandas.DataFrame
        Columns ``side, event, time_s``.
    angles : array of shape (time, side, angle)
        To see in which frames the leg is visible.
    min_cycles : int
        A side with fewer accepted strides has none.
    """
    contacts = event_times(events, "initial_contact")
    offs = event_times(events, "foot_off")
    rejected: dict[str, dict[str, int]] = {}
    rows = []
    for s, name in enumerate(SIDES):
        seen = np.isfinite(angles[:, s, _KNEE])
        candidates = _candidates(s, contacts, offs, body=body)
        accepted, reasons = _accepted(candidates, body=body, seen=seen)
        if 0 < len(accepted) < min_cycles:
            reasons[f"fewer than {min_cycles} cycles on this side"] += len(accepted)
            accepted = accepted[:0]
        rows.append(accepted)
        rejected[name] = dict(reasons)
    table = np.concatenate(rows)
    table = table[np.argsort(table[:, 2], kind="stable")]
    return Strides(
        side=table[:, 0].astype(int),
        bout=table[:, 1].astype(int),
        start=table[:, 2],
        opposite_off=table[:, 3],
        opposite_contact=table[:, 4],
        foot_off=table[:, 5],
        end=table[:, 6],
        rejected=rejected,
    )


def angle_curves(body: Body, strides: Strides, *, angles: np.ndarray) -> np.ndarray:
    """Angles of each stride's own side over the cycle: (stride, phase, angle).

    A curve seen in less than :data:`COVERAGE` of its stride is NaN throughout.
    """
    curves = at_times(body, angles, strides.phases, side=strides.side)
    hidden = np.isfinite(curves).mean(axis=1) < COVERAGE
    return np.where(hidden[:, None], np.nan, curves)


def at_times(
    body: Body,
    values: np.ndarray,
    times: np.ndarray,
    *,
    side: np.ndarray | None = None,
) -> np.ndarray:
    """Evaluate signals between frames.

    Parameters
    ----------
    body : Body
        Gives the clock.
    values : array of shape (time, ...), or (time, side, ...) with ``side``
        Signals sampled per frame.
    times : array of shape (stride, ...)
        Moments, s; NaN gives NaN.
    side : array of shape (stride,), optional
        Which side each stride takes from ``values``.

    Returns
    -------
    array of shape (*times.shape, ...)
        Cubic Hermite interpolation with central-difference slopes, which bends through
        the peaks that a straight line between 25 Hz frames would cut off; straight
        where a neighbouring frame is missing.
    """
    frame = np.interp(times, body.time, np.arange(len(body.time)))
    known = np.isfinite(frame)
    frame = np.where(known, frame, 0.0)
    first = np.minimum(frame.astype(int), max(len(body.time) - 2, 0))
    gap = np.full((1, *values.shape[1:]), np.nan)
    padded = np.concatenate([gap, values, gap, gap])
    picks: tuple[np.ndarray, ...] = ()
    if side is not None:
        picks = (side.reshape(-1, *[1] * (times.ndim - 1)),)
    before, here, there, after = (padded[(first + k, *picks)] for k in range(4))
    w = np.where(known, frame - first, np.nan)
    w = w.reshape(*w.shape, *[1] * (here.ndim - w.ndim))
    step = there - here
    slope_here = np.where(np.isnan(before), step, (there - before) / 2)
    slope_there = np.where(np.isnan(after), step, (after - here) / 2)
    bend = (1 - w) * (slope_here - step) - w * (slope_there - step)
    return here + w * step + w * (1 - w) * bend


def _candidates(
    s: int,
    contacts: tuple[np.ndarray, np.ndarray],
    offs: tuple[np.ndarray, np.ndarray],
    *,
    body: Body,
) -> list[tuple[np.ndarray, str]]:
    """Rows of a side's strides, with the reason against each or ""."""
    found = []
    starts, ends = contacts[s][:-1], contacts[s][1:]
    for start, end in zip(starts, ends, strict=True):
        bout = _shared_bout(body, start, end)
        if bout < 0:
            continue
        own_off = _between(offs[s], start, end)
        opposite_off = _between(offs[1 - s], start, end)
        opposite_contact = _between(contacts[1 - s], start, end)
        reason = _order_reason(own_off, opposite_off, opposite_contact)
        events = [_only(e) for e in (opposite_off, opposite_contact, own_off)]
        found.append((np.array([s, bout, start, *events, end]), reason))
    return found


def _shared_bout(body: Body, start: float, end: float) -> int:
    """The pass in which the whole stride lies, else -1."""
    first, last = np.searchsorted(body.time, [start, end])
    inside = body.bout[first:last]
    return int(inside[0]) if len(inside) and (inside == inside[0]).all() else -1


def _between(times: np.ndarray, start: float, end: float) -> np.ndarray:
    return times[(times > start) & (times < end)]


def _only(times: np.ndarray) -> float:
    return float(times[0]) if len(times) == 1 else np.nan


def _order_reason(
    own_off: np.ndarray, opposite_off: np.ndarray, opposite_contact: np.ndarray
) -> str:
    if len(own_off) == 0:
        return "no foot off"
    if len(own_off) > 1 or len(opposite_off) > 1 or len(opposite_contact) > 1:
        return "an event twice in one cycle"
    sequence = np.concatenate([opposite_off, opposite_contact, own_off])
    return "" if (np.diff(sequence) > 0).all() else "events out of order"


def _accepted(
    candidates: list[tuple[np.ndarray, str]], *, body: Body, seen: np.ndarray
) -> tuple[np.ndarray, Counter[str]]:
    reasons: Counter[str] = Counter()
    kept = []
    for row, order in candidates:
        reason = order or _shape_reason(row, body=body, seen=seen)
        if reason:
            reasons[reason] += 1
        else:
            kept.append(row)
    table = np.array(kept).reshape(-1, 7)
    duration = table[:, 6] - table[:, 2]
    if len(table):
        usual = np.abs(np.log(duration / np.median(duration))) < LOG_DURATION
        if not usual.all():
            reasons["duration far from the side's median"] += int((~usual).sum())
        table = table[usual]
    return table, reasons


def _shape_reason(row: np.ndarray, *, body: Body, seen: np.ndarray) -> str:
    start, foot_off, end = row[2], row[5], row[6]
    shortest, longest = DURATION_S
    if not shortest <= end - start <= longest:
        return f"duration outside {shortest:g} to {longest:g} s"
    low, high = STANCE_PCT
    if not low <= 100 * (foot_off - start) / (end - start) <= high:
        return f"stance outside {low:g} to {high:g} %"
    inside = (body.time >= start) & (body.time <= end)
    if seen[inside].mean() < COVERAGE:
        return f"leg seen in less than {100 * COVERAGE:g} % of the cycle"
    return ""
