"""What every attribution method needs: a still model, a tensor, targets, labels."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor, nn

from cpexplore._validation import quoted
from cpexplore.gmfcs import LEVELS
from cpexplore.models.modes import evaluating
from cpexplore.models.stgcn import STGCN
from cpexplore.skeleton import KEYPOINT_SETS, KeypointSet
from cpexplore.windows import FPS, Windows

Method = Callable[[STGCN, Tensor, Tensor], Tensor]
"""``(model, x (N, C, T, V), targets (L, N)) -> maps (L, N, T, V)``; the model is held
still while it runs."""

CHUNK = 16
"""Windows attributed at a time; bounds the memory whatever the number of windows."""


def run_method(
    method: Method,
    model: STGCN,
    windows: Windows | np.ndarray | Tensor,
    *,
    targets: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Run a method chunk by chunk: maps (target, window, time, keypoint).

    ``targets`` are logits (-1: whatever is predicted) or one per window, (L, N).
    """
    with still(model):
        x = as_tensor(model, windows)
        chunks = [np.zeros((len(targets), 0, *x.shape[2:]), np.float32)]
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            wanted = (
                torch.as_tensor(targets[:, rows])
                if isinstance(targets, np.ndarray)
                else targets_of(model, x[rows], targets)
            )
            maps = method(model, x[rows].clone(), wanted)
            chunks.append(maps.detach().float().numpy())
    return np.concatenate(chunks, axis=1)


@contextmanager
def still(model: nn.Module) -> Iterator[None]:
    """Hold a model in evaluation mode with gradients on, then restore every module.

    In training mode an attribution would change the batch norm statistics, and in
    inference mode it would fail.
    """
    with evaluating(model), torch.inference_mode(mode=False), torch.enable_grad():
        yield


def as_tensor(
    model: nn.Module, windows: Windows | np.ndarray | Tensor
) -> Float[Tensor, "N C T V"]:
    """Copy windows into a tensor of the model's type, whatever its length.

    Raises
    ------
    ValueError
        If the windows do not have four dimensions or hold NaN.
    """
    values = windows.x if isinstance(windows, Windows) else windows
    dtype = next(model.parameters()).dtype
    if isinstance(values, Tensor):
        x = values.detach().to(dtype, copy=True)
    else:
        x = torch.tensor(values, dtype=dtype)
    if x.ndim != 4:
        raise ValueError(
            f"`windows` must have the shape (N, C, T, V); got {tuple(x.shape)}."
        )
    if not torch.isfinite(x).all():
        raise ValueError(
            "`windows` must be finite; got NaN. Make them with `cohort.windows()`."
        )
    return x


def keypoint_names(windows: Windows | np.ndarray | Tensor) -> list[str]:
    """Names along V; an array with as many keypoints as a known set has its names."""
    if isinstance(windows, Windows):
        return list(windows.keypoint)
    known = known_set(windows.shape[-1])
    if known is None:
        return [f"keypoint_{v}" for v in range(windows.shape[-1])]
    return list(known.keypoints)


def known_set(n_keypoints: int) -> KeypointSet | None:
    """The keypoint set with this many keypoints; no two have the same number."""
    sets = {len(known.keypoints): known for known in KEYPOINT_SETS.values()}
    return sets.get(n_keypoints)


def target_index(target: str | int, *, n_classes: int) -> int:
    """Position of a target among the logits; -1 means whatever is predicted.

    Raises
    ------
    ValueError
        If there is no such level or logit.
    """
    if target == "predicted":
        return -1
    if isinstance(target, str) and target in LEVELS[:n_classes]:
        return LEVELS.index(target)
    if isinstance(target, int | np.integer) and 0 <= target < n_classes:
        return int(target)
    raise ValueError(
        f"`target` must be one of {quoted([*LEVELS[:n_classes], 'predicted'])} or an "
        f"index below {n_classes}; got {target!r}."
    )


def targets_of(
    model: nn.Module, x: Float[Tensor, "N C T V"], indices: Sequence[int]
) -> Int[Tensor, "L N"]:
    """One row of logit positions per target; -1 becomes each window's prediction."""
    rows = [torch.full((len(x),), index) for index in indices]
    if -1 in indices:
        with torch.no_grad():
            predicted = model(x).argmax(1)
        rows = [predicted if (row < 0).any() else row for row in rows]
    return torch.stack(rows)


def model_id(model: nn.Module) -> str:
    """Twelve hexadecimal digits that change with any weight."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def label(
    maps: np.ndarray, windows: Windows | np.ndarray | Tensor, **attrs: str | int
) -> xr.DataArray:
    """Name the axes of maps (N, T, V) after the windows they belong to."""
    n, t, _ = maps.shape
    labelled = xr.DataArray(
        maps.astype(np.float32),
        dims=("window", "time", "keypoint"),
        coords={
            "window": np.arange(n),
            "time": np.arange(t) / FPS,
            "keypoint": keypoint_names(windows),
        },
        name="saliency",
        attrs=attrs,
    )
    if not isinstance(windows, Windows):
        return labelled
    return labelled.assign_coords(
        walk_id=("window", windows.walk_id),
        start=("window", windows.start),
        time_s=(("window", "time"), windows.time),
    )
