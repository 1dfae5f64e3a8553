"""What the network looks at: maps, rankings, and how far they can be trusted."""

from cpexplore.attribution.clinical import (
    merge_saliency,
    on_walk_clock,
    phase_saliency,
    saliency_of,
    stride_table,
)
from cpexplore.attribution.gradcam import grad_cam
from cpexplore.attribution.methods import CONTROLS, METHODS, attribute
from cpexplore.attribution.ranking import feature_scores, rank_joints, select_features

__all__ = [
    "CONTROLS",
    "METHODS",
    "attribute",
    "feature_scores",
    "grad_cam",
    "merge_saliency",
    "on_walk_clock",
    "phase_saliency",
    "rank_joints",
    "saliency_of",
    "select_features",
    "stride_table",
]
