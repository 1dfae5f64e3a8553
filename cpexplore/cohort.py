"""The cohort: an index table with one row per walk, and the walks behind it."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
import xarray as xr
from sklearn.model_selection import StratifiedGroupKFold

from cpexplore import gmfcs
from cpexplore._validation import check_columns, check_range
from cpexplore.windows import WindowConfig, Windows, make_windows

_TEXT = ("patient_id", "visit_id", "sex", "device", "side_affected", "source")
_NUMBERS = ("fps", "n_frames", "age_years", "height_m", "leg_length_m")

INDEX_SCHEMA = pa.DataFrameSchema(
    {
        "patient_id": pa.Column(str),
        "visit_id": pa.Column(str, nullable=True),
        "gmfcs": pa.Column(gmfcs.DTYPE, nullable=True),
        "fps": pa.Column(float, pa.Check.gt(0)),
        "n_frames": pa.Column(int, pa.Check.gt(0)),
        "age_years": pa.Column(float, pa.Check.in_range(0, 120), nullable=True),
        "sex": pa.Column(str, nullable=True),
        "height_m": pa.Column(float, pa.Check.in_range(0.4, 2.5), nullable=True),
        "leg_length_m": pa.Column(float, pa.Check.in_range(0.2, 1.5), nullable=True),
        "device": pa.Column(str, nullable=True),
        "side_affected": pa.Column(str, nullable=True),
        "simulated": pa.Column(int, pa.Check.isin([0, 1])),
        "source": pa.Column(str),
    },
    index=pa.Index(str, name="walk_id", unique=True),
    strict=True,
)
"""What an index table must look like; unknown covariates are missing."""


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """Walks of many people and what is known about each.

    The walks are fetched by id and may be generated or read only then; the order of
    rows never matters.

    Raises
    ------
    ValueError
        If ``index`` is no valid cohort index or ``walks`` lacks a walk of it.

    Examples
    --------
    >>> import pandas as pd
    >>> from cpexplore import datasets
    >>> walk = datasets.sample_walk("sports2d")  # a real healthy adult, no GMFCS level
    >>> row = {"patient_id": "adult", "fps": 30.0, "n_frames": walk.sizes["time"]}
    >>> row |= {"simulated": 0, "source": walk.attrs["source"]}
    >>> cohort = Cohort(index=make_index(pd.DataFrame(row, ["w1"])), walks={"w1": walk})
    >>> len(cohort), len(cohort.labelled()), cohort.simulated
    (1, 0, False)
    """

    index: pd.DataFrame
    """One row per walk, named ``walk_id``; see :data:`INDEX_SCHEMA`."""
    walks: Mapping[str, xr.Dataset]
    """The walks by id; any mapping, lazy ones included."""
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Reference measurements by walk (``GDI_left``); models never see them."""
    name: str = "cohort"
    """What to call it in reports."""
    notes: tuple[str, ...] = ()
    """What was counted and left out while loading, one sentence each."""

    def __post_init__(self) -> None:
        validate_index(self.index)
        absent = [walk_id for walk_id in self.index.index if walk_id not in self.walks]
        if absent:
            raise ValueError(
                f"`walks` lacks {len(absent)} of the {len(self.index)} walks of "
                f"`index`, the first is {absent[0]!r}."
            )

    def __len__(self) -> int:
        return len(self.index)

    def walk(self, walk_id: str) -> xr.Dataset:
        """Fetch one walk.

        Parameters
        ----------
        walk_id : str
            A name in ``index``.

        Returns
        -------
        xarray.Dataset

        Raises
        ------
        KeyError
            If the cohort has no such walk.
        """
        if walk_id not in self.index.index:
            raise KeyError(
                f"`walk_id` must be a walk of the cohort {self.name!r} "
                f"({len(self)} walks); got {walk_id!r}."
            )
        return self.walks[walk_id]

    def select(self, walk_ids: Iterable[str]) -> "Cohort":
        """Keep these walks, in this order.

        Parameters
        ----------
        walk_ids : iterable of str
            Names in ``index``.

        Returns
        -------
        Cohort
            A new one; the walks themselves are shared.

        Raises
        ------
        KeyError
            If a walk is not in the cohort.
        """
        wanted = list(walk_ids)
        unknown = [walk_id for walk_id in wanted if walk_id not in self.index.index]
        if unknown:
            raise KeyError(
                f"`walk_ids` must be walks of the cohort {self.name!r}; "
                f"{len(unknown)} are not, the first is {unknown[0]!r}."
            )
        labels = self.labels.reindex(wanted) if len(self.labels) else self.labels
        return replace(self, index=self.index.loc[wanted], labels=labels)

    def labelled(self) -> "Cohort":
        """Keep the walks with a GMFCS level."""
        return self.select(self.index.dropna(subset="gmfcs").index)

    @property
    def simulated(self) -> bool:
        """Whether any walk comes from a simulator."""
        return bool(self.index["simulated"].any())

    def windows(
        self,
        *,
        length: int = 124,
        stride: int = 31,
        max_missing: float = 0.25,
        keypoint_set: str = "body_25",
        n_jobs: int = 1,
    ) -> Windows:
        """Cut all walks into normalised windows, see :mod:`cpexplore.windows`.

        Parameters
        ----------
        length, stride : int
            In frames of the 25 Hz network clock.
        max_missing : float
            Largest share of missing frames of any leg keypoint, 0 to 1.
        keypoint_set : str
            The set that the network sees.
        n_jobs : int
            Processes; see :class:`joblib.Parallel`.

        Returns
        -------
        Windows
            In the order of ``index``.

        Raises
        ------
        ValueError
            If a number is out of range, the keypoint set unknown or a walk invalid.
        """
        config = WindowConfig(
            length=length,
            stride=stride,
            max_missing=max_missing,
            keypoint_set=keypoint_set,
        )
        return make_windows(self.walks, list(self.index.index), config, n_jobs=n_jobs)


def make_index(rows: pd.DataFrame) -> pd.DataFrame:
    """Complete and validate an index table.

    Parameters
    ----------
    rows : pandas.DataFrame
        Index ``walk_id``; needs ``patient_id``, ``fps``, ``n_frames``, ``simulated``
        and ``source``. Missing columns are added as unknown, types are set; other
        columns are left out.

    Returns
    -------
    pandas.DataFrame
        As :data:`INDEX_SCHEMA` wants it; lengths in m, age in years, ``fps`` in Hz.

    Raises
    ------
    ValueError
        If a required column is missing, a value is out of range or a level unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"patient_id": ["p", "q"], "gmfcs": [2, "IV"]}, ["a", "b"])
    >>> rows = rows.assign(fps=25.0, n_frames=250, simulated=0, source="clinic")
    >>> index = make_index(rows)
    >>> index["gmfcs"].tolist(), index["age_years"].tolist()
    (['II', 'IV'], [nan, nan])
    """
    needed = ("patient_id", "fps", "n_frames", "simulated", "source")
    check_columns(rows, needed, name="rows")
    index = rows.copy()
    index.index = index.index.astype("str").rename("walk_id")
    for column in _TEXT:
        values = index.get(column, np.nan)
        index[column] = pd.Series(values, index.index, dtype="str")
    for column in _NUMBERS:
        values = index.get(column, np.nan)
        index[column] = pd.Series(values, index.index, dtype="float64")
    index["n_frames"] = index["n_frames"].astype("int64")
    index["simulated"] = index["simulated"].astype("int64")
    levels = index["gmfcs"] if "gmfcs" in index else [None] * len(index)
    index["gmfcs"] = gmfcs.as_levels(levels)
    index = pd.DataFrame(index[list(INDEX_SCHEMA.columns)])
    validate_index(index)
    return index


def validate_index(index: pd.DataFrame) -> None:
    """Raise one sentence unless ``index`` is a valid cohort index.

    Parameters
    ----------
    index : pandas.DataFrame
        One row per walk, see :data:`INDEX_SCHEMA`.

    Raises
    ------
    ValueError
        If a column is missing or superfluous, or a value or the order of levels is
        wrong.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> index = datasets.simulated_cohort(n_patients=4).index
    >>> validate_index(index)  # nothing is wrong
    >>> validate_index(index.assign(age_years=-3.0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: `index` is no valid cohort index: ...
    """
    try:
        INDEX_SCHEMA.validate(index)
    except pa.errors.SchemaError as error:
        sentence = " ".join(str(error).split())
        raise ValueError(f"`index` is no valid cohort index: {sentence}") from error


def make_folds(index: pd.DataFrame, *, folds: int = 5, seed: int = 0) -> pd.DataFrame:
    """Split walks into patient-grouped, level-stratified folds.

    Parameters
    ----------
    index : pandas.DataFrame
        A cohort index; walks without a level are left out.
    folds : int
        Number of folds, at least 2 and at most the number of patients.
    seed : int
        Seed of the shuffle of patients.

    Returns
    -------
    pandas.DataFrame
        Columns ``walk_id, patient_id, seed, fold``; ``fold`` is where the walk is
        held out.

    Raises
    ------
    ValueError
        If there are fewer patients than folds.

    Warns
    -----
    UserWarning
        If a level has fewer patients than there are folds.

    Examples
    --------
    Eight children of two levels, two walks each; no child is in both folds:

    >>> import pandas as pd
    >>> children = [f"p{n}" for n in range(8)]
    >>> rows = pd.DataFrame({"patient_id": children * 2, "gmfcs": ["I", "II"] * 8})
    >>> rows = rows.assign(fps=25.0, n_frames=250, simulated=0, source="made up")
    >>> split = make_folds(make_index(rows), folds=2)
    >>> split["fold"].value_counts().sort_index().to_dict()
    {0: 8, 1: 8}
    >>> int(split.groupby("patient_id")["fold"].nunique().max())
    1
    """
    labelled = index.dropna(subset="gmfcs").sort_index()
    check_range("folds", folds, low=2, high=len(set(labelled["patient_id"])))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    codes = gmfcs.encode(labelled["gmfcs"])
    fold = np.empty(len(labelled), dtype=np.int64)
    _warn_rare_levels(labelled, folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, held_out) in enumerate(
            splitter.split(labelled, codes, groups=labelled["patient_id"])
        ):
            fold[held_out] = number
    return pd.DataFrame(
        {
            "walk_id": labelled.index.to_numpy(),
            "patient_id": labelled["patient_id"].to_numpy(),
            "seed": seed,
            "fold": fold,
        }
    )


def _warn_rare_levels(labelled: pd.DataFrame, folds: int) -> None:
    by_level = labelled.groupby("gmfcs", observed=True)["patient_id"]
    patients = pd.Series(by_level.nunique())
    rare = [f"{level} ({n})" for level, n in patients.items() if n < folds]
    if rare:
        warnings.warn(
            f"Levels with fewer patients than the {folds} folds: {', '.join(rare)}; "
            "some folds hold none of them.",
            UserWarning,
            stacklevel=3,
        )


def check_disjoint(train: Iterable[str], held_out: Iterable[str]) -> None:
    """Raise if a patient is on both sides of a split.

    Parameters
    ----------
    train, held_out : iterable of str
        Patient ids of the two sides.

    Raises
    ------
    ValueError
        If the sides share a patient.

    Examples
    --------
    >>> check_disjoint(["p1", "p2"], ["p3"])  # nothing is wrong
    >>> check_disjoint(["p1", "p2"], ["p2", "p3"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: Patients must not cross folds; 1 are in training and held out, ...'p2'.
    """
    shared = sorted(set(train) & set(held_out))
    if shared:
        raise ValueError(
            f"Patients must not cross folds; {len(shared)} are in training and held "
            f"out, the first is {shared[0]!r}."
        )
