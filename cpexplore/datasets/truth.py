"""What really happened in simulated walks: tables in a folder of their own.

::

    simulation.json   which cohort, the hashes of the simulator's parameters and
                      constants, and where a level is planted
    parameters.csv    every parameter and constant, with its status and source
    children.parquet  one row per walk: severity, patterns, device, speed, camera, ...
    events.parquet    one row per event: walk_id, side, event, time_s, bout
    signals.parquet   one row per frame: angles, contacts, swaps, the true projection;
                      walk after walk, one row group each

A model must never read this folder.
"""

from collections.abc import Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cpexplore.io.openpose import load_json
from cpexplore.runs import write_json
from cpexplore.simulate import CONSTANTS, PARAMETERS, PLANTS, Truth
from cpexplore.simulate.cohort import PARAMETERS_NOTE

FOLDER = "truth"
"""Name of the folder in that of the cohort."""

SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class TruthRows:
    """The truth of one walk as rows of the tables."""

    child: dict[str, Any]
    """The row of ``children``."""
    events: pa.Table
    """Rows of ``events``."""
    signals: pa.Table
    """Rows of ``signals``."""


def truth_rows(truth: Truth) -> TruthRows:
    """Arrange the truth of one walk.

    Parameters
    ----------
    truth : Truth
        From :func:`cpexplore.simulate.simulate_walk`.

    Returns
    -------
    TruthRows
        Angles in degrees as ``<name>_<side>_deg``, true positions in px as
        ``<keypoint>_x`` and ``_y``, both float32.
    """
    walk_id = truth.child.walk_id
    about = {k: v for k, v in asdict(truth.child).items() if k not in ("limbs", "fps")}
    for side, limb in zip(SIDES, truth.child.limbs, strict=True):
        about |= {f"{name}_{side}": value for name, value in asdict(limb).items()}
    camera = {f"camera_{name}": value for name, value in asdict(truth.camera).items()}
    measured = {f"true_{k}": float(v) for k, v in truth.parameters.items()}
    return TruthRows(
        child={**about, **camera, **measured},
        events=_named(truth.events.to_dict("list"), walk_id),
        signals=_named(_signals(truth), walk_id),
    )


class TruthWriter:
    """Writes the truth walk by walk: frames never pile up in memory.

    Use as a context manager; the tables are complete when its block ends.

    Parameters
    ----------
    folder : path
        Where the tables go; must not exist.
    cohort : str
        What the cohort is called.
    plants : set of str
        Keys of :data:`cpexplore.simulate.PLANTS` that the walks have.
    """

    def __init__(
        self, folder: Path, *, cohort: str, plants: Set[str] = frozenset()
    ) -> None:
        self._folder = folder
        self._children: list[dict[str, Any]] = []
        self._open: dict[str, pq.ParquetWriter] = {}
        folder.mkdir()
        about: dict[str, Any] = {
            "cohort": cohort,
            "parameters": PARAMETERS.hash(),
            "constants": CONSTANTS.hash(),
        }
        if plants:
            about["plants"] = {name: asdict(PLANTS[name]) for name in sorted(plants)}
        write_json(folder / "simulation.json", about)
        tables = pd.concat([PARAMETERS.table(), CONSTANTS.table()])
        tables.to_csv(folder / "parameters.csv")

    def __enter__(self) -> "TruthWriter":
        return self

    def add(self, rows: TruthRows) -> None:
        """Append one walk."""
        self._children.append(rows.child)
        self._append("events", rows.events)
        self._append("signals", rows.signals)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        for writer in self._open.values():
            writer.close()
        if error is None:
            children = pd.DataFrame(self._children).set_index("walk_id")
            children.to_parquet(self._folder / "children.parquet")

    def _append(self, name: str, rows: pa.Table) -> None:
        if name not in self._open:
            file = self._folder / f"{name}.parquet"
            self._open[name] = pq.ParquetWriter(
                file, rows.schema, compression="zstd", use_dictionary=False
            )
        self._open[name].write_table(rows)


def simulator_notes(folder: Path) -> tuple[str, ...]:
    """Say with what the walks beside a truth folder were simulated, if it is there.

    Returns
    -------
    tuple of str
        The hash of the parameters, and that of the constants.
    """
    file = folder / "simulation.json"
    about = load_json(file) if file.exists() else {}
    if not isinstance(about, dict):
        return ()
    notes = {
        "parameters": PARAMETERS_NOTE,
        "constants": "simulator constants ",
    }
    return tuple(f"{said}{about[key]}" for key, said in notes.items() if key in about)


def _named(columns: dict[str, Any], walk_id: str) -> pa.Table:
    n_rows = len(columns["time_s"])
    return pa.table({**columns, "walk_id": pa.array([walk_id] * n_rows)})


def _signals(truth: Truth) -> dict[str, Any]:
    """One row per frame."""
    columns: dict[str, Any] = {
        "time_s": truth.bout["time"].values,
        "bout": truth.bout.values.astype(np.int16),
        "swapped": truth.swapped.values,
    }
    for side in SIDES:
        columns[f"contact_{side}"] = truth.contact.sel(side=side).values
    for name, angle in truth.angles.items():
        if "side" not in angle.dims:
            columns[str(name)] = angle.values.astype(np.float32)
            continue
        stem, _, unit = str(name).rpartition("_")
        for side in SIDES:
            values = angle.sel(side=side).values.astype(np.float32)
            columns[f"{stem}_{side}_{unit}"] = values
    clean = truth.clean.values.astype(np.float32)
    for number, keypoint in enumerate(truth.clean["keypoint"].values):
        columns[f"{keypoint}_x"] = clean[:, number, 0]
        columns[f"{keypoint}_y"] = clean[:, number, 1]
    return columns
