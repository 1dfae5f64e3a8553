"""Peers of the fusion: shapes, gradients, known angles and known neighbours."""

import math

import pytest
import torch
from torch import nn

from cpexplore.models.peers import (
    GaitCNN,
    NeighbourClassifier,
    PooledConcat,
    _flexion,
)
from cpexplore.skeleton import keypoint_set


def test_cnn_answers_and_trains_every_parameter():
    model = GaitCNN(keypoint_set("body_25").keypoints)
    assert len(model.angles) == 4
    logits = model(torch.randn(4, 3, 32, 25))
    assert logits.shape == (4, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() for p in model.parameters())


def test_cnn_without_feet_uses_the_knees_only():
    model = GaitCNN(keypoint_set("coco_17").keypoints).eval()
    assert len(model.angles) == 2
    x = torch.randn(2, 3, 32, 17)
    assert torch.equal(model(x), model(x))


def test_cnn_ignores_confidence():
    model = GaitCNN(keypoint_set("body_25").keypoints).eval()
    x = torch.randn(2, 3, 32, 25)
    other = x.clone()
    other[:, 2] = 0
    assert torch.equal(model(x), model(other))


def test_cnn_sees_legs_only():
    names = keypoint_set("body_25").keypoints
    model = GaitCNN(names).eval()
    x = torch.randn(2, 3, 32, 25)
    for name in names:
        other = x.clone()
        other[..., names.index(name)] += 1
        is_leg = name.endswith(("_hip", "_knee", "_ankle", "_big_toe"))
        assert torch.equal(model(x), model(other)) != (is_leg and name != "mid_hip")


@pytest.mark.parametrize("degrees", [-5.0, 0.0, 5.0, 60.0])
def test_flexion_of_a_constructed_knee(degrees):
    flexion = math.radians(degrees)
    hip, knee = (0.0, -1.0), (0.0, 0.0)
    ankle = (-math.sin(flexion), math.cos(flexion))
    leg = torch.tensor([hip, knee, ankle]).T[None, :, None, :]  # (1, 2, 1, 3)
    torch.testing.assert_close(_flexion(leg), torch.tensor([[flexion]]))


def test_pooled_vector_and_features_side_by_side():
    model = PooledConcat(("a", "b"), map_dim=8).eval()
    maps, features = torch.randn(3, 8, 5), torch.randn(3, 2)
    told = model(maps, features)
    assert told.shape == (3, 4)
    torch.testing.assert_close(model(maps.flip(2), features), told)  # pooled
    gone = features.clone()
    gone[0, 1] = float("nan")
    mean = features.clone()
    mean[0, 1] = 0
    assert model(maps, gone).isfinite().all()
    assert not torch.equal(model(maps, gone)[0], model(maps, mean)[0])
    torch.testing.assert_close(model(maps, gone)[1:], told[1:])


class Identity(nn.Module):
    def embed(self, x):
        return x


def test_neighbours_vote():
    bank = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    target = torch.tensor([2, 2, 1, 0])
    model = NeighbourClassifier(Identity(), bank=bank, target=target, n_neighbours=3)
    proba = model(torch.tensor([[5.0, 0.2]])).exp()
    torch.testing.assert_close(proba, torch.tensor([[0.25, 1.25, 2.25, 0.25]]) / 4)
    alone = NeighbourClassifier(Identity(), bank=bank[:1], target=target[:1])
    assert alone(torch.ones(1, 2)).argmax() == 2
