"""Parts of the fusion network: how two sets of tokens, or two vectors, meet."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

MakeHead = Callable[[int], nn.Module]
"""Makes the last layer for a width, see :func:`cpexplore.models.ordinal.make_head`."""


class GatedAttention(nn.Module):
    """Pre-norm attention of ``asker`` to ``asked``, entering through a closed gate."""

    def __init__(self, dim: int, *, n_heads: int, dropout: float):
        super().__init__()
        self.norm_asker, self.norm_asked = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(
            dim, n_heads, dropout=dropout, batch_first=True
        )
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, asker: Tensor, asked: Tensor) -> Tensor:
        """Update the tokens (N, A, D) with what they saw in (N, B, D)."""
        query, key = self.norm_asker(asker), self.norm_asked(asked)
        seen, _ = self.attention(query, key, key, need_weights=False)
        return asker + self.gate.tanh() * seen

    def weights(self, asker: Tensor, asked: Tensor) -> Tensor:
        """Attention (N, A, B), averaged over heads; rows sum to one."""
        query, key = self.norm_asker(asker), self.norm_asked(asked)
        return self.attention(query, key, key, need_weights=True)[1]


class CrossMixer(nn.Module):
    """Keypoint tokens and feature tokens attend to each other at the same time."""

    def __init__(self, dim: int, *, asks: str, n_heads: int, dropout: float):
        super().__init__()
        names = {"both": ("skeleton", "clinical")}.get(asks, (asks,))
        self.asks = nn.ModuleDict(
            {name: GatedAttention(dim, n_heads=n_heads, dropout=dropout)
             for name in names}
        )  # fmt: skip

    def forward(self, s: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Mix skeleton tokens (N, V, D) and clinical tokens (N, F, D)."""
        new_s = self.asks["skeleton"](s, c) if "skeleton" in self.asks else s
        new_c = self.asks["clinical"](c, s) if "clinical" in self.asks else c
        return new_s, new_c

    def weights(self, s: Tensor, c: Tensor) -> dict[str, Tensor]:
        """Attention of each asking stream: (N, V, F) and (N, F, V)."""
        pairs = {"skeleton": (s, c), "clinical": (c, s)}
        return {
            f"{name}_asks": module.weights(*pairs[name])  # type: ignore[operator]
            for name, module in self.asks.items()
        }


class BottleneckMixer(nn.Module):
    """A few latents read both streams; both streams read the latents.

    Differs from the paper: one layer, and the latents weigh the tokens of both streams
    together, where the paper has several and averages what each stream makes of them.

    References
    ----------
    Nagrani et al., Attention bottlenecks for multimodal fusion, NeurIPS 2021.
    """

    def __init__(self, dim: int, *, n_latents: int, n_heads: int, dropout: float):
        super().__init__()
        size = {"n_heads": n_heads, "dropout": dropout}
        self.latents = nn.Parameter(0.02 * torch.randn(n_latents, dim))
        self.read = GatedAttention(dim, **size)
        self.read.gate = nn.Parameter(torch.ones(()))  # only the way out starts closed
        self.to_s, self.to_c = GatedAttention(dim, **size), GatedAttention(dim, **size)

    def forward(self, s: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Mix skeleton tokens (N, V, D) and clinical tokens (N, F, D)."""
        latents = self.latents.expand(len(s), -1, -1)
        latents = self.read(latents, torch.cat([s, c], dim=1))
        return self.to_s(s, latents), self.to_c(c, latents)


class VectorMixer(nn.Module):
    """Cross-attention between two vectors, cut into ``n_chunks`` tokens each.

    With one chunk the softmax is over a single key: always 1, whatever the query.
    """

    def __init__(self, dim: int, *, n_chunks: int, dropout: float):
        super().__init__()
        self.n_chunks = n_chunks
        width = dim // n_chunks
        heads = {"n_heads": 1, "dropout": dropout}
        self.mixer = CrossMixer(width, asks="both", **heads)

    def forward(self, f_s: Tensor, f_c: Tensor) -> tuple[Tensor, Tensor]:
        """Mix two vectors (N, dim)."""
        s, c = (f.unflatten(1, (self.n_chunks, -1)) for f in (f_s, f_c))
        s, c = self.mixer(s, c)
        return s.flatten(1), c.flatten(1)


class ConcatHead(nn.Module):
    """Answer to both embeddings side by side."""

    def __init__(self, dim: int, *, make: MakeHead):
        super().__init__()
        self.answer = make(2 * dim)

    def forward(self, f_s: Tensor, f_c: Tensor, **_: Tensor) -> Tensor:
        """Fused logits (N, K) of the embeddings f_s and f_c (N, dim)."""
        return self.answer(torch.cat([f_s, f_c], dim=1))


class SumHead(nn.Module):
    """Answer to the sum of the embeddings."""

    def __init__(self, dim: int, *, make: MakeHead):
        super().__init__()
        self.answer = make(dim)

    def forward(self, f_s: Tensor, f_c: Tensor, **_: Tensor) -> Tensor:
        """Fused logits (N, K) of the embeddings f_s and f_c (N, dim)."""
        return self.answer(f_s + f_c)


class GatedHead(nn.Module):
    """Gated multimodal unit: each dimension chooses its stream.

    References
    ----------
    Arevalo et al., Gated multimodal units for information fusion, 2017.
    """

    def __init__(self, dim: int, *, make: MakeHead):
        super().__init__()
        self.skeleton, self.clinical = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.gate = nn.Linear(2 * dim, dim)
        self.answer = make(dim)

    def forward(self, f_s: Tensor, f_c: Tensor, **_: Tensor) -> Tensor:
        """Fused logits (N, K) of the embeddings f_s and f_c (N, dim)."""
        share = self.gate(torch.cat([f_s, f_c], dim=1)).sigmoid()
        s, c = self.skeleton(f_s).tanh(), self.clinical(f_c).tanh()
        return self.answer(share * s + (1 - share) * c)


class FiLMHead(nn.Module):
    """The clinical embedding scales and shifts the skeleton embedding.

    References
    ----------
    Perez et al., FiLM: visual reasoning with a general conditioning layer, AAAI 2018.
    """

    def __init__(self, dim: int, *, make: MakeHead):
        super().__init__()
        self.condition = nn.Linear(dim, 2 * dim)
        self.answer = make(dim)

    def forward(self, f_s: Tensor, f_c: Tensor, **_: Tensor) -> Tensor:
        """Fused logits (N, K) of the embeddings f_s and f_c (N, dim)."""
        scale, shift = self.condition(f_c).chunk(2, dim=1)
        return self.answer((1 + scale) * f_s + shift)


class BilinearHead(nn.Module):
    """Products of both embeddings at low rank, beside the embeddings themselves.

    Differs from the paper, which answers from the products alone.

    References
    ----------
    Kim et al., Hadamard product for low-rank bilinear pooling, ICLR 2017.
    """

    def __init__(self, dim: int, *, make: MakeHead, rank: int = 32):
        super().__init__()
        self.left, self.right = nn.Linear(dim, rank), nn.Linear(dim, rank)
        self.answer = make(2 * dim + rank)

    def forward(self, f_s: Tensor, f_c: Tensor, **_: Tensor) -> Tensor:
        """Fused logits (N, K) of the embeddings f_s and f_c (N, dim)."""
        product = self.left(f_s).tanh() * self.right(f_c).tanh()
        return self.answer(torch.cat([f_s, f_c, product], dim=1))


class LateHead(nn.Module):
    """Mean of the two streams' probabilities; learns nothing of its own."""

    def __init__(self, dim: int, *, make: MakeHead):
        super().__init__()

    def forward(
        self, f_s: Tensor, f_c: Tensor, *, alone_s: Tensor, alone_c: Tensor
    ) -> Tensor:
        """Fused log-probabilities (N, K) of each stream's own logits (N, K)."""
        both = torch.stack([alone_s.log_softmax(1), alone_c.log_softmax(1)])
        return both.logsumexp(0) - math.log(2)


HEADS: dict[str, type[nn.Module]] = {
    "concat": ConcatHead,
    "sum": SumHead,
    "gated": GatedHead,
    "film": FiLMHead,
    "bilinear": BilinearHead,
    "late": LateHead,
}
"""Fusions that only differ in how f_s and f_c are read."""
