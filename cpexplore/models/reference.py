"""Weights of the published ST-GCN code, by its parameter names."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cpexplore.models.stgcn import STGCN

_REFERENCE_NAMES = (
    (r"^A$", "adjacency"),
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

    Parameters
    ----------
    name : str
        A key of the published code's state dict.

    Returns
    -------
    str
        A key of :class:`cpexplore.models.STGCN`'s; one of ours stays as it is.

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
        If one has another number of values.

    Examples
    --------
    The published head is a convolution called ``fcn``; the other weights are our own
    here, whose names are understood too:

    >>> import torch
    >>> from cpexplore.models import STGCNConfig
    >>> from cpexplore.skeleton import adjacency
    >>> model = STGCN(STGCNConfig.preset("quick"), adjacency("coco_17"))
    >>> state = {k: v for k, v in model.state_dict().items() if k != "head.weight"}
    >>> load_reference_state(model, state | {"fcn.weight": torch.ones(4, 256, 1, 1)})
    >>> model.head.weight.sum().item()
    1024.0
    """
    own = model.state_dict()
    given = {reference_name(k): torch.as_tensor(v) for k, v in state.items()}
    optional = {k for k in own if k.endswith("num_batches_tracked")} | {"adjacency"}
    wrong = sorted((given.keys() ^ own.keys()) - optional)
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
