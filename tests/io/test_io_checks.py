"""`check_path` finds what reading would trip over, and more, and never raises."""

import numpy as np
import pytest

from cpexplore.io import Problem, check_path, write_store, write_walk
from cpexplore.walks import convert_keypoints


def sentences(problems):
    return [f"{p.severity}: {p.what} {p.fix}" for p in problems]


def test_a_good_walk_has_no_problems(tmp_path, raw_walk):
    path = write_walk(raw_walk(n_frames=80), tmp_path / "a.nc")
    assert check_path(path) == []


def test_doubts_are_warnings(tmp_path, raw_walk):
    walk = convert_keypoints(raw_walk(n_frames=20), "coco_17")
    walk["position"].loc[{"keypoint": "left_knee", "time": walk["time"][:15]}] = np.nan
    path = write_walk(walk, tmp_path / "a.nc")
    few, poor, feet = sentences(check_path(path))
    assert few == "warning: has only 20 frames. Record several strides."
    assert poor.startswith("warning: sees few frames of left_knee ")
    assert feet == (
        "warning: has no heels and toes. Expect no foot angles; events are weaker."
    )


def test_an_unknown_frame_rate_does_not_hide_other_problems(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text(",".join(["5", "6", "0.5"] * 25) + "\n")
    assert sentences(check_path(path)) == [
        "warning: does not say its frame rate. Give the frame rate of the video with "
        "`fps` (--fps).",
        "warning: has only 1 frames. Record several strides.",
    ]
    assert len(check_path(path, fps=25)) == 1


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("v.csv", "1,2,3\n", "must have 75 columns; line 1 has 3."),
        ("v.mp4", "x", "must be a folder or end in one of"),
        ("v.nc", "x", "must be a netCDF file of one walk, schema 1;"),
        ("v.parquet", "x", "must be a Parquet table of numbers;"),
        ("v.json", "x", "must be a JSON file; it is cut short or something else."),
    ],
)
def test_errors_say_where_what_and_fix(tmp_path, name, content, what):
    (tmp_path / name).write_text(content)
    (problem,) = check_path(tmp_path / name)
    assert problem.severity == "error"
    assert problem.where == str(tmp_path / name)
    assert problem.what.startswith(what)
    assert problem.fix.endswith(".")
    assert str(problem) == f"{problem.where!r} {problem.what} {problem.fix}"


def test_a_missing_path_is_an_error(tmp_path):
    assert check_path(tmp_path / "no") == [
        Problem(
            where=str(tmp_path / "no"),
            what="does not exist.",
            fix="Check the spelling.",
        )
    ]


def test_every_walk_of_a_store_is_checked(tmp_path, raw_walk):
    path = write_store(
        tmp_path / "s.zarr", [raw_walk("a", n_frames=80), raw_walk("b", n_frames=9)]
    )
    assert check_path(tmp_path) == check_path(path)
    (problem,) = check_path(path)
    assert problem.where == f"{path}: b"
    assert problem.what == "has only 9 frames."


def test_a_damaged_store_is_a_problem(tmp_path, raw_walk):
    path = write_store(tmp_path / "s.zarr", [raw_walk("a")])
    (path / "index.parquet").write_bytes(b"PAR1 and nothing more")
    (problem,) = check_path(path)
    assert problem.severity == "error"
    assert str(problem).endswith(
        "must be a walk store; its index is damaged. Write it again with `write_store`."
    )
