"""What becomes of freed memory."""

import multiprocessing
import platform
import resource
from concurrent.futures import ProcessPoolExecutor

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


def faults_by_setting() -> tuple[int, int, int]:
    """Faults while blocks go back, while they are kept, and right after that."""
    with freed_memory(kept=False):
        page_faults(1)
        anew = page_faults(4)
    with freed_memory(kept=True):
        page_faults(1)
        again = page_faults(4)
    return anew, again, page_faults(1)


def test_kept_memory_is_used_again_and_returned_in_the_end():
    """In a new process: a heap with holes of 64 MB fills these, whatever it is told."""
    new = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=new) as process:
        anew, again, after = process.submit(faults_by_setting).result()
    assert anew > 10 * max(again, 1)
    assert after > 10 * max(again, 1)
