"""Peak memory of training the skeleton network at batch 32.

    python benchmarks/training_memory.py

Both presets, with and without recompute, in single precision and in bf16, each in a
process of its own: 64 windows of noise, two epochs of ``learning.fit``, one thread.
Exits with 1 if a preset as a study trains it (``quick`` keeps everything, ``paper``
computes again) needs more than 1.5 GB in single precision.
"""

import itertools
import resource
import subprocess
import sys
import time

import numpy as np
import torch

LIMIT_GB = 1.5


def main() -> int:
    peaks = {}
    choices = itertools.product(("quick", "paper"), (False, True), (False, True))
    for preset, bf16, recompute in choices:
        options = [preset, str(int(recompute)), str(int(bf16))]
        command = [sys.executable, __file__, *options]
        out = subprocess.run(command, check=True, capture_output=True, text=True)
        peak, seconds = map(float, out.stdout.split())
        peaks[preset, recompute, bf16] = peak
        about = f"{preset}  recompute={recompute!s:5}  bf16={bf16!s:5}"
        print(f"{about}  peak {peak:.2f} GB  {seconds:.1f} CPU s", flush=True)
    wanted = peaks["quick", False, False], peaks["paper", True, False]
    return int(max(wanted) > LIMIT_GB)


def train(preset: str, *, recompute: bool, bf16: bool) -> None:
    from cpexplore.learning import FitConfig, fit
    from cpexplore.learning.data import WalkSet
    from cpexplore.models import STGCN, STGCNConfig
    from cpexplore.skeleton import adjacency

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    n = 64
    walks = WalkSet(
        walk_id=tuple(f"w{i}" for i in range(n)),
        x=torch.tensor(rng.standard_normal((n, 3, 124, 25)), dtype=torch.float32),
        row=torch.arange(n),
        features=torch.zeros(n, 0),
        target=torch.tensor(rng.integers(0, 4, n)),
        patient=torch.arange(n),
    )
    config = STGCNConfig.preset(preset, recompute=recompute)
    recipe = FitConfig(epochs=2, batch_size=32, bf16=bf16)
    started = time.process_time()
    fit(STGCN(config, adjacency("body_25")), walks, inner=walks, config=recipe)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9  # KiB
    print(peak, time.process_time() - started)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        recompute, bf16 = (bool(int(value)) for value in sys.argv[2:])
        train(sys.argv[1], recompute=recompute, bf16=bf16)
    else:
        sys.exit(main())
