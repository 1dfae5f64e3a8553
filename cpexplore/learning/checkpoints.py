"""Weights on disk: safetensors, atomic, one clear error when something is wrong."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from cpexplore.io.files import write_atomic
from cpexplore.runs import undamaged

_CHECKSUM = "sha256"


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, meta: dict[str, str]
) -> None:
    """Write tensors and text with their checksum, completely or not at all.

    Raises
    ------
    OSError
        If the disk is full or not writable; what was there before is still there.
    """
    plain = {name: value.detach().contiguous() for name, value in tensors.items()}
    told = meta | {_CHECKSUM: _checksum(plain, meta)}
    content = safetensors.torch.save(plain, metadata=told)
    write_atomic(path, lambda file: file.write_bytes(content))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and text that :func:`save_tensors` wrote.

    Returns
    -------
    tensors : dict of str to Tensor
    meta : dict of str to str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError
    """
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {str(path)!r}. Start the run again; it trains the fold anew."
        )
    with undamaged(path):
        tensors, meta = _content(path)
        checksum = meta.pop(_CHECKSUM, None)
        if checksum is None:
            raise ValueError("it has no checksum, like files of older versions")
        if checksum != _checksum(tensors, meta):
            raise ValueError("its checksum is another")
    return tensors, meta


def _content(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            names = file.keys()
            return {k: file.get_tensor(k) for k in names}, file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    """SHA-256 of names, shapes, values and text."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def flatten(state: Mapping[str, Any], *, prefix: str) -> dict[str, Tensor]:
    """Name the tensors of nested mappings ``prefix/key/key``.

    Examples
    --------
    >>> import torch
    >>> list(flatten({"a": {0: torch.zeros(1)}}, prefix="p"))
    ['p/a/0']
    """
    flat: dict[str, Tensor] = {}
    for key, value in state.items():
        name = f"{prefix}/{key}"
        flat |= (
            flatten(value, prefix=name) if isinstance(value, dict) else {name: value}
        )
    return flat


def take(tensors: Mapping[str, Tensor], *, prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose name starts with ``prefix/``, without it."""
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
