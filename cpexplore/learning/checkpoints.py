"""Weights on disk: safetensors, atomic, one clear error when something is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from cpexplore.runs import write_atomic


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], *, meta: dict[str, str]
) -> None:
    """Write tensors and text, completely or not at all.

    Raises
    ------
    OSError
        If the disk is full or not writable; what was there before is still there.
    """
    plain = {name: value.detach().contiguous() for name, value in tensors.items()}
    content = safetensors.torch.save(plain, metadata=meta)
    try:
        write_atomic(path, lambda file: file.write_bytes(content))
    except OSError as error:
        raise OSError(
            f"The checkpoint {str(path)!r} could not be written "
            f"({error.strerror or error}). Finished stages are kept; free "
            f"{len(content) / 1e6:.1f} MB and start again to resume."
        ) from error


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
    ValueError
        If the file is damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no checkpoint {str(path)!r}.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            names = file.keys()
            return {k: file.get_tensor(k) for k in names}, file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"The checkpoint {str(path)!r} is damaged ({error}). Delete it and start "
            "again; finished stages are kept."
        ) from error


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
