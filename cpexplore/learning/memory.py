"""What the allocator does with freed memory while a network is trained."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_MOST = 32 << 20  # to where glibc lets the second grow by itself; the first is twice it


@contextmanager
def freed_memory(*, kept: bool) -> Iterator[None]:
    """Keep freed blocks for the next step inside, or give large ones back at once.

    Both only where glibc is used; afterwards, what is free is given back, and glibc's
    allocator does as it does in a process that has freed large blocks. Left alone, it
    gives the blocks of 32 MB and more back and asks for them again in every step, and
    the end of its heap as well: a step of the preset ``quick`` takes a fifth longer.
    Yet it keeps smaller blocks, so that a network that forgets its activations to save
    memory saves little unless all large blocks go back.

    Parameters
    ----------
    kept : bool
        Whether freed blocks are kept.
    """
    mallopt = None
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        yield
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30 if kept else 1 << 20)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1 if kept else 1 << 17)
    try:
        yield
    finally:
        mallopt(_M_MMAP_THRESHOLD, _MOST)
        mallopt(_M_TRIM_THRESHOLD, 2 * _MOST)
        ctypes.CDLL(None).malloc_trim(0)
