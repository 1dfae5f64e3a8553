"""Cohorts in the layout of the Gillette release (Kidzinski et al. 2020).

The recordings (doi:10.18735/j0rz-0k12, CC BY-NC 2.0) are downloaded by the user; they
are never redistributed here.
"""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from cpexplore.cohort import Cohort, make_index
from cpexplore.datasets.gaitlab_writing import write_gaitlab
from cpexplore.datasets.truth import FOLDER as TRUTH
from cpexplore.datasets.truth import simulator_notes
from cpexplore.io.problems import wrong
from cpexplore.io.release import (
    COVARIATES,
    FPS,
    NOT_LEVELS,
    SHARED,
    VIDEOS,
    Release,
    left_out,
    read_video,
    scan_release,
)
from cpexplore.walks import make_walk

__all__ = ["VideoFolder", "load_gaitlab", "write_gaitlab"]

_NOT_LABELS = (
    *("videoid", "Patient_ID", "examid", "side", "gmfcs", "Event_Date"),
    *("age", "height", "leglen"),
)
_SIDES = {"L": "left", "R": "right"}
_UNITS = {"height": (3.0, 300.0), "leglen": (1.5, 150.0)}
_PLAUSIBLE = {"age": (0.0, 120.0), "height": (0.4, 2.5), "leglen": (0.2, 1.5)}


class VideoFolder(Mapping[str, xr.Dataset]):
    """Walks of a release by videoid, read when asked for.

    Parameters
    ----------
    release : Release
        The scanned folder.
    patients : mapping of str to str
        Patient of each walk; its keys are the walks.
    """

    def __init__(self, release: Release, patients: Mapping[str, str]) -> None:
        self._folder = release.processed / VIDEOS
        self._patients = dict(patients)
        self._source, self._simulated = release.source, release.simulated

    def __getitem__(self, walk_id: str) -> xr.Dataset:
        patient = self._patients[walk_id]
        triples = read_video(self._folder / f"{walk_id}.csv")
        return make_walk(
            triples[..., :2],
            triples[..., 2],
            fps=FPS,
            keypoint_set="body_25",
            walk_id=walk_id,
            patient_id=patient,
            source=self._source,
            simulated=self._simulated,
        )

    def __contains__(self, walk_id: object) -> bool:
        return walk_id in self._patients

    def __iter__(self) -> Iterator[str]:
        return iter(self._patients)

    def __len__(self) -> int:
        return len(self._patients)


def load_gaitlab(root: str | Path) -> Cohort:
    """Load a cohort in the layout of the Gillette release.

    Every file is looked at once, so that a damaged one stops here and not in the middle
    of a study. The pickles of the release are never opened.

    Parameters
    ----------
    root : str or path
        Holds ``processed/`` or ``data/processed/``.

    Returns
    -------
    Cohort
        One walk per video: the rows of its two sides are joined. Videos without a label
        are kept as unlabelled. Measurements by side become labels ``<name>_left`` and
        ``<name>_right``, those in
        :data:`cpexplore.io.release.SHARED` keep their name. ``notes`` says what
        was left out and which units of height and leg length were found.

    Raises
    ------
    FileNotFoundError
        If there is no release at ``root``, or it has no table of labels.
    ValueError
        If a video or the table of labels is damaged, or no video is readable; the
        message names the first file.

    Warns
    -----
    UserWarning
        Once, with the counts, if label rows (gmfcs 0 or 6, no file) or videos (nobody
        in any frame) are left out.

    Notes
    -----
    Units of height and leg length are undocumented. The median decides: a height above
    300 is mm, above 3 cm, else m; a leg length above 150 is mm, above 1.5 cm, else m.
    Implausible values, and values in which the two sides disagree, become missing.

    Examples
    --------
    One made-up video of level II, laid out like the release:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpexplore.datasets import load_gaitlab
    >>> sides = {"side": ["L", "R"], "gmfcs": 2, "height": 1210}
    >>> labels = pd.DataFrame({"videoid": 7, "Patient_ID": 3} | sides)
    >>> with tempfile.TemporaryDirectory() as root:
    ...     processed = Path(root) / "processed"
    ...     (processed / "video_csvs").mkdir(parents=True)
    ...     np.savetxt(processed / "video_csvs/7.csv", np.ones((60, 75)), delimiter=",")
    ...     labels.to_csv(processed / "alldata_processed.csv", index=False)
    ...     cohort = load_gaitlab(root)
    >>> print(*cohort.index.loc["7", ["patient_id", "gmfcs", "n_frames", "height_m"]])
    3 II 60 1.21
    >>> cohort.notes
    ('`height` is in mm (median 1210).',)
    """
    release = scan_release(Path(root))
    if release.problems:
        first, n_more = release.problems[0], len(release.problems) - 1
        more = f" {n_more} more are listed by `cpexplore check`." if n_more else ""
        raise wrong(first.where, first.what, first.fix + more)
    rows = release.labels.loc[~release.labels["gmfcs"].isin(NOT_LEVELS)]
    dropped = set(release.labels["videoid"]) - set(rows["videoid"])
    walk_ids = sorted(set(release.n_frames) - dropped)
    if not walk_ids:
        raise wrong(
            release.processed / VIDEOS,
            "must hold a video with gmfcs 1 to 4, or without label; it has none.",
            "Check the videoid column of the labels.",
        )
    sides = {
        side: rows.loc[rows["side"] == letter].set_index("videoid").reindex(walk_ids)
        for letter, side in _SIDES.items()
    }
    index, notes = _index(release, walk_ids, sides)
    labels, more_notes = _labels(sides)
    clauses = left_out(release)
    if clauses:
        sentence = f"Left out of {str(root)!r}: {'; '.join(clauses)}."
        warnings.warn(sentence, UserWarning, stacklevel=2)
        notes = [sentence, *notes]
    return Cohort(
        index=index,
        walks=VideoFolder(release, index["patient_id"].to_dict()),
        labels=labels,
        name=Path(root).resolve().name,
        notes=(*notes, *more_notes, *simulator_notes(release.processed.parent / TRUTH)),
    )


def _index(
    release: Release, walk_ids: list[str], sides: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, list[str]]:
    left: Any = sides["left"]
    right: Any = sides["right"]
    known = left["Patient_ID"].fillna(right["Patient_ID"]).to_dict()
    levels = left["gmfcs"].fillna(right["gmfcs"])
    rows = pd.DataFrame(
        {
            "patient_id": [
                known[walk_id]
                if isinstance(known[walk_id], str)
                else release.patients.get(walk_id, walk_id)
                for walk_id in walk_ids
            ],
            "gmfcs": list(levels),
            "fps": FPS,
            "n_frames": [release.n_frames[walk_id] for walk_id in walk_ids],
            "simulated": int(release.simulated),
            "source": release.source,
        },
        index=walk_ids,
    )
    notes = []
    if "examid" in left:
        rows["visit_id"] = _agreed(left["examid"], right["examid"])
    for column, name in COVARIATES.items():
        if column in left:
            values, said = _covariate(column, left[column], right[column])
            rows[name] = values
            notes += said
    n_unlabelled = int(levels.isna().sum())
    if n_unlabelled:
        notes.append(f"{n_unlabelled} of {len(rows)} walks have no GMFCS level.")
    return make_index(rows), notes


def _agreed(left: pd.Series, right: pd.Series) -> pd.Series:
    """What both sides say, or the only one that says something; else missing."""
    value = left.fillna(right)
    return value.where((left == right) | left.isna() | right.isna())


def _covariate(
    column: str, left: pd.Series, right: pd.Series
) -> tuple[pd.Series, list[str]]:
    """A covariate in years or metres, and what was done to it."""
    notes = []
    legs = column == "leglen"
    values = pd.concat([left, right], axis=1).mean(axis=1)
    if not legs:
        values = _agreed(left, right)
        torn = int((left.notna() & right.notna() & (left != right)).sum())
        if torn:
            notes.append(f"`{column}` differs between the sides of {torn} walks.")
    if column in _UNITS and values.notna().any():
        divisor, unit = _unit(values.median(), *_UNITS[column])
        notes.append(f"`{column}` is in {unit} (median {values.median():.4g}).")
        values = values / divisor
    low, high = _PLAUSIBLE[column]
    odd = values.notna() & ~values.between(low, high)
    if odd.any():
        notes.append(f"`{column}` is implausible in {odd.sum()} walks.")
    return values.mask(odd), notes


def _unit(median: float, metres: float, centimetres: float) -> tuple[float, str]:
    if median > centimetres:
        return 1000.0, "mm"
    return (100.0, "cm") if median > metres else (1.0, "m")


def _labels(sides: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, list[str]]:
    columns, text = {}, []
    for name in sides["left"].columns:
        if name in _NOT_LABELS:
            continue
        values: Any = {side: _numbers(table, name) for side, table in sides.items()}
        if any(value is None for value in values.values()):
            text.append(name)
        elif name in SHARED:
            columns[name] = pd.concat(values, axis=1).mean(axis=1)
        else:
            columns |= {f"{name}_{side}": value for side, value in values.items()}
    notes = [f"Columns that are no numbers: {', '.join(text)}."] if text else []
    labels = pd.DataFrame(columns, index=sides["left"].index)
    return labels.rename_axis("walk_id"), notes


def _numbers(table: Any, column: str) -> pd.Series | None:
    try:
        return table[column].astype("float64")
    except ValueError:
        return None
