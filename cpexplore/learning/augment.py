"""Changes to a window that leave the child's level as it is."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpexplore._validation import check_range


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentConfig:
    """How strongly training examples are varied.

    Speed is never changed: it carries the level. Nothing is cropped in time: the start
    of the window is random already.
    """

    mirror: float = 0.5
    """Chance of exchanging left and right, 0 to 1."""
    rotation_deg: float = 5.0
    """Largest rotation in the image plane, 0 to 45."""
    scale: float = 0.05
    """Largest relative change of size, 0 to 0.5."""
    keypoint_dropout: float = 0.05
    """Chance that a keypoint is lost for the whole window, 0 to below 1."""

    def __post_init__(self) -> None:
        check_range("mirror", self.mirror, low=0, high=1)
        check_range("rotation_deg", self.rotation_deg, low=0, high=45)
        check_range("scale", self.scale, low=0, high=0.5)
        check_range("keypoint_dropout", self.keypoint_dropout, low=0, high=0.99)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Varies a batch; made once per training set."""

    config: AugmentConfig
    """How strongly."""
    keypoint_mirror: np.ndarray
    """int64 (V,): left-right exchange of keypoints."""
    feature_mirror: np.ndarray
    """int64 (F,): left-right exchange of feature columns."""

    @property
    def told(self) -> dict[str, Any]:
        """Everything in it, as JSON holds it."""
        mirrors = self.keypoint_mirror.tolist(), self.feature_mirror.tolist()
        return asdict(self.config) | {"mirrors": mirrors}

    def __call__(
        self, x: Tensor, features: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Vary windows (N, 3, T, V), or choose among maps and mirrored maps.

        Parameters
        ----------
        x : Tensor of shape (N, 3, T, V) or (N, 2, C, V)
            Windows, or cached maps with those of the mirror images.
        features : Tensor of shape (N, F)
            Of the same examples.
        generator : torch.Generator
            Source of randomness.
        """
        flip = torch.rand(len(x), generator=generator) < self.config.mirror
        features = torch.where(
            flip[:, None], features[:, torch.as_tensor(self.feature_mirror)], features
        )
        if x.shape[1] == 2:
            return x[torch.arange(len(x)), flip.long()], features
        mirrored = x[..., torch.as_tensor(self.keypoint_mirror)]
        x = torch.where(flip[:, None, None, None], mirrored, x)
        x = rotate_and_scale(x, config=self.config, generator=generator)
        return drop_keypoints(x, self.config.keypoint_dropout, generator), features


def rotate_and_scale(
    x: Tensor, *, config: AugmentConfig, generator: torch.Generator
) -> Tensor:
    """Turn and resize each window (N, 3, T, V) about the mid-hip, its origin."""
    turn, grow = 2 * torch.rand(2, len(x), generator=generator) - 1
    angle = torch.deg2rad(turn * config.rotation_deg)
    size = 1 + grow * config.scale
    cos, sin = size * angle.cos(), size * angle.sin()
    matrix = torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)
    position = torch.einsum("ndc,nctv->ndtv", matrix, x[:, :2])
    return torch.cat([position, x[:, 2:]], dim=1)


def drop_keypoints(x: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Lose keypoints for a whole window: they rest at its centre, confidence 0."""
    n, _, _, v = x.shape
    lost = torch.rand(n, 1, 1, v, generator=generator) < chance
    centre = x[:, :2].mean(dim=(2, 3), keepdim=True)
    filled = torch.cat([centre, torch.zeros_like(centre[:, :1])], dim=1)
    return torch.where(lost, filled, x)
