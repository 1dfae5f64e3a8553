"""How gait features relate to GMFCS: one tidy table per question."""

from cpexplore.stats.resampling import (
    cluster_bootstrap,
    cluster_weights,
    percentile_interval,
)

__all__ = ["cluster_bootstrap", "cluster_weights", "percentile_interval"]
