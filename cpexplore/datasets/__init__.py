"""Cohorts: the built-in simulated one, the public release, and sample walks."""

from cpexplore.datasets.biomechzoo import LaboratoryWalk, load_biomechzoo
from cpexplore.datasets.gaitlab import load_gaitlab, write_gaitlab
from cpexplore.datasets.inspecting import Inspection, inspect_source, summarise
from cpexplore.datasets.remote import biomechzoo_folder, fetch_biomechzoo
from cpexplore.datasets.samples import sample_walk
from cpexplore.datasets.simulated import simulated_cohort

__all__ = [
    "Inspection",
    "LaboratoryWalk",
    "biomechzoo_folder",
    "fetch_biomechzoo",
    "inspect_source",
    "load_biomechzoo",
    "load_gaitlab",
    "sample_walk",
    "simulated_cohort",
    "summarise",
    "write_gaitlab",
]
