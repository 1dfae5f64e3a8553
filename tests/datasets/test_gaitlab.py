"""The release layout: joining, leaving out and refusing; writing and reading back."""

import errno
import json
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from cpexplore.cohort import Cohort, make_index
from cpexplore.datasets import gaitlab_writing, load_gaitlab, write_gaitlab
from cpexplore.io import InputError, check_path, write_walk
from cpexplore.io.tables import write_headerless
from cpexplore.walks import make_walk

HEADER = "videoid,Patient_ID,examid,side,gmfcs,GDI,speed,age,height,leglen"


class Folder:
    """A release folder that is built line by line."""

    def __init__(self, root):
        self.root, self.processed = root, root / "processed"
        self.videos = self.processed / "video_csvs"
        self.videos.mkdir(parents=True)
        self.lines = [HEADER]

    def label(self, *rows):
        self.lines += rows
        self.table("alldata_processed.csv", self.lines)
        return self

    def table(self, name, lines):
        (self.processed / name).write_text("\n".join(lines) + "\n")

    def video(self, *names, n_frames=10):
        for name in names:
            triples = np.full((n_frames, 25, 3), 0.5, np.float32)
            triples[..., :2] = 100 + np.arange(25)[:, None]
            write_headerless(triples, self.videos / f"{name}.csv")
        return self

    def text(self, name, content):
        (self.videos / f"{name}.csv").write_text(content)
        return self

    @property
    def label_file(self):
        return str(self.processed / "alldata_processed.csv")


@pytest.fixture
def release(tmp_path):
    """Two videos of two patients, both sides of the first, the left of the second."""
    folder = Folder(tmp_path / "root").video("v1", "v2")
    return folder.label(
        "v1,p1,e1,L,2,80.5,1.0,7.5,120,60",
        "v1,p1,e1,R,2,70.25,1.2,7.5,120,62",
        "v2,p2,e2,L,3,65,0.8,9,135,70",
    )


def refused(folder, sentence):
    """Loading stops with this sentence, and checking finds it too."""
    with pytest.raises(ValueError, match=re.escape(sentence)) as error:
        load_gaitlab(folder.root)
    found = [str(p) for p in check_path(folder.root) if p.severity == "error"]
    assert str(error.value) in found


def test_the_two_sides_become_one_row(release):
    cohort = load_gaitlab(release.root)
    assert cohort.name == "root"
    assert list(cohort.index.index) == ["v1", "v2"]
    first = cohort.index.loc["v1"]
    assert first["patient_id"] == "p1"
    assert first["visit_id"] == "e1"
    assert first["gmfcs"] == "II"
    assert (first["fps"], first["n_frames"], first["simulated"]) == (25.0, 10, 0)
    assert (first["age_years"], first["height_m"]) == (7.5, 1.2)
    assert first["leg_length_m"] == pytest.approx(0.61)
    assert cohort.labels.loc["v1"].to_dict() == {
        "GDI_left": 80.5,
        "GDI_right": 70.25,
        "speed": 1.1,
    }
    assert cohort.labels.loc["v2", "GDI_left"] == 65
    assert np.isnan(cohort.labels.loc["v2", "GDI_right"])
    assert cohort.labels.loc["v2", "speed"] == 0.8


def test_walks_are_read_when_asked_for_and_survive_pickling(release):
    cohort = pickle.loads(pickle.dumps(load_gaitlab(release.root)))
    release.text("v2", "damaged after loading")
    walk = cohort.walk("v1")
    assert walk.attrs["patient_id"] == "p1"
    assert walk.attrs["fps"] == 25.0
    assert walk.attrs["simulated"] == 0
    assert walk["position"].sel(keypoint="right_heel", space="x").values[0] == 124
    with pytest.raises(ValueError, match="must have 75 columns; line 1 has 1"):
        cohort.walk("v2")
    assert "v3" not in cohort.walks


def test_the_folder_above_data_is_understood_too(release, tmp_path):
    (tmp_path / "data").mkdir()
    release.processed.rename(tmp_path / "data" / "processed")
    assert len(load_gaitlab(tmp_path)) == 2


def test_missing_points_and_frames_become_nan(release):
    rows = np.full((4, 75), 5.0)
    rows[:, 2::3] = 0.5
    rows[1, :3] = 0
    rows[2] = np.nan
    lines = [",".join(map(str, row)) for row in rows]
    release.text("v1", "\n".join(lines))
    walk = load_gaitlab(release.root).walk("v1")
    nose = walk["position"].sel(keypoint="nose", space="x").values
    np.testing.assert_array_equal(nose, [5, np.nan, np.nan, 5])
    neck = walk["position"].sel(keypoint="neck", space="x").values
    np.testing.assert_array_equal(neck, [5, 5, np.nan, 5])
    confidence = walk["confidence"].sel(keypoint="nose").values
    np.testing.assert_array_equal(confidence, [0.5, 0, 0, 0.5])


def test_what_is_left_out_is_counted_in_one_warning(release):
    release.video("v0", "v6", "v7")
    release.text("empty", ",".join(["nan"] * 75) + "\n")
    release.label(
        "v0,p3,e1,L,0,,,,,",
        "v0,p3,e1,R,0,,,,,",
        "v6,p4,e1,L,6,,,,,",
        "v7,p5,e1,L,1,,,,,",
        "v7,p5,e1,R,6,,,,,",
        "gone,p6,e1,L,1,,,,,",
        "empty,p7,e1,R,4,,,,,",
    )
    sentence = (
        f"Left out of {str(release.root)!r}: label rows with gmfcs 0 or 6: 4; labelled "
        "videos without a file: 1; videos without a person in any frame: 1."
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)) as warned:
        cohort = load_gaitlab(release.root)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert cohort.notes[0] == sentence
    assert cohort.index["gmfcs"].to_dict() == {"v1": "II", "v2": "III", "v7": "I"}
    warnings = [p for p in check_path(release.root) if p.severity == "warning"]
    assert len(warnings) == 3
    assert not [p for p in check_path(release.root) if p.severity == "error"]


def test_videos_without_label_are_kept_unlabelled(release):
    release.video("u1", "u2", "u3").label("u3,p9,,L,,,,,,")
    release.table(
        "train_test_valid_id_split.csv",
        [
            "videoid,pct_missing,n_segments,Patient_ID,random_num,dataset",
            "u1,0.1,3,17.0,0.4,train",
        ],
    )
    cohort = load_gaitlab(release.root)
    rows = cohort.index.loc[["u1", "u2", "u3"]]
    assert rows["gmfcs"].isna().all()
    assert rows["patient_id"].tolist() == ["17", "u2", "p9"]
    assert len(cohort.labelled()) == 2
    assert "3 of 5 walks have no GMFCS level." in cohort.notes


def test_ids_that_went_through_floats_are_repaired(tmp_path):
    folder = Folder(tmp_path / "root").video("1")
    folder.label("1,12.0,3.0,L,1,,,,,", "1,12,3,R,1,,,,,")
    index = load_gaitlab(folder.root).index
    assert index.loc["1", ["patient_id", "visit_id"]].tolist() == ["12", "3"]


@pytest.mark.parametrize(
    ("height", "leglen", "units"),
    [
        ("1.2", "0.6", ("m", "m")),
        ("120", "60", ("cm", "cm")),
        ("1200", "600", ("mm", "mm")),
        ("120", "600", ("cm", "mm")),
    ],
)
def test_units_are_found_and_told(tmp_path, height, leglen, units):
    folder = Folder(tmp_path / "root").video("v1", "v2")
    folder.label(
        f"v1,p1,e1,L,1,,,8,{height},{leglen}", f"v2,p2,e1,L,1,,,8,{height},{leglen}"
    )
    cohort = load_gaitlab(folder.root)
    assert cohort.index["height_m"].to_list() == pytest.approx([1.2, 1.2])
    assert cohort.index["leg_length_m"].to_list() == pytest.approx([0.6, 0.6])
    assert cohort.notes == (
        f"`height` is in {units[0]} (median {height}).",
        f"`leglen` is in {units[1]} (median {leglen}).",
    )


def test_implausible_and_contradictory_covariates_become_missing(tmp_path):
    folder = Folder(tmp_path / "root").video("v1", "v2", "v3")
    folder.label(
        "v1,p1,e1,L,1,,,8,120,60",
        "v1,p1,e2,R,1,,,9,120,60",
        "v2,p2,e1,L,1,,,400,12,60",
        "v3,p3,e1,R,1,,,8,121,60",
    )
    cohort = load_gaitlab(folder.root)
    index = cohort.index
    assert np.isnan(index["age_years"]).tolist() == [True, True, False]
    assert np.isnan(index["height_m"]).tolist() == [False, True, False]
    assert index["visit_id"].isna().tolist() == [True, False, False]
    assert cohort.notes[:2] == (
        "`age` differs between the sides of 1 walks.",
        "`age` is implausible in 1 walks.",
    )


def test_columns_of_text_are_no_labels_and_dates_are_not_kept(release):
    header, *rows = release.lines
    lines = [f"{header},Event_Date,dxmod,faq"]
    lines += [f"{row},2001-02-03,Hemiplegia,8" for row in rows]
    release.table("alldata_processed.csv", lines)
    cohort = load_gaitlab(release.root)
    assert list(cohort.labels) == ["GDI_left", "GDI_right", "speed", "faq"]
    assert cohort.notes[-1] == "Columns that are no numbers: dxmod."


def test_pickles_are_never_opened(release):
    (release.processed / "alldata.pickle").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert len(load_gaitlab(release.root)) == 2


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (
            "v1,p1,e1,L,2,,,,,",
            "must have one row per video and side; ('v1', 'L') occurs twice, again in "
            "line 5.",
        ),
        (
            "v2,p2,e2,R,2,,,,,",
            "must have one gmfcs per video; the sides of 'v2' differ.",
        ),
        (
            "v2,p9,e2,R,3,,,,,",
            "must have one Patient_ID per video; the sides of 'v2' differ.",
        ),
        (
            "v3,p3,e1,B,1,,,,,",
            "must have the side L or R; line 5 has 'B'.",
        ),
        (
            "v3,p3,e1,L,5,,,,,",
            "must have gmfcs 1 to 4 (0 and 6 are left out); line 5 has 5.0.",
        ),
        (
            "v3,p3,e1,L,two,,,,,",
            "must hold numbers in 'gmfcs'; line 5 has 'two'.",
        ),
        (
            "v3,p3,e1,L,1,,,,tall,",
            "must hold numbers in 'height'; line 5 has 'tall'.",
        ),
        (
            "../../etc/passwd,p3,e1,L,1,,,,,",
            "must have plain file names as videoid; line 5 has '../../etc/passwd'.",
        ),
        (
            "..,p3,e1,L,1,,,,,",
            "must have plain file names as videoid; line 5 has '..'.",
        ),
        ("v3,,e1,L,1,,,,,", "must have a Patient_ID; line 5 has nan."),
        ("v3,p3,e1,L", "must have 10 columns; line 5 has another number."),
    ],
)
def test_a_wrong_label_row_stops_with_one_sentence(release, row, what):
    release.label(row)
    refused(release, f"{release.label_file!r} {what} Correct the table.")


def test_any_label_table_loads_or_is_refused_in_one_sentence(release):
    cells = st.sampled_from(["", "v1", "v9", "L", "R", "0", "3", "1e999", "x", "é\0"])
    lines = release.lines

    @given(row=st.integers(0, 3), column=st.integers(0, 9), cell=cells)
    def any_cell(row, column, cell):
        changed = [line.split(",") for line in lines]
        changed[row][column] = cell
        release.table("alldata_processed.csv", [",".join(c) for c in changed])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                cohort = load_gaitlab(release.root)
            except InputError as error:
                sentence = str(error)
            else:
                assert [cohort.walk(i).sizes["time"] for i in cohort.walks] == [10, 10]
                return
        assert re.fullmatch(r"'[^\n]*alldata_processed.csv'[^\n]*\.", sentence)

    any_cell()


def test_a_lacking_column_is_named(release):
    release.table("alldata_processed.csv", ["videoid,side,gmfcs", "v1,L,1"])
    refused(
        release,
        f"{release.label_file!r} lacks the columns 'Patient_ID'. Correct the table.",
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "must hold a recording; it is empty. Export it again."),
        (
            ",".join("1" * 74) + "\n",
            "must have 75 columns; line 1 has 74. Export it again.",
        ),
        (
            ",".join(["1"] * 74 + ["a"]),
            "must hold numbers; line 1, column 75 has 'a'. Export it again.",
        ),
    ],
)
def test_a_damaged_video_stops_before_anything_begins(release, content, what):
    release.text("v2", content)
    refused(release, f"{str(release.videos / 'v2.csv')!r} {what}")


def test_further_errors_are_counted(release):
    release.text("v1", "1,2\n").text("v2", "")
    sentence = "Export it again. 1 more are listed by `cpexplore check`."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_gaitlab(release.root)
    assert len(check_path(release.root)) == 2


def test_no_readable_video_at_all(tmp_path):
    folder = Folder(tmp_path / "root").text("v1", ",".join(["nan"] * 75) + "\n")
    folder.label("v1,p1,e1,L,1,,,,,")
    refused(
        folder,
        f"{str(folder.videos)!r} must hold a readable video; 1 files have no person in "
        "any frame and there are no others. Put the <videoid>.csv files there.",
    )


def test_a_missing_release_or_table_is_a_missing_file(tmp_path):
    sentence = (
        "`root` must hold processed/video_csvs or data/processed/video_csvs; "
        f"{str(tmp_path)!r} has neither. Give the folder above 'processed'."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        load_gaitlab(tmp_path)
    folder = Folder(tmp_path / "root").video("v1")
    with pytest.raises(FileNotFoundError, match=re.escape(folder.label_file)):
        load_gaitlab(folder.root)
    (problem,) = check_path(folder.root)
    assert problem.severity == "error"


@pytest.fixture
def cohort(rng):
    """Nine simulated-looking walks of six patients with holes and labels."""
    ids = [f"w{number}" for number in range(9)]
    walks = {}
    for number, walk_id in enumerate(ids):
        n_frames = 130 + number
        position = rng.uniform(1, 2000, (n_frames, 25, 2)).astype(np.float32)
        confidence = rng.uniform(0.1, 1, (n_frames, 25)).astype(np.float32)
        for lost in (rng.random((n_frames, 25)) < 0.05, np.s_[40:44], np.s_[-3:]):
            position[lost] = np.nan
            confidence[lost] = 0
        walks[walk_id] = make_walk(
            position,
            confidence,
            fps=25,
            keypoint_set="body_25",
            walk_id=walk_id,
            patient_id=f"p{number // 2}",
            source="a simulator",
            simulated=True,
        )
    rows = pd.DataFrame(
        {
            "patient_id": [f"p{number // 2}" for number in range(9)],
            "visit_id": "e1",
            "gmfcs": [1, 1, 2, 2, 3, 3, 4, 4, None],
            "fps": 25.0,
            "n_frames": [walk.sizes["time"] for walk in walks.values()],
            "age_years": rng.uniform(4, 18, 9),
            "height_m": rng.uniform(1, 1.7, 9),
            "leg_length_m": [*rng.uniform(0.5, 0.9, 8), np.nan],
            "simulated": 1,
            "source": "a simulator",
        },
        index=ids,
    )
    names = ["speed", "GDI_left", "GDI_right", "KneeFlex_maxExtension_left"]
    labels = pd.DataFrame(rng.normal(size=(9, 4)), ids, names)
    return Cohort(
        index=make_index(rows), walks=walks, labels=labels.rename_axis("walk_id")
    )


def test_a_clean_cohort_comes_back_exactly(cohort, tmp_path):
    root = write_gaitlab(cohort, tmp_path / "out", dirt="none")
    back = load_gaitlab(root)
    pd.testing.assert_frame_equal(back.index, cohort.index)
    for walk_id in cohort.index.index:
        xr.testing.assert_identical(back.walk(walk_id), cohort.walk(walk_id))
    pd.testing.assert_frame_equal(
        back.labels[list(cohort.labels)], cohort.labels, check_exact=True
    )
    assert back.labels["KneeFlex_maxExtension_right"].isna().all()


def test_the_release_s_dirt_is_left_out_again(cohort, tmp_path):
    root = write_gaitlab(cohort, tmp_path / "out")
    labels = pd.read_csv(root / "processed" / "alldata_processed.csv")
    assert {0, 6} <= set(labels["gmfcs"])
    with pytest.warns(UserWarning, match="gmfcs 0 or 6: 4; labelled videos without a"):
        back = load_gaitlab(root)
    assert set(back.index.index) == {*cohort.index.index, "extra_unlabelled"}
    assert back.index.loc["extra_unlabelled", "patient_id"] == "p0"
    pd.testing.assert_frame_equal(
        back.labelled().index.drop(columns="n_frames"),
        cohort.labelled().index.drop(columns="n_frames"),
    )
    raw = (root / "processed" / "video_csvs" / "w0.csv").read_text()
    assert "\nnan,nan,nan," in raw
    assert ",0,0,0," in raw
    assert back.index.loc["w0", "n_frames"] == cohort.index.loc["w0", "n_frames"] - 3
    middle = cohort.walk("w0").sizes["time"] // 2
    frames = back.walk("w0")["position"].isel(time=slice(middle, middle + 5))
    assert np.isnan(frames).all()


def test_the_written_splits_are_disjoint_by_patient(cohort, tmp_path):
    root = write_gaitlab(cohort, tmp_path / "out")
    split = pd.read_csv(root / "processed" / "train_test_valid_id_split.csv")
    assert set(split["videoid"]) == {*cohort.index.index, "extra_unlabelled"}
    pairs = split[["Patient_ID", "dataset"]].drop_duplicates()
    assert pairs["Patient_ID"].is_unique
    assert split.set_index("videoid").loc["w8", "n_segments"] == 1


def test_simulated_walks_stay_marked(cohort, tmp_path):
    root = write_gaitlab(cohort, tmp_path / "out", dirt="none")
    back = load_gaitlab(root)
    assert back.simulated
    assert back.walk("w0").attrs["source"] == "a simulator"
    (root / "processed" / "cpexplore.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match="must be a JSON object"):
        load_gaitlab(root)


@pytest.mark.parametrize("dirt", ["none", "release"])
def test_the_same_cohort_gives_the_same_bytes(cohort, tmp_path, dirt):
    roots = [write_gaitlab(cohort, tmp_path / name, dirt=dirt) for name in "ab"]
    files = [sorted(f for f in root.rglob("*") if f.is_file()) for root in roots]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]
    names = [
        [f.relative_to(root) for f in fs] for root, fs in zip(roots, files, strict=True)
    ]
    assert names[0] == names[1]


def test_a_used_folder_is_not_touched(cohort, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    sentence = (
        f"`root` must be a new or empty folder; {str(tmp_path)!r} is not. Choose "
        "another one."
    )
    with pytest.raises(FileExistsError, match=re.escape(sentence)):
        write_gaitlab(cohort, tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("step", ["write_headerless", "_label_rows", "_with_sets"])
@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_full_disk_or_an_interruption_leaves_nothing(
    cohort, tmp_path, monkeypatch, failure, step
):
    def fail(*_):
        raise failure

    monkeypatch.setattr(gaitlab_writing, step, fail)
    with pytest.raises(type(failure)):
        write_gaitlab(cohort, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_other_frame_rates_and_ids_are_refused(cohort, tmp_path):
    walk = cohort.walk("w3").assign_attrs(fps=30.0)
    fast = Cohort(index=cohort.index, walks={**cohort.walks, "w3": walk})
    sentence = (
        "`cohort` must have walks of 25 frames per second; 'w3' has 30. Resample it."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_gaitlab(fast, tmp_path / "out")
    index = cohort.index.rename({"w3": "../w3"})
    odd = Cohort(index=index, walks={**cohort.walks, "../w3": walk})
    sentence = "`cohort` must have walk ids that are file names; got '../w3'."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_gaitlab(odd, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_dirt_must_be_known(cohort, tmp_path):
    sentence = "`dirt` must be one of 'release', 'none'; got 'some'."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_gaitlab(cohort, tmp_path / "out", dirt="some")


def test_a_release_is_no_single_walk(release, cohort, tmp_path):
    problems = check_path(release.root)
    assert problems == []
    assert check_path(write_walk(cohort.walk("w0"), tmp_path / "w.nc")) == []
