"""What a run was asked for, and with what it was made."""

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpexplore.cohort import Cohort
from cpexplore.io.files import check_new_folder
from cpexplore.runs import FILES, Run, load_run, write_json
from cpexplore.simulate import CONSTANTS, PARAMETERS
from cpexplore.simulate.cohort import PARAMETERS_NOTE, SimulatedWalks
from cpexplore.windows import WindowConfig

_PACKAGES = ("cpexplore", "captum", "numpy", "pandas", "scikit-learn", "scipy")
_PACKAGES += ("statsmodels", "torch", "xarray")

_WALKS_HASHED = 8


def config_of(cohort: Cohort, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a study was asked for; a folder that was asked for something else is kept.

    Parameters
    ----------
    cohort : Cohort
        The walks with a level.
    asked : mapping
        Preset, folds, seed, epochs.
    """
    config = {
        "cohort": cohort.name,
        "cohort_sha256": _digest(cohort),
        "notes": list(cohort.notes),
        "windows": asdict(WindowConfig()),
        **asked,
    }
    if cohort.simulated:
        config["simulator"] = _simulator(cohort)
    return config


def _simulator(cohort: Cohort) -> str:
    """Hash of the parameters that made the walks, wherever that was."""
    said = [note for note in cohort.notes if note.startswith(PARAMETERS_NOTE)]
    return said[0].removeprefix(PARAMETERS_NOTE) if said else "unknown"


def _digest(cohort: Cohort) -> str:
    """Hash of the index and of the coordinates of all walks.

    A cohort that was tracked anew has the index of the old one and other coordinates.
    Of walks that the simulator makes from the index, some spread over it will do.
    """
    index = cohort.index.sort_index()
    digest = sha256(index.to_csv().encode())
    made = isinstance(cohort.walks, SimulatedWalks)
    n_hashed = min(_WALKS_HASHED, len(index)) if made else len(index)
    for place in np.linspace(0, len(index) - 1, n_hashed).astype(int):
        position = cohort.walk(index.index[place])["position"].values
        digest.update(np.ascontiguousarray(position).tobytes())
    return digest.hexdigest()


def window_config(run: Run) -> WindowConfig:
    """How the windows of a study were cut.

    Raises
    ------
    ValueError
        If the run is a cross-validation and no study.
    """
    if "windows" not in run.config:
        raise ValueError(
            f"`run` must be a study of `cpexplore run`; {str(run.path)!r} is a "
            "cross-validation only."
        )
    return WindowConfig(**run.config["windows"])


def environment() -> dict[str, Any]:
    """Versions and threads of this process, and the simulator that is installed."""
    return {
        "machine": platform.machine(),
        "packages": {name: version(name) for name in _PACKAGES},
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "simulator": {"parameters": PARAMETERS.hash(), "constants": CONSTANTS.hash()},
        "torch_threads": torch.get_num_threads(),
    }


def claim(out: Path, config: Mapping[str, Any]) -> None:
    """Write the config of a new run, or make sure that ``out`` holds the same one.

    Raises
    ------
    ValueError
        If ``out`` holds another study.
    FileExistsError
        If ``out`` holds something else.
    """
    refuse_other_study(out, config)
    if not (out / FILES["config"]).exists():
        check_new_folder(out, name="out")
        write_json(out / FILES["config"], config)


def refuse_other_study(out: Path, config: Mapping[str, Any]) -> None:
    """Raise if ``out`` holds a study that differs in what ``config`` says.

    Parameters
    ----------
    out : Path
        A folder, perhaps a new one.
    config : mapping
        Some or all of what a study is asked for; the rest is not compared.

    Raises
    ------
    ValueError
        If it does, or its ``config.json`` is damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
    ...     _ = write_json(Path(folder, "config.json"), {"folds": 5, "seed": 0})
    ...     refuse_other_study(Path(folder), {"seed": 0})  # the same: nothing happens
    ...     refuse_other_study(Path(folder), {"seed": 1})
    Traceback (most recent call last):
    ValueError: `out` must be ...; ... holds one with another seed. Choose another ...
    """
    if not (out / FILES["config"]).exists():
        return
    held = load_run(out).config
    differing = sorted(key for key in config if config[key] != held.get(key))
    if differing:
        raise ValueError(
            f"`out` must be a new folder or hold the same study; {str(out)!r} "
            f"holds one with another {', '.join(differing)}. Choose another "
            "folder or delete it."
        )
