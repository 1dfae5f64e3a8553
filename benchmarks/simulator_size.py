"""Write the full-size simulated cohort as a user would; time it and weigh it.

    python benchmarks/simulator_size.py [--patients 797] [--jobs 2] [--layout native]

Runs ``cpexplore simulate --preset gillette`` in a temporary folder and samples the
memory of all its processes (proportional set size, so that shared pages count once).
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

MOST_S, MOST_GB = 90.0, 3.0
EVERY_S = 0.2


def memory_gb(process: psutil.Process) -> float:
    """Proportional set size of a process and its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**30


def run(command: list[str]) -> tuple[float, float]:
    """Wall time (s) and peak memory (GB) of a command; it must succeed."""
    start, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, memory_gb(tree))
            time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - start, peak


def size_gb(folder: Path) -> float:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=797)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--layout", default="native")
    parser.add_argument("--folder", type=Path, help="where to write; default temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        out = Path(folder) / "cohort"
        command = [sys.executable, "-m", "cpexplore", "simulate", "--out", str(out)]
        command += ["--preset", "gillette", "--layout", options.layout]
        command += ["--patients", str(options.patients), "--jobs", str(options.jobs)]
        wall, peak = run(command)
        disk = size_gb(out)
    kept = wall <= MOST_S and peak <= MOST_GB
    print(
        f"{wall:.1f} s (at most {MOST_S:g}), peak {peak:.2f} GB (at most {MOST_GB:g})"
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{disk:.2f} GB on disk; processor time {used.ru_utime + used.ru_stime:.0f} s"
    )
    print(
        f"load of the machine {psutil.getloadavg()[0]:.1f}; the bar needs a quiet one"
    )
    return not kept


if __name__ == "__main__":
    sys.exit(main())
