"""ST-GCN as one would write it from the paper: the yardstick of the speed claims."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


class TextbookBlock(nn.Module):
    """1x1 convolution, einsum over the graph, 9x1 convolution, residual."""

    def __init__(
        self, c: int, d: int, *, stride: int, residual: bool, graph: Tensor
    ) -> None:
        super().__init__()
        self.edge_importance = nn.Parameter(torch.ones_like(graph))
        self.graph_conv = nn.Conv2d(c, d * len(graph), 1)
        self.graph_norm = nn.BatchNorm2d(d)
        self.time_conv = nn.Conv2d(d, d, (9, 1), (stride, 1), (4, 0))
        self.time_norm = nn.BatchNorm2d(d)
        self.drop = nn.Dropout(0.5)
        self.keeps = residual
        self.shortcut = nn.Identity()
        if residual and (stride > 1 or c != d):
            self.shortcut = nn.Sequential(
                nn.Conv2d(c, d, 1, (stride, 1)), nn.BatchNorm2d(d)
            )

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        n, _, t, v = x.shape
        h = self.graph_conv(x).view(n, len(graph), -1, t, v)
        h = torch.einsum("nkctv,kvw->nctw", h, graph * self.edge_importance)
        h = F.relu(self.graph_norm(h.contiguous()))
        h = self.drop(self.time_norm(self.time_conv(h)))
        return F.relu(h + self.shortcut(x)) if self.keeps else F.relu(h)


class TextbookSTGCN(nn.Module):
    """The published network, plainly."""

    graph: Tensor

    def __init__(self, graph: Tensor, *, n_classes: int = 4) -> None:
        super().__init__()
        self.register_buffer("graph", graph)
        self.input_norm = nn.BatchNorm1d(3 * graph.shape[1])
        self.blocks = nn.ModuleList(
            TextbookBlock(c, d, stride=stride, residual=i > 0, graph=graph)
            for i, (c, d, stride) in enumerate(
                zip((3, *WIDTHS[:-1]), WIDTHS, STRIDES, strict=True)
            )
        )
        self.head = nn.Linear(WIDTHS[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        h = x.permute(0, 3, 1, 2).reshape(n, v * c, t)
        h = self.input_norm(h).view(n, v, c, t).permute(0, 2, 3, 1).contiguous()
        for block in self.blocks:
            h = block(h, self.graph)
        return self.head(F.avg_pool2d(h, h.shape[2:]).flatten(1))
