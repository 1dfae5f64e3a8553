"""Run directories: what a finished study left on disk, read without torch.

Files are written atomically (temporary file, then rename), so a reader never sees a
half-written one and an interrupted run resumes where it stopped.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from cpexplore import gmfcs
from cpexplore.io.files import write_atomic
from cpexplore.io.store import WalkStore

FILES: Mapping[str, str] = {
    "config": "config.json",
    "environment": "environment.json",
    "index": "index.parquet",
    "folds": "folds.parquet",
    "walks": "walks.zarr",
    "features": "features.parquet",
    "feature_reasons": "feature_reasons.parquet",
    "oof": "oof.parquet",
    "metrics": "metrics.parquet",
    "comparisons": "comparisons.parquet",
    "selection": "selection.parquet",
    "ranking": "ranking.parquet",
    "saliency": "saliency.nc",
    "curves": "curves.nc",
    "training": "training.parquet",
}
"""Where each table of a run is kept."""


@dataclass(frozen=True)
class Run:
    """A run directory; every table is read when it is first asked for."""

    path: Path
    """The directory."""

    def has(self, name: str) -> bool:
        """Whether this part of the run has been written."""
        return (self.path / FILES[name]).exists()

    @cached_property
    def config(self) -> dict[str, Any]:
        """What was asked for: cohort, preset, seeds, hyper-parameters."""
        return read_json(self._file("config"), remedy=ELSEWHERE)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, thread count and machine of the run."""
        return read_json(self._file("environment"))

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row per walk, as in :class:`cpexplore.cohort.Cohort`."""
        index = self._table("index")
        return index.assign(gmfcs=index["gmfcs"].astype(gmfcs.DTYPE))

    @cached_property
    def folds(self) -> pd.DataFrame:
        """``walk_id, patient_id, seed, fold``."""
        return self._table("folds")

    @cached_property
    def features(self) -> pd.DataFrame:
        """One row per walk, one column per gait feature."""
        return self._table("features")

    @cached_property
    def feature_reasons(self) -> pd.DataFrame:
        """``walk_id, feature, reason`` for every NaN of ``features``."""
        return self._table("feature_reasons")

    @cached_property
    def oof(self) -> pd.DataFrame:
        """Out-of-fold probabilities, long: one row per walk, model and seed."""
        return self._table("oof")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every metric of every model with its interval, and ``seconds_per_epoch``.

        The seconds are NaN where nothing was trained, and without the backbone's for a
        fusion. Nothing else in the tables differs when a run is repeated.
        """
        return self._table("metrics")

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Paired differences between models with intervals."""
        return self._table("comparisons")

    @cached_property
    def selection(self) -> pd.DataFrame:
        """``seed, fold, feature, kept, score``: what each fold's joint ranking kept.

        Only ``fusion_selected_features`` is confined to it; other fusions see all.
        """
        return self._table("selection")

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Joint ranking by method and level, with patient-bootstrap intervals."""
        return self._table("ranking")

    @cached_property
    def saliency(self) -> xr.Dataset:
        """Out-of-fold saliency: summaries of all walks, maps of some windows."""
        return read_netcdf(self._file("saliency"))

    @cached_property
    def curves(self) -> xr.Dataset:
        """Mean joint-angle curves by walk and side, beside the reference's band."""
        return read_netcdf(self._file("curves"))

    @cached_property
    def statistics(self) -> dict[str, pd.DataFrame]:
        """The tables of ``statistics/``, by name."""
        return self._folder("statistics")

    @cached_property
    def calibration(self) -> dict[str, pd.DataFrame]:
        """The tables of ``calibration/``: ``reliability``, ``coverage``, ``risk``."""
        return self._folder("calibration")

    def walk(self, walk_id: str) -> xr.Dataset:
        """Read one cleaned walk.

        Raises
        ------
        KeyError
            If the run has no such walk.
        """
        return self.walks[walk_id]

    @cached_property
    def walks(self) -> WalkStore:
        """The cleaned walks of the study."""
        return WalkStore(self.path / FILES["walks"])

    @property
    def simulated(self) -> bool:
        """Whether the run is about simulated children."""
        return bool(self.index["simulated"].any())

    def _file(self, name: str) -> Path:
        file = self.path / FILES[name]
        if not file.exists():
            raise FileNotFoundError(
                f"The run {str(self.path)!r} lacks {file.name!r}; finish it with the "
                "`cpexplore run` command that began it."
            )
        return file

    def _folder(self, name: str) -> dict[str, pd.DataFrame]:
        read = partial(pd.read_csv, keep_default_na=False, na_values=[""])
        tables = {}
        for file in sorted((self.path / name).glob("[!.]*.csv")):
            with undamaged(file):
                tables[file.stem] = read(file)  # a level may be named "None"
        return tables

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self._file(name))


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one walk was given its level: everything that the page shows."""

    walk: xr.Dataset
    """The cleaned walk."""
    run_path: Path
    """The run whose models were asked."""
    probabilities: pd.DataFrame
    """One row per model: ``model, p_I, p_II, p_III, p_IV``."""
    saliency: xr.DataArray
    """Dims (method, level, time, keypoint) on the walk's clock; NaN outside windows."""
    features: pd.Series
    """Gait features of the walk, by column name."""
    feature_reasons: pd.DataFrame
    """``feature, reason`` of what could not be computed."""
    events: pd.DataFrame
    """``side, event, time_s, confidence``."""
    curves: xr.Dataset
    """Mean joint-angle curves over the gait cycle by side, beside the reference's mean
    and SD; the attribute ``reference`` says whose they are."""
    contributions: pd.DataFrame
    """``feature, value, cohort_median, effect``: what moved the fusion's answer."""
    prediction_set: tuple[str, ...] = ()
    """Levels that cannot be excluded at the stated coverage."""
    set_level: float = float("nan")
    """Nominal coverage of ``prediction_set``, e.g. 0.9."""
    notes: tuple[str, ...] = field(default=())
    """Plain sentences: trained on what, tracked how well, missing what."""


def load_run(path: str | Path) -> Run:
    """Open a run directory.

    Parameters
    ----------
    path : str or path
        A directory written by ``cpexplore run``.

    Returns
    -------
    Run
        Reads its tables when asked.

    Raises
    ------
    FileNotFoundError
        If there is no such directory, or it is no run.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:  # as a run leaves it that has just begun
    ...     _ = write_json(Path(folder, "config.json"), {"folds": 5})
    ...     load_run(folder).config, load_run(folder).has("metrics")
    ({'folds': 5}, False)
    """
    path = Path(path)
    if not (path / FILES["config"]).exists():
        raise FileNotFoundError(
            f"`path` must be a run directory with a config.json; got {str(path)!r}. "
            "Make one with `cpexplore run`."
        )
    return Run(path)


class DamagedFileError(ValueError):
    """A file of a run that cannot be read any more."""


ELSEWHERE = "Start again in another directory"
_REMEDY = "Delete it and start the run again; finished stages are kept"


@contextmanager
def undamaged(file: Path, *, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn what a damaged file makes a library say into one sentence.

    Parameters
    ----------
    file : Path
        What is read.
    remedy : str
        What to do about it.

    Raises
    ------
    DamagedFileError
        If reading fails, except where the disk or the system refuses it.

    Examples
    --------
    >>> with undamaged(Path("config.json"), remedy="Start again"):  # doctest: +ELLIPSIS
    ...     json.loads("cut sh")
    Traceback (most recent call last):
    cpexplore.runs.DamagedFileError: 'config.json' is damaged (...). Start again.
    """
    try:
        yield
    except (ValueError, LookupError, TypeError, RuntimeError, OSError) as error:
        refused = isinstance(error, OSError) and error.errno is not None
        if refused or isinstance(error, DamagedFileError):
            raise
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise DamagedFileError(
            f"{str(file)!r} is damaged ({reason}). {remedy}."
        ) from error


def read_json(file: Path, *, remedy: str = _REMEDY) -> dict[str, Any]:
    """Read a mapping that :func:`write_json` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = write_json(Path(folder, "config.json"), {"seed": 0, "folds": 5})
    ...     read_json(file)  # the keys were sorted
    {'folds': 5, 'seed': 0}
    """
    with undamaged(file, remedy=remedy):
        return json.loads(file.read_text())


def read_table(file: Path) -> pd.DataFrame:
    """Read a DataFrame that :func:`write_table` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> table = pd.DataFrame({"fold": [0, 1]}, pd.Index(["w1", "w2"], name="walk_id"))
    >>> with TemporaryDirectory() as folder:
    ...     read_table(write_table(Path(folder, "t.parquet"), table)).equals(table)
    True
    """
    with undamaged(file):
        return pd.read_parquet(file, page_checksum_verification=True)


def read_netcdf(file: Path) -> xr.Dataset:
    """Read a Dataset that :func:`cpexplore.io.files.write_netcdf` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from cpexplore.io.files import write_netcdf
    >>> curves = xr.Dataset({"knee_flexion_deg": ("percent", [5.0, 60.0])})
    >>> with TemporaryDirectory() as folder:
    ...     read_netcdf(write_netcdf(Path(folder, "curves.nc"), curves)).equals(curves)
    True
    """
    with undamaged(file):
        return xr.load_dataset(file, engine="h5netcdf")


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a DataFrame as Parquet, atomically; returns its path.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.
    table : pandas.DataFrame
        What is written, with its index.

    Raises
    ------
    OSError
        If the disk is full or not writable; what was there before is still there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = write_table(Path(folder, "new", "t.parquet"), pd.DataFrame())
    ...     [path.name for path in file.parent.iterdir()]  # nothing temporary is left
    ['t.parquet']
    """
    return write_atomic(path, lambda f: table.to_parquet(f, write_page_checksum=True))


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a mapping as sorted, indented JSON, atomically; returns its path.

    Parameters
    ----------
    path : Path
        Where the file shall be; its folder is made.
    content : mapping of str to any
        Of what JSON has: text, numbers, lists, mappings, None.

    Raises
    ------
    OSError
        If the disk is full or not writable; what was there before is still there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = write_json(Path(folder, "config.json"), {"seed": 0, "folds": 5})
    ...     file.read_text().splitlines()
    ['{', '  "folds": 5,', '  "seed": 0', '}']
    """
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    return write_atomic(path, lambda file: file.write_text(text))
