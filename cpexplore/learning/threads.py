"""One thread per process, so that results do not depend on how many processes run."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and the linear algebra of numpy use a single thread inside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def return_freed_memory() -> None:
    """Let this process give large freed blocks back at once, where glibc is used.

    Its allocator keeps blocks below a threshold that grows to 32 MB; a network that
    forgets its activations would then hold on to their memory all the same. Training
    takes about a quarter longer.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 1 << 20)


_M_MMAP_THRESHOLD = -3
