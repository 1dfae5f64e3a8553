"""Networks: the skeleton stream, the fusion family, their losses."""

from cpexplore.models.fusion import FusionClassifier, FusionConfig
from cpexplore.models.inference import fold_batch_norm, infer
from cpexplore.models.reference import load_reference_state
from cpexplore.models.stgcn import STGCN, STGCNConfig

__all__ = [
    "STGCN",
    "FusionClassifier",
    "FusionConfig",
    "STGCNConfig",
    "fold_batch_norm",
    "infer",
    "load_reference_state",
]
