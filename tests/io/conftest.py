"""Walks to write and read, and a picture of a folder to see that nothing changed."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cpexplore.skeleton import keypoint_set
from cpexplore.walks import make_walk


@pytest.fixture
def raw_walk(rng) -> Callable[..., xr.Dataset]:
    """Makes a raw walk with a tenth of its points missing."""

    def make(walk_id="w1", *, name="body_25", n_frames=20, fps=25.0, **attrs):
        shape = (n_frames, len(keypoint_set(name).keypoints))
        position = rng.uniform(1, 1000, (*shape, 2)).astype(np.float32)
        confidence = rng.uniform(0, 1, shape).astype(np.float32)
        missing = rng.random(shape) < 0.1
        position[missing] = np.nan
        confidence[missing] = 0
        return make_walk(
            position,
            confidence,
            fps=fps,
            keypoint_set=name,
            walk_id=walk_id,
            attrs=attrs,
        )

    return make


@pytest.fixture
def cleaned_walk(raw_walk) -> Callable[..., xr.Dataset]:
    """Makes a walk with the variables that cleaning adds: two passes and a turn."""

    def make(walk_id="c1", *, n_frames=20, **options):
        walk = raw_walk(walk_id, n_frames=n_frames, **options)
        bout = np.repeat([0, -1, 1], [n_frames // 2, 2, n_frames - n_frames // 2 - 2])
        return (
            walk.assign_coords(bout=("time", bout))
            .assign(
                observed=walk["confidence"] > 0,
                direction=("time", np.sign(0.5 - bout).astype(np.int8)),
                scale_px=("bout", np.array([210.5, 198.25])),
            )
            .assign_attrs(cleaned="0123abcd", cleaning_audit='{"filled": 3}')
        )

    return make


@pytest.fixture
def content_of() -> Callable[[Path], dict[str, str]]:
    """Maps every file below a folder to the hash of its bytes."""

    def content(folder: Path) -> dict[str, str]:
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    return content
