"""Counts and selections of run tables that several pictures share."""

import numpy as np
import pandas as pd

from cpexplore import gmfcs

PROBABILITIES = list(gmfcs.PROBABILITIES)
"""The probability columns of the out-of-fold table, mildest level first."""


def rows_where(table: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Keep the rows whose columns have these values.

    Examples
    --------
    >>> table = pd.DataFrame({"model": ["skeleton", "speed"], "estimate": [0.6, 0.4]})
    >>> rows_where(table, model="speed")["estimate"].tolist()
    [0.4]
    """
    keep = [table[column] == value for column, value in wanted.items()]
    return pd.DataFrame(table[np.logical_and.reduce(keep)])


def predicted_level(oof: pd.DataFrame) -> pd.Categorical:
    """The most probable level of each row; the milder one at a tie."""
    return gmfcs.decode(np.argmax(oof[PROBABILITIES].to_numpy(), axis=1))


def confusion_counts(oof: pd.DataFrame, levels: pd.Series) -> pd.DataFrame:
    """Count walks by true and predicted level.

    Parameters
    ----------
    oof : pandas.DataFrame
        Out-of-fold rows of one model; several seeds are counted together.
    levels : pandas.Series
        True level by walk id.

    Returns
    -------
    pandas.DataFrame of shape (4, 4)
        Rows = true, columns = predicted level, both I to IV.
    """
    true = gmfcs.encode(levels.reindex(oof["walk_id"]))
    predicted = gmfcs.encode(predicted_level(oof))
    counts = np.zeros((len(gmfcs.LEVELS),) * 2, dtype=np.int64)
    np.add.at(counts, (true[true >= 0], predicted[true >= 0]), 1)
    names = list(gmfcs.LEVELS)
    return pd.DataFrame(
        counts,
        index=pd.Index(names, name="true"),
        columns=pd.Index(names, name="predicted"),
    )
