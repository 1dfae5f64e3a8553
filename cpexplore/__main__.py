"""``python -m cpexplore``."""

from cpexplore.cli import main

if __name__ == "__main__":
    main()
