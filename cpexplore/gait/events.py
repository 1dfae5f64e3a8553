"""Initial contacts and foot offs of a cleaned walk."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import find_peaks

from cpexplore._validation import check_option
from cpexplore.preprocessing.frames import keypoint_xy
from cpexplore.walks import is_cleaned

METHODS = ("consensus", "zeni")

_COLUMNS = ("side", "event", "time_s", "confidence")
_SHORTEST_STRIDE_S = 0.4
_LEAST_RANGE_LL = 0.1


def detect_events(walk: xr.Dataset, *, method: str = "consensus") -> pd.DataFrame:
    """Detect initial contacts and foot offs.

    Parameters
    ----------
    walk : xarray.Dataset
        A cleaned walk.
    method : {"consensus", "zeni"}
        The rule.

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
    """
    check_option("method", method, METHODS)
    if not is_cleaned(walk):
        raise ValueError("`walk` must be cleaned; got a raw one. Call `clean` first.")
    rows = []
    bouts = walk["bout"].values
    for bout in range(bouts.max(initial=-1) + 1):
        frames = np.flatnonzero(bouts == bout)
        for side in ("left", "right"):
            rows += _zeni(walk.isel(time=frames), side, walk["scale_px"].values[bout])
    events = pd.DataFrame(rows, columns=list(_COLUMNS))
    events = events.astype({"time_s": float, "confidence": float})
    return events.sort_values("time_s", kind="stable", ignore_index=True)


def _zeni(piece: xr.Dataset, side: str, scale: float) -> list[tuple]:
    names = piece["keypoint"].values.tolist()
    position = piece["position"].values
    clock = piece["time"].values
    forward = piece["direction"].values / scale
    hip = keypoint_xy(position, names, "mid_hip")[:, 0]
    rows = []
    for event, part, sign in (
        ("initial_contact", "heel", 1),
        ("foot_off", "big_toe", -1),
    ):
        x = keypoint_xy(position, names, f"{side}_{part}")[:, 0]
        if not np.isfinite(x).any():
            x = keypoint_xy(position, names, f"{side}_ankle")[:, 0]
        ahead = sign * (x - hip) * forward
        known = np.isfinite(ahead)
        if known.sum() < 5 or np.ptp(ahead[known]) < _LEAST_RANGE_LL:
            continue
        least = int(_SHORTEST_STRIDE_S * piece.attrs["fps"])
        filled = np.interp(clock, clock[known], ahead[known])
        peaks, _ = find_peaks(
            filled, prominence=0.1 * np.ptp(filled), distance=max(least, 1)
        )
        for peak in peaks[known[peaks]]:
            left, mid, right = filled[peak - 1 : peak + 2]
            shift = 0.5 * (left - right) / (left - 2 * mid + right)
            time = clock[peak] + shift / piece.attrs["fps"]
            rows.append((side, event, time, 1.0))
    return rows
