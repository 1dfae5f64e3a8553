"""Gait events, angles, cycles and the catalogue of gait features."""

from cpexplore.gait.analysis import (
    CohortAnalysis,
    GaitAnalysis,
    analyse_cohort,
    analyse_walk,
    extract_features,
    gait_features,
)
from cpexplore.gait.catalogue import CATALOGUE, feature_columns
from cpexplore.gait.cycles import gait_cycles
from cpexplore.gait.events import detect_events
from cpexplore.gait.kinematics import joint_angles
from cpexplore.gait.reference import Reference, default_reference

__all__ = [
    "CATALOGUE",
    "CohortAnalysis",
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
    "joint_angles",
]
