"""Several processes at one study, where they were started together.

By ``torchrun``, ``accelerate launch --multi_gpu`` or ``mpirun``; accelerate finds them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Where launchers say how many processes there are."""

_PATIENCE = timedelta(days=7)
"""How long a process waits for those that still train."""


def n_processes() -> int:
    """How many processes the launcher says were started together."""
    return max(int(os.environ.get(name, "1")) for name in _SIZES)


@dataclass(frozen=True, kw_only=True)
class Team:
    """The processes that work on one study, and this one's place among them."""

    state: Any = None
    """An ``accelerate.PartialState``; None for a process on its own."""

    @classmethod
    def join(cls) -> "Team":
        """Find the others, by what the launcher left in the environment."""
        if n_processes() < 2:
            return cls()
        from accelerate import PartialState

        return cls(state=PartialState(cpu=True, timeout=_PATIENCE))

    @property
    def is_first(self) -> bool:
        """Whether this process does what only one may do."""
        return self.state is None or self.state.is_main_process

    def share(self, tasks: Sequence[T]) -> Sequence[T]:
        """The tasks of this process."""
        if self.state is None:
            return tasks
        return tasks[self.state.process_index :: self.state.num_processes]

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.state is not None:
            self.state.wait_for_everyone()
