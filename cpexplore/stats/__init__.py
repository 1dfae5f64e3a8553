"""How gait features relate to GMFCS: one tidy table per question."""

from cpexplore.stats.agreement import agreement, bland_altman
from cpexplore.stats.association import associate
from cpexplore.stats.curves import compare_curves, level_curves
from cpexplore.stats.differences import cliffs_delta, kruskal, pairwise, trend
from cpexplore.stats.missingness import imputed_effects, missingness
from cpexplore.stats.mixed import mixed_effects
from cpexplore.stats.ordinal import ordinal_effects, ordinal_gee
from cpexplore.stats.partial import partial_association
from cpexplore.stats.permutation import permutation_p
from cpexplore.stats.proportionality import brant, threshold_effects
from cpexplore.stats.questions import severity_tables
from cpexplore.stats.redundancy import redundancy, variance_inflation
from cpexplore.stats.repeatability import icc
from cpexplore.stats.resampling import (
    cluster_bootstrap,
    cluster_weights,
    percentile_interval,
)
from cpexplore.stats.selection import stability_selection

__all__ = [
    "agreement",
    "associate",
    "bland_altman",
    "brant",
    "cliffs_delta",
    "cluster_bootstrap",
    "cluster_weights",
    "compare_curves",
    "icc",
    "imputed_effects",
    "kruskal",
    "level_curves",
    "missingness",
    "mixed_effects",
    "ordinal_effects",
    "ordinal_gee",
    "pairwise",
    "partial_association",
    "percentile_interval",
    "permutation_p",
    "redundancy",
    "severity_tables",
    "stability_selection",
    "threshold_effects",
    "trend",
    "variance_inflation",
]
