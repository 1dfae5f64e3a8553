"""The layout of the Gillette release on disk: one CSV per video, one table of labels.

``processed/video_csvs/<videoid>.csv`` has 75 columns without header, 25 frames per
second; ``processed/alldata_processed.csv`` has one row per video and side. The pickles
of the release are never opened.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore._validation import quoted
from cpexplore.io.openpose import load_json
from cpexplore.io.problems import InputError, Problem, check_file, wrong
from cpexplore.io.tables import read_headerless
from cpexplore.io.track import points

FPS = 25.0
"""Frames per second of every video of the release, Hz."""

VIDEOS = "video_csvs"
LABELS = "alldata_processed.csv"
SPLIT = "train_test_valid_id_split.csv"
ORIGIN = "cpexplore.json"
"""Written beside the tables by ``write_gaitlab``: says that the walks are simulated."""

NOT_LEVELS = (0.0, 6.0)
"""Codes of ``gmfcs`` in the raw labels that are no ambulatory level."""

SHARED = (
    *("speed", "speedNorm", "cadence", "cadenceNorm"),
    *("mass", "bmi", "faq", "SEMLS"),
)
"""Measurements of the child, not of a leg; their two rows say the same."""

COVARIATES = {"age": "age_years", "height": "height_m", "leglen": "leg_length_m"}
"""Name in the index of a cohort by column of the labels."""

_NEEDED = ("videoid", "Patient_ID", "side", "gmfcs")
_NUMBERS = (
    *("gmfcs", "age", "height", "mass", "leglen"),
    *("GDI", "speed", "cadence", "KneeFlex_maxExtension"),
)
_UNKNOWN = ("", "nan", "na", "n/a", "none", "null")
_CORRECT = "Correct the table."


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a release folder holds, everything looked at once."""

    processed: Path
    """The folder with ``video_csvs``."""
    labels: pd.DataFrame
    """One row per video and side; numbers as floats, everything else as text."""
    n_frames: dict[str, int]
    """Frames of each video in which somebody is seen."""
    nobody: tuple[str, ...]
    """Videos without a finite frame."""
    patients: dict[str, str]
    """Patient of each video in the table of splits, if there is one."""
    simulated: bool
    """Whether a simulator made the walks."""
    source: str
    """Where the walks come from, for people to read."""
    problems: tuple[Problem, ...]
    """Errors of single files; empty when the release can be used."""


def find_release(root: Path) -> Path | None:
    """Folder ``processed`` of a release at ``root`` or its ``data``, else None."""
    candidates = (root / "processed", root / "data" / "processed")
    return next((c for c in candidates if (c / VIDEOS).is_dir()), None)


def scan_release(root: Path) -> Release:
    """Look at every file of a release once.

    Parameters
    ----------
    root : path
        Holds ``processed/`` or ``data/processed/``.

    Returns
    -------
    Release
        With what is wrong with single files among its ``problems``.

    Raises
    ------
    FileNotFoundError
        If there is no release at ``root``.
    """
    processed = find_release(root)
    if processed is None:
        raise FileNotFoundError(
            f"`root` must hold processed/{VIDEOS} or data/processed/{VIDEOS}; "
            f"{str(root)!r} has neither. Give the folder above 'processed'."
        )
    problems: list[Problem] = []
    labels, patients = pd.DataFrame(columns=list(_NEEDED)), {}
    origin = {"simulated": False, "source": "Gillette release layout"}
    try:
        labels = read_labels(processed / LABELS)
        patients = _split_patients(processed / SPLIT)
        origin = origin | _origin(processed / ORIGIN)
    except InputError as error:
        problems.append(error.problem)
    n_frames, damaged = _scan_videos(processed / VIDEOS)
    problems += damaged
    nobody = tuple(video for video, count in n_frames.items() if count == 0)
    if len(nobody) == len(n_frames) and not problems:
        what = (
            f"must hold a readable video; {len(nobody)} files have no person in any "
            "frame and there are no others."
        )
        fix = "Put the <videoid>.csv files there."
        problems.append(wrong(processed / VIDEOS, what, fix).problem)
    return Release(
        processed=processed,
        labels=labels,
        n_frames={video: count for video, count in n_frames.items() if count},
        nobody=nobody,
        patients=patients,
        simulated=bool(origin["simulated"]),
        source=str(origin["source"]),
        problems=tuple(problems),
    )


def read_video(file: Path) -> np.ndarray:
    """Read one video: float32 (time, 25, 3), NaN where a point is missing.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    position, confidence = points(read_headerless(file).triples, file)
    return np.concatenate([position, confidence[..., None]], axis=-1)


def read_labels(file: Path) -> pd.DataFrame:
    """Read the label rows, one per video and side.

    Returns
    -------
    pandas.DataFrame
        Columns of the file; the numeric ones as float, missing as NaN.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If a column is missing, a number is text, a videoid is no file name, a side is
        neither L nor R or occurs twice, or the two sides of a video disagree in
        ``gmfcs`` or ``Patient_ID``.
    """
    rows = read_text_table(file, needed=_NEEDED)
    for column in set(_NUMBERS) & set(rows.columns):
        rows[column] = _numbers(file, column, rows)
    for column in ("videoid", "Patient_ID", "side"):
        _require(file, rows, column, rows[column].notna(), f"a {column}")
    unsafe = rows["videoid"].str.contains(r"[/\\\x00]|^\.{1,2}$")
    _require(file, rows, "videoid", ~unsafe, "plain file names as videoid")
    _require(file, rows, "side", rows["side"].isin(["L", "R"]), "the side L or R")
    codes = [1, 2, 3, 4, *NOT_LEVELS, np.nan]
    known = rows["gmfcs"].isin(codes)
    _require(file, rows, "gmfcs", known, "gmfcs 1 to 4 (0 and 6 are left out)")
    for column in {"Patient_ID", "examid"} & set(rows.columns):
        rows[column] = [plain_id(value) for value in rows[column]]
    _check_pairs(file, rows)
    return rows


def plain_id(value: str) -> str:
    """Drop the ``.0`` of an id that went through a table of floats.

    Examples
    --------
    >>> plain_id("12.0"), plain_id("B1.0")
    ('12', 'B1.0')
    """
    stem, _, decimals = str(value).partition(".")
    return stem if stem.isdigit() and decimals == "0" else value


def read_text_table(file: Path, *, needed: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV with header as text, the line number as index, unknown as None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is empty, a line is cut short, or a column is missing or named twice.
    """
    check_file(file)
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as handle:
        lines = list(_rows(file, csv.reader(handle)))
    header, body = lines[0][1], lines[1:]
    absent = [column for column in needed if column not in header]
    if absent:
        raise wrong(file, f"lacks the columns {quoted(absent)}.", _CORRECT)
    if len(set(header)) < len(header):
        raise wrong(file, "must name each column once.", _CORRECT)
    cut = [number for number, row in body if len(row) != len(header)]
    if cut:
        raise wrong(
            file,
            f"must have {len(header)} columns; line {cut[0]} has another number.",
            _CORRECT,
        )
    cells = [
        [None if cell.strip().lower() in _UNKNOWN else cell.strip() for cell in row]
        for _, row in body
    ]
    numbers = [number for number, _ in body]
    return pd.DataFrame(cells, columns=header, index=numbers, dtype="str")


def left_out(release: Release) -> list[str]:
    """Say what of a release is not used, one clause with a count each."""
    labels = release.labels
    no_level = labels["gmfcs"].isin(NOT_LEVELS)
    rated = set(labels.loc[~no_level, "videoid"])
    absent = rated - set(release.n_frames) - set(release.nobody)
    counts = {
        "label rows with gmfcs 0 or 6": no_level.sum(),
        "labelled videos without a file": len(absent),
        "videos without a person in any frame": len(release.nobody),
    }
    return [f"{what}: {count}" for what, count in counts.items() if count]


def _rows(file: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    try:
        for number, row in enumerate(reader, start=1):
            if row:
                yield number, row
    except csv.Error:
        raise wrong(file, "must be a comma-separated table.", _CORRECT) from None


def _scan_videos(folder: Path) -> tuple[dict[str, int], list[Problem]]:
    """Frames of each readable video, 0 if nobody is seen, and what is damaged."""
    n_frames: dict[str, int] = {}
    problems = []
    for file in sorted(folder.glob("*.csv")):
        try:
            triples = read_video(file)
        except InputError as error:
            problems.append(error.problem)
            continue
        somebody = np.isfinite(triples[..., :2]).any()
        n_frames[file.stem] = len(triples) if somebody else 0
    return n_frames, problems


def _split_patients(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    table = read_text_table(file, needed=("videoid", "Patient_ID"))
    known = table.dropna(subset=["videoid", "Patient_ID"])
    return dict(zip(known["videoid"], map(plain_id, known["Patient_ID"]), strict=True))


def _origin(file: Path) -> dict[str, object]:
    origin = load_json(file) if file.exists() else {}
    if not isinstance(origin, dict):
        raise wrong(file, "must be a JSON object.", "Write the folder again.")
    return origin


def _numbers(file: Path, column: str, rows: pd.DataFrame) -> list[float]:
    numbers = []
    for line, text in zip(rows.index, rows[column], strict=True):
        try:
            number = float("nan" if pd.isna(text) else text)
        except ValueError:
            number = float("inf")
        if np.isinf(number):
            what = f"must hold numbers in {column!r}; line {line} has {text[:40]!r}."
            raise wrong(file, what, _CORRECT)
        numbers.append(number)
    return numbers


def _require(
    file: Path, rows: pd.DataFrame, column: str, good: object, must: str
) -> None:
    bad = np.flatnonzero(~np.asarray(good, bool))
    if len(bad):
        line, value = rows.index[bad[0]], rows[column].tolist()[bad[0]]
        what = f"must have {must}; line {line} has {value!r}."
        raise wrong(file, what, _CORRECT)


def _check_pairs(file: Path, rows: pd.DataFrame) -> None:
    """Raise if a side occurs twice or the sides of a video contradict each other."""
    twice = np.flatnonzero(rows.duplicated(["videoid", "side"]))
    if len(twice):
        video, side = rows[["videoid", "side"]].iloc[twice[0]]
        raise wrong(
            file,
            f"must have one row per video and side; ({video!r}, {side!r}) occurs "
            f"twice, again in line {rows.index[twice[0]]}.",
            _CORRECT,
        )
    usable = rows.loc[~rows["gmfcs"].isin(NOT_LEVELS)]
    for column in ("gmfcs", "Patient_ID"):
        varieties = usable.groupby("videoid", sort=False)[column].nunique()
        torn = [video for video, count in varieties.items() if count > 1]
        if torn:
            what = f"must have one {column} per video; the sides of {torn[0]!r} differ."
            raise wrong(file, what, _CORRECT)
