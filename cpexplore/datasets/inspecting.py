"""What the user named: what is wrong with it, what it holds, how it is loaded."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from cpexplore import gmfcs
from cpexplore._validation import counted
from cpexplore.cohort import Cohort
from cpexplore.datasets.gaitlab import load_gaitlab
from cpexplore.datasets.native import is_native, load_native
from cpexplore.datasets.samples import sample_walk
from cpexplore.io.checks import check_path, doubts_about
from cpexplore.io.formats import read_walk
from cpexplore.io.problems import Problem
from cpexplore.io.release import find_release

SAMPLE = "sample:"
"""What the name of a bundled walk begins with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What an input holds and what is wrong with it."""

    problems: list[Problem]
    """Errors stop reading, warnings deserve a look; empty when all is well."""
    summary: str
    """One sentence on a cohort or a recording; empty where reading fails."""


def inspect_source(
    source: str, *, fps: float | None = None, keypoint_set: str | None = None
) -> Inspection:
    """Look at a recording, a bundled walk or a cohort folder.

    Parameters
    ----------
    source : str
        A path as for :func:`cpexplore.io.check_path`, or ``sample:NAME``.
    fps : float, optional
        Frames per second, Hz, for a file that does not say it.
    keypoint_set : str, optional
        For a file that does not say it, see :func:`cpexplore.io.read_walk`.

    Returns
    -------
    Inspection
        What is wrong, and one sentence on what is there.

    Raises
    ------
    ValueError
        If a setting is given although the source says it itself, or there is no such
        bundled walk.

    Examples
    --------
    >>> from cpexplore.datasets import inspect_source
    >>> found = inspect_source("sample:sports2d")
    >>> found.problems, found.summary[:52]
    ([], '166 frames, 30 per second (5.5 s), keypoint set blaz')
    >>> inspect_source("no_such_walk.csv").problems[0].what
    'does not exist.'
    """
    path = Path(source)
    if source.startswith(SAMPLE):
        refuse_settings(source, fps=fps, keypoint_set=keypoint_set)
        walk = sample_walk(source.removeprefix(SAMPLE))
        return Inspection(
            problems=doubts_about(walk, source), summary=_summarise_walk(walk)
        )
    if not is_native(path) and find_release(path) is None:
        problems = check_path(path, fps=fps, keypoint_set=keypoint_set)
        summary = _summarise_file(path, fps=fps, keypoint_set=keypoint_set)
        return Inspection(problems=problems, summary=summary)
    refuse_settings(source, fps=fps, keypoint_set=keypoint_set)
    problems = check_path(path)
    if any(problem.severity == "error" for problem in problems):
        return Inspection(problems=problems, summary="")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Left out of ")  # it is among the problems
        cohort = load_folder(path)
    return Inspection(problems=problems, summary=summarise(cohort))


def load_folder(root: Path) -> Cohort:
    """Load a cohort folder, ours or in the layout of the Gillette release."""
    return load_native(root) if is_native(root) else load_gaitlab(root)


def summarise(cohort: Cohort) -> str:
    """Count the walks, the children and the walks of each level, in one sentence.

    Parameters
    ----------
    cohort : Cohort
        Any cohort; its walks are not read.

    Returns
    -------
    str
        The sentence; it says if any walk is simulated, and how many have no level.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpexplore import datasets
    >>> from cpexplore.cohort import Cohort, make_index
    >>> about = {"fps": 30, "n_frames": 166, "simulated": 0, "source": "own"}
    >>> known = {"patient_id": ["a", "a", "b"], "gmfcs": ["I", "I", None]}
    >>> index = make_index(pd.DataFrame(known | about, index=["a1", "a2", "b1"]))
    >>> walks = dict.fromkeys(index.index, datasets.sample_walk("sports2d"))
    >>> datasets.summarise(Cohort(index=index, walks=walks))
    '3 walks of 2 children; walks by level: I 2, II 0, III 0, IV 0, unknown 1.'
    """
    index = cohort.index
    walks = counted(len(index), "simulated walk" if cohort.simulated else "walk")
    children = counted(len(index["patient_id"].unique()), "child", "children")
    levels = [f"{level} {(index['gmfcs'] == level).sum()}" for level in gmfcs.LEVELS]
    unknown = len(cohort) - len(index.dropna(subset="gmfcs"))
    levels += [f"unknown {unknown}"] if unknown else []
    return f"{walks} of {children}; walks by level: {', '.join(levels)}."


def _summarise_file(path: Path, *, fps: float | None, keypoint_set: str | None) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are among the problems
        try:
            walk = read_walk(path, fps=fps, keypoint_set=keypoint_set)
        except (ValueError, OSError):
            return ""
    return _summarise_walk(walk)


def _summarise_walk(walk: xr.Dataset) -> str:
    n_frames, fps = walk.sizes["time"], walk.attrs["fps"]
    tracked = float(walk["position"].notnull().all("space").mean())
    return (
        f"{counted(n_frames, 'frame')}, {fps:g} per second ({n_frames / fps:.1f} s), "
        f"keypoint set {walk.attrs['keypoint_set']}, {100 * tracked:.0f} % of "
        "keypoints tracked; only the file was checked, not whether its angles are "
        "plausible."
    )


def refuse_settings(
    source: str, *, fps: float | None, keypoint_set: str | None
) -> None:
    """Raise if a setting was given for a source that says it itself.

    Raises
    ------
    ValueError
        If ``fps`` or ``keypoint_set`` is given.
    """
    for name, value in (("fps", fps), ("keypoint_set", keypoint_set)):
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out for {source!r}, which says it itself; got "
                f"{value!r}."
            )
