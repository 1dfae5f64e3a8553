"""The ordered levels of the Gross Motor Function Classification System.

Walking children are in levels I (walks without limitations) to IV (walks short
distances with physical assistance); level V does not walk. Levels are an ordered
categorical; integer codes exist only inside models.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cpexplore._validation import check_option

LEVELS: tuple[str, ...] = ("I", "II", "III", "IV")
"""The four ambulatory levels, mildest first."""

COLOURS: dict[str, str] = {
    "I": "#0072B2",
    "II": "#56B4E9",
    "III": "#E69F00",
    "IV": "#D55E00",
}
"""One Okabe-Ito colour per level, the same in every figure."""

PROBABILITIES: tuple[str, ...] = tuple(f"p_{level}" for level in LEVELS)
"""The columns with the probability of each level, in every table of answers."""

DTYPE = pd.CategoricalDtype(list(LEVELS), ordered=True)
"""The pandas type of a GMFCS column: I < II < III < IV."""


def as_levels(values: Iterable[object]) -> pd.Categorical:
    """Make an ordered categorical of GMFCS levels.

    Parameters
    ----------
    values : iterable of str, int or missing
        Roman numerals ``"I"`` to ``"IV"`` or numbers 1 to 4; ``None`` and NaN stay
        missing.

    Returns
    -------
    pandas.Categorical
        With the categories I < II < III < IV.

    Raises
    ------
    ValueError
        If a value is no ambulatory GMFCS level.

    Examples
    --------
    >>> levels = as_levels([1, "III", None, "II"])
    >>> levels.max(), int(levels.isna().sum())
    ('III', 1)
    """
    return pd.Categorical([_level(value) for value in values], dtype=DTYPE)


def encode(levels: Iterable[object]) -> np.ndarray:
    """Turn levels into codes 0 to 3; a missing level becomes -1.

    Parameters
    ----------
    levels : iterable of str, int or missing
        As for :func:`as_levels`.

    Returns
    -------
    numpy.ndarray of int64

    Raises
    ------
    ValueError
        If a value is no ambulatory GMFCS level.

    Examples
    --------
    >>> encode(["I", "IV", None]).tolist()
    [0, 3, -1]
    """
    return np.asarray(as_levels(levels).codes, dtype=np.int64)


def decode(codes: Iterable[int]) -> pd.Categorical:
    """Turn codes 0 to 3 back into levels; -1 becomes missing.

    Parameters
    ----------
    codes : iterable of int
        0 (level I) to 3 (level IV), or -1.

    Returns
    -------
    pandas.Categorical
        With the categories I < II < III < IV.

    Raises
    ------
    ValueError
        If a code is not between -1 and 3.

    Examples
    --------
    A network's most probable level of each of two walks:

    >>> import numpy as np
    >>> proba = np.array([[0.7, 0.2, 0.1, 0.0], [0.0, 0.1, 0.3, 0.6]])
    >>> list(decode(proba.argmax(axis=1)))
    ['I', 'IV']
    """
    return pd.Categorical.from_codes(list(codes), dtype=DTYPE)


def _level(value: object) -> str | None:
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        if value not in (1, 2, 3, 4):
            raise ValueError(f"`gmfcs` must be one of 1, 2, 3, 4; got {value!r}.")
        return LEVELS[int(value) - 1]
    check_option("gmfcs", value, LEVELS)
    return str(value)
