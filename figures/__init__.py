"""The paper's figures, one script each: ``python -m figures --run runs/demo``."""
