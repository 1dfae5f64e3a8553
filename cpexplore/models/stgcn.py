"""ST-GCN: spatial temporal graph convolutions over a moving skeleton, leaf to top.

The network is that of Yan, Xiong and Lin (2018) and numerically equal to the published
code; it is laid out anew for speed. Activations stay in the order (N, T, V, C) in
memory, so that a graph convolution is one batched product over the keypoints and one
over the channels, and no axis is ever moved.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from cpexplore._validation import check_option, check_range

PRESETS: Mapping[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "blocks": ((32, 2), (64, 1), (64, 2), (128, 1), (256, 1)),
        "separable": True,
        "dropout": 0.1,
    },
}
"""What each preset changes in :class:`STGCNConfig`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class STGCNConfig:
    """Shape of :class:`STGCN`; the defaults are the published network."""

    n_classes: int = 4
    """Outputs of the head, >= 1."""
    in_channels: int = 3
    """Channels per keypoint, >= 1; a window has x, y and confidence."""
    blocks: tuple[tuple[int, int], ...] = (
        *((64, 1),) * 4,
        *((128, 2), (128, 1), (128, 1)),
        *((256, 2), (256, 1), (256, 1)),
    )
    """Width and temporal stride of every block; the last width is that of f_s."""
    temporal_kernel: int = 9
    """Frames seen by one temporal convolution, odd."""
    separable: bool = False
    """Split temporal convolutions into a depthwise and a pointwise one."""
    dropout: float = 0.5
    """Share of activations dropped at the end of each block, in [0, 1)."""

    def __post_init__(self) -> None:
        check_range("n_classes", self.n_classes, low=1)
        check_range("in_channels", self.in_channels, low=1)
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

        Raises
        ------
        ValueError
            If there is no such preset.
        """
        check_option("preset", name, tuple(PRESETS))
        return replace(cls(**PRESETS[name]), **changes)

    @property
    def embed_dim(self) -> int:
        """Width of f_s."""
        return self.blocks[-1][0]


class GraphConv(nn.Module):
    """Mix keypoints over each subset of the skeleton graph, then channels.

    Notes
    -----
    Differs from the published code: there, channels are mixed first. Both products are
    linear, so the order is free; mixing keypoints first keeps the larger of the two
    intermediate results small wherever a block widens.
    """

    adjacency: Tensor  # (K, V, V)

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        n_subsets = len(adjacency)
        self.register_buffer("adjacency", adjacency.clone(), persistent=False)
        self.edge_importance = nn.Parameter(torch.ones_like(adjacency))
        self.channels = nn.Linear(n_subsets * in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(n_subsets, out_channels))
        self.register_buffer("shift", None)

    def forward(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D T V"]:
        n, c, t, v = x.shape
        edges = self.adjacency * self.edge_importance  # (K, V, W)
        mix = edges.permute(2, 0, 1).reshape(-1, v)  # (W*K, V)
        x = x.permute(0, 2, 3, 1).reshape(n * t, v, c)
        x = torch.bmm(mix.expand(n * t, -1, -1), x)  # (N*T, W*K, C)
        x = self.channels(x.view(n, t, v, -1))  # (N, T, W, K*C) -> (N, T, W, D)
        offset = edges.sum(1).T @ self.bias  # (W, D)
        x += offset if self.shift is None else offset + self.shift
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """Graph convolution over keypoints, then a convolution over time."""

    def __init__(
        self,
        channels: tuple[int, int],
        adjacency: Tensor,
        *,
        stride: int,
        config: STGCNConfig,
        residual: bool,
    ) -> None:
        super().__init__()
        d = channels[1]
        self.spatial = GraphConv(*channels, adjacency)
        self.spatial_norm = nn.BatchNorm2d(d)
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
        self.temporal_norm = nn.BatchNorm2d(d)
        self.dropout = nn.Dropout(config.dropout, inplace=True)
        self.residual = _residual(channels, stride=stride) if residual else None

    def forward(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D S V"]:
        h = F.relu_(self.spatial_norm(self.spatial(x)))
        h = self.dropout(self.temporal_norm(self.temporal(h)))
        if self.residual is not None:
            h += self.residual(x)
        return F.relu_(h)


def _residual(channels: tuple[int, int], *, stride: int) -> nn.Module:
    if stride == 1 and channels[0] == channels[1]:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(*channels, 1, stride=(stride, 1)), nn.BatchNorm2d(channels[1])
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
        If ``adjacency`` has another shape.

    Notes
    -----
    Missing joints are a matter of the window; the network never masks.

    References
    ----------
    Yan, Xiong, Lin (2018). Spatial temporal graph convolutional networks for
    skeleton-based action recognition. AAAI.

    Examples
    --------
    >>> from cpexplore.skeleton import adjacency
    >>> model = STGCN(STGCNConfig.preset("quick"), adjacency("body_25"))
    >>> model(torch.zeros(2, 3, 124, 25)).shape
    torch.Size([2, 4])
    """

    def __init__(self, config: STGCNConfig, adjacency: np.ndarray | Tensor) -> None:
        super().__init__()
        graph = torch.as_tensor(adjacency, dtype=torch.get_default_dtype())
        if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
            raise ValueError(
                f"`adjacency` must have the shape (K, V, V); got {tuple(graph.shape)}."
            )
        self.config = config
        self.input_norm = nn.BatchNorm1d(graph.shape[1] * config.in_channels)
        widths = [config.in_channels, *(width for width, _ in config.blocks)]
        self.blocks = nn.ModuleList(
            Block(
                (widths[i], widths[i + 1]),
                graph,
                stride=stride,
                config=config,
                residual=i > 0,
            )
            for i, (_, stride) in enumerate(config.blocks)
        )
        self.head = nn.Linear(config.embed_dim, config.n_classes)

    def maps(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D S V"]:
        """Features per frame and keypoint; S frames are left of T."""
        n, c, t, v = x.shape
        x = x.permute(0, 2, 3, 1).reshape(n * t, v * c)
        x = self.input_norm(x).view(n, t, v, c).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x)
        return x

    def embed(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N D"]:
        """Average the maps over frames and keypoints: f_s."""
        return self.maps(x).mean((2, 3))

    def forward(self, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N L"]:
        return self.head(self.embed(x))


def fold_batch_norm(model: STGCN) -> STGCN:
    """Copy a model for inference, its batch norms folded into the convolutions.

    Parameters
    ----------
    model : STGCN
        A trained model; it stays as it is.

    Returns
    -------
    STGCN
        In evaluation mode, the same outputs up to rounding, about a tenth faster.
    """
    folded = deepcopy(model).eval()
    with torch.no_grad():
        for block in folded.blocks:
            _fold_block(block)
    return folded


def _fold_block(block: Any) -> None:
    scale, shift = _affine(block.spatial_norm)
    block.spatial.channels.weight *= scale[:, None]
    block.spatial.bias *= scale
    block.spatial.shift = shift
    block.spatial_norm = nn.Identity()
    separable = isinstance(block.temporal, nn.Sequential)
    _fold_conv(block.temporal[-1] if separable else block.temporal, block.temporal_norm)
    block.temporal_norm = nn.Identity()
    if isinstance(block.residual, nn.Sequential):
        _fold_conv(*block.residual)
        block.residual = block.residual[0]


def _fold_conv(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    scale, shift = _affine(norm)
    conv.weight *= scale[:, None, None, None]
    conv.bias = nn.Parameter(conv.bias * scale + shift)


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift that the batch norm applies in evaluation mode."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def infer(
    model: STGCN, x: Float[Tensor, "N C T V"], *, chunk: int = 4, bf16: bool = False
) -> Float[Tensor, "N L"]:
    """Compute logits of many windows, fast and in little memory.

    Parameters
    ----------
    model : STGCN
        A trained model; neither its mode nor its weights change.
    x : Tensor of shape (N, C, T, V)
        Windows.
    chunk : int
        Windows at a time, >= 1; few at a time stay in the processor's cache.
    bf16 : bool
        Compute in bfloat16, which is faster where the processor has instructions for
        it and accurate to about three digits.

    Returns
    -------
    Tensor of shape (N, L)
        Logits, float32 (or the model's own type), without gradient.
    """
    folded = fold_batch_norm(model)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        parts = [folded(part) for part in x.split(chunk)]
    return torch.cat(parts).to(model.head.weight.dtype)


_REFERENCE_NAMES = (
    (r"data_bn", "input_norm"),
    (r"edge_importance\.(\d+)", r"blocks.\1.spatial.edge_importance"),
    (r"st_gcn_networks\.(\d+)", r"blocks.\1"),
    (r"\.gcn\.conv\.weight", ".spatial.channels.weight"),
    (r"\.gcn\.conv\.bias", ".spatial.bias"),
    (r"\.tcn\.0\.", ".spatial_norm."),
    (r"\.tcn\.2\.", ".temporal."),
    (r"\.tcn\.3\.", ".temporal_norm."),
    (r"fcn\.", "head."),
)


def reference_name(name: str) -> str:
    """Translate a parameter name of the published code into ours.

    Examples
    --------
    >>> reference_name("st_gcn_networks.4.tcn.3.running_mean")
    'blocks.4.temporal_norm.running_mean'
    """
    for pattern, ours in _REFERENCE_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def load_reference_state(model: STGCN, state: Mapping[str, Any]) -> None:
    """Load the weights of a network trained with the published code.

    Parameters
    ----------
    model : STGCN
        A model of the same shape; its parameters are overwritten.
    state : mapping of str to array or Tensor
        The published code's state dict; ``"A"`` may be left out.

    Raises
    ------
    KeyError
        If a parameter is missing or superfluous.
    ValueError
        If one has another shape.
    """
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    given = {reference_name(k): torch.as_tensor(v) for k, v in state.items()}
    graph = given.pop("A", model.blocks[0].spatial.adjacency)
    given |= {name: graph for name in own if name.endswith("spatial.adjacency")}
    wrong = sorted(
        name
        for name in given.keys() ^ own.keys()
        if not name.endswith("num_batches_tracked")
    )
    if wrong:
        raise KeyError(
            "`state` must hold the weights of an ST-GCN of the same shape; "
            f"{len(wrong)} do not fit, the first is {wrong[0]!r}."
        )
    with torch.no_grad():
        for name, value in given.items():
            own[name].copy_(_reshaped(value, like=own[name], name=name))


def _reshaped(value: Tensor, *, like: Tensor, name: str) -> Tensor:
    if value.numel() != like.numel():
        raise ValueError(
            f"`state` must hold {tuple(like.shape)} for {name!r}; "
            f"got {tuple(value.shape)}."
        )
    if name.endswith("spatial.channels.weight"):  # (K*D, C, 1, 1) -> (D, K*C)
        d, c = like.shape[0], value.shape[1]
        return value.view(-1, d, c).transpose(0, 1).reshape(like.shape)
    return value.view(like.shape)
