"""ST-GCN: spatial temporal graph convolutions over a moving skeleton, leaf to top.

The network is that of Yan, Xiong and Lin (2018) and numerically equal to the published
code; it is laid out anew for speed. Activations stay in the order (N, T, V, C) in
memory, so that a graph convolution is one batched product over the keypoints and one
over the channels, and no axis is ever moved.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from cpexplore._validation import check_option, check_range
from cpexplore.models.ordinal import ANSWERS, make_head

PRESETS: Mapping[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "blocks": ((32, 2), (64, 2), (128, 1), (128, 1)),
        "separable": True,
        "dropout": 0.0,
    },
}
"""What each preset changes in :class:`STGCNConfig`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class STGCNConfig:
    """Shape of :class:`STGCN`; the defaults are the published network.

    Raises
    ------
    ValueError
        If a number is out of range, or ``answer`` unknown.

    Examples
    --------
    >>> quick = STGCNConfig.preset("quick", dropout=0.1)
    >>> len(STGCNConfig().blocks), len(quick.blocks), quick.embed_dim
    (10, 4, 256)
    """

    n_classes: int = 4
    """Outputs of the head, >= 1."""
    in_channels: int = 3
    """Channels per keypoint, >= 1; a window has x, y and confidence."""
    blocks: tuple[tuple[int, int], ...] = (
        *((64, 1),) * 4,
        *((128, 2), (128, 1), (128, 1)),
        *((256, 2), (256, 1), (256, 1)),
    )
    """Width and temporal stride of every block."""
    answer: str = "levels"
    """How the head answers, one of :data:`cpexplore.models.ordinal.ANSWERS`."""
    embed_dim: int = 256
    """Width of f_s, >= 1; a thinner or wider last block is projected to it."""
    temporal_kernel: int = 9
    """Frames seen by one temporal convolution, odd."""
    separable: bool = False
    """Split temporal convolutions into a depthwise and a pointwise one."""
    dropout: float = 0.5
    """Share of activations dropped at the end of each block, in [0, 1)."""
    recompute: bool = False
    """Forget what lies before a block's temporal convolution and compute it again for
    the gradient: the same result, less memory (``paper``: 2/5) and more time."""

    def __post_init__(self) -> None:
        check_range("n_classes", self.n_classes, low=1)
        check_option("answer", self.answer, ANSWERS)
        check_range("in_channels", self.in_channels, low=1)
        check_range("embed_dim", self.embed_dim, low=1)
        check_range("dropout", self.dropout, low=0, high=0.95)
        if not self.blocks or any(min(block) < 1 for block in self.blocks):
            raise ValueError(
                "`blocks` must be pairs of a width and a stride, both >= 1; "
                f"got {self.blocks!r}."
            )
        if self.temporal_kernel % 2 == 0:
            raise ValueError(
                f"`temporal_kernel` must be odd; got {self.temporal_kernel}."
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "STGCNConfig":
        """Make a config by name.

        Parameters
        ----------
        name : {"paper", "quick"}
            ``"paper"`` is the published network with 3.1 M parameters; ``"quick"``
            halves the frames at once, is thinner and shallower, and has separable
            temporal convolutions. Both give 256 numbers per window.
        **changes
            Fields to set otherwise.

        Returns
        -------
        STGCNConfig

        Raises
        ------
        ValueError
            If there is no such preset, or a number is out of range.
        """
        check_option("preset", name, tuple(PRESETS))
        return replace(cls(**PRESETS[name]), **changes)


class GraphConv(nn.Module):
    """Mix keypoints over each subset of the skeleton graph, then channels.

    Notes
    -----
    Differs from the published code: there, channels are mixed first. Both products are
    linear, so the order is free; mixing keypoints first keeps the larger of the two
    intermediate results small wherever a block widens. ``channels`` has a bias of its
    own only after :func:`cpexplore.models.fold_batch_norm`.
    """

    def __init__(self, channels: tuple[int, int], *, graph: tuple[int, int]) -> None:
        super().__init__()
        n_subsets, n_keypoints = graph
        self.edge_importance = nn.Parameter(
            torch.ones(n_subsets, n_keypoints, n_keypoints)
        )
        self.channels = nn.Linear(n_subsets * channels[0], channels[1], bias=False)
        self.bias = nn.Parameter(torch.zeros(n_subsets, channels[1]))

    def forward(
        self, x: Float[Tensor, "N C T V"], adjacency: Float[Tensor, "K V V"]
    ) -> Float[Tensor, "N D T V"]:
        """Mix (N, C, T, V) into (N, D, T, V) by the graph (K, V, V)."""
        n, c, t, v = x.shape
        importance = self.edge_importance
        edges = adjacency.to(importance.dtype) * importance  # (K, V, W)
        mix = edges.permute(2, 0, 1).reshape(-1, v)  # (W*K, V)
        x = x.permute(0, 2, 3, 1).reshape(n * t, v, c)
        x = torch.bmm(mix.expand(n * t, -1, -1), x)  # (N*T, W*K, C)
        x = self.channels(x.view(n, t, v, len(edges) * c))  # (N, T, W, D)
        x += edges.sum(1).T @ self.bias  # (W, D): a mixed constant
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """Graph convolution over keypoints, then a convolution over time."""

    def __init__(
        self,
        channels: tuple[int, int],
        *,
        graph: tuple[int, int],
        stride: int,
        residual: bool,
        config: STGCNConfig,
    ) -> None:
        super().__init__()
        d = channels[1]
        self.spatial = GraphConv(channels, graph=graph)
        self.spatial_norm: nn.Module = nn.BatchNorm2d(d)
        kernel = config.temporal_kernel
        over_time: dict[str, Any] = {
            "kernel_size": (kernel, 1),
            "stride": (stride, 1),
            "padding": (kernel // 2, 0),
        }
        self.temporal: nn.Module = (
            nn.Sequential(
                nn.Conv2d(d, d, groups=d, bias=False, **over_time), nn.Conv2d(d, d, 1)
            )
            if config.separable
            else nn.Conv2d(d, d, **over_time)
        )
        self.temporal_norm: nn.Module = nn.BatchNorm2d(d)
        self.dropout = config.dropout
        self.residual = _residual(channels, stride=stride) if residual else None
        self.recompute = config.recompute

    def forward(
        self, x: Float[Tensor, "N C T V"], adjacency: Float[Tensor, "K V V"]
    ) -> Float[Tensor, "N D S V"]:
        """Convolve (N, C, T, V) into (N, D, S, V); stride leaves S of T frames."""
        convolve = self.convolve_frugally if self.recompute else self.convolve
        h = self.temporal_norm(convolve(x, adjacency))
        if self.training and self.dropout > 0:  # keeps a byte per activation
            h, _ = torch.native_dropout(h, self.dropout, train=True)
        if self.residual is not None:
            h += self.residual(x)
        return F.relu_(h)

    def convolve(
        self, x: Float[Tensor, "N C T V"], adjacency: Float[Tensor, "K V V"]
    ) -> Float[Tensor, "N D S V"]:
        """Convolve over keypoints, then over time."""
        return self.temporal(F.relu_(self.spatial_norm(self.spatial(x, adjacency))))

    def convolve_frugally(
        self, x: Float[Tensor, "N C T V"], adjacency: Float[Tensor, "K V V"]
    ) -> Float[Tensor, "N D S V"]:
        """As :meth:`convolve`, keeping only its input and output for the gradient.

        Computing again stops where nothing more is wanted: at the input of the last
        convolution over time, which is most of the work.
        """
        if not (self.training and torch.is_grad_enabled()):
            return self.convolve(x, adjacency)
        second_time = nullcontext(), _UnchangedStatistics(self.spatial_norm)
        h = checkpoint(
            self.convolve,
            x,
            adjacency,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: second_time,
        )
        return cast(Tensor, h)


class _UnchangedStatistics:
    """Lets a batch norm see the same batch again without counting it twice."""

    def __init__(self, norm: nn.Module) -> None:
        self.norm = norm

    def __enter__(self) -> None:
        self.kept = {name: value.clone() for name, value in self.norm.named_buffers()}

    def __exit__(self, *_: object) -> None:
        for name, value in self.norm.named_buffers():
            value.copy_(self.kept[name])


def _residual(channels: tuple[int, int], *, stride: int) -> nn.Module:
    if stride == 1 and channels[0] == channels[1]:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(*channels, 1, stride=(stride, 1)), nn.BatchNorm2d(channels[1])
    )


def _projection(width: int, embed_dim: int) -> nn.Module:
    if width == embed_dim:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(width, embed_dim, 1), nn.BatchNorm2d(embed_dim), nn.ReLU(inplace=True)
    )


class STGCN(nn.Module):
    """Skeleton network: windows to logits, one per GMFCS level.

    Parameters
    ----------
    config : STGCNConfig
        Shape of the network.
    adjacency : array of shape (K, V, V)
        Skeleton graph, from :func:`cpexplore.skeleton.adjacency`.

    Raises
    ------
    ValueError
        If ``adjacency`` has another shape; when called, if the windows do not suit it.

    Notes
    -----
    Missing joints are a matter of the window; the network never masks.

    References
    ----------
    Yan, Xiong, Lin (2018). Spatial temporal graph convolutional networks for
    skeleton-based action recognition. AAAI.

    Examples
    --------
    >>> import torch
    >>> from cpexplore.skeleton import adjacency
    >>> model = STGCN(STGCNConfig.preset("quick"), adjacency("body_25"))
    >>> model(torch.zeros(2, 3, 124, 25)).shape
    torch.Size([2, 4])
    >>> model.embed(torch.zeros(2, 3, 124, 25)).shape  # f_s
    torch.Size([2, 256])
    """

    adjacency: Tensor  # (K, V, V)

    def __init__(self, config: STGCNConfig, adjacency: np.ndarray | Tensor) -> None:
        super().__init__()
        graph = torch.as_tensor(adjacency)
        if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
            raise ValueError(
                f"`adjacency` must have the shape (K, V, V); got {tuple(graph.shape)}."
            )
        self.config = config
        self.register_buffer("adjacency", graph.clone())  # as exact as it came
        self.input_norm = nn.BatchNorm1d(graph.shape[1] * config.in_channels)
        widths = [config.in_channels, *(width for width, _ in config.blocks)]
        self.blocks = nn.ModuleList(
            Block(
                (widths[i], widths[i + 1]),
                graph=(graph.shape[0], graph.shape[1]),
                stride=stride,
                residual=i > 0,
                config=config,
            )
            for i, (_, stride) in enumerate(config.blocks)
        )
        self.project = _projection(widths[-1], config.embed_dim)
        self.head = make_head(
            config.embed_dim, n_levels=config.n_classes, answer=config.answer
        )

    def maps(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D S V"]:
        """Features per frame and keypoint; S frames are left of T."""
        wanted = self.config.in_channels, self.adjacency.shape[1]
        if x.ndim != 4 or (x.shape[1], x.shape[3]) != wanted:
            raise ValueError(
                f"`x` must have the shape (N, {wanted[0]}, T, {wanted[1]}); "
                f"got {tuple(x.shape)}."
            )
        n, c, t, v = x.shape
        x = x.permute(0, 2, 3, 1).reshape(n * t, v * c)
        x = self.input_norm(x).view(n, t, v, c).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, self.adjacency)
        return self.project(x)

    def embed(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D"]:
        """Average the maps over frames and keypoints: f_s."""
        return self.maps(x).permute(0, 2, 3, 1).flatten(1, 2).mean(1)

    def forward(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N L"]:
        """Logits (N, L) of windows (N, C, T, V)."""
        return self.head(self.embed(x))
