"""The catalogue of gait features: what each is, needs and means.

The named features are rows of ``catalogue.csv``; the phase-wise kinematics are every
angle crossed with every measure. The table is data: columns, reasons and the page of
the documentation are made from it.
"""

from functools import cache
from importlib.resources import files
from itertools import product

import pandas as pd

AGGREGATES = ("left", "right", "mean", "worse", "better", "asym")
"""What stands between name and unit in the columns of a sided feature."""
CORE_AGGREGATES = ("worse", "better")
"""The side-free columns of a sided core feature: together they hold both limbs."""

_KEYS = (
    "symbol",
    "unit",
    "definition",
    "keypoints",
    "sides",
    "meaning",
    "direction",
    "reference",
    "core",
    "cycles",
)

_LEG = ("{side}_hip", "{side}_knee", "{side}_ankle")
_FOOT = ("{side}_heel", "{side}_big_toe")
_ARM = ("{side}_shoulder", "{side}_elbow", "{side}_wrist")
_TRUNK = ("neck", "mid_hip")
_ANGLES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "hip": ("H", "trunk-referenced hip flexion", (*_LEG[:2], *_TRUNK)),
    "knee": ("K", "knee flexion", _LEG),
    "ankle": ("A", "ankle dorsiflexion", (*_LEG[1:], *_FOOT)),
    "thigh": ("thigh", "thigh inclination", _LEG[:2]),
    "shank": ("shank", "shank inclination", _LEG[1:]),
    "foot_pitch": ("P", "foot pitch", _FOOT),
    "trunk_lean": ("T", "trunk lean", _TRUNK),
    "elbow": (
        "E",
        "elbow flexion",
        ("{side}_shoulder", "{side}_elbow", "{side}_wrist"),
    ),
    "shoulder": (
        "S",
        "trunk-referenced shoulder flexion",
        (*_ARM[:2], *_TRUNK),
    ),
}
"""Angle to symbol, words and keypoints."""

_MEASURES: dict[str, tuple[str, str, str]] = {
    "ic": ("(0)", "deg", "{angle} at initial contact"),
    "to": ("(FO)", "deg", "{angle} at foot off"),
    "mean_stance": ("_st", "deg", "mean {angle} from initial contact to foot off"),
    "mean_swing": ("_sw", "deg", "mean {angle} from foot off to initial contact"),
    "min_stance": ("min_st", "deg", "smallest {angle} in stance"),
    "max_stance": ("max_st", "deg", "largest {angle} in stance"),
    "t_min_stance": ("t_min_st", "pct", "when {angle} is smallest in stance"),
    "t_max_stance": ("t_max_st", "pct", "when {angle} is largest in stance"),
    "min_swing": ("min_sw", "deg", "smallest {angle} in swing"),
    "max_swing": ("max_sw", "deg", "largest {angle} in swing"),
    "t_max_swing": ("t_max_sw", "pct", "when {angle} is largest in swing"),
    "rom_stance": ("ROM_st", "deg", "range of {angle} in stance"),
    "rom_swing": ("ROM_sw", "deg", "range of {angle} in swing"),
    "rom": ("ROM", "deg", "range of {angle} over the cycle"),
    "peak_vel_flex": ("v+", "degps", "largest rate of increase of {angle}"),
    "peak_vel_ext": ("v-", "degps", "largest rate of decrease of {angle}"),
}
"""Measure to symbol, unit and definition."""


def _phase_wise() -> pd.DataFrame:
    rows = {}
    for (angle, (symbol, words, keypoints)), (measure, (mark, unit, text)) in product(
        _ANGLES.items(), _MEASURES.items()
    ):
        rows[f"{angle}_{measure}"] = {
            "symbol": f"{symbol} {mark}",
            "unit": unit,
            "definition": text.format(angle=words),
            "keypoints": keypoints,
            "sides": "each",
            "meaning": "",
            "direction": 0,
            "reference": "",
            "core": False,
            "cycles": 0,
        }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_KEYS))


def _named() -> pd.DataFrame:
    with files("cpexplore.gait").joinpath("catalogue.csv").open() as file:
        table = pd.read_csv(file, index_col="name", keep_default_na=False)
    table["keypoints"] = [tuple(text.split()) for text in table["keypoints"]]
    table["core"] = table["core"] == "yes"
    return table[list(_KEYS)]


def _catalogue() -> pd.DataFrame:
    named, phase_wise = _named(), _phase_wise()
    others = phase_wise[~phase_wise.index.isin(named.index)]
    return pd.concat([named, others]).rename_axis("name")


CATALOGUE: pd.DataFrame = _catalogue()
"""One row per feature, index ``name``.

``symbol``, ``unit`` (the suffix of its columns), ``definition``, ``keypoints`` (tuple;
``{side}`` stands for the own side, ``{other}`` for the other one), ``sides`` ("each" or
"global"), ``meaning`` in cerebral palsy, ``direction`` with severity (+1 up, -1 down, 0
two-sided or unknown), ``reference`` ("unverified" where no primary source was read),
``core`` (in the side-free set that models use) and ``cycles`` (cycles that a side needs
beyond the usual minimum; 0 = the usual minimum).

All angles are projections on the image plane of one camera.
"""


def feature_columns(
    catalogue: pd.DataFrame = CATALOGUE, *, core: bool = False
) -> pd.DataFrame:
    """List the columns of a feature table.

    Parameters
    ----------
    catalogue : pandas.DataFrame
        :data:`CATALOGUE` or some of its rows.
    core : bool
        Only the side-free core columns that models and statistics use by default.

    Returns
    -------
    pandas.DataFrame
        One row per column, index ``column``: ``name`` of the feature, ``aggregate``
        (left, right, mean, worse, better, asym, global), ``unit``, ``keypoints`` (tuple
        of names), ``direction``, ``core``. Of the two sides, ``worse`` is the one
        further in the feature's ``direction``, or further from the reference mean if
        that is 0; ``asym`` is the absolute difference.

    Examples
    --------
    >>> columns = feature_columns()
    >>> columns.loc["knee_min_stance_left_deg", "keypoints"]
    ('left_hip', 'left_knee', 'left_ankle')
    """
    rows = [
        {
            "column": _column(str(name), aggregate, row["unit"]),
            "name": name,
            "aggregate": aggregate,
            "unit": row["unit"],
            "keypoints": resolve(row["keypoints"], aggregate),
            "direction": row["direction"],
            "core": row["core"] and aggregate in ("global", *CORE_AGGREGATES),
        }
        for name, row in catalogue.iterrows()
        for aggregate in (("global",) if row["sides"] == "global" else AGGREGATES)
    ]
    table = pd.DataFrame(rows).set_index("column")
    return table[table["core"]] if core else table


def resolve(keypoints: tuple[str, ...], aggregate: str) -> tuple[str, ...]:
    """Name the keypoints of one side, or of both for an aggregate of the two.

    Examples
    --------
    >>> resolve(("{side}_hip", "neck"), "worse")
    ('left_hip', 'right_hip', 'neck')
    """
    sides = (aggregate,) if aggregate in ("left", "right") else ("left", "right")
    other = {"left": "right", "right": "left"}
    names = (
        keypoint.format(side=side, other=other[side])
        for keypoint in keypoints
        for side in sides
    )
    return tuple(dict.fromkeys(names))


def _column(name: str, aggregate: str, unit: str) -> str:
    middle = "" if aggregate == "global" else f"_{aggregate}"
    return f"{name}{middle}_{unit}"


@cache
def all_columns() -> pd.DataFrame:
    """:func:`feature_columns` of the whole catalogue, made once."""
    return feature_columns()
