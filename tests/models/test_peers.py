"""Peers of the fusion: shapes, gradients, known angles and known neighbours."""

import math

import torch
from torch import nn

from cpexplore.models.peers import GaitCNN, NeighbourClassifier, _angle
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


def test_angle_of_a_constructed_knee():
    flexion = math.radians(30)
    hip, knee = (0.0, -1.0), (0.0, 0.0)
    ankle = (math.sin(flexion), math.cos(flexion))
    leg = torch.tensor([hip, knee, ankle]).T[None, :, None, :]  # (1, 2, 1, 3)
    torch.testing.assert_close(_angle(leg).abs(), torch.tensor([[math.pi - flexion]]))


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
