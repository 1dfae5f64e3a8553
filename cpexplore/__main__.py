"""``python -m cpexplore``."""

from cpexplore.cli import main

main()
