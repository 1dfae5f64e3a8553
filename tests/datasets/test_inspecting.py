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
    found = inspect_source(str(path))
    assert [problem.what for problem in found.problems] == ["has only 20 frames."]
    assert found.summary.startswith(f"20 frames, {few.fps:g} per second (")
    assert inspect_source("sample:sports2d").problems == []


def test_a_recording_says_how_much_of_it_is_tracked(tmp_path):
    walk = sample_walk("sports2d").isel(time=slice(100, 160)).copy(deep=True)
    walk["position"][:] = 1.0
    walk["position"][:15] = float("nan")
    walk["confidence"][:15] = 0.0
    path = write_walk(walk, tmp_path / "a.nc")
    seconds = f"{60 / walk.fps:.1f} s"
    assert inspect_source(str(path)).summary == (
        f"60 frames, {walk.fps:g} per second ({seconds}), keypoint set blazepose_33, "
        "75 % of keypoints tracked; only the file was checked, not whether its angles "
        "are plausible."
    )


def test_nothing_is_said_of_a_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("no,walk\n")
    found = inspect_source(str(path))
    assert found.problems[0].severity == "error"
    assert found.summary == ""


@pytest.mark.parametrize("given", [{"fps": 25.0}, {"keypoint_set": "coco_17"}])
def test_a_source_that_says_it_itself_takes_no_setting(given):
    ((name, value),) = given.items()
    sentence = (
        f"`{name}` must be left out for 'sample:sports2d', which says it itself; got "
        f"{value!r}."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        inspect_source("sample:sports2d", **given)
