"""Cohorts: the built-in simulated one, the public release, and sample walks."""

from cpexplore.datasets.simulated import simulated_cohort

__all__ = ["simulated_cohort"]
