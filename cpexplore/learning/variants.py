"""The models of a study, by name: what each is made of and may see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cpexplore._validation import check_option
from cpexplore.learning.recipe import FitConfig
from cpexplore.models.fusion import FUSIONS, FusionConfig
from cpexplore.models.losses import LOSSES
from cpexplore.models.ordinal import ANSWERS
from cpexplore.models.stgcn import STGCNConfig

TABULAR = (
    "majority",
    "missingness_only",
    "speed_only",
    "metadata_only",
    "features_logit",
    "features_boosting",
    "features_ordinal",
)
"""Models of a table, without a network."""

SECOND_TRAINING = "_blocks"
"""What the name of a model whose backbone is fine-tuned gets while that is done."""

BACKBONES: Mapping[str, str] = MappingProxyType(
    {
        "plain": "skeleton",
        "legs": "skeleton_legs",
        "bone": "skeleton_bone",
        "motion": "skeleton_motion",
        "triplet": "skeleton_triplet",
        "cnn": "cnn",
    }
)
"""The model that is the bare backbone, by kind of backbone.

An ST-GCN on all keypoints (``plain``), on the legs only (``legs``), on bones or on
changes from frame to frame; one with metric learning that asks its neighbours
(``triplet``, Zhao 2024); convolutions over time without a graph (``cnn``, Kidzinski
2020).
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A network of a study."""

    backbone: str = "plain"
    """A key of :data:`BACKBONES`."""
    fusion: str | None = None
    """How features join the skeleton, one of :data:`cpexplore.models.fusion.FUSIONS`,
    or ``pooled``: pooled vector and features side by side, the published peer; None for
    the skeleton alone."""
    features: str = "all"
    """``all``; ``selected`` by attribution; ``random`` (as many, drawn blindly);
    ``shuffled`` (of a walk drawn within the part, once in a while its own); ``legs``,
    all that need no keypoint of head, trunk or arms."""
    offset: bool = True
    """Whether a fusion starts from a proportional-odds model of its features."""
    modality_dropout: bool = True
    """Whether streams are dropped while training."""
    loss: str | None = None
    """Key of :data:`cpexplore.models.losses.LOSSES`; None for the recipe's own."""
    answer: str | None = None
    """One of :data:`cpexplore.models.ordinal.ANSWERS`; None for the recipe's own."""
    fine_tuned: bool = False
    """Whether the last two blocks of the backbone go on learning, if that lowers the
    loss on the inner part; they stay frozen otherwise."""


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        **{name: Variant(backbone=kind) for kind, name in BACKBONES.items()},
        **{f"fusion_{name}": Variant(fusion=name) for name in FUSIONS},
        "fusion_no_modality_dropout": Variant(
            fusion="cross_attention", modality_dropout=False
        ),
        "fusion_no_offset": Variant(fusion="cross_attention", offset=False),
        "fusion_concat_no_offset": Variant(fusion="concat", offset=False),
        "pooled_concat": Variant(fusion="pooled", offset=False),
        "fusion_selected_features": Variant(
            fusion="cross_attention", features="selected"
        ),
        "fusion_random_features": Variant(fusion="cross_attention", features="random"),
        "fusion_shuffled_features": Variant(
            fusion="cross_attention", features="shuffled"
        ),
        "fusion_legs": Variant(
            fusion="cross_attention", backbone="legs", features="legs"
        ),
        **{
            f"fusion_{loss}": Variant(fusion="cross_attention", loss=loss)
            for loss in LOSSES
            if loss != "cross_entropy"
        },
        **{
            f"fusion_{answer}": Variant(
                fusion="cross_attention", answer=answer, offset=False
            )
            for answer in ANSWERS
            if answer != "levels"
        },
        "fusion_fine_tuned": Variant(fusion="cross_attention", fine_tuned=True),
    }
)
"""Networks of a study, by name."""

DEFAULT_MODELS = (
    *TABULAR[:5],
    "features_ordinal",
    "skeleton",
    "fusion_cross_attention",
    "fusion_concat",
    "fusion_late",
    "fusion_selected_features",
    "features_boosting",
)
"""What :func:`cpexplore.learning.cross_validate` trains unless told otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossvalSpec:
    """What is trained in every fold, and how.

    Raises
    ------
    ValueError
        If a model is unknown, or the recipe has a triplet loss for every network.

    Examples
    --------
    >>> models = ("speed_only", "skeleton", "fusion_late")
    >>> spec = CrossvalSpec(models=models, fit=FitConfig(epochs=40))
    >>> {name: variant.fusion for name, variant in spec.networks.items()}
    {'skeleton': None, 'fusion_late': 'late'}
    """

    models: tuple[str, ...] = DEFAULT_MODELS
    """Names from :data:`TABULAR` and :data:`VARIANTS`."""
    backbone: STGCNConfig = field(default_factory=lambda: STGCNConfig.preset("quick"))
    """The skeleton network."""
    fusion: FusionConfig = field(default_factory=FusionConfig)
    """The fusion network; ``fusion`` and ``map_dim`` are set by model and backbone."""
    fit: FitConfig = field(default_factory=FitConfig)
    """The recipe of all networks."""

    def __post_init__(self) -> None:
        for model in self.models:
            check_option("models", model, (*TABULAR, *VARIANTS))
        if self.fit.triplet:
            raise ValueError(
                f"`fit.triplet` must be 0 in a study; got {self.fit.triplet}. Ask for "
                "the model 'skeleton_triplet'."
            )

    @property
    def networks(self) -> dict[str, Variant]:
        """The variants that are asked for, in order."""
        return {name: VARIANTS[name] for name in self.models if name in VARIANTS}
