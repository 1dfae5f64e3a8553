"""The two streams: values that add up, and a feature that carries everything."""

import numpy as np
import pandas as pd
import pytest
import torch

from cpexplore.attribution import feature_attribution, stream_shapley
from cpexplore.models import STGCN, FusionClassifier, FusionConfig, STGCNConfig
from cpexplore.models.ordinal import OrdinalLogit
from cpexplore.skeleton import KEYPOINT_SETS, adjacency
from cpexplore.windows import Windows

COCO = KEYPOINT_SETS["coco_17"].keypoints
FEATURES = ("speed_llps", "cadence_spm", "knee_rom_mean_deg")


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    backbone = STGCN(STGCNConfig(blocks=((8, 2),), embed_dim=256), adjacency("coco_17"))
    model = FusionClassifier(
        FusionConfig(), keypoints=COCO, features=FEATURES, backbone=backbone
    )
    for head in (model.head.answer, model.head_c):  # with an offset they start at 0
        head.reset_parameters()
    return model.train()


@pytest.fixture
def windows(rng):
    return Windows(
        x=rng.standard_normal((5, 3, 24, 17)).astype(np.float32),
        walk_id=np.array(["b", "a", "b", "c", "a"]),
        start=np.arange(5),
        padded_pct=np.zeros(5, np.float32),
        time=np.zeros((5, 24)),
        keypoint=COCO,
    )


@pytest.fixture
def features(rng):
    table = pd.DataFrame(
        rng.standard_normal((3, 4)), ["c", "a", "b"], [*FEATURES[::-1], "unused"]
    )
    table.loc["c", "cadence_spm"] = np.nan
    return table


def logit(fusion, windows, features, level):
    scores = features.loc[windows.walk_id, list(FEATURES)].to_numpy()
    x = torch.tensor(windows.x)
    with torch.no_grad():
        logits = fusion.eval()(x, torch.tensor(scores, dtype=torch.float32))
    fusion.train()
    return logits.numpy()[:, level]


def test_features_that_are_sure_of_a_level_speak_for_it(fusion, windows, features):
    coef = np.array([4.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    model = OrdinalLogit(coef=coef, thresholds=np.array([-6.0, 0.0, 6.0]))
    for head in (fusion.head.answer, fusion.head_c):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    fusion.offset.load(model)
    sure = features.assign(**{FEATURES[0]: 2.25})  # severity 9: surely the last level
    said = {
        level: stream_shapley(fusion, windows, sure, target=level)["clinical"]
        for level in range(4)
    }
    assert (said[3] > 1).all()
    assert (said[0] < -1).all()
    assert (said[3] > said[2]).all()


def test_streams_add_up_to_the_logit(fusion, windows, features):
    split = stream_shapley(fusion, windows, features, target="III")

    total = split[["neither", "skeleton", "clinical"]].sum(axis=1)
    np.testing.assert_allclose(total, logit(fusion, windows, features, 2), atol=1e-5)
    assert split["walk_id"].tolist() == ["b", "a", "b", "c", "a"]
    assert split["skeleton"].std() > 0
    assert fusion.training


def test_a_stream_that_is_missing_says_nothing(fusion, windows, features):
    empty = features.assign(**dict.fromkeys(FEATURES, np.nan))

    split = stream_shapley(fusion, windows, empty, target=0)

    np.testing.assert_allclose(split["clinical"], 0, atol=1e-6)
    np.testing.assert_allclose(split["interaction"], 0, atol=1e-6)


def test_features_add_up_to_the_change_from_the_training_mean(
    fusion, windows, features
):
    values = feature_attribution(fusion, windows, features, target="II")
    at_mean = features.where(features.isna(), 0.0)

    change = logit(fusion, windows, features, 1) - logit(fusion, windows, at_mean, 1)

    total = values.sum("feature")
    np.testing.assert_allclose(total, change, rtol=0.02, atol=1e-3)
    assert values["feature"].values.tolist() == list(FEATURES)
    missing = np.isnan(values.sel(feature="cadence_spm"))
    assert missing.values.tolist() == [False, False, False, True, False]
    assert fusion.training
    assert all(p.grad is None for p in fusion.parameters())


def test_predicted_is_the_level_of_each_window(fusion, windows, features):
    scores = features.loc[windows.walk_id, list(FEATURES)].to_numpy()
    x = torch.tensor(windows.x)
    fusion.eval()
    level = fusion(x, torch.tensor(scores, dtype=torch.float32)).argmax(1).tolist()

    values = feature_attribution(fusion, windows, features)

    for window, code in enumerate(level):
        own = feature_attribution(fusion, windows, features, target=code)
        np.testing.assert_allclose(values[window], own[window], atol=1e-6)


def test_rows_are_matched_by_walk(fusion, windows, features):
    shuffled = features.loc[["b", "c", "a"], features.columns[::-1]]

    first = stream_shapley(fusion, windows, features, target=0)
    second = stream_shapley(fusion, windows, shuffled, target=0)

    pd.testing.assert_frame_equal(first, second)


def test_missing_walks_and_columns_are_named(fusion, windows, features):
    with pytest.raises(ValueError, match="`features`") as walk:
        stream_shapley(fusion, windows, features.drop(index="a"))
    with pytest.raises(ValueError, match="`features`") as column:
        feature_attribution(fusion, windows, features[["cadence_spm"]])

    assert str(walk.value) == (
        "`features` must have a row for every walk of `windows`; 1 are missing, the "
        "first is 'a'."
    )
    assert str(column.value) == (
        "`features` lacks the columns 'speed_llps', 'knee_rom_mean_deg'; it has "
        "'cadence_spm'."
    )
