"""What one fold is given: its walks, its data and what to train."""

import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn

from cpexplore import gmfcs
from cpexplore.cohort import check_disjoint
from cpexplore.learning.variants import CrossvalSpec
from cpexplore.runs import read_json, write_json
from cpexplore.windows import Windows

Selector = Callable[[nn.Module, Windows, pd.DataFrame], pd.DataFrame]
"""``select(skeleton model, inner windows, inner index)``: a table with ``feature``,
``kept`` (bool) and ``score``."""

INNER_SPLITS = 5
"""Into how many parts a fold's training walks are split to stop training early."""


@dataclass(frozen=True, kw_only=True)
class FoldTask:
    """What one fold needs; sent to a worker process as it is."""

    seed: int
    """Seed of the split."""
    fold: int
    """Number of the fold."""
    index: pd.DataFrame
    """Labelled walks of the study."""
    held_out: tuple[str, ...]
    """Walks that this fold is scored on."""
    windows: Windows
    """Of all walks."""
    features: pd.DataFrame
    """Of all walks."""
    tables: Mapping[str, pd.DataFrame]
    """Of the tabular models, by name."""
    spec: CrossvalSpec
    """What to train."""
    keypoint_set: str
    """Of the windows."""
    select: Selector | None
    """Chooses features; all usable ones by default."""
    out: Path
    """The run directory."""
    backbones: Path | None = None
    """A run of the same folds whose skeleton networks are taken as they are."""
    progress: bool = False
    """Whether to show a bar of epochs."""

    @property
    def name(self) -> str:
        """How the fold is called in files."""
        return fold_name(self.seed, self.fold)

    def part(self, kind: str) -> Path:
        """Where this fold's table of a kind is kept until all folds are done."""
        return self.out / "parts" / f"{self.name}_{kind}.parquet"

    def finish(self, files: Sequence[Path]) -> None:
        """Note that the fold is done, and how long the files are that it has left."""
        sizes = {f.relative_to(self.out).as_posix(): f.stat().st_size for f in files}
        write_json(_record(self.out, self.name), sizes)

    def is_done(self) -> bool:
        """Whether the fold was finished and no file of it lost or cut short since."""
        return is_done(self.out, self.name)

    def number(self, purpose: str) -> int:
        """A seed for one purpose, whatever else the fold trains."""
        entropy = (self.seed, self.fold, zlib.crc32(purpose.encode()))
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def fold_name(seed: int, fold: int) -> str:
    """How a fold is called in files."""
    return f"seed{seed}_fold{fold}"


def is_done(out: Path, name: str) -> bool:
    """Whether the fold of that name was finished in ``out`` and lost nothing since."""
    record = _record(out, name)
    return record.exists() and all(
        (out / file).exists() and (out / file).stat().st_size == size
        for file, size in read_json(record).items()
    )


def _record(out: Path, name: str) -> Path:
    return out / "parts" / f"{name}_files.json"


def inner_split(index: pd.DataFrame, *, seed: int) -> tuple[list[str], list[str]]:
    """Split training walks into a part to learn from and an inner part, by patient.

    Parameters
    ----------
    index : pandas.DataFrame
        Cohort index of the training walks of a fold.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    learn, inner : list of str
        Walk ids of about 80 % and 20 % of the patients, stratified by level.

    Raises
    ------
    ValueError
        If there are fewer than five patients.
    """
    index = index.sort_index()
    patients = index["patient_id"]
    n_patients = len(set(patients))
    if n_patients < INNER_SPLITS:
        raise ValueError(
            f"A fold must have at least {INNER_SPLITS} training patients; got "
            f"{n_patients}. Use more patients or fewer folds."
        )
    splitter = StratifiedGroupKFold(INNER_SPLITS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a level with fewer walks than splits is expected: IV is rare
        warnings.filterwarnings("ignore", "The least populated class")
        splits = splitter.split(index, gmfcs.encode(index["gmfcs"]), groups=patients)
        # the splitter places children with many walks first: its parts are not alike
        number = np.random.default_rng(seed).integers(INNER_SPLITS)
        learn, inner = list(splits)[number]
    check_disjoint(patients.iloc[learn], patients.iloc[inner])
    return index.index[learn].tolist(), index.index[inner].tolist()
