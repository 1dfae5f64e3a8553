"""The catalogue is data: complete, consistent and computed."""

import re

import pytest

from cpexplore.gait import CATALOGUE, feature_columns
from cpexplore.gait._body import make_body
from cpexplore.gait._gait import make_gait
from cpexplore.gait.catalogue import AGGREGATES, catalogue_page, resolve
from cpexplore.gait.features import feature_series, walk_features
from cpexplore.gait.reference import default_reference
from cpexplore.skeleton import KEYPOINT_SETS, body_parts

SUFFIXES = (
    "deg", "s", "pct", "spm", "ll", "llps", "ratio", "degps", "count", "z", "score",
    "llpspm",
)  # fmt: skip


@pytest.fixture
def series(built_walk):
    built = built_walk(n_strides=8)
    gait = make_gait(
        make_body(built.walk), built.events, min_cycles=2, leg_length_m=0.7
    )
    return feature_series(gait, walk_features(gait), default_reference())


def test_every_entry_is_complete():
    for column in ("symbol", "unit", "definition", "sides", "meaning", "reference"):
        empty = CATALOGUE.index[CATALOGUE[column].str.strip() == ""]
        assert empty.empty, (column, list(empty))
    assert CATALOGUE.index.is_unique
    assert set(CATALOGUE["sides"]) == {"each", "global"}
    assert set(CATALOGUE["direction"]) == {-1, 0, 1}
    assert set(CATALOGUE["unit"]) <= set(SUFFIXES)
    assert not CATALOGUE["definition"].str.contains("[{}]").any()


def test_keypoints_exist_and_quality_counts_need_none():
    names = set(KEYPOINT_SETS["body_25"].keypoints)
    columns = feature_columns()
    assert {k for points in columns["keypoints"] for k in points} <= names
    without = columns.index[columns["keypoints"].map(len) == 0]
    assert list(without) == ["n_strides_count", "n_passes_count", "usable_pct"]


def test_columns_are_named_by_one_scheme():
    columns = feature_columns()
    assert columns.index.is_unique
    pattern = re.compile(r"^[a-z][a-z0-9_]*_(" + "|".join(SUFFIXES) + ")$")
    assert all(pattern.match(name) for name in columns.index)
    for column in ("cadence_spm", "speed_llps", "knee_min_stance_left_deg"):
        assert column in columns.index
    sided = columns[columns["name"] == "knee_rom"]
    assert tuple(sided["aggregate"]) == AGGREGATES
    assert sided.loc["knee_rom_right_deg", "keypoints"] == (
        "right_hip",
        "right_knee",
        "right_ankle",
    )
    assert len(sided.loc["knee_rom_worse_deg", "keypoints"]) == 6


def test_sagittal_indices_do_not_borrow_published_names():
    names = CATALOGUE.index
    assert not names.str.match(r"(gdi|gps|gvi)(_|$)").any()
    assert {"sgdi", "sgps", "gvi2d"} <= set(names)


def test_core_is_side_free_and_small():
    core = feature_columns(core=True)
    assert 30 <= len(core) <= 60
    assert not set(core["aggregate"]) & {"left", "right"}
    assert {"speed_llps", "cadence_spm", "knee_min_stance_worse_deg"} <= set(core.index)


def test_the_upper_body_can_be_left_out():
    kept = feature_columns(exclude_upper_body=True)
    upper = {
        name
        for part in ("head", "arms")
        for name in body_parts("body_25")[part]
    } | {"neck", "left_shoulder", "right_shoulder"}  # fmt: skip
    assert not upper & {k for points in kept["keypoints"] for k in points}
    assert "hand_lock_worse_ll" not in kept.index
    assert "knee_rom_worse_deg" in kept.index


def test_other_side_is_resolved():
    assert resolve(("{side}_ankle", "{other}_ankle"), "left") == (
        "left_ankle",
        "right_ankle",
    )


def test_every_feature_is_computed(series):
    assert series.index.equals(feature_columns().index)
    missing = series.index[series.isna()]
    not_measurable = {"heel_rise_time", "head_anchor"}
    names = set(feature_columns().loc[missing, "name"])
    assert names <= not_measurable, names - not_measurable


def test_mean_and_difference_follow_from_the_sides(series):
    for name, unit in (("knee_rom", "deg"), ("step_length", "ll"), ("stance", "pct")):
        left, right = series[f"{name}_left_{unit}"], series[f"{name}_right_{unit}"]
        assert series[f"{name}_mean_{unit}"] == pytest.approx((left + right) / 2)
        assert series[f"{name}_asym_{unit}"] == pytest.approx(abs(left - right))
        pair = {series[f"{name}_worse_{unit}"], series[f"{name}_better_{unit}"]}
        assert pair == {left, right}


def test_the_page_lists_every_feature():
    page = catalogue_page()
    for name, row in CATALOGUE.iterrows():
        assert f"| `{name}` |" in page
        assert row["definition"].replace("|", "\\|") in page
    assert "projections" in page
