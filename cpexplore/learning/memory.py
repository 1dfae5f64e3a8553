"""What the allocator does with freed memory while a network is trained."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_MOST = 32 << 20  # to where glibc lets the second grow by itself; the first is twice it
_HUGE, _BIG = 1 << 30, 1 << 20


@contextmanager
def freed_memory(*, kept: bool) -> Iterator[None]:
    """Keep freed blocks for the next step inside, or give large ones back at once.

    Both only where glibc is used; afterwards, what is free is given back, and glibc's
    allocator does as it does in a process that has freed large blocks. Left alone, it
    gives blocks of 32 MB and more and the end of its heap back after every step and
    asks for them again in the next, which takes time. Yet it keeps smaller blocks, so
    that a network that forgets its activations to save memory saves little unless these
    go back, too. The allocator is the process's: one training at a time.

    Parameters
    ----------
    kept : bool
        Whether freed blocks are kept.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt, trim = (getattr(libc, name, None) for name in ("mallopt", "malloc_trim"))
    if mallopt is None or trim is None:  # musl has neither
        yield
        return
    if not mallopt(_M_MMAP_THRESHOLD, _HUGE if kept else _BIG):
        mallopt(_M_MMAP_THRESHOLD, _MOST)  # an older glibc goes no further
    mallopt(_M_TRIM_THRESHOLD, _HUGE if kept else _BIG)
    try:
        yield
    finally:
        mallopt(_M_MMAP_THRESHOLD, _MOST)
        mallopt(_M_TRIM_THRESHOLD, 2 * _MOST)
        trim(0)
