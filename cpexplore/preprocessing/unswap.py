"""Left-right swaps: frames in which the detector took one leg for the other."""

import numpy as np
import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.audit import check_after, with_audit, with_values
from cpexplore.preprocessing.direction import direction_signs
from cpexplore.preprocessing.frames import frames_of, runs
from cpexplore.preprocessing.scale import leg_length_px

_JUDGED = ("hip", "knee", "ankle", "heel", "big_toe")
_EXCHANGED = (*_JUDGED, "small_toe")
_TOLERANCE_LL = 0.05
_FEWEST_JOINTS = 2
_FURTHEST = 25.0
_PRIOR = 0.5
_NEW_EVIDENCE = 0.05
_SHARED_HZ = 25.0
"""Faster frames share the prior and the new evidence of 0.04 s."""
_FEWEST_S = 0.4
_JUMP_LL = 0.3
_SD_PER_MAD = 1.4826
_UNSURE = 0.35


def unswap_legs(
    walk: xr.Dataset, *, penalty: float = 6.0, max_gap_s: float = 0.12
) -> xr.Dataset:
    """Exchange the legs where the motion of both says the labels are swapped.

    Parameters
    ----------
    walk : xarray.Dataset
        A walk whose untrusted points are missing.
    penalty : float
        Cost of one change between kept and swapped, >= 0.
    max_gap_s : float
        A longer gap, s, ends a stretch: what follows is decided on its own.

    Returns
    -------
    xarray.Dataset
        With hip, knee, ankle, heel and toes of both sides exchanged in swapped frames.

    Raises
    ------
    ValueError
        If an option is negative or the walk has not been masked.

    Notes
    -----
    A Viterbi path over {keep, swap} of two neighbouring frames. The cost of a frame is
    the squared distance of each joint from where constant velocity puts it, in units
    of 0.05 leg lengths and weighted by confidence.

    Differs from a plain squared distance: the cost of one joint is capped at 25 (five
    times the unit), so that a spike cannot buy a swap; joints that meet for one frame
    are left out; and a swapped frame costs 0.5 on average, because motion alone cannot
    tell a stretch that is swapped throughout from one that is not. Above 25 Hz a
    frame costs less: a swap costs what its duration would cost at 25 Hz. A stretch of
    which more than 35 % is swapped is counted as unsure.

    A pelvis that leaves its course by 0.3 leg lengths in a frame ends a stretch as a
    gap does: the detector took someone else for the child, one of whose legs may lie
    where the child's other leg was.

    What a swapped frame costs depends on the near limb: the detector sees it better
    than the far one, and which one it is depends on the direction of travel. A frame
    whose difference of confidence is the usual one for its direction costs up to 1, one
    with the opposite difference down to 0. It never costs less, so that confidence
    decides between labels that motion holds for equal, and alone buys no swap.

    Examples
    --------
    The legs of a real walk are exchanged in four frames and put back. Frame 134 was
    swapped by the detector.

    >>> import numpy as np
    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import mask_low_confidence, read_audit, unswap_legs
    >>> walk = mask_low_confidence(datasets.sample_walk("sports2d"))
    >>> other = np.arange(33)
    >>> other[23:] = other[23:].reshape(-1, 2)[:, ::-1].ravel()  # left leg, right leg
    >>> xy = walk["position"].copy()
    >>> xy[60:64] = xy.values[60:64][:, other]
    >>> read_audit(unswap_legs(walk.assign(position=xy)))[-1]["swapped"]
    [[60, 64], [134, 135]]
    """
    check_range("penalty", penalty, low=0)
    check_range("max_gap_s", max_gap_s, low=0)
    check_after(walk, "observed", "mask_low_confidence")
    legs, confidence = _legs(walk)
    scale = leg_length_px(walk)
    pelvis = legs[:, :, 0].mean(axis=1)
    legs[_collapsed(legs)[:, None].repeat(2, axis=1)] = np.nan
    frames = np.flatnonzero(
        np.isfinite(legs).all(axis=(1, 3)).sum(axis=1) >= _FEWEST_JOINTS
    )
    fps = walk.attrs["fps"]
    swap_cost = (_PRIOR + _near_limb(walk, confidence)) * min(1.0, _SHARED_HZ / fps)
    longest = frames_of(max_gap_s, fps, least=0) + 1
    swapped = np.zeros(walk.sizes["time"], bool)
    unsure = 0
    apart = np.diff(frames) > longest
    apart[1:] |= _jumps(pelvis[frames], frames, scale)
    for stretch in np.split(frames, np.flatnonzero(apart) + 1):
        if len(stretch) < 3 or not scale > 0:
            continue
        start, change = _motion(legs[stretch], confidence[stretch], stretch, scale)
        state = _viterbi(start, change, penalty, swap_cost[stretch])
        unsure += len(stretch) * int(state.mean() > _UNSURE)
        inside = np.arange(stretch[0], stretch[-1] + 1)
        swapped[inside] = state[np.searchsorted(stretch, inside, side="right") - 1]
    return with_audit(
        _exchange(walk, swapped),
        "unswap",
        n_swapped=int(swapped.sum()),
        swapped=runs(swapped).tolist(),
        n_unsure=unsure,
    )


def _legs(walk: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Position (time, side, joint, 2) and confidence (time, side, joint)."""
    names = walk["keypoint"].values.tolist()
    joints = [joint for joint in _JUDGED if f"left_{joint}" in names]
    index = [[names.index(f"{s}_{j}") for j in joints] for s in ("left", "right")]
    position = walk["position"].values.astype(float)
    return position[:, index], walk["confidence"].values[:, index].astype(float)


def _collapsed(legs: np.ndarray) -> np.ndarray:
    """Joints (time, joint) that meet although they are apart just before and after.

    They meet where legs cross, and where the detector puts both labels on one leg;
    neither says which leg is which.
    """
    gap = legs[:, 0] - legs[:, 1]
    apart = np.hypot(gap[..., 0], gap[..., 1])
    collapsed = np.zeros(apart.shape, bool)
    collapsed[1:-1] = apart[1:-1] < np.minimum(apart[:-2], apart[2:]) / 2
    return collapsed


def _jumps(pelvis: np.ndarray, frames: np.ndarray, scale: float) -> np.ndarray:
    """Where the pelvis leaves its course by more than a body can, (time - 2,)."""
    velocity = np.diff(pelvis, axis=0) / np.diff(frames)[:, None]
    return np.hypot(*np.diff(velocity, axis=0).T) > _JUMP_LL * scale


def _near_limb(walk: xr.Dataset, confidence: np.ndarray) -> np.ndarray:
    """Log odds (time,), at most the prior, by which confidence speaks for kept labels.

    The difference between the legs is compared with its median over the frames of the
    same direction, normal noise assumed. Neighbouring frames say nearly the same: one
    in twenty counts. Where the difference never varies, it says nothing.
    """
    seen = (confidence > 0).all(axis=1)
    count = seen.sum(axis=1)
    gap = np.where(seen, confidence[:, 1] - confidence[:, 0], 0.0).sum(axis=1)
    gap /= np.maximum(count, 1)
    direction, _ = direction_signs(walk)
    fewest = frames_of(_FEWEST_S, walk.attrs["fps"])
    odds = np.zeros(len(gap))
    for way in (-1, 1):
        alike = (direction == way) & (count >= _FEWEST_JOINTS)
        if alike.sum() < fewest:
            continue
        usual = np.median(gap[alike])
        spread = _SD_PER_MAD * np.median(np.abs(gap[alike] - usual))
        if spread > 0:
            odds[alike] = 2 * usual * gap[alike] / spread**2
    return np.clip(_NEW_EVIDENCE * odds, -_PRIOR, _PRIOR)


def _motion(
    legs: np.ndarray, confidence: np.ndarray, frames: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cost of the second frame (2,), and of the later ones (time - 2, 2, 2)."""
    unit = _TOLERANCE_LL * scale
    weight = confidence.min(axis=1)
    start = _cost(legs[1:2], legs[:1], weight[1:2], unit)
    step = np.diff(frames)[:, None, None, None]
    before, now, after = legs[:-2], legs[1:-1], legs[2:]
    cost = np.stack(
        [
            _cost(after, now + (now - old) * (step[1:] / step[:-1]), weight[2:], unit)
            for old in (before, before[:, ::-1])
        ],
        axis=1,
    )
    return start[0], cost


def _cost(
    legs: np.ndarray, predicted: np.ndarray, weight: np.ndarray, unit: float
) -> np.ndarray:
    """Cost (time, 2) of labels kept, and changed, against a prediction."""
    costs = []
    for labelled in (legs, legs[:, ::-1]):
        squared = (((labelled - predicted) / unit) ** 2).sum(axis=-1)
        both = np.minimum(squared, _FURTHEST).sum(axis=1)
        costs.append(np.nansum(weight * both, axis=1))
    return np.stack(costs, axis=1)


def _viterbi(
    start: np.ndarray, cost: np.ndarray, penalty: float, swap_cost: np.ndarray
) -> np.ndarray:
    """Cheapest sequence of kept (False) and swapped (True) labels.

    ``cost (time, changed before, changed now)``. The states are the labels of the last
    two frames; keeping and swapping throughout would cost the same without
    ``swap_cost (time,)``, the small cost of every swapped frame.
    """
    costs = cost + np.array([0.0, penalty])
    stay, change = start.tolist()
    change += penalty
    first, second, *later = swap_cost.tolist()
    kk, ks, sk, ss = stay, change + second, change + first, stay + first + second
    origins = []
    for (stayed, changed), swap in zip(costs.tolist(), later, strict=True):
        (stayed_stay, stayed_change), (changed_stay, changed_change) = stayed, changed
        to_kk = (kk + stayed_stay, sk + changed_stay)
        to_ks = (kk + stayed_change, sk + changed_change)
        to_sk = (ks + changed_change, ss + stayed_change)
        to_ss = (ks + changed_stay, ss + stayed_stay)
        origins.append([to[1] < to[0] for to in (to_kk, to_ks, to_sk, to_ss)])
        kk, ks, sk, ss = min(to_kk), min(to_ks), min(to_sk), min(to_ss)
        ks, ss = ks + swap, ss + swap
    state = int(np.argmin([kk, ks, sk, ss]))
    path = [state % 2]
    for origin in reversed(origins):
        path.append(state // 2)
        state = 2 * origin[state] + state // 2
    path.append(state // 2)
    return np.array(path[::-1], bool)


def _exchange(walk: xr.Dataset, swapped: np.ndarray) -> xr.Dataset:
    """Exchange the legs in the marked frames."""
    names = walk["keypoint"].values.tolist()
    joints = [joint for joint in _EXCHANGED if f"left_{joint}" in names]
    left = [names.index(f"left_{joint}") for joint in joints]
    right = [names.index(f"right_{joint}") for joint in joints]
    exchanged = {}
    for name in ("position", "confidence", "observed"):
        values = walk[name].values.copy()
        values[np.ix_(swapped, left + right)] = values[np.ix_(swapped, right + left)]
        exchanged[name] = values
    return with_values(walk, exchanged)
