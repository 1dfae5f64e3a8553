"""Many walks in one zarr store: frames one after another, and an index of offsets.

Layout of the folder::

    zarr.json        group; format and version
    index.parquet    one row per walk: its attributes, where its frames and passes are
    0/ 1/ ...        one group per layout (keypoint set and variables): each variable
                     concatenated along frames or passes, chunked and sharded
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from cpexplore._validation import quoted
from cpexplore.io.files import write_folder_atomic
from cpexplore.io.problems import wrong
from cpexplore.walks import validate_walk

FORMAT = "cpexplore-walks"
VERSION = 1

_INDEX = "index.parquet"
_RAGGED = ("time", "bout")
_SPANS = [f"{dim}_{end}" for dim in _RAGGED for end in ("start", "size")]
_SHARED = ("variables", "coords", "labels")
_CHUNK = 1024
_SHARD = 32 * _CHUNK


class WalkStore(Mapping[str, xr.Dataset]):
    """Read-only mapping of walk ids to walks on disk; cheap to pickle.

    Parameters
    ----------
    path : str or path
        A folder written by :func:`write_store`.

    Raises
    ------
    FileNotFoundError
        If there is no walk store at ``path``.
    KeyError
        When a walk is asked for that the store does not hold.
    ValueError
        When a walk is asked for and the index is damaged or of another version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore import datasets
    >>> from cpexplore.io import WalkStore, write_store
    >>> walks = [datasets.sample_walk(name) for name in ("sports2d", "sports2d_lite")]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = WalkStore(write_store(Path(folder) / "walks.zarr", walks))
    ...     print(len(store), list(store), store["sports2d"].sizes["time"])
    2 ['sports2d', 'sports2d_lite'] 166
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not is_store(self.path):
            raise FileNotFoundError(
                f"`path` must be a walk store; got {str(self.path)!r}. "
                "Make one with `write_store`."
            )

    def __getitem__(self, walk_id: str) -> xr.Dataset:
        try:
            row: Any = self._index.loc[walk_id]
        except KeyError:
            raise KeyError(
                f"`walk_id` must be one of the {len(self)} walks of "
                f"{str(self.path)!r}; got {walk_id!r}."
            ) from None
        layout = self._layouts[row["layout"]]
        spans = {
            dim: slice(row[f"{dim}_start"], row[f"{dim}_start"] + row[f"{dim}_size"])
            for dim in _RAGGED
        }
        content = {
            name: (dims, layout.arrays[name][spans[dims[0]]])
            for name, dims in layout.variables.items()
        }
        coords = {name: content.pop(name) for name in layout.coords}
        return xr.Dataset(
            content, coords={**coords, **layout.labels}, attrs=json.loads(row["attrs"])
        )

    def __contains__(self, walk_id: object) -> bool:
        return walk_id in self._index.index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.index)

    def __len__(self) -> int:
        return len(self._index)

    def __reduce__(self) -> tuple[type["WalkStore"], tuple[Path]]:
        return WalkStore, (self.path,)

    def __repr__(self) -> str:
        return f"WalkStore({str(self.path)!r}, {len(self)} walks)"

    @cached_property
    def _index(self) -> pd.DataFrame:
        try:
            return pd.read_parquet(self.path / _INDEX)
        except (OSError, ValueError):
            raise wrong(
                self.path,
                "must be a walk store; its index is damaged.",
                "Write it again with `write_store`.",
            ) from None

    @cached_property
    def _layouts(self) -> list["_Layout"]:
        root = zarr.open_group(self.path, mode="r")
        version = root.attrs.get("version")
        if root.attrs.get("format") != FORMAT or version != VERSION:
            raise wrong(
                self.path,
                f"must be a walk store of version {VERSION}; got {version!r}.",
                "Write it again with `write_store`.",
            )
        n_layouts = len(set(self._index["layout"]))
        return [_Layout.of(root[str(number)]) for number in range(n_layouts)]


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What walks of one group share, and their concatenated arrays."""

    variables: dict[str, list[str]]
    """Dims of each variable, the ragged one first."""
    coords: list[str]
    """Those of ``variables`` that are coordinates."""
    labels: dict[str, list[str]]
    """Labels of each dim that has the same size in all walks."""
    arrays: dict[str, Any]
    """zarr arrays by variable."""

    @classmethod
    def of(cls, group: Any) -> "_Layout":
        """Read the layout of a zarr group from its attributes."""
        about: dict[str, Any] = {k: group.attrs[k] for k in _SHARED}
        return cls(**about, arrays={name: group[name] for name in about["variables"]})


def is_store(path: Path) -> bool:
    """Whether a folder is a complete walk store."""
    return (path / "zarr.json").is_file() and (path / _INDEX).is_file()


def write_store(
    path: str | Path, walks: Iterable[xr.Dataset] | Mapping[str, xr.Dataset]
) -> Path:
    """Write walks to a zarr store, one at a time, in the order given.

    Raw and cleaned walks of any keypoint set may be mixed. The same walks give the
    same bytes.

    Parameters
    ----------
    path : str or path
        Where the store shall be; an existing store is replaced once the new one is
        complete.
    walks : iterable of xarray.Dataset, or mapping of walk id to xarray.Dataset
        The walks; their ids must differ.

    Returns
    -------
    path
        For :class:`WalkStore`.

    Raises
    ------
    FileExistsError
        If something else than a walk store is at ``path``.
    ValueError
        If a walk is invalid or an id occurs twice.

    Examples
    --------
    Raw and cleaned walks side by side:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore import datasets
    >>> from cpexplore.io import WalkStore, write_store
    >>> from cpexplore.preprocessing import clean
    >>> raw = datasets.sample_walk("sports2d")
    >>> cleaned = clean(raw).assign_attrs(walk_id="sports2d_cleaned")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = WalkStore(write_store(Path(folder) / "walks.zarr", [raw, cleaned]))
    ...     print({walk_id: "bout" in store[walk_id] for walk_id in store})
    {'sports2d': False, 'sports2d_cleaned': True}
    """
    path = Path(path)
    if path.exists() and not is_store(path):
        raise FileExistsError(
            f"`path` must be free or a walk store; {str(path)!r} is something else. "
            "Choose another one."
        )
    each = walks.values() if isinstance(walks, Mapping) else walks
    return write_folder_atomic(path, lambda folder: _write(folder, each))


def _write(folder: Path, walks: Iterable[xr.Dataset]) -> None:
    head = {"format": FORMAT, "version": VERSION}
    root = zarr.create_group(folder, attributes=head)
    layouts: dict[str, _Appender] = {}
    rows: dict[str, dict[str, object]] = {}
    for walk in walks:
        validate_walk(walk)
        walk_id = walk.attrs["walk_id"]
        if walk_id in rows:
            raise ValueError(f"`walks` must have different ids; {walk_id!r} is twice.")
        key = json.dumps(_description(walk), sort_keys=True)
        if key not in layouts:
            group = root.create_group(str(len(layouts)), attributes=_description(walk))
            layouts[key] = _Appender(group, len(layouts))
        rows[walk_id] = layouts[key].append(walk)
    for layout in layouts.values():
        layout.flush(everything=True)
    index = pd.DataFrame.from_dict(
        rows, orient="index", columns=["layout", "attrs", *_SPANS]
    )
    index.rename_axis("walk_id").to_parquet(folder / _INDEX)


def _description(walk: xr.Dataset) -> dict[str, Any]:
    """What walks of one layout share: variables with dims and type, fixed labels."""
    fixed = [str(dim) for dim in walk.dims if dim not in _RAGGED]
    named = {str(name): array for name, array in walk.variables.items()}
    variables = {name: array for name, array in named.items() if name not in fixed}
    odd = [n for n, a in variables.items() if not _fits(a)]
    if odd:
        raise ValueError(
            f"`walks` must have numeric variables with {quoted(_RAGGED)} as first dim; "
            f"{quoted(odd)} are not. Drop them."
        )
    return {
        "variables": {name: list(array.dims) for name, array in variables.items()},
        "dtypes": {name: str(array.dtype) for name, array in variables.items()},
        "coords": [name for name in variables if name in walk.coords],
        "labels": {dim: walk[dim].values.tolist() for dim in fixed},
    }


def _fits(array: xr.Variable) -> bool:
    ragged = [n for n, dim in enumerate(array.dims) if dim in _RAGGED]
    return array.dtype.kind in "biuf" and ragged == [0]


class _Appender:
    """Appends walks of one layout, whole shards at a time."""

    def __init__(self, group: zarr.Group, number: int) -> None:
        self.group, self.number = group, number
        self.ends = dict.fromkeys(_RAGGED, 0)
        self.waiting: dict[str, list[np.ndarray]] = {}

    def append(self, walk: xr.Dataset) -> dict[str, object]:
        """Queue a walk and give its row of the index: where its frames will be."""
        row: dict[str, object] = {
            "layout": self.number,
            "attrs": json.dumps(walk.attrs, sort_keys=True),
        }
        for dim in _RAGGED:
            size = walk.sizes.get(dim, 0)
            row[f"{dim}_start"], row[f"{dim}_size"] = self.ends[dim], size
            self.ends[dim] += size
        for name in self.group.attrs["variables"]:  # pyright: ignore
            self.waiting.setdefault(name, []).append(walk[name].values)
        self.flush()
        return row

    def flush(self, *, everything: bool = False) -> None:
        """Write the full shards, or everything, and keep the rest waiting."""
        for name, pieces in self.waiting.items():
            n_rows = sum(map(len, pieces))
            if n_rows < _SHARD and not everything:
                continue
            rows = np.concatenate(pieces)
            n_ready = n_rows if everything else n_rows - n_rows % _SHARD
            self._write(name, rows[:n_ready])
            self.waiting[name] = [rows[n_ready:]]

    def _write(self, name: str, rows: np.ndarray) -> None:
        shape = rows.shape[1:]
        if name not in self.group:
            self.group.create_array(
                name,
                shape=(0, *shape),
                chunks=(_CHUNK, *shape),
                shards=(_SHARD, *shape),
                dtype=rows.dtype,
                fill_value=np.nan if rows.dtype.kind == "f" else 0,
            )
        array: Any = self.group[name]
        start = array.shape[0]
        array.resize((start + len(rows), *shape))
        array[start:] = rows
