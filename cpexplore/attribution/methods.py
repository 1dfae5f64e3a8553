"""Attribution methods beside Grad-CAM, and the controls that they have to beat.

Where something is taken away, it is replaced by the mean pose of the same window: a
keypoint at zero would sit on the mid-hip, a pose that no child has. The confidence
stays, so that nothing looks undetected. A method that asks what moves cannot see how a
child is held; the variants ``..._typical`` replace by the mean pose of the training
windows instead and see both.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from itertools import combinations
from math import comb
from types import MappingProxyType
from typing import cast
from zlib import crc32

import numpy as np
import torch
import xarray as xr
from captum.attr import IntegratedGradients, Saliency
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from cpexplore._validation import check_option
from cpexplore.attribution._inputs import (
    CHUNK,
    Method,
    known_set,
    label,
    model_id,
    run_method,
    target_index,
)
from cpexplore.attribution.gradcam import cam, layer_stride, stretch
from cpexplore.models.inference import fold_batch_norm
from cpexplore.models.stgcn import STGCN, GraphConv
from cpexplore.skeleton import body_parts
from cpexplore.windows import Windows

_STEPS = 16
"""Points of the Gauss-Legendre rule of Integrated Gradients."""
NOISE_LL = 0.02
"""Standard deviation of pose noise, leg lengths: the jitter of a keypoint detector."""
_NOISE_SAMPLES = 16
_SEED = 0
"""Of the weights of the untrained network."""


def attribute(
    model: STGCN,
    windows: Windows | np.ndarray | Tensor,
    *,
    method: str = "grad_cam",
    target: str | int = "predicted",
) -> xr.DataArray:
    """Map the evidence for one output by any method.

    Parameters
    ----------
    model : STGCN
        The network; it comes back in the mode it was in.
    windows : Windows or array of shape (N, C, T, V)
        What it sees.
    method : str
        ``"grad_cam"`` or ``"grad_cam_signed"`` of the last layer; ``"hires_cam"``;
        ``"integrated_gradients"`` from the window's mean pose; ``"occlusion"``: the
        change of the logit when a keypoint stands still, one number per keypoint and
        window; both as ``"..._typical"``, from the mean pose of the training windows;
        ``"saliency_noise"``: the size of the gradient, whatever its sign, averaged
        over pose noise; ``"shapley_parts"``: exact Shapley values of body parts,
        shared among their keypoints. Controls:
        ``"random"``, ``"untrained"`` (Grad-CAM of the network before training),
        ``"activation_norm"`` (asks for no level), ``"motion_energy"`` (asks no
        network).
    target : str or int
        A level, the number of a logit, or ``"predicted"``.

    Returns
    -------
    xarray.DataArray of shape (window, time, keypoint)
        Not normalised. Attributes ``method, layer, target, relu, model_id``.

    Raises
    ------
    ValueError
        If ``windows``, ``method`` or ``target`` is not possible.

    Examples
    --------
    Whatever the weights and windows, Shapley values of body parts add up to the change
    of the logit when the whole body stands still.

    >>> import numpy as np
    >>> import torch
    >>> from cpexplore.models import STGCN, STGCNConfig
    >>> from cpexplore.skeleton import adjacency
    >>> _ = torch.manual_seed(0)
    >>> model = STGCN(STGCNConfig(blocks=((8, 1),)), adjacency("coco_17")).eval()
    >>> x = torch.randn(2, 3, 20, 17)
    >>> maps = attribute(model, x, method="shapley_parts", target="III")
    >>> still = x.clone()
    >>> still[:, :2] = x[:, :2].mean(2, keepdim=True)
    >>> change = (model(x) - model(still))[:, 2].detach()
    >>> np.allclose(maps.mean("time").sum("keypoint"), change, rtol=1e-3, atol=1e-5)
    True
    """
    check_option("method", method, tuple(METHODS))
    index = target_index(target, n_classes=model.config.n_classes)
    maps = attribute_levels(model, windows, method=method, targets=[index])
    return label(
        maps[0],
        windows,
        method=method,
        layer="input" if method in _ON_INPUT else "last",
        target=str(target),
        relu=int(method == "grad_cam"),
        model_id=model_id(model),
    )


def attribute_levels(
    model: STGCN,
    windows: Windows | np.ndarray | Tensor,
    *,
    method: str,
    targets: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Maps (target, window, time, keypoint) for several outputs at once.

    ``targets`` are logits, or an array (target, window) of them.
    """
    return run_method(METHODS[method], model, windows, targets=targets)


def mean_pose(x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N C T V"]:
    """Let every keypoint stand still at its mean place; the confidence stays."""
    pose = x.detach().clone()
    pose[:, :2] = pose[:, :2].mean(2, keepdim=True)
    return pose


def typical_pose(model: STGCN, x: Float[Tensor, "N C T V"]) -> Float[Tensor, "N C T V"]:
    """Put every keypoint at its mean place in training, which the input norm keeps."""
    pose = x.detach().clone()
    mean = cast(Tensor, model.input_norm.running_mean).view(x.shape[3], x.shape[1])
    pose[:, :2] = mean.T[:2, None]
    return pose


def _grad_cam(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    return cam(model, x, targets, relu=True)


def _grad_cam_signed(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    return cam(model, x, targets)


def _hires_cam(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    return cam(model, x, targets, per_position=True)


def _integrated_gradients(
    model: STGCN, x: Tensor, targets: Tensor, *, typical: bool = False
) -> Tensor:
    engine = IntegratedGradients(model)
    maps = [
        engine.attribute(
            x,
            baselines=typical_pose(model, x) if typical else mean_pose(x),
            target=target,
            n_steps=_STEPS,
            internal_batch_size=2 * CHUNK,
        ).sum(1)
        for target in targets
    ]
    return torch.stack(maps)


def _saliency_noise(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    engine = Saliency(model)
    maps = x.new_zeros(*targets.shape, *x.shape[2:])
    for i, window in enumerate(x):
        noisy = window.repeat(_NOISE_SAMPLES, 1, 1, 1)
        noise = torch.randn(noisy[:, :2].shape, generator=_generator(window))
        noisy[:, :2] += NOISE_LL * noise.to(x.dtype)
        noisy.requires_grad_()
        for row, target in enumerate(targets[:, i].tolist()):
            size = engine.attribute(noisy, target=target)
            maps[row, i] = size[:, :2].sum(1).mean(0)
    return maps


def _occlusion(
    model: STGCN, x: Tensor, targets: Tensor, *, typical: bool = False
) -> Tensor:
    pose = typical_pose(model, x) if typical else mean_pose(x)
    model = fold_batch_norm(model)
    full = _chosen(model, x, targets)
    drops = []
    for v in range(x.shape[-1]):
        without = x.clone()
        without[..., v] = pose[..., v]
        drops.append(full - _chosen(model, without, targets))
    return _at_all_times(torch.stack(drops, dim=-1), x)


def _shapley_parts(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    parts = _part_masks(x.shape[-1])
    model, pose = fold_batch_norm(model), mean_pose(x)
    value: dict[frozenset[int], Tensor] = {}
    for size in range(len(parts) + 1):
        for members in combinations(range(len(parts)), size):
            moving = parts[list(members)].any(0)
            moved = torch.where(moving, x, pose)
            value[frozenset(members)] = _chosen(model, moved, targets)
    maps = torch.zeros(*targets.shape, x.shape[-1], dtype=x.dtype)
    for number, part in enumerate(parts):
        share = _shapley_value(value, number, n_players=len(parts)) / part.sum()
        maps[..., part] = share[..., None]
    return _at_all_times(maps, x)


def _shapley_value(
    value: dict[frozenset[int], Tensor], player: int, *, n_players: int
) -> Tensor:
    total = torch.zeros_like(value[frozenset()])
    for members, worth in value.items():
        if player not in members:
            weight = 1 / (n_players * comb(n_players - 1, len(members)))
            total += weight * (value[members | {player}] - worth)
    return total


def _part_masks(n_keypoints: int) -> Bool[Tensor, "P V"]:
    known = known_set(n_keypoints)
    if known is None:
        raise ValueError(
            "`windows` must have the keypoints of a known set for 'shapley_parts'; "
            f"got {n_keypoints} keypoints."
        )
    parts = body_parts(known.name).values()
    return torch.tensor([[k in part for k in known.keypoints] for part in parts])


@torch.no_grad()
def _chosen(
    folded: STGCN, x: Float[Tensor, "N C T V"], targets: Int[Tensor, "L N"]
) -> Float[Tensor, "L N"]:
    """Logits of the targets, a few windows at a time."""
    logits = torch.cat([folded(part) for part in x.split(4)])
    return logits.T.gather(0, targets)


def _at_all_times(values: Tensor, x: Tensor) -> Float[Tensor, "L N T V"]:
    return values[:, :, None].expand(-1, -1, x.shape[2], -1)


def _random(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    shape = (len(targets), *x.shape[2:])
    maps = [torch.rand(shape, generator=_generator(w), dtype=x.dtype) for w in x]
    return torch.stack(maps, dim=1)


def _generator(window: Float[Tensor, "C T V"]) -> torch.Generator:
    """Seeded by what the window holds: the same window gives the same map anywhere."""
    content = window.detach().contiguous().numpy().tobytes()
    return torch.Generator().manual_seed(crc32(content))


def _untrained(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    fresh = deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for module in fresh.modules():
            reinitialise(module)
    return cam(fresh, x, targets, relu=True)


def reinitialise(module: nn.Module) -> None:
    """Draw the weights of one module anew, as before training."""
    if isinstance(module, GraphConv):
        nn.init.ones_(module.edge_importance)
        nn.init.zeros_(module.bias)
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()


def _activation_norm(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        norm = model.maps(x).norm(dim=1)
    stride = layer_stride(model, "last")
    norm = stretch(norm, n_frames=x.shape[2], stride=stride)
    return norm.expand(len(targets), -1, -1, -1)


def _motion_energy(model: STGCN, x: Tensor, targets: Tensor) -> Tensor:
    step = x.detach()[:, :2].diff(dim=2, prepend=x.detach()[:, :2, :1])
    return step.square().sum(1).expand(len(targets), -1, -1, -1)


METHODS: MappingProxyType[str, Method] = MappingProxyType(
    {
        "grad_cam": _grad_cam,
        "grad_cam_signed": _grad_cam_signed,
        "hires_cam": _hires_cam,
        "integrated_gradients": _integrated_gradients,
        "integrated_gradients_typical": partial(_integrated_gradients, typical=True),
        "occlusion": _occlusion,
        "occlusion_typical": partial(_occlusion, typical=True),
        "saliency_noise": _saliency_noise,
        "shapley_parts": _shapley_parts,
        "random": _random,
        "untrained": _untrained,
        "activation_norm": _activation_norm,
        "motion_energy": _motion_energy,
    }
)
"""All methods by name; the last four are controls."""

CONTROLS: tuple[str, ...] = ("random", "untrained", "activation_norm", "motion_energy")
"""Maps that owe nothing to what the network learnt about a level, but that the layers
behind ``"activation_norm"`` were trained."""

_ON_INPUT = (
    *("integrated_gradients", "integrated_gradients_typical"),
    *("occlusion", "occlusion_typical", "saliency_noise", "shapley_parts"),
    *("random", "motion_energy"),
)
