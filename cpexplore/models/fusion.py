"""Dual-stream fusion: skeleton tokens and gait-feature tokens meet in attention.

Skeleton stream: one token per keypoint, from the time-averaged ST-GCN map. Clinical
stream: one token per gait feature. They look at each other, are pooled to
f_s and f_c in R^256 and answer together, on top of what a fitted proportional-odds
model of the features says. NaN means missing everywhere: one feature, or a whole stream
of a walk without windows.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import xarray as xr
from torch import Tensor, nn

from cpexplore._validation import check_option, check_range
from cpexplore.models.mixing import (
    HEADS,
    BottleneckMixer,
    CrossMixer,
    LateHead,
    VectorMixer,
)
from cpexplore.models.modes import evaluating
from cpexplore.models.ordinal import ANSWERS, OrdinalOffset, make_head

FUSIONS = (
    "cross_attention",
    "skeleton_asks",
    "clinical_asks",
    "bottleneck",
    "one_token",
    "chunked",
    *HEADS,
)
"""The ways to fuse; see :class:`FusionConfig`."""

_ONE_WAY = {"skeleton_asks": "skeleton", "clinical_asks": "clinical"}
_CHUNKS = {"one_token": 1, "chunked": 16}


@dataclass(frozen=True, kw_only=True, slots=True)
class FusionConfig:
    """Hyper-parameters of :class:`FusionClassifier`.

    Raises
    ------
    ValueError
        If a name is unknown, a number out of range, one width does not divide the
        other, or ``offset`` does not go with ``answer``.

    Examples
    --------
    >>> FusionConfig(fusion="late", modality_dropout=0.0).embed_dim
    256
    >>> FusionConfig(answer="corn")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: `offset` must be False for an answer that is ordered itself; got ...
    """

    fusion: str = "cross_attention"
    """How the streams meet.

    ``cross_attention``: keypoint tokens and feature tokens attend to each other;
    ``skeleton_asks`` and ``clinical_asks``: one direction only; ``bottleneck``: both,
    through four shared latents; ``chunked``: f_s and f_c cut into 16 tokens of 16;
    ``one_token``: f_s and f_c are one token each, which is degenerate, because the
    softmax over one key is 1 and queries receive no gradient; ``concat``, ``sum``,
    ``gated``, ``film``, ``bilinear``: f_s and f_c meet only in the head; ``late``: mean
    of the two streams' probabilities.
    """
    map_dim: int = 256
    """Channels of the skeleton map, >= 1."""
    token_dim: int = 64
    """Width of a token; must divide ``embed_dim``."""
    embed_dim: int = 256
    """Width of f_s and f_c (the paper's 256)."""
    n_heads: int = 4
    """Attention heads; must divide ``token_dim``."""
    n_levels: int = 4
    """Number of GMFCS levels, >= 2."""
    dropout: float = 0.1
    """Dropout on tokens, embeddings and attention, 0 to below 1."""
    modality_dropout: float = 0.3
    """Chance that a training example loses one of its streams, 0 to below 1."""
    offset: bool = True
    """Whether logits are added to those of a proportional-odds model of the features,
    fitted beforehand; only for ``answer="levels"``."""
    answer: str = "levels"
    """How to answer, one of :data:`cpexplore.models.ordinal.ANSWERS`."""

    def __post_init__(self) -> None:
        check_option("fusion", self.fusion, FUSIONS)
        check_option("answer", self.answer, ANSWERS)
        if self.offset and self.answer != "levels":
            raise ValueError(
                "`offset` must be False for an answer that is ordered itself; got "
                f"`answer` {self.answer!r}."
            )
        check_range("map_dim", self.map_dim, low=1)
        check_range("n_levels", self.n_levels, low=2)
        for name in ("dropout", "modality_dropout"):
            check_range(name, getattr(self, name), low=0, high=0.99)
        for whole, part in (("embed_dim", "token_dim"), ("token_dim", "n_heads")):
            total, divisor = getattr(self, whole), getattr(self, part)
            if divisor < 1 or total % divisor:
                raise ValueError(
                    f"`{part}` must divide `{whole}`; got {divisor} for {total}."
                )


class KeypointTokens(nn.Module):
    """One token per keypoint: its channels, projected, plus who it is."""

    def __init__(self, config: FusionConfig, n_keypoints: int):
        super().__init__()
        self.project = nn.Linear(config.map_dim, config.token_dim)
        self.identity = nn.Parameter(0.02 * torch.randn(n_keypoints, config.token_dim))
        self.missing = nn.Parameter(torch.zeros(config.token_dim))

    def forward(self, maps: Tensor, *, drop: Tensor) -> Tensor:
        """Turn maps (N, C, V) into tokens (N, V, D); ``drop`` (N,) are missing."""
        maps = maps.transpose(1, 2)  # (N, V, C)
        missing = maps.isnan().any(-1, keepdim=True) | drop[:, None, None]
        tokens = self.project(maps.nan_to_num(0.0))
        return torch.where(missing, self.missing, tokens) + self.identity


class FeatureTokens(nn.Module):
    """One token per gait feature: its value times a direction, plus who it is."""

    def __init__(self, config: FusionConfig, n_features: int):
        super().__init__()
        self.direction = nn.Parameter(0.3 * torch.randn(n_features, config.token_dim))
        self.identity = nn.Parameter(0.02 * torch.randn(n_features, config.token_dim))
        self.missing = nn.Parameter(torch.zeros(config.token_dim))

    def forward(self, features: Tensor, *, drop: Tensor) -> Tensor:
        """Turn features (N, F) into tokens (N, F, D); ``drop`` (N,) are missing."""
        missing = (features.isnan() | drop[:, None])[..., None]
        tokens = features.nan_to_num(0.0)[..., None] * self.direction
        return torch.where(missing, self.missing, tokens) + self.identity


class AttentionPool(nn.Module):
    """Several learned questions to all tokens; the answers side by side."""

    def __init__(self, config: FusionConfig):
        super().__init__()
        n_questions = config.embed_dim // config.token_dim
        self.questions = nn.Parameter(0.02 * torch.randn(n_questions, config.token_dim))
        self.norm = nn.LayerNorm(config.embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool tokens (N, T, D) to one vector (N, embed_dim)."""
        weights = torch.einsum("ntd,qd->nqt", tokens, self.questions).softmax(-1)
        return self.norm(torch.einsum("nqt,ntd->nqd", weights, tokens).flatten(1))


class FusionOutput(NamedTuple):
    """Everything that one pass computes."""

    logits: Tensor
    """(N, n_levels): the fused answer."""
    skeleton_logits: Tensor
    """(N, n_levels): the answer from the skeleton embedding alone."""
    clinical_logits: Tensor
    """(N, n_levels): the answer from the clinical embedding alone, with its offset.

    Where streams are mixed before the head, as by attention, the embedding of a stream
    that asks has heard the other; in ``late``, ``concat`` and the like it has not."""
    f_s: Tensor
    """(N, embed_dim): the skeleton embedding."""
    f_c: Tensor
    """(N, embed_dim): the clinical embedding."""


class FusionClassifier(nn.Module):
    """GMFCS level from a skeleton and its gait features.

    Parameters
    ----------
    config : FusionConfig
        Hyper-parameters.
    keypoints : sequence of str
        Names along V of the skeleton map.
    features : sequence of str
        Names along F of the feature table.
    backbone : torch.nn.Module, optional
        With ``maps(x)``; then :meth:`forward` also takes windows.

    Notes
    -----
    Differs from the paper: it fuses one vector per stream, where attention over a
    single key cannot learn; here keypoints and features are tokens. The residuals are
    gated by tanh(0) = 0 at first, so training starts from plain concatenation. The
    paper has no offset. With one, the last layers that it is added to are 0 at first,
    so training starts from its answer (late fusion: from its mean with the skeleton's);
    until ``offset.load`` it says nothing. The offset has been fitted to the walks that
    the network learns from and is surer of them than of others. Fitting it without each
    child, as stacking does, was tried and gained nothing.

    Examples
    --------
    Untrained and without a fitted offset it says nothing; NaN is missing:

    >>> import torch
    >>> names = {"keypoints": ("left_knee", "right_knee"), "features": ("speed_llps",)}
    >>> model = FusionClassifier(FusionConfig(), **names).eval()
    >>> maps, speed = torch.ones(2, 256, 2), torch.tensor([[1.1], [torch.nan]])
    >>> model(maps, speed).softmax(dim=1).round(decimals=3)[1].tolist()
    [0.25, 0.25, 0.25, 0.25]
    >>> dict(model.attention(maps, speed)["skeleton_asks"].sizes)
    {'window': 2, 'keypoint': 2, 'feature': 1}
    """

    def __init__(
        self,
        config: FusionConfig,
        *,
        keypoints: tuple[str, ...],
        features: tuple[str, ...],
        backbone: nn.Module | None = None,
    ):
        super().__init__()
        self.config = config
        self.keypoints, self.features = tuple(keypoints), tuple(features)
        self.backbone = backbone
        self.keypoint_tokens = KeypointTokens(config, len(self.keypoints))
        self.feature_tokens = FeatureTokens(config, len(self.features))
        self.token_mixer = _token_mixer(config)
        self.pool_s, self.pool_c = AttentionPool(config), AttentionPool(config)
        self.vector_mixer = _vector_mixer(config)
        self.dropout = nn.Dropout(config.dropout)
        make = partial(make_head, n_levels=config.n_levels, answer=config.answer)
        self.head_s = make(config.embed_dim)
        make = partial(make, at_zero=config.offset)
        self.head_c = make(config.embed_dim)
        head = HEADS.get(config.fusion, HEADS["concat"])
        self.head = head(config.embed_dim, make=make)
        self.offset = None
        if config.offset:
            n_features = len(self.features)
            self.offset = OrdinalOffset(n_features, n_levels=config.n_levels)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Answer with logits.

        Parameters
        ----------
        x : Tensor of shape (N, 3, T, V) or (N, C, V)
            Windows for the backbone, or its maps averaged over time; NaN where a walk
            has no window.
        features : Tensor of shape (N, F)
            Standardised gait features; NaN where missing.

        Returns
        -------
        Tensor of shape (N, n_levels)
        """
        return self.outputs(x, features).logits

    def outputs(self, x: Tensor, features: Tensor) -> FusionOutput:
        """Answer with the fused logits, each stream's own, and both embeddings."""
        maps = self.joint_maps(x)
        drop_s, drop_c = self._dropped(len(maps), device=maps.device)
        s, c = self._tokens(maps, features, drop_s=drop_s, drop_c=drop_c)
        if self.token_mixer is not None:
            s, c = self.token_mixer(s, c)
        f_s, f_c = self.pool_s(s), self.pool_c(c)
        if self.vector_mixer is not None:
            f_s, f_c = self.vector_mixer(f_s, f_c)
        f_s, f_c = self.dropout(f_s), self.dropout(f_c)
        offset = 0.0 if self.offset is None else self.offset(features, drop=drop_c)
        alone_s, alone_c = self.head_s(f_s), self.head_c(f_c) + offset
        logits = self.head(f_s, f_c, alone_s=alone_s, alone_c=alone_c)
        if not isinstance(self.head, LateHead):  # which heard it from alone_c
            logits = logits + offset
        return FusionOutput(logits, alone_s, alone_c, f_s, f_c)

    def tokens(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of both streams: (N, V, D) and (N, F, D)."""
        maps = self.joint_maps(x)
        drop_s, drop_c = self._dropped(len(maps), device=maps.device)
        return self._tokens(maps, features, drop_s=drop_s, drop_c=drop_c)

    def _tokens(
        self, maps: Tensor, features: Tensor, *, drop_s: Tensor, drop_c: Tensor
    ) -> tuple[Tensor, Tensor]:
        s = self.keypoint_tokens(maps, drop=drop_s)
        c = self.feature_tokens(features, drop=drop_c)
        return self.dropout(s), self.dropout(c)

    def joint_maps(self, x: Tensor) -> Tensor:
        """Skeleton map (N, C, V) averaged over time; one that is given is kept.

        Raises
        ------
        ValueError
            If ``x`` are windows and there is no backbone.
        """
        if x.ndim == 3:
            return x
        if self.backbone is None:
            raise ValueError(
                "`x` must be maps (N, C, V) for a fusion without a backbone; got "
                f"shape {tuple(x.shape)}. Give it a `backbone` or cache the maps."
            )
        return self.backbone.maps(x).mean(dim=2)  # type: ignore[operator]

    @torch.no_grad()
    def attention(self, x: Tensor, features: Tensor) -> xr.Dataset:
        """Who looked at whom, by name, averaged over heads; nothing is dropped.

        Parameters
        ----------
        x, features
            As in :meth:`forward`.

        Returns
        -------
        xarray.Dataset
            ``skeleton_asks (window, keypoint, feature)``, weights that sum to one over
            features; ``clinical_asks (window, feature, keypoint)``, over keypoints.

        Raises
        ------
        ValueError
            If this fusion has no attention between keypoints and features.
        """
        if not isinstance(self.token_mixer, CrossMixer):
            raise ValueError(
                "`fusion` must be one of 'cross_attention', 'skeleton_asks', "
                "'clinical_asks' to have keypoint-by-feature attention; got "
                f"{self.config.fusion!r}."
            )
        with evaluating(self):
            weights = self.token_mixer.weights(*self.tokens(x, features))
        dims = {
            "skeleton_asks": ("window", "keypoint", "feature"),
            "clinical_asks": ("window", "feature", "keypoint"),
        }
        return xr.Dataset(
            {name: (dims[name], value.numpy()) for name, value in weights.items()},
            coords={"keypoint": list(self.keypoints), "feature": list(self.features)},
        )

    def _dropped(self, n: int, *, device: torch.device) -> tuple[Tensor, Tensor]:
        """Which examples lose their skeleton, and which their features."""
        if not self.training or not self.config.modality_dropout:
            none = torch.zeros(n, dtype=torch.bool, device=device)
            return none, none
        lost = torch.rand(n, device=device) < self.config.modality_dropout
        skeleton = torch.rand(n, device=device) < 0.5
        return lost & skeleton, lost & ~skeleton


def _token_mixer(config: FusionConfig) -> nn.Module | None:
    size = {"n_heads": config.n_heads, "dropout": config.dropout}
    if config.fusion == "bottleneck":
        return BottleneckMixer(config.token_dim, n_latents=4, **size)
    if config.fusion == "cross_attention" or config.fusion in _ONE_WAY:
        asks = _ONE_WAY.get(config.fusion, "both")
        return CrossMixer(config.token_dim, asks=asks, **size)
    return None


def _vector_mixer(config: FusionConfig) -> nn.Module | None:
    if config.fusion not in _CHUNKS:
        return None
    return VectorMixer(
        config.embed_dim, n_chunks=_CHUNKS[config.fusion], dropout=config.dropout
    )
