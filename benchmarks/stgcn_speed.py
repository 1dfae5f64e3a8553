"""Speed of the skeleton network against one written plainly from the paper.

Ratios are medians over pairs of runs that alternate in one process on one core; they
hold on a busy machine, absolute times do not. Exits with the number of missed bars.

    python benchmarks/stgcn_speed.py --pairs 15
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from textbook_stgcn import TextbookSTGCN
from torch import Tensor, nn
from torch.nn import functional as F

from cpexplore.models import STGCN, STGCNConfig, infer
from cpexplore.skeleton import adjacency

N_CLIPS, N_FRAMES = 16, 124
BARS = {
    "paper inference / textbook": 1.15,
    "paper inference / textbook in chunks of 4": 1.15,
    "paper bf16 inference / textbook": 2.3,
    "paper training step / textbook": 1.08,
    "paper bf16 training step / textbook": 2.0,
    "quick training step / paper": 8.0,
}
"""Least ratios; those of bf16 are for a processor that multiplies in bf16 (AMX)."""


def training_step(model: nn.Module, x: Tensor, *, bf16: bool = False) -> None:
    """One step of AdamW on cross-entropy."""
    if not hasattr(model, "optimiser"):
        model.optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    target = torch.arange(len(x)) % 4
    model.optimiser.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = F.cross_entropy(model.train()(x).float(), target)
    loss.backward()
    model.optimiser.step()


@torch.inference_mode()
def plain_inference(model: nn.Module, x: Tensor, *, chunk: int) -> None:
    """Evaluation of a model as it is."""
    for part in x.split(chunk):
        model.eval()(part)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(
    baseline: Callable[[], object], ours: Callable[[], object], *, pairs: int
) -> dict[str, float]:
    """Median times per clip and of the ratio of each pair; the first pair is lost."""
    times = np.array([(seconds(baseline), seconds(ours)) for _ in range(pairs + 1)])[1:]
    ratio = times[:, 0] / times[:, 1]
    baseline_ms, ours_ms = 1e3 * np.median(times, axis=0) / N_CLIPS
    low, high = np.quantile(ratio, [0.25, 0.75])
    return {
        "baseline_ms": baseline_ms,
        "ours_ms": ours_ms,
        "ratio": float(np.median(ratio)),
        "q25": low,
        "q75": high,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = adjacency("body_25")
    textbook = TextbookSTGCN(torch.tensor(graph, dtype=torch.float32))
    paper = STGCN(STGCNConfig.preset("paper"), graph)
    frugal = STGCN(STGCNConfig.preset("paper", recompute=True), graph)
    quick = STGCN(STGCNConfig.preset("quick"), graph)
    x = torch.randn(N_CLIPS, 3, N_FRAMES, graph.shape[-1])
    runs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "paper inference / textbook": (
            lambda: plain_inference(textbook, x, chunk=N_CLIPS),
            lambda: infer(paper, x),
        ),
        "paper inference / textbook in chunks of 4": (
            lambda: plain_inference(textbook, x, chunk=4),
            lambda: infer(paper, x),
        ),
        "paper bf16 inference / textbook": (
            lambda: plain_inference(textbook, x, chunk=N_CLIPS),
            lambda: infer(paper, x, bf16=True),
        ),
        "paper training step / textbook": (
            lambda: training_step(textbook, x),
            lambda: training_step(paper, x),
        ),
        "paper bf16 training step / textbook": (
            lambda: training_step(textbook, x),
            lambda: training_step(paper, x, bf16=True),
        ),
        "paper training step, recompute=True / textbook": (
            lambda: training_step(textbook, x),
            lambda: training_step(frugal, x),
        ),
        "quick training step / paper": (
            lambda: training_step(paper, x),
            lambda: training_step(quick, x),
        ),
        "quick inference / paper": (
            lambda: infer(paper, x),
            lambda: infer(quick, x),
        ),
    }
    missed = 0
    for name, pair in runs.items():
        row = compare(*pair, pairs=pairs)
        missed += row["ratio"] < BARS.get(name, 0)
        figures = "  ".join(f"{key} {value:8.2f}" for key, value in row.items())
        print(f"{name:47} {figures}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
