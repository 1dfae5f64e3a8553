"""Kinds of skeleton network: how each is made, and what it sees of a window."""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from cpexplore._validation import quoted
from cpexplore.gait import feature_columns
from cpexplore.learning.data import WalkSet, map_windows
from cpexplore.models.peers import GaitCNN, NeighbourClassifier
from cpexplore.models.stgcn import STGCN, STGCNConfig
from cpexplore.skeleton import adjacency, body_parts, keypoint_set

_HIDDEN_PARTS = ("head", "trunk", "arms")


def make_backbone(kind: str, config: STGCNConfig, *, keypoints: str) -> nn.Module:
    """Make an untrained network.

    Parameters
    ----------
    kind : str
        A key of :data:`cpexplore.learning.variants.BACKBONES`.
    config : STGCNConfig
        Shape of the ST-GCN.
    keypoints : str
        Name of the keypoint set of the windows.
    """
    if kind == "cnn":
        return GaitCNN(keypoint_set(keypoints).keypoints, n_levels=config.n_classes)
    return STGCN(config, adjacency(keypoints))


def finish_backbone(kind: str, network: nn.Module, learn: WalkSet) -> nn.Module:
    """Give a trained network what it needs to answer: neighbours, for ``triplet``."""
    if kind != "triplet":
        return network
    by_window = map_windows(network, learn.x, network.embed)  # type: ignore[arg-type]
    has = learn.n_windows > 0
    bank = torch.zeros(len(learn), by_window.shape[1])
    bank = bank.index_add(0, learn.row, by_window)[has] / learn.n_windows[has, None]
    return NeighbourClassifier(network, bank=bank, target=learn.target[has]).eval()


class LastBlocks(nn.Module):
    """A trained ST-GCN of which only the last blocks go on learning.

    Parameters
    ----------
    network : STGCN
        Stays as it is; a copy learns.
    n_blocks : int
        How many blocks learn, with all that follows them.
    """

    def __init__(self, network: STGCN, *, n_blocks: int) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.n_frozen = len(network.blocks) - n_blocks
        for module in self.frozen:
            module.requires_grad_(requires_grad=False)

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        """What keeps its weights and the statistics of its batch norms."""
        return (self.network.input_norm, *self.network.blocks[: self.n_frozen])

    def train(self, mode: bool = True) -> "LastBlocks":  # noqa: FBT001, FBT002
        """Set the mode of the last blocks; the others stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def maps(self, x: Tensor) -> Tensor:
        """As :meth:`cpexplore.models.STGCN.maps`."""
        return self.network.maps(x)


def seen_by(walks: WalkSet, kind: str, keypoints: str) -> WalkSet:
    """What a kind of backbone sees of windows.

    ``legs``: keypoints of the upper body are zero. ``bone``: positions relative to
    the neighbour nearer the body centre, or the mean of two; zero for the centre.
    ``motion``: changes from frame to frame.

    References
    ----------
    Shi et al., Skeleton-based action recognition with multi-stream adaptive graph
    convolutional networks, IEEE TIP 2020: streams of bones and motion.
    """
    change = _VIEWS.get(kind)
    return replace(walks, x=change(walks.x, keypoints)) if change else walks


def upper_body(name: str) -> np.ndarray:
    """Bool (V,): the keypoints of head, trunk and arms, except the mid-hip."""
    parts = body_parts(name)
    hidden = {k for part in _HIDDEN_PARTS for k in parts.get(part, ())} - {"mid_hip"}
    return np.array([keypoint in hidden for keypoint in keypoint_set(name).keypoints])


def lower_body(features: list[str]) -> list[str]:
    """Those that the catalogue computes without head, trunk and arms.

    Raises
    ------
    ValueError
        If there are none.
    """
    known = feature_columns(exclude_upper_body=True).index
    lower = [feature for feature in features if feature in known]
    if not lower:
        raise ValueError(
            "`features` must have a usable column of the catalogue without head, "
            f"trunk and arms for 'fusion_legs'; got none in {quoted(features)}."
        )
    return lower


def _legs(x: Tensor, keypoints: str) -> Tensor:
    return x.masked_fill(torch.as_tensor(upper_body(keypoints)), 0.0)


def _bones(x: Tensor, keypoints: str) -> Tensor:
    nearer = torch.as_tensor(adjacency(keypoints)[2], dtype=x.dtype)
    weight = nearer.sum(0)
    inner = x[:, :2] @ (nearer / weight.clamp(min=1e-6))
    return torch.cat([(x[:, :2] - inner) * (weight > 0), x[:, 2:]], dim=1)


def _motion(x: Tensor, keypoints: str) -> Tensor:
    change = torch.zeros_like(x[:, :2])
    change[:, :, 1:] = x[:, :2].diff(dim=2)
    return torch.cat([change, x[:, 2:]], dim=1)


_VIEWS: dict[str, Callable[[Tensor, str], Tensor]] = {
    "legs": _legs,
    "bone": _bones,
    "motion": _motion,
}
