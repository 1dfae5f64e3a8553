"""The catalogue of gait features: what each is, needs and means.

It is kept in ``catalogue.csv``. A row whose ``of`` lists angles or other features
stands for one feature of each, with ``{x}`` in its name and ``{symbol}``, ``{words}``,
``{unit}`` and ``{points}`` in its texts; a row of its own under the same name wins.
The columns of feature tables, the reasons for missing values and the page of the
documentation are made from it.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

AGGREGATES = ("left", "right", "mean", "worse", "better", "asym")
"""What stands between name and unit in the columns of a sided feature."""
CORE_AGGREGATES = ("worse", "better")
"""The side-free columns of a sided core feature: together they hold both limbs."""

_LEG = ("{side}_hip", "{side}_knee", "{side}_ankle")
_FOOT = ("{side}_heel", "{side}_big_toe")
_ARM = ("{side}_shoulder", "{side}_elbow", "{side}_wrist")
_TRUNK = ("neck", "mid_hip")
_STEMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "hip": ("H", "trunk-referenced hip flexion", (*_LEG[:2], *_TRUNK)),
    "knee": ("K", "knee flexion", _LEG),
    "ankle": ("A", "ankle dorsiflexion", (*_LEG[1:], *_FOOT)),
    "thigh": ("Th", "thigh inclination", _LEG[:2]),
    "shank": ("Sh", "shank inclination", _LEG[1:]),
    "foot_pitch": ("P", "foot pitch", _FOOT),
    "trunk_lean": ("T", "trunk lean", _TRUNK),
    "elbow": ("E", "elbow flexion", _ARM),
    "shoulder": ("S", "trunk-referenced shoulder flexion", (*_ARM[:2], *_TRUNK)),
    "hip_knee": ("HK", "hip and knee", (*_LEG, *_TRUNK)),
    "knee_ankle": ("KA", "knee and ankle", (*_LEG, *_FOOT)),
    "thigh_shank": ("ThSh", "thigh and shank", _LEG),
}
"""What ``of`` may name besides features: symbol, words and keypoints of an angle or of
a pair of them."""

_UPPER_BODY = ("nose", "eye", "ear", "neck", "shoulder", "elbow", "wrist")


def _catalogue() -> pd.DataFrame:
    with files("cpexplore.gait").joinpath("catalogue.csv").open() as file:
        rows = list(csv.DictReader(file))
    plain = {row["name"]: row for row in rows if not row["of"]}
    derived = {
        row["name"].format(x=stem): row | _about(stem, plain, row=row)
        for row in rows
        for stem in row["of"].split()
    }
    table = pd.DataFrame.from_dict({**derived, **plain}, orient="index")
    order = [*plain, *(name for name in derived if name not in plain)]
    table = table.loc[order].rename_axis("name")
    return table.drop(columns=["name", "of"]).assign(
        keypoints=[tuple(text.split()) for text in table["keypoints"]],
        direction=table["direction"].astype(int),
        core=table["core"] == "yes",
        cycles=table["cycles"].astype(int),
    )


def _about(
    stem: str, plain: dict[str, dict[str, str]], *, row: dict[str, str]
) -> dict[str, str]:
    """Fill a row that is meant for many angles or features with one of them."""
    if stem in _STEMS:
        symbol, words, keypoints = _STEMS[stem]
        unit, points = "deg", " ".join(keypoints)
    else:
        symbol, words = plain[stem]["symbol"], stem.replace("_", " ")
        unit, points = plain[stem]["unit"], plain[stem]["keypoints"]
    fill = {"symbol": symbol, "words": words, "unit": unit, "points": points}
    keys = ("symbol", "unit", "definition", "meaning")
    filled = {key: row[key].format(**fill) for key in keys}
    return filled | {"keypoints": row["keypoints"].replace("{points}", points)}


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
    catalogue: pd.DataFrame = CATALOGUE,
    *,
    core: bool = False,
    exclude_upper_body: bool = False,
) -> pd.DataFrame:
    """List the columns of a feature table.

    Parameters
    ----------
    catalogue : pandas.DataFrame
        :data:`CATALOGUE` or some of its rows.
    core : bool
        Only the side-free core columns that models and statistics use by default.
    exclude_upper_body : bool
        Leave out what needs head, trunk or arms. A walker almost defines level III: a
        model that sees still hands detects the aid, not the gait.

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
    >>> from cpexplore.gait import feature_columns
    >>> columns = feature_columns()
    >>> columns.loc["knee_min_stance_left_deg", "keypoints"]
    ('left_hip', 'left_knee', 'left_ankle')
    >>> core = feature_columns(core=True)
    >>> sorted(set(core["aggregate"]))
    ['better', 'global', 'worse']
    """
    rows = [
        {
            "column": _column(row["name"], aggregate, row["unit"]),
            "name": row["name"],
            "aggregate": aggregate,
            "unit": row["unit"],
            "keypoints": resolve(row["keypoints"], aggregate),
            "direction": row["direction"],
            "core": row["core"] and aggregate in ("global", *CORE_AGGREGATES),
        }
        for row in catalogue.reset_index().to_dict("records")
        for aggregate in (("global",) if row["sides"] == "global" else AGGREGATES)
    ]
    table = pd.DataFrame(rows).set_index("column")
    upper = table["keypoints"].map(_is_upper_body).astype(bool)
    return table.loc[(table["core"] | (not core)) & ~(upper & exclude_upper_body)]


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


def _is_upper_body(keypoints: tuple[str, ...]) -> bool:
    return any(part in name for name in keypoints for part in _UPPER_BODY)


@cache
def all_columns() -> pd.DataFrame:
    """:func:`feature_columns` of the whole catalogue, made once."""
    return feature_columns()


def catalogue_page(catalogue: pd.DataFrame = CATALOGUE) -> str:
    """Write the catalogue as a page of Markdown.

    Parameters
    ----------
    catalogue : pandas.DataFrame
        :data:`CATALOGUE` or some of its rows.

    Returns
    -------
    str
        One table of the core features and one of the others.
    """
    parts = [_INTRODUCTION]
    for title, rows in (
        ("Core features", catalogue[catalogue["core"]]),
        ("Further features", catalogue[~catalogue["core"]]),
    ):
        head = "| " + " | ".join(_PAGE.values()) + " |"
        lines = [_page_line(row) for row in rows.reset_index().to_dict("records")]
        parts.append(
            "\n".join([f"## {title}\n", head, "|---" * len(_PAGE) + "|", *lines])
        )
    return "\n\n".join(parts) + "\n"


_PAGE = {
    "name": "Feature",
    "symbol": "Symbol",
    "unit": "Unit",
    "sides": "Sides",
    "direction": "With severity",
    "definition": "Definition",
    "keypoints": "Keypoints",
    "meaning": "Meaning in cerebral palsy",
    "reference": "Source",
}

_ARROWS = {1: "up", -1: "down", 0: "two-sided or unknown"}

_INTRODUCTION = """# Catalogue of gait features

Made from `cpexplore.gait.CATALOGUE` by `catalogue_page`; do not edit by hand.

All angles are projections on the image plane of one camera; lengths are in leg lengths
(ll), speed in leg lengths per second (llps). A feature of each side has the columns
`<name>_<left|right|mean|worse|better|asym>_<unit>`. A side needs two accepted cycles,
measures of variability five; what cannot be computed is missing, with a reason.
"Unverified" sources were not read for this project."""


def _page_line(row: dict[str, Any]) -> str:
    shown = row | {
        "name": f"`{row['name']}`",
        "direction": _ARROWS[row["direction"]],
        "keypoints": " ".join(row["keypoints"]) or "all",
    }
    cells = (str(shown[key]).replace("|", "\\|") for key in _PAGE)
    return "| " + " | ".join(cells) + " |"
