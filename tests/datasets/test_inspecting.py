"""What an input holds, and settings that it leaves no room for."""

import re

import pytest

from cpexplore.datasets import inspect_source, sample_walk, simulated_cohort, summarise
from cpexplore.datasets.native import write_native
from cpexplore.io import write_walk


def test_a_cohort_is_counted(tmp_path):
    cohort = simulated_cohort(n_patients=5, seed=2)
    write_native(cohort, tmp_path / "c")
    found = inspect_source(str(tmp_path / "c"))
    assert found.summary == summarise(cohort)
    assert f"{len(cohort)} simulated walks of 5 children; " in found.summary
    for level in ("I", "II", "III", "IV"):
        assert f" {level} {(cohort.index['gmfcs'] == level).sum()}" in found.summary


def test_one_walk_is_one_walk():
    cohort = simulated_cohort(n_patients=5, seed=2)
    one = summarise(cohort.select([cohort.index.index[0]]))
    assert one.startswith("1 simulated walk of 1 child; walks by level: ")


def test_a_recording_and_a_bundled_walk_are_checked(tmp_path):
    few = sample_walk("sports2d").isel(time=slice(100, 120))
    path = write_walk(few, tmp_path / "a.nc")
    (problem,) = inspect_source(str(path)).problems
    assert problem.what == "has only 20 frames."
    assert inspect_source("sample:sports2d").problems == []


@pytest.mark.parametrize("given", [{"fps": 25.0}, {"keypoint_set": "coco_17"}])
def test_a_source_that_says_it_itself_takes_no_setting(given):
    ((name, value),) = given.items()
    sentence = (
        f"`{name}` must be left out for 'sample:sports2d', which says it itself; got "
        f"{value!r}."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        inspect_source("sample:sports2d", **given)
