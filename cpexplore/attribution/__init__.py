"""What the network looks at: maps, rankings, and how far they can be trusted."""

from cpexplore.attribution.agreement import localisation, rank_agreement
from cpexplore.attribution.audit import (
    CHECKS,
    audit,
    check_walks,
    summarise_checks,
)
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
from cpexplore.attribution.streams import feature_attribution, stream_shapley

__all__ = [
    "CHECKS",
    "CONTROLS",
    "METHODS",
    "attribute",
    "audit",
    "check_walks",
    "feature_attribution",
    "feature_scores",
    "grad_cam",
    "localisation",
    "merge_saliency",
    "on_walk_clock",
    "phase_saliency",
    "rank_agreement",
    "rank_joints",
    "saliency_of",
    "select_features",
    "stream_shapley",
    "stride_table",
    "summarise_checks",
]
