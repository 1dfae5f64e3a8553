"""Networks: ST-GCN over skeletons, and the fusion with gait features."""

from cpexplore.models.stgcn import (
    STGCN,
    STGCNConfig,
    fold_batch_norm,
    infer,
    load_reference_state,
)

__all__ = [
    "STGCN",
    "STGCNConfig",
    "fold_batch_norm",
    "infer",
    "load_reference_state",
]
