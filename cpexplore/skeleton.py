"""Keypoint sets, their bones, mirror pairs, body parts and derived keypoints.

Names are COCO's in full words; left and right are anatomical, never near or far.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.sparse.csgraph import shortest_path

from cpexplore._validation import check_option

_LEG = ("hip", "knee", "ankle")
_ARM = ("shoulder", "elbow", "wrist")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeypointSet:
    """One detector's keypoints and how they are connected."""

    name: str
    """The key in :data:`KEYPOINT_SETS`."""
    keypoints: tuple[str, ...]
    """Names in the detector's own order."""
    edges: tuple[tuple[str, str], ...]
    """Bones as (outer, inner) pairs; the graph is connected."""
    centre: str | tuple[str, str]
    """The keypoint nearest the centre of gravity, or the two whose mean it is."""


def _both(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Repeat ``{s}_a-{s}_b`` edges for the right and the left side."""
    return tuple(
        (outer.format(s=side), inner.format(s=side))
        for side in ("right", "left")
        for outer, inner in pairs
    )


_LIMBS = _both(
    ("{s}_wrist", "{s}_elbow"),
    ("{s}_elbow", "{s}_shoulder"),
    ("{s}_knee", "{s}_hip"),
    ("{s}_ankle", "{s}_knee"),
)
_SPINE = (
    ("right_shoulder", "neck"),
    ("left_shoulder", "neck"),
    ("mid_hip", "neck"),
    ("right_hip", "mid_hip"),
    ("left_hip", "mid_hip"),
)
_FEET = _both(
    ("{s}_big_toe", "{s}_ankle"),
    ("{s}_small_toe", "{s}_big_toe"),
    ("{s}_heel", "{s}_ankle"),
)
_FACE = (
    ("nose", "neck"),
    ("right_eye", "nose"),
    ("left_eye", "nose"),
    ("right_ear", "right_eye"),
    ("left_ear", "left_eye"),
)

_BODY_25 = KeypointSet(
    name="body_25",
    keypoints=(
        "nose",
        "neck",
        *(f"right_{joint}" for joint in _ARM),
        *(f"left_{joint}" for joint in _ARM),
        "mid_hip",
        *(f"right_{joint}" for joint in _LEG),
        *(f"left_{joint}" for joint in _LEG),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel"),
        *("right_big_toe", "right_small_toe", "right_heel"),
    ),
    edges=(*_SPINE, *_LIMBS, *_FACE, *_FEET),
    centre="mid_hip",
)

_COCO_17 = KeypointSet(
    name="coco_17",
    keypoints=(
        "nose",
        *(f"{side}_{part}" for part in ("eye", "ear") for side in ("left", "right")),
        *(f"{side}_{joint}" for joint in _ARM for side in ("left", "right")),
        *(f"{side}_{joint}" for joint in _LEG for side in ("left", "right")),
    ),
    edges=(
        ("right_shoulder", "left_shoulder"),
        ("right_hip", "right_shoulder"),
        ("left_hip", "left_shoulder"),
        ("right_hip", "left_hip"),
        *_LIMBS,
        ("nose", "right_shoulder"),
        ("nose", "left_shoulder"),
        *_FACE[1:],
    ),
    centre=("left_hip", "right_hip"),
)

_HALPE_26 = KeypointSet(
    name="halpe_26",
    keypoints=(
        *_COCO_17.keypoints,
        *("head", "neck", "mid_hip"),
        *("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe"),
        *("left_heel", "right_heel"),
    ),
    edges=(*_SPINE, *_LIMBS, *_FACE, ("head", "nose"), *_FEET),
    centre="mid_hip",
)

_BLAZEPOSE_33 = KeypointSet(
    name="blazepose_33",
    keypoints=(
        "nose",
        *("left_eye_inner", "left_eye", "left_eye_outer"),
        *("right_eye_inner", "right_eye", "right_eye_outer"),
        *("left_ear", "right_ear", "left_mouth", "right_mouth"),
        *(f"{side}_{joint}" for joint in _ARM for side in ("left", "right")),
        *(
            f"{side}_{finger}"
            for finger in ("pinky", "index", "thumb")
            for side in ("left", "right")
        ),
        *(
            f"{side}_{part}"
            for part in (*_LEG, "heel", "big_toe")
            for side in ("left", "right")
        ),
    ),
    edges=(
        ("right_shoulder", "left_shoulder"),
        ("right_hip", "right_shoulder"),
        ("left_hip", "left_shoulder"),
        ("right_hip", "left_hip"),
        *_LIMBS,
        ("nose", "right_shoulder"),
        ("nose", "left_shoulder"),
        *_both(
            ("{s}_eye_inner", "nose"),
            ("{s}_eye", "{s}_eye_inner"),
            ("{s}_eye_outer", "{s}_eye"),
            ("{s}_ear", "{s}_eye_outer"),
            ("{s}_mouth", "nose"),
            ("{s}_index", "{s}_wrist"),
            ("{s}_pinky", "{s}_wrist"),
            ("{s}_thumb", "{s}_wrist"),
            ("{s}_heel", "{s}_ankle"),
            ("{s}_big_toe", "{s}_ankle"),
        ),
    ),
    centre=("left_hip", "right_hip"),
)

KEYPOINT_SETS: MappingProxyType[str, KeypointSet] = MappingProxyType(
    {set_.name: set_ for set_ in (_BODY_25, _COCO_17, _HALPE_26, _BLAZEPOSE_33)}
)
"""The keypoint sets that walks may use, by name."""

DERIVED: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "neck": ("left_shoulder", "right_shoulder"),
        "mid_hip": ("left_hip", "right_hip"),
    }
)
"""Keypoints that are the mean of two others where a detector lacks them."""

STRATEGIES: tuple[str, ...] = ("spatial", "spatial-original", "uniform", "distance")
"""Ways to split the neighbours of a keypoint into subsets; see :func:`adjacency`."""

_PARTS = {
    "head": ("nose", "eye", "ear", "mouth", "head"),
    "trunk": ("neck", "shoulder", "mid_hip"),
    "arms": ("elbow", "wrist", "pinky", "index", "thumb"),
    "hips": ("left_hip", "right_hip"),
    "knees": ("knee",),
    "ankles": ("ankle",),
    "feet": ("toe", "heel"),
}


def keypoint_set(name: str) -> KeypointSet:
    """Look a keypoint set up by name.

    Raises
    ------
    ValueError
        If there is no such set.

    Examples
    --------
    >>> coco = keypoint_set("coco_17")  # a detector of 17 keypoints, without feet
    >>> coco.keypoints[-2:], coco.centre
    (('left_ankle', 'right_ankle'), ('left_hip', 'right_hip'))
    """
    check_option("keypoint_set", name, tuple(KEYPOINT_SETS))
    return KEYPOINT_SETS[name]


def mirror_name(keypoint: str) -> str:
    """Swap left and right in a keypoint name.

    Examples
    --------
    >>> mirror_name("left_knee"), mirror_name("nose")
    ('right_knee', 'nose')
    """
    side, _, part = keypoint.partition("_")
    swapped = {"left": "right", "right": "left"}.get(side)
    return keypoint if swapped is None else f"{swapped}_{part}"


def mirror_index(name: str) -> np.ndarray:
    """Index that exchanges the left and right keypoints of a set.

    Parameters
    ----------
    name : str
        Name of the keypoint set.

    Returns
    -------
    numpy.ndarray of shape (V,)
        ``x[..., mirror_index(name)]`` is the mirrored skeleton, twice the same again.

    Raises
    ------
    ValueError
        If the set is unknown.

    Examples
    --------
    >>> names = keypoint_set("coco_17").keypoints
    >>> names[-2:], [names[k] for k in mirror_index("coco_17")[-2:]]
    (('left_ankle', 'right_ankle'), ['right_ankle', 'left_ankle'])
    """
    names = keypoint_set(name).keypoints
    return np.array([names.index(mirror_name(keypoint)) for keypoint in names])


def body_parts(name: str) -> dict[str, tuple[str, ...]]:
    """Group the keypoints of a set into head, trunk, arms, hips, knees, ankles, feet.

    Parts that the set does not have are left out; every keypoint is in exactly one.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    ValueError
        If the set is unknown.

    Examples
    --------
    >>> list(body_parts("coco_17"))  # a detector that finds no feet
    ['head', 'trunk', 'arms', 'hips', 'knees', 'ankles']
    """
    parts: dict[str, tuple[str, ...]] = {}
    left = list(keypoint_set(name).keypoints)
    for part, stems in _PARTS.items():
        members = tuple(k for k in left if any(stem in k for stem in stems))
        left = [keypoint for keypoint in left if keypoint not in members]
        if members:
            parts[part] = members
    return parts


def adjacency(keypoint_set: str, *, strategy: str = "spatial") -> np.ndarray:
    """Adjacency of a skeleton graph, one matrix per subset of neighbours.

    Parameters
    ----------
    keypoint_set : str
        Name of the keypoint set.
    strategy : {"spatial", "spatial-original", "uniform", "distance"}
        How a keypoint's neighbours are split. ``"uniform"``: not at all (K = 1).
        ``"distance"``: itself, the others (K = 2). ``"spatial"``: itself; those as far
        from the body centre or farther; those nearer (K = 3).

    Returns
    -------
    numpy.ndarray of shape (K, V, V)
        ``[k, v, w]`` is the weight of keypoint v for keypoint w; the columns sum to 1
        over k and v.

    Raises
    ------
    ValueError
        If the set or the strategy is unknown.

    Notes
    -----
    ``"spatial-original"`` reproduces the published code, to compare with its networks:
    hop distances stop at 1, beyond the neighbours of the centre every keypoint counts
    as equally far and the last subset is nearly empty.

    References
    ----------
    Yan, Xiong, Lin (2018). Spatial temporal graph convolutional networks for
    skeleton-based action recognition. AAAI.

    Examples
    --------
    >>> adjacency("coco_17").shape
    (3, 17, 17)
    """
    check_option("keypoint_set", keypoint_set, tuple(KEYPOINT_SETS))
    check_option("strategy", strategy, STRATEGIES)
    skeleton = KEYPOINT_SETS[keypoint_set]
    centre = skeleton.centre
    return partition(
        hop_distances(keypoint_set),
        centre=[
            skeleton.keypoints.index(name)
            for name in ((centre,) if isinstance(centre, str) else centre)
        ],
        strategy=strategy,
    )


def hop_distances(name: str) -> np.ndarray:
    """Count the bones between every two keypoints of a set.

    Returns
    -------
    numpy.ndarray of shape (V, V)

    Raises
    ------
    ValueError
        If the set is unknown.

    Examples
    --------
    >>> hop_distances("body_25")[8, :4].tolist()  # mid-hip to nose, neck, arm
    [2.0, 1.0, 2.0, 3.0]
    """
    names = keypoint_set(name).keypoints
    bones = np.zeros((len(names), len(names)))
    for outer, inner in keypoint_set(name).edges:
        bones[names.index(outer), names.index(inner)] = 1
    return shortest_path(bones, directed=False, unweighted=True)


def partition(
    hops: np.ndarray, *, centre: list[int], strategy: str = "spatial"
) -> np.ndarray:
    """Split neighbours into subsets; :func:`adjacency` for any graph.

    Parameters
    ----------
    hops : array of shape (V, V)
        Hop distances between keypoints.
    centre : list of int
        The keypoints that the distance to the centre is counted from.
    strategy : str
        One of :data:`STRATEGIES`.

    Returns
    -------
    numpy.ndarray of shape (K, V, V)

    Raises
    ------
    ValueError
        If the strategy is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> hops = np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]])  # hip (centre), knee, ankle
    >>> itself, outer, inner = partition(hops, centre=[0])[:, :, 1]  # of the knee
    >>> outer.round(2).tolist(), inner.round(2).tolist()
    ([0.0, 0.0, 0.33], [0.33, 0.0, 0.0])
    """
    check_option("strategy", strategy, STRATEGIES)
    near = hops <= 1
    weight = near / near.sum(axis=0)
    self_, others = hops == 0, hops == 1
    if strategy == "uniform":
        return weight[None]
    if strategy == "distance":
        return np.stack([weight * self_, weight * others])
    depth = hops[centre].min(axis=0)
    if strategy == "spatial-original":
        depth = np.where(depth > 1, np.inf, depth)
    nearer = depth[:, None] < depth
    return np.stack(
        [weight * self_, weight * (others & ~nearer), weight * (others & nearer)]
    )
