"""Networks that others have used for this question, to be run under the same folds."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SIDES = ("left", "right")
_JOINTS = ("hip", "knee", "ankle", "big_toe")
_ANGLES = (_JOINTS[:3], _JOINTS[1:])


class GaitCNN(nn.Module):
    """Convolutions over time on leg keypoints and joint angles, without a graph.

    Parameters
    ----------
    keypoints : sequence of str
        Names along V of the windows.
    n_levels : int
        Number of GMFCS levels.
    width : int
        Channels of all convolutions.

    Notes
    -----
    Three stages of two convolutions over eight frames and a pooling by 2, 2 and 3, then
    ten units, as published. Differs: one network for all children; the four levels in
    place of a regressed gait number; means over time in place of a flattened series,
    so that a step may lie anywhere in the window; signed flexion in place of unsigned
    angles; no distances between keypoints beside them.

    References
    ----------
    Kidzinski et al., Deep neural networks enable quantitative movement analysis using
    single-camera videos, Nature Communications 11 (2020) 4054.
    """

    def __init__(
        self, keypoints: tuple[str, ...], *, n_levels: int = 4, width: int = 32
    ):
        super().__init__()
        legs = [f"{side}_{joint}" for side in _SIDES for joint in _JOINTS]
        self.legs = [keypoints.index(name) for name in legs if name in keypoints]
        self.angles = [
            tuple(keypoints.index(f"{side}_{joint}") for joint in joints)
            for side in _SIDES
            for joints in _ANGLES
            if f"{side}_{joints[-1]}" in keypoints
        ]
        channels = 2 * len(self.legs) + len(self.angles)
        stages: list[nn.Module] = [nn.BatchNorm1d(channels)]
        for pool in (2, 2, 3):
            stages += _stage(channels, width, pool=pool)
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.Linear(width, 10), nn.ReLU(), nn.Dropout(0.5), nn.Linear(10, n_levels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, n_levels) of windows (N, 3, T, V)."""
        position = x[:, :2]
        flat = position[..., self.legs].transpose(2, 3).flatten(1, 2)  # (N, 2L, T)
        angles = [_flexion(position[..., list(joints)]) for joints in self.angles]
        series = torch.cat([flat, torch.stack(angles, dim=1)], dim=1)
        return self.head(self.stages(series).mean(2))


class PooledConcat(nn.Module):
    """The pooled ST-GCN vector and the gait features side by side, then two layers.

    Parameters
    ----------
    features : sequence of str
        Names along F of the feature table.
    map_dim : int
        Channels of the skeleton map.
    n_levels : int
        Number of GMFCS levels.
    width : int
        Units of the hidden layer.

    Notes
    -----
    The plain way to use both streams: no tokens, no attention, one loss. A missing
    feature is 0, its mean, and told by a second input; the vector of a walk without a
    window is 0.
    """

    def __init__(
        self,
        features: tuple[str, ...],
        *,
        map_dim: int,
        n_levels: int = 4,
        width: int = 256,
    ):
        super().__init__()
        self.features = tuple(features)
        self.layers = nn.Sequential(
            nn.Linear(map_dim + 2 * len(self.features), width),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(width, n_levels),
        )

    def forward(self, maps: Tensor, features: Tensor) -> Tensor:
        """Logits (N, n_levels) of maps (N, C, V) and standard scores (N, F)."""
        vector = maps.mean(2).nan_to_num(0.0)
        inputs = [vector, features.nan_to_num(0.0), features.isnan().float()]
        return self.layers(torch.cat(inputs, dim=1))


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

    Notes
    -----
    Differs from the paper: no self-supervised training comes first, and training stops
    by the answers of the layer that it trains, not by those of the neighbours.

    References
    ----------
    Zhao et al., Computer vision for gait assessment in cerebral palsy: metric learning
    and confidence estimation, 2024.
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


def _stage(channels: int, width: int, *, pool: int) -> list[nn.Module]:
    """Two convolutions of eight frames and a pooling."""
    layers: list[nn.Module] = []
    for inputs in (channels, width):
        layers += [
            nn.Conv1d(inputs, width, kernel_size=8, padding=4, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        ]
    return [*layers, nn.MaxPool1d(pool)]


def _flexion(position: Tensor) -> Tensor:
    """Signed angle (N, T) from straight at the middle of three keypoints (N, 2, T, 3).

    Radians; 0 where the three lie in line, so that no joint passes the cut at pi.
    """
    inner = position[..., 1] - position[..., 0]
    outer = position[..., 2] - position[..., 1]
    cross = inner[:, 0] * outer[:, 1] - inner[:, 1] * outer[:, 0]
    return torch.atan2(cross, (inner * outer).sum(1))
