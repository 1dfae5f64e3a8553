"""How the fusion of a variant is made."""

from dataclasses import replace

from torch import nn

from cpexplore.learning.variants import CrossvalSpec, Variant
from cpexplore.models.fusion import FusionClassifier
from cpexplore.models.peers import PooledConcat


def make_fusion(
    variant: Variant,
    spec: CrossvalSpec,
    *,
    keypoints: tuple[str, ...],
    features: tuple[str, ...],
) -> nn.Module:
    """Make an untrained network of maps (N, C, V) and standard scores (N, F).

    Parameters
    ----------
    variant : Variant
        One with a ``fusion``.
    spec : CrossvalSpec
        Width of the maps, and what all fusions share.
    keypoints : sequence of str
        Names along V.
    features : sequence of str
        Names along F.
    """
    map_dim = spec.backbone.embed_dim
    if variant.fusion == "pooled":
        return PooledConcat(features, map_dim=map_dim)
    config = replace(
        spec.fusion,
        fusion=variant.fusion,
        map_dim=map_dim,
        modality_dropout=spec.fusion.modality_dropout * variant.modality_dropout,
        answer=variant.answer or spec.fusion.answer,
        offset=spec.fusion.offset and variant.offset,
    )
    return FusionClassifier(config, keypoints=keypoints, features=features)
