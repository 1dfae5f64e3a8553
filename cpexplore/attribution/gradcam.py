"""Grad-CAM on skeletons: which keypoints, when, speak for a GMFCS level."""

from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from captum.attr import LayerGradCam, LayerGradientXActivation
from jaxtyping import Float, Int
from torch import Tensor, nn

from cpexplore.attribution._inputs import (
    label,
    model_id,
    run_method,
    target_index,
)
from cpexplore.models.stgcn import STGCN
from cpexplore.windows import Windows


def grad_cam(
    model: STGCN,
    windows: Windows | np.ndarray | Tensor,
    *,
    target: str | int,
    layer: str | int = "last",
    relu: bool = True,
) -> xr.DataArray:
    """Map, per frame and keypoint, the evidence for one output of the network.

    Parameters
    ----------
    model : STGCN
        The network; it is evaluated as it is and comes back in the mode it was in.
    windows : Windows or array of shape (N, C, T, V)
        What it sees.
    target : str or int
        A level (``"III"``), the number of a logit, or ``"predicted"``: for every
        window the level that the network gives it.
    layer : "last" or int
        Whose maps are explained: the features before pooling, or the block of this
        number (0 is the first, -1 the last).
    relu : bool
        Keep only what speaks for the target, as published; False keeps the sign.

    Returns
    -------
    xarray.DataArray of shape (window, time, keypoint)
        In units of the logit per frame and keypoint of the layer, not normalised, so
        that windows can be compared and averaged. Attributes ``method, layer, target,
        relu, model_id``.

    Raises
    ------
    ValueError
        If ``windows``, ``target`` or ``layer`` is not possible.

    Notes
    -----
    Layers with fewer frames are interpolated along time only; keypoints have an order
    but no distance. With global pooling and a linear head, the map of the last layer
    is the class activation map divided by the number of frames times keypoints.

    References
    ----------
    Selvaraju et al. (2017). Grad-CAM: visual explanations from deep networks via
    gradient-based localization. ICCV.

    Examples
    --------
    Whatever the weights and windows, the signed map of the last layer adds up to the
    logit less the bias of the head, where no block skips frames.

    >>> import numpy as np
    >>> import torch
    >>> from cpexplore.models import STGCN, STGCNConfig
    >>> from cpexplore.skeleton import adjacency
    >>> _ = torch.manual_seed(0)
    >>> model = STGCN(STGCNConfig(blocks=((8, 1),)), adjacency("coco_17")).eval()
    >>> x = torch.randn(2, 3, 20, 17)
    >>> maps = grad_cam(model, x, target="III", relu=False)
    >>> dict(maps.sizes)
    {'window': 2, 'time': 20, 'keypoint': 17}
    >>> logit = (model(x) - model.head.bias)[:, 2].detach()
    >>> np.allclose(maps.sum(("time", "keypoint")), logit, rtol=1e-3, atol=1e-5)
    True
    """
    layer_module(model, layer)  # raises before any work is done
    index = target_index(target, n_classes=model.config.n_classes)
    method = partial(cam, layer=layer, relu=relu)
    maps = run_method(method, model, windows, targets=[index])
    return label(
        maps[0],
        windows,
        method="grad_cam" if relu else "grad_cam_signed",
        layer=str(layer),
        target=str(target),
        relu=int(relu),
        model_id=model_id(model),
    )


def cam(
    model: STGCN,
    x: Float[Tensor, "N C T V"],
    targets: Int[Tensor, "L N"],
    *,
    layer: str | int = "last",
    relu: bool = False,
    per_position: bool = False,
) -> Float[Tensor, "L N T V"]:
    """Compute Grad-CAM, or HiResCAM with ``per_position``, of a model held still.

    The maps of the layer are computed once; only what follows them is differentiated.
    """
    maps = maps_at(model, x, layer).requires_grad_()
    rest = _Rest(model, layer)
    if per_position:
        engine: Any = LayerGradientXActivation(rest, rest.entry)
    else:
        engine = LayerGradCam(rest, rest.entry)
    raw = [engine.attribute(maps, target=target).sum(1).detach() for target in targets]
    stride = layer_stride(model, layer)
    return torch.stack(
        [
            stretch(one.relu() if relu else one, n_frames=x.shape[2], stride=stride)
            for one in raw
        ]
    )


class _Rest(nn.Module):
    """What comes after the maps of a layer."""

    def __init__(self, model: STGCN, layer: str | int) -> None:
        super().__init__()
        blocks = list(model.blocks)
        number = len(blocks) if isinstance(layer, str) else layer % len(blocks) + 1
        self.entry = nn.Identity()
        self.blocks = blocks[number:]
        self.project = model.project if isinstance(layer, int) else nn.Identity()
        self.adjacency = model.adjacency
        self.head = model.head

    def forward(self, maps: Float[Tensor, "N D S V"]) -> Float[Tensor, "N L"]:
        x = self.entry(maps)
        for block in self.blocks:
            x = block(x, self.adjacency)
        return self.head(self.project(x).mean((2, 3)))


@torch.no_grad()
def maps_at(
    model: STGCN, x: Float[Tensor, "N C T V"], layer: str | int
) -> Float[Tensor, "N D S V"]:
    """Compute the output of a layer, without gradient."""
    outputs: list[Tensor] = []

    def keep(module: nn.Module, given: Any, output: Tensor) -> None:
        outputs.append(output)

    hook = layer_module(model, layer).register_forward_hook(keep)
    try:
        model.maps(x)
    finally:
        hook.remove()
    return outputs[0]


def layer_module(model: STGCN, layer: str | int) -> nn.Module:
    """Find the module whose output is the maps of a layer.

    Raises
    ------
    ValueError
        If the model has no such layer.
    """
    n_blocks = len(model.blocks)
    if layer == "last":
        return model.project
    if isinstance(layer, int) and -n_blocks <= layer < n_blocks:
        return model.blocks[layer]
    raise ValueError(
        f"`layer` must be 'last' or the number of one of the {n_blocks} blocks; "
        f"got {layer!r}."
    )


def layer_stride(model: STGCN, layer: str | int) -> int:
    """Frames of the window per step of a layer.

    Raises
    ------
    ValueError
        If the model has no such layer.
    """
    layer_module(model, layer)
    last = len(model.blocks) - 1 if isinstance(layer, str) else layer
    strides = [stride for _, stride in model.config.blocks]
    return int(np.prod(strides[: last % len(strides) + 1]))


def stretch(
    maps: Float[Tensor, "N S V"], *, n_frames: int, stride: int
) -> Float[Tensor, "N T V"]:
    """Interpolate linearly along time; step s sits at frame s * stride."""
    steps = torch.arange(maps.shape[1], dtype=maps.dtype)
    frames = torch.arange(n_frames, dtype=maps.dtype) / stride
    frames = frames.clamp(max=maps.shape[1] - 1)
    hats = (1 - (frames - steps[:, None]).abs()).clamp(min=0)  # (S, T)
    return torch.einsum("nsv,st->ntv", maps, hats)
