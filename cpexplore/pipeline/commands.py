"""What the command line asks for: from words and paths to files."""

from pathlib import Path

import pandas as pd
import xarray as xr

from cpexplore import datasets, gait
from cpexplore._validation import check_option
from cpexplore.cohort import Cohort
from cpexplore.datasets.inspecting import (
    SAMPLE,
    load_folder,
    refuse_settings,
    summarise,
)
from cpexplore.datasets.native import write_native
from cpexplore.datasets.truth import FOLDER as TRUTH
from cpexplore.io import read_walk
from cpexplore.io.files import check_new_file, check_new_folder, write_atomic
from cpexplore.pipeline.explaining import explain
from cpexplore.runs import Run, load_run
from cpexplore.simulate import CONSTANTS, PARAMETERS, PRESETS, preset_cohort
from cpexplore.view.explanation import write_explanation

_WRITERS = {"native": write_native, "gaitlab": datasets.write_gaitlab}


def load_cohort(source: str, *, n_patients: int | None = None) -> Cohort:
    """Load the cohort that the user named.

    Parameters
    ----------
    source : str
        ``simulated``, or a folder: the layout of the Gillette release, or one written
        by ``cpexplore simulate``.
    n_patients : int, optional
        Of the simulated cohort, at least 4; 96 when not given. A folder has its own.

    Returns
    -------
    Cohort
        Its walks are simulated or read when asked for.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist or holds no cohort.
    ValueError
        If ``n_patients`` is too small, or a file of the folder is damaged.

    Warns
    -----
    UserWarning
        If rows or videos of the Gillette layout are left out.

    Examples
    --------
    >>> cohort = load_cohort("simulated", n_patients=8)
    >>> cohort.name, len(cohort)  # one walk per visit
    ('simulated-standard-8-0', 13)
    >>> cohort.index.groupby("gmfcs", observed=True)["patient_id"].nunique().to_dict()
    {'I': 2, 'II': 2, 'III': 2, 'IV': 2}
    """
    if source == "simulated":
        if n_patients is None:
            n_patients = PRESETS["demo"].n_patients
        return datasets.simulated_cohort(n_patients=n_patients)
    root = Path(source)
    if not root.is_dir():
        raise FileNotFoundError(
            f"`cohort` must be 'simulated' or an existing folder; got {source!r}."
        )
    return load_folder(root)


def find_walk(
    name: str,
    *,
    run: Run | None = None,
    fps: float | None = None,
    keypoint_set: str | None = None,
) -> xr.Dataset:
    """Find the walk that the user named.

    Parameters
    ----------
    name : str
        ``sample:NAME``, a file or folder, or a walk id of ``run``.
    run : Run, optional
        Whose walks are searched when there is no such file.
    fps, keypoint_set
        For files that do not say: frames per second, Hz, and the name of the set.

    Returns
    -------
    xarray.Dataset
        A raw walk, in px; cleaned if it is one of the run.

    Raises
    ------
    FileNotFoundError
        If it is none of them.
    ValueError
        If ``fps`` or ``keypoint_set`` is given for a walk that says it itself, there is
        no such sample, or the file cannot be read, see :func:`cpexplore.io.read_walk`.

    Examples
    --------
    >>> walk = find_walk("sample:sports2d")  # a real healthy adult
    >>> walk.attrs["keypoint_set"], walk.attrs["fps"], walk.sizes["time"]
    ('blazepose_33', 30.0, 166)
    """
    if name.startswith(SAMPLE):
        refuse_settings(name, fps=fps, keypoint_set=keypoint_set)
        return datasets.sample_walk(name.removeprefix(SAMPLE))
    if Path(name).exists():
        return read_walk(name, fps=fps, keypoint_set=keypoint_set)
    if run is not None and name in run.walks:
        refuse_settings(name, fps=fps, keypoint_set=keypoint_set)
        return run.walk(name)
    choices = "an existing file or 'sample:NAME'"
    if run is not None:
        choices = "an existing file, 'sample:NAME' or a walk id of the run"
    raise FileNotFoundError(
        f"`walk` must be {choices}; got {name!r}. Check the spelling."
    )


def explain_to_page(
    walk: str,
    *,
    run: Path,
    out: Path | None = None,
    fps: float | None = None,
    keypoint_set: str | None = None,
) -> Path:
    """Explain a walk and write ``explain.html``; returns its path.

    Parameters
    ----------
    walk : str
        See :func:`find_walk`.
    run : path
        A finished run directory.
    out : path, optional
        A new or empty folder; default ``explain/ID`` in the run, written anew.
    fps, keypoint_set
        For files that do not say.

    Returns
    -------
    path
        ``explain.html`` in ``out``.

    Raises
    ------
    FileExistsError
        If ``out`` holds something.
    FileNotFoundError
        If there is no such walk, or no finished run at ``run``.
    ValueError
        As for :func:`find_walk` and :func:`explain`.

    Examples
    --------
    >>> run = Path("runs/demo")
    >>> explain_to_page("sample:sports2d", run=run)  # doctest: +SKIP
    PosixPath('runs/demo/explain/sports2d/explain.html')
    """
    if out is not None:
        check_new_folder(out, name="out")
    loaded = load_run(run)
    found = find_walk(walk, run=loaded, fps=fps, keypoint_set=keypoint_set)
    explanation = explain(found, loaded)
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in _name(found))
    folder = out or loaded.path / "explain" / name
    return write_explanation(explanation, out=folder / "explain.html")


def features_to_files(
    paths: list[str],
    *,
    out: Path,
    fps: float | None = None,
    keypoint_set: str | None = None,
) -> list[Path]:
    """Write the gait features of recordings, and the reasons for what is missing.

    Parameters
    ----------
    paths : list of str
        See :func:`find_walk`.
    out : path
        A new CSV file; the reasons go beside it as ``<out>_reasons.csv``.
    fps, keypoint_set
        For files that do not say.

    Returns
    -------
    list of path
        What was written.

    Raises
    ------
    FileExistsError
        If one of the two files is there already.
    FileNotFoundError
        If there is no such walk.
    ValueError
        If a walk is named twice; else as for :func:`find_walk`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     files = features_to_files(["sample:sports2d"], out=Path(folder, "gait.csv"))
    ...     table = pd.read_csv(files[0], index_col="walk_id")
    >>> [file.name for file in files]
    ['gait.csv', 'gait_reasons.csv']
    >>> table.loc["sports2d", ["n_strides_count", "cadence_spm"]].round().to_dict()
    {'n_strides_count': 5.0, 'cadence_spm': 98.0}
    """
    beside = out.with_name(f"{out.stem}_reasons.csv")
    for file in (out, beside):
        check_new_file(file, name="out")
    analyses = [
        gait.analyse_walk(find_walk(path, fps=fps, keypoint_set=keypoint_set))
        for path in paths
    ]
    names = [_name(analysis.walk) for analysis in analyses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"`paths` must name different walks; {twice[0]!r} is given "
            f"{names.count(twice[0])} times."
        )
    table = pd.DataFrame(
        [analysis.features for analysis in analyses],
        index=pd.Index(names, name="walk_id"),
    )
    reasons = pd.concat(
        [a.reasons.assign(walk_id=n) for a, n in zip(analyses, names, strict=True)]
    )[["walk_id", "feature", "reason"]]
    return [
        write_atomic(out, lambda file: table.to_csv(file)),
        write_atomic(beside, lambda file: reasons.to_csv(file, index=False)),
    ]


def simulate_to_folder(
    out: Path,
    *,
    preset: str = "demo",
    patients: int | None = None,
    seed: int = 0,
    layout: str = "native",
    world: str = "standard",
    plant: str | None = None,
    n_jobs: int = 1,
) -> list[str]:
    """Simulate a cohort into a new folder; returns what to tell the user.

    Parameters
    ----------
    out : path
        A new or empty folder.
    preset : {"demo", "gillette", "planted"}
        How many children, and what they are like.
    patients : int, optional
        Another number of children than the preset's.
    seed : int
        The same seed gives the same files.
    layout : {"native", "gaitlab"}
        How the folder is laid out.
    world : str
        What carries the level, see :data:`cpexplore.simulate.WORLDS`.
    plant : str, optional
        Where the level of the preset ``planted`` sits, see
        :data:`cpexplore.simulate.PLANTS`.
    n_jobs : int
        Processes; the files do not depend on it.

    Returns
    -------
    list of str
        Lines: the folder, how many walks of each level, what made them.

    Raises
    ------
    ValueError
        If an option is unknown, or does not go with the preset, or a number is out of
        range.
    FileExistsError
        If ``out`` holds something.

    Examples
    --------
    >>> simulate_to_folder(Path("cohorts/sixty"), patients=60)  # doctest: +SKIP
    >>> simulate_to_folder(Path("cohorts/sixty"), layout="c3d")
    Traceback (most recent call last):
    ValueError: `layout` must be one of 'native', 'gaitlab'; got 'c3d'.
    """
    check_option("preset", preset, tuple(PRESETS))
    check_option("layout", layout, tuple(_WRITERS))
    check_new_folder(out, name="out")
    cohort = preset_cohort(
        preset, n_patients=patients, seed=seed, world=world, plant=plant
    )
    _WRITERS[layout](cohort, out, n_jobs=n_jobs, progress=True)
    return [
        str(out),
        summarise(cohort),
        f"cohort {cohort.name}, simulator parameters {PARAMETERS.hash()}, constants "
        f"{CONSTANTS.hash()}; what really happened is in {out / TRUTH}.",
        *((_DIRT,) if layout == "gaitlab" else ()),
    ]


_DIRT = (
    "Like the release, the folder holds damaged clips, videos without labels and "
    "labels without video; reading it leaves some out."
)


def _name(walk: xr.Dataset) -> str:
    return str(walk.attrs["walk_id"])
