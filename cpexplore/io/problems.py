"""What is wrong with an input file, as a value and as an exception.

Every reader raises :class:`InputError`, which carries a :class:`Problem`; so one check
serves both those who load and those who ask what is wrong.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LARGEST_BYTES = 1 << 30
"""Files beyond 1 GiB are refused: no recording of one walk is that large."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong with an input."""

    where: str
    """The file or folder."""
    what: str
    """What it must be and what was found, one sentence without its subject."""
    fix: str
    """What to do about it, one sentence."""
    severity: Literal["error", "warning"] = "error"
    """Whether reading fails or merely deserves a look."""

    def __str__(self) -> str:
        return f"{self.where!r} {self.what} {self.fix}"


class InputError(ValueError):
    """A file cannot be used; its message is the sentence of its problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)

    @property
    def problem(self) -> Problem:
        """What is wrong, where, and what to do."""
        return self.args[0]


def wrong(where: str | Path, what: str, fix: str) -> InputError:
    """Word an error about a file, ready to be raised."""
    return InputError(Problem(where=str(where), what=what, fix=fix))


def check_file(path: Path) -> None:
    """Raise unless ``path`` is a file that is neither empty nor huge.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is empty or beyond :data:`LARGEST_BYTES`.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"`path` must be an existing file; got {str(path)!r}. Check the spelling."
        )
    size = path.stat().st_size
    if size == 0:
        raise wrong(path, "must hold a recording; it is empty.", "Export it again.")
    if size > LARGEST_BYTES:
        raise wrong(
            path,
            f"must be at most {LARGEST_BYTES} bytes; it has {size}.",
            "Cut the recording into single walks.",
        )
