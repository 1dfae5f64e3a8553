"""Tables with one row per frame: wide CSV and Parquet, MediaPipe, BODY_25 columns."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import xarray as xr

from cpexplore._validation import check_option, quoted
from cpexplore.io.problems import check_file, wrong
from cpexplore.io.track import Track
from cpexplore.skeleton import KEYPOINT_SETS, keypoint_set

MARK = "# cpexplore "
"""Begins the first line of a CSV that :func:`write_csv` wrote; a JSON of attributes."""

_METADATA = b"cpexplore"
_SET = "keypoint_set"
_PARTS = ("x", "y", "confidence")
_CLOCKS = ("time_s", "frame")
_NULLS = ("", "nan", "NaN", "NA", "null")
_AGAIN = "Export it again."

_MEDIAPIPE = {
    "eye_in": "eye_inner",
    "eye_out": "eye_outer",
    "foot_index": "big_toe",
    "toe": "big_toe",
}


def read_csv(path: Path, *, name: str | None = None) -> Track:
    """Read a CSV of one walk, whichever of the three kinds it is.

    * no header, 75 columns: BODY_25 as x, y, confidence (Gillette release);
    * columns ``*_vis``: MediaPipe landmarks in px;
    * columns ``<keypoint>_x, <keypoint>_y, <keypoint>_confidence``.

    Parameters
    ----------
    path : path
        The file.
    name : str, optional
        Keypoint set of a wide table; default the smallest that has all its keypoints.

    Raises
    ------
    InputError
        If the file is none of these, is cut short or has text in place of a number.
    """
    check_file(path)
    first, second = _first_lines(path)
    attrs = _attrs(path, first[len(MARK) :]) if first.startswith(MARK) else {}
    header = _fields(path, second if attrs else first)
    if not attrs and all(_is_number(field) for field in header):
        return read_headerless(path)
    kind, wanted = _wanted(path, header, name or attrs.get(_SET))
    table = _parse_csv(path, header, wanted=wanted, skip=2 if attrs else 1)
    return _wide_track(path, kind, wanted, table, attrs)


def read_headerless(path: Path) -> Track:
    """Read 75 columns without header: BODY_25 as x, y, confidence.

    Raises
    ------
    InputError
        If a row has another number of columns or text in place of a number.
    """
    check_file(path)
    names = [str(column) for column in range(75)]
    table = _parse_csv(path, names, wanted=names, skip=0)
    return Track(
        triples=_matrix(table, names).reshape(-1, 25, 3),
        keypoint_set="body_25",
        source="BODY_25 CSV",
    )


def read_parquet(path: Path, *, name: str | None = None) -> Track:
    """Read a wide Parquet table, see :func:`read_csv`.

    Raises
    ------
    InputError
        If the file is cut short, or a column is missing or holds text.
    """
    check_file(path)
    try:
        schema = pq.read_schema(path)
        text = (schema.metadata or {}).get(_METADATA, b"{}").decode()
        attrs = _attrs(path, text)
        kind, wanted = _wanted(path, schema.names, name or attrs.get(_SET))
        table = pq.read_table(path, columns=wanted)
        types = pa.schema([(column, _type(column)) for column in wanted])
        return _wide_track(path, kind, wanted, table.cast(types), attrs)
    except (pa.ArrowException, OSError) as error:
        raise wrong(
            path, f"must be a Parquet table of numbers; {_sentence(error)}.", _AGAIN
        ) from None


def write_csv(walk: xr.Dataset, path: Path) -> None:
    """Write a raw walk as a wide CSV: one line of attributes, a header, the frames."""
    table = _wide_table(walk)
    with path.open("wb") as file:
        file.write(f"{MARK}{_json(walk)}\n{','.join(table.column_names)}\n".encode())
        pc.write_csv(table, file, pc.WriteOptions(include_header=False))


def write_parquet(walk: xr.Dataset, path: Path) -> None:
    """Write a raw walk as a wide Parquet table with its attributes as metadata."""
    metadata = {_METADATA: _json(walk).encode()}
    pq.write_table(_wide_table(walk).replace_schema_metadata(metadata), path)


def write_headerless(triples: np.ndarray, path: Path) -> None:
    """Write (time, keypoint, 3) as a CSV without header, exact to float32."""
    flat = np.asarray(triples, np.float32).reshape(len(triples), -1)
    table = pa.table({str(n): column for n, column in enumerate(flat.T)})
    pc.write_csv(table, path, pc.WriteOptions(include_header=False))


def _first_lines(path: Path) -> tuple[str, str]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(1 << 20)
        return first, file.readline(1 << 20)


def _fields(path: Path, line: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line]), [])]
    except csv.Error:
        raise wrong(path, "must be a comma-separated table.", _AGAIN) from None


def _is_number(field: str) -> bool:
    try:
        float("nan" if field in _NULLS else field)
    except ValueError:
        return False
    return True


def _attrs(path: Path, text: str) -> dict[str, Any]:
    try:
        attrs: Any = json.loads(text)
    except (ValueError, RecursionError):
        attrs = None
    scalars = isinstance(attrs, dict) and all(
        isinstance(value, str | int | float) for value in attrs.values()
    )
    sets = (None, *KEYPOINT_SETS)
    if not scalars or isinstance(attrs.get("fps"), str) or attrs.get(_SET) not in sets:
        raise wrong(path, "has damaged attributes.", _AGAIN)
    return attrs


def _wanted(
    path: Path, header: Sequence[str], name: object
) -> tuple[tuple[str, dict[str, str]], list[str]]:
    """Keypoint set, column prefix of each of its keypoints, and columns to read."""
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise wrong(path, f"must not repeat the columns {quoted(twice)}.", _AGAIN)
    mediapipe = any(column.endswith("_vis") for column in header)
    parts = ("x", "y", "vis") if mediapipe else _PARTS
    prefixes = [c[:-2] for c in header if c.endswith("_x")]
    keypoints = {_mediapipe_name(p) if mediapipe else p: p for p in prefixes}
    if not keypoints:
        raise wrong(
            path,
            "must have columns <keypoint>_x, <keypoint>_y, <keypoint>_confidence, or "
            "75 columns without header.",
            "Rename the columns.",
        )
    absent = [f"{p}_{c}" for p in prefixes for c in parts if f"{p}_{c}" not in header]
    if absent:
        raise wrong(path, f"lacks the columns {quoted(absent)}.", "Add them.")
    found = _set_of(path, keypoints, "blazepose_33" if mediapipe else name)
    columns = [f"{prefix}_{part}" for prefix in prefixes for part in parts]
    return (found, keypoints), [*columns, *(c for c in _CLOCKS if c in header)]


def _mediapipe_name(prefix: str) -> str:
    """``l_eye_in`` or ``left_eye_inner`` to ``left_eye_inner``; ``mouth_l`` too."""
    words = prefix.split("_")
    sides = {"l": "left", "r": "right", "left": "left", "right": "right"}
    side = next((sides[word] for word in words if word in sides), None)
    part = "_".join(word for word in words if word not in sides)
    part = _MEDIAPIPE.get(part, part)
    return part if side is None else f"{side}_{part}"


def _set_of(path: Path, keypoints: dict[str, str], name: object) -> str:
    """The named set, or the smallest one that has all the keypoints."""
    if name is not None:
        check_option("keypoint_set", name, tuple(KEYPOINT_SETS))
    options = [str(name)] if name is not None else list(KEYPOINT_SETS)
    fitting = [s for s in options if set(keypoints) <= set(keypoint_set(s).keypoints)]
    if not fitting:
        known = {k for s in options for k in keypoint_set(s).keypoints}
        unknown = sorted(set(keypoints) - known) or sorted(keypoints)
        raise wrong(
            path,
            f"must hold the keypoints of one set ({', '.join(options)}); "
            f"{quoted(unknown)} do not fit.",
            "Rename or remove their columns.",
        )
    return min(fitting, key=lambda s: len(keypoint_set(s).keypoints))


def _type(column: str) -> pa.DataType:
    return pa.float64() if column in _CLOCKS else pa.float32()


def _parse_csv(
    path: Path, header: list[str], *, wanted: list[str], skip: int
) -> pa.Table:
    try:
        table = pc.read_csv(
            path,
            pc.ReadOptions(column_names=header, skip_rows=skip, use_threads=False),
            convert_options=pc.ConvertOptions(
                include_columns=wanted,
                column_types={c: _type(c) for c in wanted},
                null_values=_NULLS,
            ),
        )
    except pa.ArrowInvalid as error:
        complaint = next(_complaints(path, header, set(wanted), skip), None)
        raise wrong(path, complaint or f"{_sentence(error)}.", _AGAIN) from None
    if table.num_rows == 0:
        raise wrong(path, "must hold at least one frame; it has none.", _AGAIN)
    return table


def _complaints(
    path: Path, header: list[str], wanted: set[str], skip: int
) -> Iterator[str]:
    """What is wrong with a CSV, line by line; slow, only for the message."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if number <= skip or not row:
                continue
            if len(row) != len(header):
                yield (
                    f"must have {len(header)} columns; line {number} has {len(row)}."
                )
            for column, value in zip(header, row, strict=False):
                if column in wanted and not _is_number(value):
                    place = int(column) + 1 if column.isdigit() else repr(column)
                    yield (
                        f"must hold numbers; line {number}, column {place} has "
                        f"{value[:40]!r}."
                    )


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")


def _matrix(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    return np.column_stack([table[column].to_numpy() for column in columns])


def _wide_track(
    path: Path,
    kind: tuple[str, dict[str, str]],
    wanted: list[str],
    table: pa.Table,
    attrs: dict[str, Any],
) -> Track:
    name, keypoints = kind
    names = keypoint_set(name).keypoints
    triples = np.full((table.num_rows, len(names), 3), np.nan, np.float32)
    values = _matrix(table, wanted[: 3 * len(keypoints)])
    for number, keypoint in enumerate(keypoints):
        triples[:, names.index(keypoint)] = values[:, 3 * number : 3 * number + 3]
    clocks = {c: table[c].to_numpy() for c in _CLOCKS if c in wanted}
    frame = None if "time_s" in clocks else clocks.get("frame")
    if frame is not None and not np.equal(frame, np.round(frame)).all():
        raise wrong(path, "must number its frames with integers.", _AGAIN)
    fps = attrs.get("fps")
    return Track(
        triples=triples,
        keypoint_set=name,
        source="MediaPipe table" if name == "blazepose_33" else "keypoint table",
        frame=None if frame is None else frame.astype(np.int64),
        time=clocks.get("time_s"),
        fps=None if fps is None else float(fps),
        attrs=attrs,
    )


def _wide_table(walk: xr.Dataset) -> pa.Table:
    more = sorted({*map(str, walk.data_vars)} - {"position", "confidence"})
    if more:
        raise ValueError(
            f"`walk` must be raw to be written as a table; it also has {quoted(more)}. "
            "Write it to a '.nc' file."
        )
    position = walk["position"].transpose("time", "keypoint", "space").values
    confidence = walk["confidence"].transpose("time", "keypoint").values
    triples = np.concatenate([position, confidence[..., None]], axis=-1)
    names = [f"{k}_{part}" for k in walk["keypoint"].values for part in _PARTS]
    columns = triples.reshape(len(triples), -1).T
    clock = {"time_s": walk["time"].values}
    return pa.table({**clock, **dict(zip(names, columns, strict=True))})


def _json(walk: xr.Dataset) -> str:
    return json.dumps(walk.attrs, sort_keys=True)
