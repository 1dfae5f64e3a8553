"""Gait events, angles, cycles, the catalogue of features and the reference cohort."""

from cpexplore.gait.analysis import (
    CohortAnalysis,
    GaitAnalysis,
    analyse_cohort,
    analyse_walk,
    extract_features,
    gait_features,
    mean_curves,
)
from cpexplore.gait.catalogue import CATALOGUE, feature_columns
from cpexplore.gait.cycles import gait_cycles
from cpexplore.gait.events import detect_events
from cpexplore.gait.indices import DeviationIndex, gait_pattern
from cpexplore.gait.kinematics import joint_angles
from cpexplore.gait.reference import (
    Reference,
    default_reference,
    read_reference,
    write_reference,
)
from cpexplore.gait.typical import make_reference, simulated_reference

__all__ = [
    "CATALOGUE",
    "CohortAnalysis",
    "DeviationIndex",
    "GaitAnalysis",
    "Reference",
    "analyse_cohort",
    "analyse_walk",
    "default_reference",
    "detect_events",
    "extract_features",
    "feature_columns",
    "gait_cycles",
    "gait_features",
    "gait_pattern",
    "joint_angles",
    "make_reference",
    "mean_curves",
    "read_reference",
    "simulated_reference",
    "write_reference",
]
