"""What becomes of freed memory."""

import platform
import resource

import numpy as np
import pytest

from cpexplore.learning.memory import freed_memory

LIBC, VERSION = platform.libc_ver()
pytestmark = pytest.mark.skipif(
    LIBC != "glibc" or tuple(map(int, VERSION.split("."))) < (2, 35),
    reason="only glibc's allocator can be told, before 2.35 not of blocks of 64 MB",
)


def page_faults(n_blocks: int) -> int:
    """Faults of filling blocks of 64 MB, each freed before the next."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n_blocks):
        np.empty(8 << 20).fill(1.0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_kept_memory_is_used_again_and_returned_in_the_end():
    with freed_memory(kept=True):
        page_faults(1)
        again = page_faults(4)
    with freed_memory(kept=False):
        page_faults(1)
        anew = page_faults(4)
    assert anew > 10 * max(again, 1)
    assert page_faults(4) > 10 * max(again, 1)  # as without
