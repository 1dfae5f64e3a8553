"""Raw keypoint tracks to cleaned walks: each step by name, or :func:`clean` for all."""

from cpexplore.preprocessing.audit import read_audit
from cpexplore.preprocessing.clean import CleanConfig, clean
from cpexplore.preprocessing.despike import despike
from cpexplore.preprocessing.direction import find_direction
from cpexplore.preprocessing.fill import fill_gaps
from cpexplore.preprocessing.mask import mask_low_confidence
from cpexplore.preprocessing.passes import find_passes
from cpexplore.preprocessing.resample import resample
from cpexplore.preprocessing.scale import leg_length_px, scale_passes
from cpexplore.preprocessing.smooth import smooth
from cpexplore.preprocessing.unswap import unswap_legs

__all__ = [
    "CleanConfig",
    "clean",
    "despike",
    "fill_gaps",
    "find_direction",
    "find_passes",
    "leg_length_px",
    "mask_low_confidence",
    "read_audit",
    "resample",
    "scale_passes",
    "smooth",
    "unswap_legs",
]
