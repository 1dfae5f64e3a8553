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
        and ``source``. Missing columns are added as unknown, types are set.

    Raises
    ------
    ValueError
        If a required column is missing or a value is out of range.
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

    Raises
    ------
    ValueError
        If a column is missing or superfluous, or a value or the order of levels is
        wrong.
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
    """
    shared = sorted(set(train) & set(held_out))
    if shared:
        raise ValueError(
            f"Patients must not cross folds; {len(shared)} are in training and held "
            f"out, the first is {shared[0]!r}."
        )
