"""Joint ranking and feature selection: counted by hand."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore.attribution import feature_scores, rank_joints, select_features
from cpexplore.gait import CATALOGUE
from cpexplore.gait.catalogue import feature_columns

JOINTS = ["left_knee", "right_knee", "nose"]
COLUMNS = [
    *("method", "level", "keypoint", "estimate", "ci_low", "ci_high", "ci_level"),
    *("rank", "n_walks", "n_patients"),
]


def maps(values, walk_id, **attrs):
    """Saliency (window, time, keypoint), the same at both times."""
    values = np.repeat(np.asarray(values, float)[:, None], 2, axis=1)
    return xr.DataArray(
        values,
        dims=("window", "time", "keypoint"),
        coords={"keypoint": JOINTS, "walk_id": ("window", np.array(walk_id))},
        attrs=attrs,
    )


def test_windows_walks_and_patients_count_equally_in_turn():
    saliency = maps(
        [[1, 0, 0], [3, 0, 0], [8, 0, 1], [0, 6, 1]],
        ["a", "a", "b", "c"],
        method="grad_cam",
        target="II",
    )
    # walk a: 2; patient of a and b: (2 + 8) / 2 = 5; the other: 0
    table = rank_joints(
        saliency, groups={"a": "p", "b": "p", "c": "q"}, normalise="none", rng=0
    ).set_index("keypoint")

    assert table.columns.tolist() == [c for c in COLUMNS if c != "keypoint"]
    assert table["estimate"].to_dict() == {
        "left_knee": 2.5,
        "right_knee": 3.0,
        "nose": 0.75,
    }
    assert table["rank"].to_dict() == {"left_knee": 2, "right_knee": 1, "nose": 3}
    assert set(table["method"]) == {"grad_cam"}
    assert set(table["level"]) == {"II"}
    assert set(table["n_walks"]) == {3}
    assert set(table["n_patients"]) == {2}


def test_shares_of_a_cohort_and_of_a_clip():
    saliency = maps([[9, 1, 0], [0, 0.1, 0]], ["a", "b"])
    groups = {"a": "p", "b": "q"}

    cohort = rank_joints(saliency, groups=groups, normalise="cohort", rng=0)
    clip = rank_joints(saliency, groups=groups, normalise="clip", rng=0)

    shares = cohort.set_index("keypoint")["estimate"]
    np.testing.assert_allclose(shares[JOINTS], [9 / 10.1, 1.1 / 10.1, 0], rtol=1e-12)
    shares = clip.set_index("keypoint")["estimate"]
    np.testing.assert_allclose(shares[JOINTS], [0.45, 0.55, 0], rtol=1e-12)


def test_a_signed_map_is_scaled_by_its_absolute_sum():
    table = rank_joints(maps([[-3, 1, 0]], ["a"]), groups=["p"], rng=0)

    estimate = table.set_index("keypoint")["estimate"]
    assert estimate.to_dict() == {"left_knee": -0.75, "right_knee": 0.25, "nose": 0}
    assert table["keypoint"].tolist() == ["right_knee", "nose", "left_knee"]


def test_groups_may_be_one_per_window_and_are_aligned_by_walk():
    saliency = maps([[1, 0, 0], [3, 0, 0], [0, 6, 1]], ["b", "b", "a"])

    by_window = rank_joints(saliency, groups=["q", "q", "p"], rng=0)
    by_walk = rank_joints(saliency, groups=pd.Series({"a": "p", "b": "q"}), rng=0)
    shuffled = rank_joints(
        saliency.isel(window=[2, 0, 1], keypoint=[2, 0, 1]),
        groups={"b": "q", "a": "p"},
        rng=0,
    )

    pd.testing.assert_frame_equal(by_window, by_walk)
    pd.testing.assert_frame_equal(shuffled, by_walk)


@pytest.fixture
def by_level():
    """Joint saliency (method, walk, level, keypoint): walk b has nothing for II."""
    values = np.array(
        [
            [[[1.0, 0, 0], [0, 1, 0]], [[0, 0, 2], [np.nan, np.nan, np.nan]]],
            [[[5.0, 0, 0], [5, 0, 0]], [[5, 0, 0], [5, 0, 0]]],
        ]
    )
    return xr.DataArray(
        values,
        dims=("method", "walk", "level", "keypoint"),
        coords={
            "method": ["grad_cam", "occlusion"],
            "walk": ["a", "b"],
            "level": ["I", "II"],
            "keypoint": JOINTS,
        },
    )


def test_without_true_levels_every_walk_speaks_for_every_level(by_level):
    table = rank_joints(by_level, groups=["p", "q"], normalise="none", rng=0)

    cam = table[table["method"] == "grad_cam"].set_index(["level", "keypoint"])
    assert cam.loc[("I", "nose"), "estimate"] == 1.0
    assert cam.loc[("I", "nose"), "n_walks"] == 2
    assert cam.loc[("II", "right_knee"), "estimate"] == 1.0
    assert cam.loc[("II", "right_knee"), "n_walks"] == 1
    assert cam.loc[("all", "left_knee"), "estimate"] == 0.25
    assert table["level"].unique().tolist() == ["I", "II", "all"]


def test_with_true_levels_a_walk_speaks_for_its_own(by_level):
    table = rank_joints(
        by_level,
        groups=["p", "q"],
        levels={"a": "II", "b": "I"},
        normalise="none",
        rng=0,
    )

    cam = table[table["method"] == "grad_cam"].set_index(["level", "keypoint"])
    assert cam.loc[("I", "nose"), "estimate"] == 2.0
    assert cam.loc[("II", "right_knee"), "estimate"] == 1.0
    assert cam.loc[("all", "nose"), "estimate"] == 1.0
    assert cam.loc[("all", "nose"), "n_patients"] == 2


def test_one_map_of_each_walk_is_told_by_the_true_level():
    saliency = maps(np.array([[1.0, 0.0, 1.0], [2.0, 2.0, 0.0]]), ["a", "b"])
    table = rank_joints(
        saliency,
        groups=["p", "q"],
        levels={"a": "II", "b": "I"},
        normalise="none",
        rng=0,
    ).set_index(["level", "keypoint"])

    assert table.loc[("I", "left_knee"), "estimate"] == 2.0
    assert table.loc[("II", "left_knee"), "estimate"] == 1.0
    assert table.loc[("all", "left_knee"), "estimate"] == 1.5

    with pytest.raises(ValueError, match="`saliency` must hold a map") as error:
        rank_joints(saliency, groups=["p", "q"], levels={"a": "V", "b": "V"}, rng=0)
    assert str(error.value) == (
        "`saliency` must hold a map of some walk, of the walk's own level where "
        "`levels` are given; it holds none."
    )


def test_the_interval_is_that_of_whole_patients(rng):
    values = rng.gamma(2, size=(60, 3))
    walks = [f"w{i}" for i in range(60)]
    patients = [f"p{i // 2:02}" for i in range(60)]
    table = rank_joints(
        maps(values, walks),
        groups=patients,
        normalise="none",
        n_resamples=4000,
        rng=1,
    ).set_index("keypoint")

    by_patient = values.reshape(30, 2, 3).mean(1)
    standard_error = by_patient.std(0) / np.sqrt(30)
    half_width = (table["ci_high"] - table["ci_low"]).loc[JOINTS] / 2
    np.testing.assert_allclose(half_width, 1.96 * standard_error, rtol=0.1)
    assert (table["ci_level"] == 0.95).all()


def test_the_same_seed_gives_the_same_table(rng):
    saliency = maps(rng.gamma(2, size=(8, 3)), list("abcdefgh"))

    first, second, other = (
        rank_joints(saliency, groups=list("ppqqrrss"), n_resamples=50, rng=seed)
        for seed in (3, 3, 4)
    )

    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_saliency_of_zero_has_no_shares():
    table = rank_joints(maps([[0, 0, 0]], ["a"]), groups=["p"], rng=0)

    assert table["estimate"].isna().all()
    assert sorted(table["rank"]) == [1, 2, 3]


def test_missing_patients_and_dimensions_are_named():
    saliency = maps([[1, 0, 0], [3, 0, 0]], ["a", "b"])

    with pytest.raises(ValueError, match="`groups`") as patient:
        rank_joints(saliency, groups={"a": "p"})
    with pytest.raises(ValueError, match="`groups`") as length:
        rank_joints(saliency, groups=["p"])
    with pytest.raises(ValueError, match="`saliency`") as dims:
        rank_joints(saliency.rename(keypoint="joint"), groups=["p", "q"])
    with pytest.raises(ValueError, match="`normalise`") as option:
        rank_joints(saliency, groups=["p", "q"], normalise="minmax")

    assert str(patient.value) == (
        "`groups` must have an entry for every walk; 1 are missing, the first is 'b'."
    )
    assert str(length.value) == (
        "`groups` must have one entry per window or walk; got the shape (1,) for 2."
    )
    assert str(dims.value) == (
        "`saliency` lacks the dimensions 'keypoint'; it has 'joint', 'time', 'window'."
    )
    assert str(option.value) == (
        "`normalise` must be one of 'none', 'clip', 'cohort'; got 'minmax'."
    )


@pytest.fixture
def ranking():
    rows = [("left_knee", 1), ("right_knee", 2), ("neck", 3), ("nose", 4), ("hip", 5)]
    table = pd.DataFrame(rows, columns=["keypoint", "rank"])
    return table.assign(method="grad_cam", level="all", estimate=1 / table["rank"])


COLUMN_TABLE = pd.DataFrame(
    {
        "aggregate": "global",
        "keypoints": [("nose",), ("left_knee", "right_knee"), ("ear",), ("neck", "x")],
    },
    index=pd.Index(["head_deg", "knees_deg", "ear_deg", "neck_deg"], name="column"),
)


def test_a_feature_scores_the_mean_weight_of_its_keypoints(ranking):
    scores = feature_scores(ranking, COLUMN_TABLE)

    np.testing.assert_allclose(scores["knees_deg"], (1 + 0.75) / 2)
    np.testing.assert_allclose(scores["head_deg"], 0.25)
    np.testing.assert_allclose(scores["neck_deg"], 0.5)
    assert np.isnan(scores["ear_deg"])


def test_several_methods_vote_and_levels_do_not_count_twice(ranking):
    reverse = ranking.assign(method="occlusion", rank=6 - ranking["rank"])
    of_one_level = ranking.assign(level="I", rank=1)

    scores = feature_scores(pd.concat([ranking, reverse, of_one_level]), COLUMN_TABLE)

    np.testing.assert_allclose(scores["knees_deg"], scores["head_deg"])


@pytest.mark.parametrize(
    ("share", "kept"),
    [
        (0.25, ["knees_deg"]),
        (0.5, ["knees_deg", "neck_deg"]),
        (0.75, ["head_deg", "knees_deg", "neck_deg"]),
        (1, ["head_deg", "knees_deg", "ear_deg", "neck_deg"]),
        (0.01, ["knees_deg"]),
    ],
)
def test_the_top_share_is_kept_in_the_order_of_the_catalogue(ranking, share, kept):
    assert select_features(ranking, COLUMN_TABLE, share=share) == kept


def test_the_catalogue_gives_core_columns(ranking):
    core = feature_columns(core=True)

    kept = select_features(ranking, CATALOGUE, share=0.5)

    assert len(kept) == round(0.5 * len(core))
    assert set(kept) <= set(core.index)
    knee = [c for c in core.index if "knee" in core.loc[c, "keypoints"][0]]
    scores = feature_scores(ranking, CATALOGUE)
    assert scores.index.equals(core.index)
    assert scores[knee].min() >= 0 if knee else True


def test_a_share_out_of_range_is_refused(ranking):
    message = "`share` must be a finite number and >= 1e-09 and <= 1; got 0."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        select_features(ranking, COLUMN_TABLE, share=0)
