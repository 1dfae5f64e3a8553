"""Simulated children: how they walk, what a camera and a detector make of it."""

from cpexplore.simulate.assumptions import PARAMETERS, Parameters
from cpexplore.simulate.camera import Camera
from cpexplore.simulate.children import WORLDS, Child, draw_children, td_children
from cpexplore.simulate.cohort import (
    PRESETS,
    SimulatedWalks,
    cohort_of,
    planted_cohort,
    preset_cohort,
)
from cpexplore.simulate.constants import CONSTANTS, Constants
from cpexplore.simulate.planted import PLANTS, Plant
from cpexplore.simulate.published import (
    measure,
    plausibility,
    typical_plausibility,
)
from cpexplore.simulate.traits import Limb
from cpexplore.simulate.walk import Truth, simulate_walk

__all__ = [
    "CONSTANTS",
    "PARAMETERS",
    "PLANTS",
    "PRESETS",
    "WORLDS",
    "Camera",
    "Child",
    "Constants",
    "Limb",
    "Parameters",
    "Plant",
    "SimulatedWalks",
    "Truth",
    "cohort_of",
    "draw_children",
    "measure",
    "planted_cohort",
    "plausibility",
    "preset_cohort",
    "simulate_walk",
    "td_children",
    "typical_plausibility",
]
