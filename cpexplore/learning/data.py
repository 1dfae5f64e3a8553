"""What models are trained on: windows and features of walks, as tensors."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cpexplore import gmfcs
from cpexplore.models.modes import evaluating
from cpexplore.skeleton import mirror_name
from cpexplore.windows import Windows


@dataclass(frozen=True, kw_only=True)
class WalkSet:
    """Windows of some walks (N) and what is known of each walk (W)."""

    walk_id: tuple[str, ...]
    """Ids of the walks."""
    x: Tensor
    """(N, 3, T, V) windows, or (N, C, V) maps, or (N, 2, C, V) maps and their mirror
    images."""
    row: Tensor
    """int64 (N,): which walk each window is of, ascending."""
    features: Tensor
    """(W, F) standardised gait features, NaN where missing."""
    target: Tensor
    """int64 (W,) level codes, -1 where unknown."""
    patient: Tensor
    """int64 (W,) patient codes."""

    def __len__(self) -> int:
        return len(self.walk_id)

    @property
    def n_windows(self) -> Tensor:
        """int64 (W,): windows of each walk; none is allowed."""
        return torch.bincount(self.row, minlength=len(self))

    @property
    def priors(self) -> Tensor:
        """(4,): share of each level among the walks."""
        known = self.target[self.target >= 0]
        return torch.bincount(known, minlength=len(gmfcs.LEVELS)) / max(1, len(known))

    def fingerprint(self) -> str:
        """SHA-256 of everything in it."""
        digest = hashlib.sha256("\n".join(self.walk_id).encode())
        for name in ("x", "row", "features", "target", "patient"):
            value: Tensor = getattr(self, name)
            digest.update(f"{name} {tuple(value.shape)}".encode())
            digest.update(np.ascontiguousarray(value.numpy()).tobytes())
        return digest.hexdigest()

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw one random window of every walk that has any, in random order."""
        count = self.n_windows
        first = count.cumsum(0) - count
        has = (count > 0).nonzero()[:, 0]
        share = torch.rand(len(has), generator=generator, dtype=torch.float64)
        drawn = first[has] + (share * count[has]).long()
        return drawn[torch.randperm(len(drawn), generator=generator)]


def make_walk_set(
    index: pd.DataFrame, windows: Windows, *, features: np.ndarray | None = None
) -> WalkSet:
    """Bring windows and features of walks together, by walk id.

    Parameters
    ----------
    index : pandas.DataFrame
        Cohort index of the wanted walks; ``gmfcs`` may be missing.
    windows : Windows
        May hold other walks too.
    features : array of shape (W, F), optional
        Standardised features in the order of ``index``; none by default.

    Returns
    -------
    WalkSet
    """
    rows = index.index.get_indexer(pd.Index(windows.walk_id))
    wanted = np.flatnonzero(rows >= 0)
    order = wanted[np.argsort(rows[wanted], kind="stable")]
    if features is None:
        features = np.empty((len(index), 0), np.float32)
    return WalkSet(
        walk_id=tuple(index.index),
        x=torch.tensor(windows.x[order]),
        row=torch.tensor(rows[order], dtype=torch.int64),
        features=torch.tensor(features, dtype=torch.float32),
        target=torch.tensor(gmfcs.encode(index["gmfcs"])),
        patient=torch.tensor(pd.factorize(index["patient_id"])[0], dtype=torch.int64),
    )


def cache_maps(
    model: nn.Module, walks: WalkSet, *, mirror: np.ndarray | None = None
) -> WalkSet:
    """Replace windows by the time-averaged maps of a frozen backbone.

    Parameters
    ----------
    model : torch.nn.Module
        With ``maps(x)``; used in evaluation mode and left as it was.
    walks : WalkSet
        With windows.
    mirror : array of shape (V,), optional
        Left-right exchange of keypoints; then each map is kept together with that of
        its mirror image (N, 2, C, V), for augmentation.

    Returns
    -------
    WalkSet
        A walk without windows gets one map of NaN, which a fusion reads as a missing
        skeleton.
    """
    maps = map_windows(model, walks.x, lambda x: model.maps(x).mean(2))  # type: ignore[operator]
    if mirror is not None:
        swap = torch.as_tensor(mirror)
        mirrored = map_windows(
            model,
            walks.x,
            lambda x: model.maps(x[..., swap]).mean(2),  # type: ignore[operator]
        )
        maps = torch.stack([maps, mirrored], dim=1)
    absent = (walks.n_windows == 0).nonzero()[:, 0]
    blank = torch.full((len(absent), *maps.shape[1:]), torch.nan)
    row = torch.cat([walks.row, absent])
    order = row.argsort(stable=True)
    return replace(walks, x=torch.cat([maps, blank])[order], row=row[order])


def map_windows(
    model: nn.Module, x: Tensor, function: Callable[[Tensor], Tensor], *, chunk: int = 8
) -> Tensor:
    """Apply ``function`` to chunks of windows, without gradient, in evaluation mode.

    Chunks are small because few windows at a time stay in the processor's cache.
    """
    with torch.no_grad(), evaluating(model):
        return torch.cat([function(part) for part in x.split(chunk)])


def mirror_features(columns: list[str]) -> np.ndarray:
    """Index that exchanges the left and the right columns of a feature table.

    Parameters
    ----------
    columns : list of str
        Names such as ``knee_rom_left_deg``; a column whose counterpart is absent, and
        every side-free one, stays.

    Examples
    --------
    >>> mirror_features(["a_left_deg", "b_s", "a_right_deg"]).tolist()
    [2, 1, 0]
    """

    def other_side(name: str) -> str:
        return "_".join(mirror_name(f"{word}_")[:-1] for word in name.split("_"))

    position = {name: number for number, name in enumerate(columns)}
    swapped = [position.get(other_side(name), position[name]) for name in columns]
    return np.array(swapped, dtype=np.int64)
