"""Networks that others have used for this question, to be run under the same folds."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SIDES = ("left", "right")
_ANGLES = (("hip", "knee", "ankle"), ("knee", "ankle", "big_toe"))


class GaitCNN(nn.Module):
    """Convolutions over time on coordinates and joint angles, without a skeleton graph.

    Parameters
    ----------
    keypoints : sequence of str
        Names along V of the windows.
    n_levels : int
        Number of GMFCS levels.
    width : int
        Channels of the first of three stages; each stage doubles it.

    Notes
    -----
    Differs from the published networks: one network for all children, batch
    normalisation, and the four levels as output instead of a regressed gait number.

    References
    ----------
    Kidzinski et al., Deep neural networks enable quantitative movement analysis using
    single-camera videos, Nature Communications 11 (2020) 4054.
    """

    def __init__(
        self, keypoints: tuple[str, ...], *, n_levels: int = 4, width: int = 32
    ):
        super().__init__()
        self.angles = [
            tuple(keypoints.index(f"{side}_{joint}") for joint in joints)
            for side in _SIDES
            for joints in _ANGLES
            if f"{side}_{joints[-1]}" in keypoints
        ]
        channels = 2 * len(keypoints) + len(self.angles)
        stages: list[nn.Module] = [nn.BatchNorm1d(channels)]
        for number in range(3):
            stages += _stage(channels, width * 2**number)
            channels = width * 2**number
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(channels, n_levels)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, n_levels) of windows (N, 3, T, V)."""
        position = x[:, :2]
        flat = position.transpose(2, 3).flatten(1, 2)  # (N, 2V, T)
        angles = [_angle(position[..., list(joints)]) for joints in self.angles]
        series = torch.cat([flat, torch.stack(angles, dim=1)], 1) if angles else flat
        return self.head(self.dropout(self.stages(series).mean(2)))


class NeighbourClassifier(nn.Module):
    """Answers with the levels of the most similar training walks.

    The share of a level among the neighbours is its confidence.

    Parameters
    ----------
    backbone : torch.nn.Module
        With ``embed(x)``, trained with :func:`cpexplore.models.losses.triplet`.
    bank : Tensor of shape (W, D)
        Embeddings of training walks.
    target : Tensor of int64, shape (W,)
        Their level codes.
    n_neighbours : int
        How many are asked, at most W.

    References
    ----------
    Zhao et al., metric learning on ST-GCN embeddings with neighbour confidence, 2024.
    """

    bank: Tensor
    target: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        *,
        bank: Tensor,
        target: Tensor,
        n_levels: int = 4,
        n_neighbours: int = 15,
    ):
        super().__init__()
        self.backbone = backbone
        self.n_levels, self.n_neighbours = n_levels, n_neighbours
        self.register_buffer("bank", F.normalize(bank, dim=1))
        self.register_buffer("target", target)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities (N, n_levels) of windows (N, 3, T, V)."""
        embedding = F.normalize(self.backbone.embed(x), dim=1)  # type: ignore[operator]
        similarity = embedding @ self.bank.T
        k = min(self.n_neighbours, len(self.bank))
        nearest = similarity.topk(k, dim=1).indices
        votes = F.one_hot(self.target[nearest], self.n_levels).sum(1)
        return ((votes + 0.25) / (k + 0.25 * self.n_levels)).log()


def _stage(channels: int, width: int) -> list[nn.Module]:
    """Two convolutions of nine frames and a pooling by two."""
    layers: list[nn.Module] = []
    for inputs in (channels, width):
        layers += [
            nn.Conv1d(inputs, width, kernel_size=9, padding=4, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        ]
    return [*layers, nn.MaxPool1d(2)]


def _angle(position: Tensor) -> Tensor:
    """Signed angle (N, T) at the middle of three keypoints (N, 2, T, 3), radians."""
    inner = position[..., 0] - position[..., 1]
    outer = position[..., 2] - position[..., 1]
    cross = inner[:, 0] * outer[:, 1] - inner[:, 1] * outer[:, 0]
    return torch.atan2(cross, (inner * outer).sum(1))
