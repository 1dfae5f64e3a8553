"""How far rankings of keypoints agree with the truth and with each other."""

from collections.abc import Collection, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from cpexplore._validation import check_columns, check_option, check_range
from cpexplore.skeleton import hop_distances, keypoint_set

_COLUMNS = ("method", "level", "keypoint", "rank")


def localisation(
    ranking: pd.DataFrame,
    carriers: Collection[str] | Mapping[str, Collection[str]],
    *,
    keypoints: str = "body_25",
    top: int = 3,
) -> pd.DataFrame:
    """Compare a ranking with the keypoints that are known to carry the level.

    Parameters
    ----------
    ranking : pandas.DataFrame
        From :func:`cpexplore.attribution.rank_joints`.
    carriers : collection of str, or mapping of level to collection of str
        The planted keypoints, the same for all levels or by level; levels that are not
        in the mapping are left out.
    keypoints : str
        Name of the keypoint set.
    top : int
        How many of the first keypoints to look at, >= 1.

    Returns
    -------
    pandas.DataFrame
        ``method, level, top_1`` (1 if the first keypoint is a carrier), ``top_share``
        (share of the first ``top`` that are, of as many as can be), ``auc`` (that a
        carrier is ranked before another keypoint) and ``hop_distance`` (mean bones from
        the first ``top`` keypoints to the nearest carrier).

    Raises
    ------
    ValueError
        If the ranking lacks a column, a carrier is not in the keypoint set, there is no
        such set, or ``top`` < 1.
    KeyError
        If one of the first ``top`` keypoints is not in the keypoint set.

    Examples
    --------
    Both knees carry the level; the ranking puts an ankle between them.

    >>> import pandas as pd
    >>> ranking = pd.DataFrame(
    ...     {
    ...         "method": "grad_cam",
    ...         "level": "IV",
    ...         "keypoint": ["left_knee", "left_ankle", "right_knee", "nose"],
    ...         "rank": [1, 2, 3, 4],
    ...     }
    ... )
    >>> found = localisation(ranking, ["left_knee", "right_knee"], top=2)
    >>> found.drop(columns=["method", "level"]).iloc[0].to_dict()
    {'top_1': 1.0, 'top_share': 0.5, 'auc': 0.75, 'hop_distance': 0.5}
    """
    check_columns(ranking, _COLUMNS, name="ranking")
    check_range("top", top, low=1)
    names = keypoint_set(keypoints).keypoints
    hops = pd.DataFrame(hop_distances(keypoints), names, names)
    rows = []
    for _, part in ranking.groupby(["method", "level"], sort=False):
        method, level = part[["method", "level"]].iloc[0].astype(str)
        if isinstance(carriers, Mapping):
            planted = set(carriers.get(level, ()))
        else:
            planted = set(carriers)
        for name in sorted(planted):
            check_option("carriers", name, names)
        if planted:
            order = part.sort_values("rank")["keypoint"].tolist()
            found = _found(order, planted, hops=hops, top=top)
            rows.append({"method": method, "level": level, **found})
    columns = ["method", "level", "top_1", "top_share", "auc", "hop_distance"]
    return pd.DataFrame(rows, columns=columns)


def _found(
    order: list[str], planted: set[str], *, hops: pd.DataFrame, top: int
) -> dict[str, float]:
    is_carrier = np.array([name in planted for name in order])
    place = np.arange(len(order))
    before = place[is_carrier][:, None] < place[~is_carrier]
    nearest = hops.loc[order[:top], sorted(planted)].min(axis=1)
    return {
        "top_1": float(is_carrier[0]),
        "top_share": is_carrier[:top].sum() / min(top, len(planted)),
        "auc": before.mean() if before.size else np.nan,
        "hop_distance": nearest.mean(),
    }


def rank_agreement(
    rankings: pd.DataFrame, *, across: str = "fold", top: int = 5
) -> pd.DataFrame:
    """How much rankings of different folds, seeds or methods have in common.

    Parameters
    ----------
    rankings : pandas.DataFrame
        Rows of several :func:`cpexplore.attribution.rank_joints`, told apart by the
        column ``across``.
    across : str
        Name of that column, e.g. ``"fold"``, ``"seed"`` or ``"method"``.
    top : int
        How many of the first keypoints to compare, >= 1.

    Returns
    -------
    pandas.DataFrame
        One row per method and level (per level across methods): ``kendall``, the mean
        of Kendall's tau over all pairs; ``top_overlap``, the mean share of the first
        ``top`` keypoints that a pair has in common; ``n_pairs``.

    Raises
    ------
    ValueError
        If a column is missing, or ``top`` < 1.

    Examples
    --------
    Two folds exchange the first two keypoints: of three pairs of keypoints, two keep
    their order.

    >>> import pandas as pd
    >>> rankings = pd.DataFrame(
    ...     {
    ...         "method": "grad_cam",
    ...         "level": "all",
    ...         "keypoint": ["left_knee", "right_knee", "nose"] * 2,
    ...         "rank": [1, 2, 3, 2, 1, 3],
    ...         "fold": [0, 0, 0, 1, 1, 1],
    ...     }
    ... )
    >>> agreed = rank_agreement(rankings, top=2)
    >>> agreed[["kendall", "top_overlap", "n_pairs"]].round(2).iloc[0].to_dict()
    {'kendall': 0.33, 'top_overlap': 1.0, 'n_pairs': 1.0}
    """
    check_columns(rankings, (*_COLUMNS, across), name="rankings")
    check_range("top", top, low=1)
    keys = [key for key in ("method", "level") if key != across]
    rows = []
    for _, part in rankings.groupby(keys, sort=False):
        ranks = part.pivot_table(index="keypoint", columns=across, values="rank")
        pairs = list(combinations(ranks.to_numpy().T, 2))
        taus = [kendalltau(a, b)[0] for a, b in pairs]
        shared = [((a <= top) & (b <= top)).sum() / top for a, b in pairs]
        rows.append(
            {
                **part[keys].iloc[0],
                "kendall": pd.Series(taus, dtype=float).mean(),
                "top_overlap": pd.Series(shared, dtype=float).mean(),
                "n_pairs": len(pairs),
            }
        )
    return pd.DataFrame(rows, columns=[*keys, "kendall", "top_overlap", "n_pairs"])
