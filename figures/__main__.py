"""Draw every figure of a finished run and print where it is."""

import argparse
import logging
from importlib import import_module
from pathlib import Path

from tqdm import tqdm

FOLDER = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--out", type=Path, default=FOLDER / "build")
    parser.add_argument("--quick", action="store_true", help="fewer bootstrap draws")
    options = parser.parse_args()
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it dislikes date 0
    names = sorted(script.stem for script in FOLDER.glob("fig_*.py"))
    files: list[Path] = []
    for name in tqdm(names, desc="figures"):
        module = import_module(f"figures.{name}")
        files += module.main(options.run, options.out, quick=options.quick)
    for file in files:
        if file.suffix == ".pdf":
            print(file)


if __name__ == "__main__":
    main()
