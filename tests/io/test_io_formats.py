"""Reading and writing one walk: exact round trips, frame rates, error sentences."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cpexplore.io import read_walk, write_walk
from cpexplore.skeleton import KEYPOINT_SETS, keypoint_set
from cpexplore.walks import make_walk

TABLES = [".csv", ".parquet"]
FILES = [*TABLES, ".nc", ".zarr"]


def headerless(path, rows):
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return path


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_a_raw_walk_comes_back_identical(tmp_path, raw_walk, suffix, name):
    walk = raw_walk(name=name, fps=29.97, site="B", visit=2)
    assert write_walk(walk, tmp_path / f"a{suffix}") == tmp_path / f"a{suffix}"
    back = read_walk(tmp_path / f"a{suffix}")
    xr.testing.assert_identical(back, walk)
    assert {k: type(v) for k, v in back.attrs.items()} == {
        k: type(v) for k, v in walk.attrs.items()
    }


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_cleaned_walk_comes_back_identical(tmp_path, cleaned_walk, suffix):
    walk = cleaned_walk()
    write_walk(walk, tmp_path / f"a{suffix}")
    back = read_walk(tmp_path / f"a{suffix}")
    xr.testing.assert_identical(back, walk)
    assert {k: v.dtype for k, v in back.variables.items()} == {
        k: v.dtype for k, v in walk.variables.items()
    }


@given(
    position=hnp.arrays(
        np.float32,
        (3, 17, 2),
        elements=st.floats(-1e6, 1e6, width=32).filter(lambda x: x != 0),
    ),
    confidence=hnp.arrays(np.float32, (3, 17), elements=st.floats(0, 1, width=32)),
)
def test_tables_are_exact_to_float32(tmp_path_factory, position, confidence):
    folder = tmp_path_factory.mktemp("exact")
    walk = make_walk(position, confidence, fps=25, keypoint_set="coco_17", walk_id="w")
    for suffix in TABLES:
        back = read_walk(write_walk(walk, folder / f"a{suffix}"))
        xr.testing.assert_identical(back, walk)


@pytest.mark.parametrize("suffix", TABLES)
def test_tables_refuse_cleaned_walks(tmp_path, cleaned_walk, suffix):
    with pytest.raises(ValueError, match="`walk` must be raw") as error:
        write_walk(cleaned_walk(), tmp_path / f"a{suffix}")
    assert str(error.value) == (
        "`walk` must be raw to be written as a table; it also has 'direction', "
        "'observed', 'scale_px'. Write it to a '.nc' file."
    )
    assert not list(tmp_path.iterdir())


def test_the_suffix_must_be_known(tmp_path, raw_walk):
    sentence = (
        "`path suffix` must be one of '.csv', '.nc', '.parquet', '.zarr'; got '.cvs'. "
        "Did you mean '.csv'?"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_walk(raw_walk(), tmp_path / "a.cvs")


def test_a_failed_write_leaves_the_old_file(tmp_path, raw_walk, cleaned_walk):
    path = write_walk(raw_walk(), tmp_path / "a.csv")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="`walk` must be raw"):
        write_walk(cleaned_walk(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", FILES)
def test_the_same_walk_gives_the_same_bytes(tmp_path, raw_walk, content_of, suffix):
    walk = raw_walk()
    pictures = []
    for name in ("a", "b"):
        write_walk(walk, tmp_path / name / f"walk{suffix}")
        pictures.append(content_of(tmp_path / name))
    assert pictures[0] == pictures[1]


def test_75_columns_are_body_25_and_zero_points_are_missing(tmp_path):
    rows = np.arange(1.0, 226).reshape(3, 75)
    rows[:, 2::3] = 0.5
    rows[0, 3:6] = 0
    rows[1] = np.nan
    path = headerless(tmp_path / "video7.csv", rows)
    walk = read_walk(path, fps=25)
    assert walk.attrs["walk_id"] == walk.attrs["patient_id"] == "video7"
    assert walk["time"].values.tolist() == [0, 0.04, 0.08]
    x = walk["position"].sel(space="x")
    assert x.sel(keypoint="nose").values[[0, 2]].tolist() == [1.0, 151.0]
    assert x.sel(keypoint="right_heel").values[2] == 223.0
    assert np.isnan(x.sel(keypoint="neck").values).tolist() == [True, True, False]
    assert walk["confidence"].sel(keypoint="neck").values.tolist() == [0, 0, 0.5]


def test_a_frame_rate_must_come_from_somewhere(tmp_path):
    path = headerless(tmp_path / "v.csv", np.ones((4, 75)))
    with pytest.raises(ValueError, match="`fps` must be given") as error:
        read_walk(path)
    assert str(error.value) == (
        f"`fps` must be given: {str(path)!r} does not say its frame rate. Pass the "
        "frame rate of the video, e.g. `fps=25`."
    )


@pytest.mark.parametrize("fps", [0, -25, float("nan"), float("inf"), 25_000])
def test_an_impossible_frame_rate_is_refused(tmp_path, fps):
    path = headerless(tmp_path / "v.csv", np.ones((4, 75)))
    sentence = f"`fps` must be a finite number and >= 1.0 and <= 1000.0; got {fps!r}."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path, fps=fps)


@pytest.mark.parametrize("suffix", FILES)
def test_a_frame_rate_must_not_contradict_the_file(tmp_path, raw_walk, suffix):
    path = write_walk(raw_walk(fps=50.0), tmp_path / f"a{suffix}")
    sentence = (
        f"`fps` must agree with {str(path)!r}, which says 50 Hz; got 25. Leave it out."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path, fps=25)
    assert read_walk(path, fps=50.3).attrs["fps"] == 50.0


def wide(path, name, *, n_frames=5, drop=(), clock=None):
    names = [k for k in keypoint_set(name).keypoints if k not in drop]
    columns = {} if clock is None else {"time_s": clock}
    for number, keypoint in enumerate(names):
        columns[f"{keypoint}_x"] = np.full(n_frames, 10.0 + number)
        columns[f"{keypoint}_y"] = np.full(n_frames, 20.0)
        columns[f"{keypoint}_confidence"] = np.full(n_frames, 0.9)
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_a_regular_clock_gives_the_frame_rate(tmp_path):
    path = wide(tmp_path / "a.csv", "coco_17", clock=np.arange(5) / 60)
    assert read_walk(path).attrs["fps"] == 60.0


def test_an_irregular_clock_does_not(tmp_path):
    path = wide(tmp_path / "a.csv", "coco_17", clock=[0, 0.04, 0.08, 0.3, 0.34])
    with pytest.raises(ValueError, match=re.escape("`fps` must be given: ")):
        read_walk(path)
    assert read_walk(path, fps=25)["time"].values[3] == 0.3


def test_a_clock_must_increase(tmp_path):
    path = wide(tmp_path / "a.csv", "coco_17", clock=[0, 0.04, 0.04, 0.08, 0.12])
    sentence = (
        f"{str(path)!r} must have a clock that increases in every row. Export it again."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path)


def test_the_smallest_fitting_set_is_taken_unless_named(tmp_path):
    path = wide(tmp_path / "a.csv", "coco_17", drop=("nose",))
    walk = read_walk(path, fps=25)
    assert walk.attrs["keypoint_set"] == "coco_17"
    assert np.isnan(walk["position"].sel(keypoint="nose")).all()
    assert walk["confidence"].sel(keypoint="nose").values.tolist() == [0] * 5
    named = read_walk(path, fps=25, keypoint_set="halpe_26")
    assert named.attrs["keypoint_set"] == "halpe_26"
    left = {"keypoint": "left_knee", "space": "x"}
    assert (named["position"].sel(left) == walk["position"].sel(left)).all()


def test_unknown_keypoints_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("tail_x,tail_y,tail_confidence\n1,2,0.5\n")
    sentence = (
        f"{str(path)!r} must hold the keypoints of one set (body_25, coco_17, "
        "halpe_26, blazepose_33); 'tail' do not fit. Rename or remove their columns."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path, fps=25)


def test_the_named_set_must_be_the_one_found(tmp_path):
    path = headerless(tmp_path / "v.csv", np.ones((4, 75)))
    sentence = (
        f"`keypoint_set` must be 'body_25', as in {str(path)!r}; got 'coco_17'. "
        "Leave it out and use `convert_keypoints`."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path, fps=25, keypoint_set="coco_17")


def test_mediapipe_names_are_understood_in_both_spellings(tmp_path):
    short = ["nose", "l_eye_in", "mouth_r", "r_toe", "l_foot_index", "left_heel"]
    full = [
        *("nose", "left_eye_inner", "right_mouth", "right_big_toe", "left_big_toe"),
        "left_heel",
    ]
    columns = {
        f"{name}_{part}": [value + number]
        for number, name in enumerate(short)
        for part, value in (("x", 10.0), ("y", 20.0), ("vis", 0.1))
    }
    columns |= {f"{name}_vis": [0.5] for name in short}
    pd.DataFrame(columns).to_csv(tmp_path / "m.csv", index=False)
    walk = read_walk(tmp_path / "m.csv", fps=30)
    assert walk.attrs["keypoint_set"] == "blazepose_33"
    x = walk["position"].sel(space="x", keypoint=full)
    assert x.values.tolist() == [[10, 11, 12, 13, 14, 15]]
    assert int(np.isfinite(walk["position"]).sum()) == 2 * len(full)


def test_skipped_frame_numbers_become_empty_frames(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("frame,nose_x,nose_y,nose_vis\n10,1,2,0.5\n13,4,5,0.5\n")
    walk = read_walk(path, fps=10)
    assert walk["time"].values.tolist() == [1.0, 1.1, 1.2, 1.3]
    x = walk["position"].sel(space="x", keypoint="nose").values
    np.testing.assert_array_equal(x, [1, np.nan, np.nan, 4])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "must hold a recording; it is empty. Export it again."),
        (
            "\n".join([",".join("1" * 75)] * 2 + [",".join("1" * 74)]),
            "must have 75 columns; line 3 has 74. Export it again.",
        ),
        (
            ",".join("1" * 75) + "\n" + ",".join([*("1" * 7), "x", *("1" * 67)]),
            "must hold numbers; line 2, column 8 has 'x'. Export it again.",
        ),
        (
            ",".join(["1", "2", "0.5"] * 24),
            "must have 75 columns; line 1 has 72. Export it again.",
        ),
        (
            ",".join(["nan"] * 75) + "\n" + ",".join(["0"] * 75),
            "must hold at least one frame with a person; none of 2 has one. Check "
            "that the detector saw the person.",
        ),
        (
            ",".join(["1", "inf", "1"] * 25),
            "must hold px or nan; it has a coordinate of inf. Export it again.",
        ),
        (
            ",".join(["10", "20", "95"] * 25),
            "must hold confidences in [0, 1]; it has 0 to 95. Rescale them, or check "
            "the order x, y, confidence.",
        ),
        (
            "nose_x,nose_y\n1,2\n",
            "lacks the columns 'nose_confidence'. Add them.",
        ),
        (
            "nose_x,nose_x,nose_y,nose_confidence\n1,2,3,4\n",
            "must not repeat the columns 'nose_x'. Export it again.",
        ),
        (
            "nose_x,nose_y,nose_confidence\n",
            "must hold at least one frame; it has none. Export it again.",
        ),
        (
            "nose_x,nose_y,nose_confidence\n1,2,0.5\n1,2,hm\n",
            "must hold numbers; line 3, column 'nose_confidence' has 'hm'. Export it "
            "again.",
        ),
        (
            "a,b\n1,2\n",
            "must have columns <keypoint>_x, <keypoint>_y, <keypoint>_confidence, or "
            "75 columns without header. Rename the columns.",
        ),
        (
            "frame,nose_x,nose_y,nose_confidence\n2,1,2,0.5\n1,1,2,0.5\n",
            "must number its frames in increasing order. Export it again.",
        ),
        (
            "frame,nose_x,nose_y,nose_confidence\n2,1,2,0.5\n9000,1,2,0.5\n",
            "must hold one video; it has 2 frames numbered from 2 to 9000. Remove the "
            "frames of other videos.",
        ),
        (
            '# cpexplore {"fps": \nnose_x,nose_y,nose_confidence\n1,2,0.5\n',
            "has damaged attributes. Export it again.",
        ),
    ],
)
def test_a_bad_csv_gives_one_sentence(tmp_path, content_of, content, complaint):
    path = tmp_path / "v.csv"
    path.write_text(content)
    before = content_of(tmp_path)
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        read_walk(path, fps=25)
    assert str(error.value) == f"{str(path)!r} {complaint}"
    assert content_of(tmp_path) == before


def test_confidences_just_above_one_are_clipped(tmp_path):
    path = headerless(tmp_path / "v.csv", [[5, 6, 1.04] * 25])
    assert (read_walk(path, fps=25)["confidence"] == 1).all()


def test_a_missing_path_and_an_unknown_format(tmp_path):
    sentence = (
        f"`path` must be an existing file or folder; got {str(tmp_path / 'no.csv')!r}."
        " Check the spelling."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        read_walk(tmp_path / "no.csv", fps=25)
    video = tmp_path / "walk.mp4"
    video.write_bytes(b"\0\0\0")
    sentence = (
        f"{str(video)!r} must be a folder or end in one of '.csv', '.json', '.nc', "
        "'.parquet'. Track a video with `cpexplore pose`; pickles are never opened."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(video, fps=25)


def test_a_netcdf_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    xr.Dataset({"t2m": ("lat", [1.0])}).to_netcdf(path, engine="h5netcdf")
    sentence = (
        f"{str(path)!r} must be a netCDF file of one walk, schema 1; `walk` lacks the "
        "attributes fps, walk_id, patient_id, keypoint_set, source, simulated, "
        "schema. Write it again with `write_walk`."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path)


def test_an_all_nan_netcdf_is_refused(tmp_path):
    shape = (4, 17)
    walk = make_walk(
        np.full((*shape, 2), np.nan),
        np.zeros(shape),
        fps=25,
        keypoint_set="coco_17",
        walk_id="w",
    )
    path = write_walk(walk, tmp_path / "a.nc")
    sentence = "must hold at least one frame with a person; none of 4 has one."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path)


def test_the_walk_can_be_renamed(tmp_path, raw_walk):
    for suffix in FILES[:-1]:
        path = write_walk(raw_walk("old"), tmp_path / f"a{suffix}")
        assert read_walk(path, walk_id="new").attrs["walk_id"] == "new"


def test_files_beyond_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cpexplore.io.problems.LARGEST_BYTES", 100)
    path = headerless(tmp_path / "v.csv", np.ones((4, 75)))
    sentence = "must be at most 100 bytes; it has 1200. Cut the recording"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(path, fps=25)
