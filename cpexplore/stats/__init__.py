"""How gait features relate to GMFCS: one tidy table per question."""

from cpexplore.stats.association import associate
from cpexplore.stats.ordinal import ordinal_effects, ordinal_gee
from cpexplore.stats.permutation import permutation_p
from cpexplore.stats.resampling import (
    cluster_bootstrap,
    cluster_weights,
    percentile_interval,
)

__all__ = [
    "associate",
    "cluster_bootstrap",
    "cluster_weights",
    "ordinal_effects",
    "ordinal_gee",
    "percentile_interval",
    "permutation_p",
]
