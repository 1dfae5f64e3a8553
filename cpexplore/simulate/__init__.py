"""Simulated children: how they walk, what a camera and a detector make of it."""

from cpexplore.simulate.assumptions import PARAMETERS, Parameters
from cpexplore.simulate.camera import Camera
from cpexplore.simulate.children import WORLDS, Child, Limb, draw_children, td_children
from cpexplore.simulate.cohort import SimulatedWalks, cohort_of
from cpexplore.simulate.walk import Truth, simulate_walk

__all__ = [
    "PARAMETERS",
    "WORLDS",
    "Camera",
    "Child",
    "Limb",
    "Parameters",
    "SimulatedWalks",
    "Truth",
    "cohort_of",
    "draw_children",
    "simulate_walk",
    "td_children",
]
