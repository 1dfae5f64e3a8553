"""Run every benchmark that takes minutes; exits with how many did not hold or run."""

import subprocess
import sys
from pathlib import Path

QUICK = (
    "cluster_bootstrap",
    "curve_test_size",
    "gait_speed",
    "real_children_angles",
    "real_children_events",
    "simulated_events",
    "simulated_patterns",
    "simulator_physics",
    "simulator_size",
    "speed_bias",
    "stgcn_speed",
    "training_memory",
    "whole_analysis",
)
"""Those that take minutes; the others take hours and are run by name."""


def main() -> int:
    folder = Path(__file__).parent
    failed = []
    for name in QUICK:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, str(folder / f"{name}.py")]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nmissed a bar or did not run, see above: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
