"""Walks in and out: every format is read by one function and checked by another."""

from cpexplore.io.checks import check_path
from cpexplore.io.formats import read_walk, write_walk
from cpexplore.io.problems import InputError, Problem
from cpexplore.io.store import WalkStore, write_store

__all__ = [
    "InputError",
    "Problem",
    "WalkStore",
    "check_path",
    "read_walk",
    "write_store",
    "write_walk",
]
