"""The wording of every error: which argument, what it must be, what was given."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np


def quoted(options: Iterable[object]) -> str:
    """List values in quotes, separated by commas; strings as ``'a'``."""
    return ", ".join(repr(option) for option in options)


def counted(n: int, one: str, many: str = "") -> str:
    """Word a number of things.

    Examples
    --------
    >>> counted(1, "walk"), counted(2, "walk"), counted(2, "child", "children")
    ('1 walk', '2 walks', '2 children')
    """
    return f"{n} {one if n == 1 else many or one + 's'}"


def check_option(name: str, value: object, options: Collection[Any]) -> None:
    """Raise unless ``value`` is one of ``options``, naming all of them.

    Raises
    ------
    ValueError
        If ``value`` is not an option; a close match is suggested.
    """
    if value in options:
        return
    close = get_close_matches(str(value), [str(option) for option in options], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"`{name}` must be one of {quoted(options)}; got {value!r}.{hint}")


def check_range(
    name: str,
    value: float,
    *,
    low: float | None = None,
    high: float | None = None,
    inclusive: bool = True,
) -> None:
    """Raise unless ``value`` is a finite number between ``low`` and ``high``.

    Raises
    ------
    ValueError
        If ``value`` is not finite or outside the range.
    """
    below = low is not None and (value < low if inclusive else value <= low)
    above = high is not None and (value > high if inclusive else value >= high)
    if np.isfinite(value) and not below and not above:
        return
    least, most = (">=", "<=") if inclusive else (">", "<")
    bounds = [f"{least} {low}"] if low is not None else []
    bounds += [f"{most} {high}"] if high is not None else []
    wanted = " and ".join(["a finite number", *bounds])
    raise ValueError(f"`{name}` must be {wanted}; got {value!r}.")


def check_dims(array: Any, dims: Mapping[str, Collection[str]], *, name: str) -> None:
    """Raise unless ``array`` has the dimensions, and each holds these labels.

    Parameters
    ----------
    array : xarray.DataArray or xarray.Dataset
        What was given.
    dims : mapping of str to collection of str
        Dimension to the labels it must contain (empty: any).
    name : str
        Argument name for the message.

    Raises
    ------
    ValueError
        If a dimension or a label is missing.
    """
    missing_dims = [dim for dim in dims if dim not in array.dims]
    if missing_dims:
        raise ValueError(
            f"`{name}` lacks the dimensions {quoted(missing_dims)}; "
            f"it has {quoted(sorted(map(str, array.dims)))}."
        )
    for dim, labels in dims.items():
        present = set(array.coords[dim].values.tolist()) if labels else set()
        missing = sorted(set(labels) - present)
        if missing:
            raise ValueError(
                f"`{name}` lacks {dim}s {quoted(missing)}; "
                f"it has {quoted(sorted(present))}."
            )


def check_columns(table: Any, columns: Collection[str], *, name: str) -> None:
    """Raise unless the DataFrame ``table`` has all ``columns``.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"`{name}` lacks the columns {quoted(missing)}; "
            f"it has {quoted(table.columns.tolist())}."
        )
