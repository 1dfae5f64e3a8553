"""Shared by all tests: Hypothesis profile and a seeded generator per test."""

import os

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("ci")


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator with a fixed seed."""
    return np.random.default_rng(2603)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A finished study of 40 simulated children: 3 folds, 3 epochs.

    Test processes share it: the first one makes it, the others find it finished.
    """
    from cpexplore import pipeline

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "small.lock"):
        return pipeline.run(
            pipeline.load_cohort("simulated", n_patients=40),
            preset="quick",
            out=shared / "small",
            folds=3,
            epochs=3,
            n_jobs=2,
        )
