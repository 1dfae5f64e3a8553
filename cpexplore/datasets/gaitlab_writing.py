"""Write a cohort as the Gillette release is laid out, with its known dirt if asked."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore import gmfcs
from cpexplore._validation import check_option
from cpexplore.cohort import Cohort
from cpexplore.datasets.simulated import walks_to_write
from cpexplore.datasets.truth import FOLDER as TRUTH
from cpexplore.io.files import check_new_folder, write_folder_atomic
from cpexplore.io.release import (
    COVARIATES,
    FPS,
    LABELS,
    ORIGIN,
    SHARED,
    SPLIT,
    VIDEOS,
)
from cpexplore.io.tables import write_headerless
from cpexplore.skeleton import keypoint_set
from cpexplore.walks import convert_keypoints

_DIRT_EVERY = 7
_WINDOW, _STRIDE, _PUBLISHED = 124, 31, 500
_SPLIT = {"train": 0.8, "validation": 0.9, "test": 1.0}
_SIDES = ("_left", "_right")
_ANKLE = keypoint_set("body_25").keypoints.index("left_ankle")


def write_gaitlab(
    cohort: Cohort,
    root: str | Path,
    *,
    dirt: str = "release",
    n_jobs: int = 1,
    progress: bool = False,
) -> Path:
    """Write a cohort as the Gillette release is laid out; all of it or nothing.

    What the layout has no column for (sex, device, side affected) is lost. Whether the
    walks are simulated is kept in a small JSON file beside the tables. Simulated
    cohorts also write their truth, see :mod:`cpexplore.datasets.truth`, into a folder
    beside ``processed``.

    Parameters
    ----------
    cohort : Cohort
        Walks at 25 frames per second; other keypoint sets are converted to BODY_25.
    root : str or path
        A new or empty folder.
    dirt : {"release", "none"}
        ``"release"`` adds what the public data are known to contain: label rows with
        gmfcs 0 and 6, a labelled video without file, one without any person, one
        without label; and in every 7th video empty frames and ``0, 0, 0`` points.
        With ``"none"``, :func:`load_gaitlab` gives the same cohort back. The truth
        is that of the walks before the dirt.
    n_jobs : int
        Processes that simulate; the files do not depend on it.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    path
        The same ``root``.

    Raises
    ------
    FileExistsError
        If ``root`` is not empty.
    ValueError
        If a walk has another frame rate or an id that is no file name, or ``dirt`` is
        no option.

    Examples
    --------
    A cohort of one made-up walk, there and back:

    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpexplore.cohort import Cohort, make_index
    >>> from cpexplore.datasets import load_gaitlab, write_gaitlab
    >>> from cpexplore.walks import make_walk
    >>> points, about = np.ones((60, 25, 2)), {"patient_id": "p1", "fps": 25}
    >>> walk = make_walk(
    ...     points, points[..., 0], keypoint_set="body_25", walk_id="w1", **about
    ... )
    >>> known = {"gmfcs": "II", "n_frames": 60, "simulated": 0, "source": "own"}
    >>> index = make_index(pd.DataFrame(about | known, index=["w1"]))
    >>> cohort = Cohort(index=index, walks={"w1": walk})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     back = load_gaitlab(write_gaitlab(cohort, folder, dirt="none"))
    >>> back.index.equals(cohort.index)
    True
    """
    root = Path(root)
    check_option("dirt", dirt, ("release", "none"))
    check_new_folder(root, name="root")
    unsafe = [i for i in cohort.index.index if Path(i).name != i or "\\" in i]
    if unsafe:
        raise ValueError(
            f"`cohort` must have walk ids that are file names; got {unsafe[0]!r}."
        )
    return write_folder_atomic(
        root,
        lambda folder: _write(
            folder, cohort, dirt=dirt, n_jobs=n_jobs, progress=progress
        ),
    )


def _write(
    folder: Path, cohort: Cohort, *, dirt: str, n_jobs: int, progress: bool
) -> None:
    processed = folder / "processed"
    videos = processed / VIDEOS
    videos.mkdir(parents=True)
    rows, split = _label_rows(cohort), []
    patients = cohort.index["patient_id"]
    walks = walks_to_write(cohort, folder / TRUTH, n_jobs=n_jobs, progress=progress)
    pairs = zip(walks, patients.items(), strict=True)
    for number, (walk, (walk_id, patient)) in enumerate(pairs):
        triples = _triples(walk)
        if dirt == "release" and number % _DIRT_EVERY == 0:
            triples = _soiled(triples)
        write_headerless(triples, videos / f"{walk_id}.csv")
        split.append(_clip_row(str(walk_id), triples, patient=patient))
    if dirt == "release":
        rows += _extra_rows(rows[0])
        split.append(split[0] | {"videoid": "extra_unlabelled"})
        _write_extra_videos(videos, like=videos / f"{patients.index[0]}.csv")
    pd.DataFrame(rows).to_csv(processed / LABELS, index=False)
    pd.DataFrame(_with_sets(split)).to_csv(processed / SPLIT, index=False)
    origin = {
        "simulated": cohort.simulated,
        "source": ", ".join(cohort.index["source"].unique()),
    }
    (processed / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n")


def _triples(walk: xr.Dataset) -> np.ndarray:
    """Points (time, 25, 3) as the release has them: 0 for a missing one, nan rows."""
    walk_id, fps = walk.attrs["walk_id"], walk.attrs["fps"]
    if fps != FPS:
        raise ValueError(
            f"`cohort` must have walks of {FPS:g} frames per second; {walk_id!r} has "
            f"{fps:g}. Resample it."
        )
    body = convert_keypoints(walk, "body_25")
    position = body["position"].transpose("time", "keypoint", "space").values
    confidence = body["confidence"].transpose("time", "keypoint").values
    triples = np.concatenate([position, confidence[..., None]], axis=-1)
    nobody = np.isnan(position).all(axis=(1, 2)) & (confidence == 0).all(axis=1)
    triples = np.nan_to_num(triples, nan=0.0)
    triples[nobody] = np.nan
    return triples


def _soiled(triples: np.ndarray) -> np.ndarray:
    """Lose the person for 5 frames, then one ankle for 5, and cut the empty end."""
    soiled, middle = triples.copy(), len(triples) // 2
    soiled[middle : middle + 5] = np.nan
    soiled[middle + 5 : middle + 10, _ANKLE] = 0.0
    seen = np.flatnonzero(np.isfinite(soiled).any(axis=(1, 2)))
    return soiled[: seen[-1] + 1] if len(seen) else soiled


def _label_rows(cohort: Cohort) -> list[dict[str, object]]:
    """Two rows per walk, left and right."""
    index, labels = cohort.index, cohort.labels.reindex(cohort.index.index)
    shared = [name for name in labels if name in SHARED]
    stems = {str(n).rpartition("_")[0] for n in labels if str(n).endswith(_SIDES)}
    measures = [*shared, *sorted(stems)]
    levels = np.where(index["gmfcs"].isna(), np.nan, gmfcs.encode(index["gmfcs"]) + 1)
    tables = [
        pd.DataFrame(
            {
                "videoid": index.index,
                "Patient_ID": index["patient_id"],
                "examid": index["visit_id"],
                "side": side[1].upper(),
                "gmfcs": levels,
                **{name: index[column] for name, column in COVARIATES.items()},
                **{
                    name: labels.get(name if name in shared else f"{name}{side}")
                    for name in measures
                },
            }
        )
        for side in _SIDES
    ]
    rows = pd.concat(tables).sort_values(["videoid", "side"], kind="stable")
    return rows.to_dict("records")  # pyright: ignore[reportReturnType]


def _extra_rows(like: dict[str, object]) -> list[dict[str, object]]:
    """Label rows that a loader must leave out."""
    codes = {"gmfcs_0": 0, "gmfcs_6": 6, "missing": 2, "nobody": 2}
    return [
        like
        | {
            "videoid": f"extra_{name}",
            "Patient_ID": f"extra_{name}",
            "side": side,
            "gmfcs": code,
        }
        for name, code in codes.items()
        for side in ("L", "R")
    ]


def _write_extra_videos(videos: Path, *, like: Path) -> None:
    """Videos that a loader must leave out, or keep without a level."""
    for name in ("extra_gmfcs_0", "extra_gmfcs_6", "extra_unlabelled"):
        shutil.copyfile(like, videos / f"{name}.csv")
    nobody = np.full((_WINDOW, 25, 3), np.nan)
    write_headerless(nobody, videos / "extra_nobody.csv")


def _clip_row(walk_id: str, triples: np.ndarray, *, patient: str) -> dict[str, object]:
    """A row of the published table of splits, before there is a split."""
    return {
        "videoid": walk_id,
        "pct_missing": 100 * np.isnan(triples[..., 0]).mean(),
        "n_segments": len(range(_WINDOW, len(triples[:_PUBLISHED]) + 1, _STRIDE)),
        "Patient_ID": patient,
    }


def _with_sets(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Shuffle patients into 80, 10 and 10 percent."""
    patients = sorted({str(row["Patient_ID"]) for row in rows})
    draws = np.random.default_rng(0).permutation(len(patients)) / len(patients)
    number = dict(zip(patients, draws, strict=True))
    return [
        row
        | {
            "random_num": number[str(row["Patient_ID"])],
            "dataset": next(
                name
                for name, end in _SPLIT.items()
                if number[str(row["Patient_ID"])] < end
            ),
        }
        for row in rows
    ]
