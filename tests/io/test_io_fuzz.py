"""Damaged files: read, or refused with one sentence; nothing changes on disk."""

import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexplore.io import check_path, read_walk, write_walk
from cpexplore.walks import validate_walk

CELLS = st.sampled_from(["1.5", "", "nan", "inf", "-3", "x", "1e400", "é", '"', "0"])

ROWS = st.tuples(st.sampled_from([74, 75, 75, 75, 76]), CELLS, CELLS).map(
    lambda row: [row[1]] * (row[0] - 1) + [row[2]]
)


def read_or_one_sentence(path):
    """Read a file; an error must be one sentence that names the file or argument."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            walk = read_walk(path, fps=25)
        except ValueError as error:
            message = str(error)
            assert str(path) in message
            assert "\n" not in message
            assert message.endswith(".")
            assert any(problem.severity == "error" for problem in check_path(path))
            return
        validate_walk(walk)
        assert not [p for p in check_path(path) if p.severity == "error"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(rows=st.lists(ROWS, max_size=4))
def test_any_headerless_csv(folder, rows):
    path = folder / "v.csv"
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    read_or_one_sentence(path)


@given(
    header=st.lists(
        st.sampled_from(
            ["nose_x", "nose_y", "nose_confidence", "nose_vis", "frame", "time_s", "a"]
        ),
        min_size=1,
        max_size=8,
    ),
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=4),
)
def test_any_table_with_a_header(folder, header, rows):
    path = folder / "h.csv"
    lines = [",".join(row) for row in [header, *rows]]
    path.write_text("\n".join(lines), encoding="utf-8")
    read_or_one_sentence(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".nc"])
def test_a_truncated_or_altered_file(tmp_path, raw_walk, content_of, suffix):
    """HDF5 itself can hang on a single wrong byte, so netCDF is only cut short."""
    path = write_walk(raw_walk(n_frames=4), tmp_path / f"a{suffix}")
    whole = path.read_bytes()

    @given(data=st.data())
    def damaged(data):
        cut = data.draw(st.integers(0, len(whole) - 1))
        byte = data.draw(st.integers(0, 255))
        altered = whole[:cut] + bytes([byte]) + whole[cut + 1 :]
        for content in [whole[:cut], *([altered] if suffix != ".nc" else [])]:
            path.write_bytes(content)
            before = content_of(tmp_path)
            read_or_one_sentence(path)
            assert content_of(tmp_path) == before

    damaged()


JSON = st.recursive(
    st.sampled_from([None, True, 0.5, -3, 10**400, "a", "7", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("people", "pose_keypoints_2d", "image_id", "keypoints"),
                    *("frame_id", "instances", "keypoint_scores", "instance_info"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(content=JSON)
def test_any_json(folder, content):
    path = folder / "j.json"
    path.write_text(json.dumps(content))
    read_or_one_sentence(path)


@given(content=JSON)
def test_any_json_as_an_openpose_frame(folder, content):
    frames = folder / "frames"
    frames.mkdir(exist_ok=True)
    (frames / "v_000000000000_keypoints.json").write_text(json.dumps(content))
    read_or_one_sentence(frames)


@given(numbers=st.lists(st.floats(width=32), min_size=75, max_size=75))
def test_any_75_numbers_as_an_openpose_person(folder, numbers):
    frames = folder / "person"
    frames.mkdir(exist_ok=True)
    content = {"people": [{"pose_keypoints_2d": numbers}]}
    (frames / "v_000000000000_keypoints.json").write_text(json.dumps(content))
    read_or_one_sentence(frames)
