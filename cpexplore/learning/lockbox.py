"""Children kept out of every decision, to be judged once at the end."""

import hashlib

import pandas as pd

from cpexplore._validation import check_range
from cpexplore.cohort import Cohort, check_disjoint
from cpexplore.learning.fold_models import load_fold_models, mean_prediction
from cpexplore.runs import Run, write_table
from cpexplore.windows import Windows

FILE = "lockbox.parquet"
"""Where a run keeps the answers for its lock-box."""


def lockbox_patients(index: pd.DataFrame, *, share: float = 0.15) -> frozenset[str]:
    """Choose the patients of the lock-box by a hash of their id.

    Parameters
    ----------
    index : pandas.DataFrame
        A cohort index.
    share : float
        Expected share of patients, 0 to 0.5.

    Returns
    -------
    frozenset of str
        The same patients whatever else is in the cohort, so that a child who joins
        or leaves moves nobody.

    Examples
    --------
    >>> index = pd.DataFrame({"patient_id": ["p1", "p2", "p3", "p4", "p5"]})
    >>> sorted(lockbox_patients(index, share=0.3))
    ['p2']
    """
    check_range("share", share, low=0, high=0.5)
    return frozenset(p for p in set(index["patient_id"]) if _position(p) < share)


def open_lockbox(
    run: Run, cohort: Cohort, *, features: pd.DataFrame, windows: Windows
) -> pd.DataFrame:
    """Judge the children of the lock-box by all folds' models together, once.

    Parameters
    ----------
    run : Run
        A finished run that was cross-validated without these children.
    cohort : Cohort
        The walks of the lock-box; those with a level are judged.
    features : pandas.DataFrame
        Index ``walk_id``.
    windows : Windows
        Of these walks, others are ignored.

    Returns
    -------
    pandas.DataFrame
        ``walk_id, patient_id, gmfcs, model, n_windows, p_I, p_II, p_III, p_IV``, the
        mean over folds (:func:`cpexplore.learning.fold_models.mean_prediction`); also
        written into the run. Of the models that a fold keeps: not of boosted trees,
        the pooled peer, or a fusion with a backbone of its own.

    Raises
    ------
    FileExistsError
        If the lock-box of this run was opened before.
    ValueError
        If a patient of the run is among them.
    """
    if (run.path / FILE).exists():
        raise FileExistsError(
            f"The lock-box of {str(run.path)!r} was opened before; read its answers "
            f"from {FILE!r}."
        )
    index = cohort.labelled().index
    check_disjoint(run.index["patient_id"], index["patient_id"])
    features = features.loc[index.index]
    windows = windows.of(index.index.tolist())
    table = mean_prediction(load_fold_models(run), windows, features)
    of_walk = index.loc[table["walk_id"]]
    table.insert(1, "patient_id", of_walk["patient_id"].to_numpy())
    table.insert(2, "gmfcs", of_walk["gmfcs"].array)
    write_table(run.path / FILE, table)
    return table


def _position(patient: str) -> float:
    """A fixed pseudo-random number between 0 and 1 for a patient id."""
    digest = hashlib.sha256(f"lock-box {patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
