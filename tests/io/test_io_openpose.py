"""OpenPose folders and single JSON files: who is followed, and what is refused."""

import json
import re

import numpy as np
import pytest

from cpexplore.io import read_walk
from cpexplore.io.people import follow
from cpexplore.skeleton import keypoint_set

COCO_18 = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_hip", "right_knee"),
    *("right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)


def person(x, *, height=300.0, n=25, confidence=0.8):
    """A stiff person at column ``x``: keypoint k stands at its own offset."""
    offset = np.linspace(0, 1, n)
    points = np.stack(
        [x + 0.2 * height * np.cos(9 * offset), 100 + height * offset], axis=1
    )
    return np.column_stack([points, np.full(n, confidence)])


def write_frames(folder, frames, *, video="walk", start=0):
    folder.mkdir(exist_ok=True)
    for number, people in enumerate(frames, start=start):
        content = {
            "version": 1.3,
            "people": [{"pose_keypoints_2d": p.ravel().tolist()} for p in people],
        }
        file = folder / f"{video}_{number:012d}_keypoints.json"
        file.write_text(json.dumps(content))
    return folder


def column(walk, keypoint="nose"):
    return walk["position"].sel(keypoint=keypoint, space="x").values


def test_body_25_frames_are_read_in_order_of_their_numbers(tmp_path):
    folder = write_frames(tmp_path / "v", [[person(10 * k)] for k in range(12)])
    walk = read_walk(folder, fps=25)
    assert walk.attrs["keypoint_set"] == "body_25"
    assert walk.attrs["walk_id"] == "v"
    assert walk.attrs["n_people"] == 1
    assert walk.attrs["person_switches"] == walk.attrs["person_jumps"] == ""
    np.testing.assert_allclose(column(walk), 60 + 10 * np.arange(12))
    np.testing.assert_allclose(walk["confidence"], 0.8, rtol=1e-6)


def test_coco_18_becomes_coco_17_by_name(tmp_path):
    points = person(50, n=18)
    walk = read_walk(write_frames(tmp_path / "v", [[points]]), fps=25)
    assert walk.attrs["keypoint_set"] == "coco_17"
    for name in keypoint_set("coco_17").keypoints:
        expected = np.float32(points[COCO_18.index(name), :2])
        found = walk["position"].sel(keypoint=name).values[0]
        np.testing.assert_array_equal(found, expected)


def test_missing_points_and_frames_are_nan(tmp_path):
    lost = person(0)
    lost[3] = 0
    folder = write_frames(tmp_path / "v", [[lost], [], [person(5)]])
    walk = read_walk(folder, fps=25)
    assert np.isnan(column(walk)).tolist() == [False, True, False]
    elbow = walk.sel(keypoint="right_elbow")
    assert np.isnan(elbow["position"].values[0]).all()
    assert elbow["confidence"].values[0] == 0


def test_a_gap_in_the_numbers_is_a_gap_in_time(tmp_path):
    folder = write_frames(tmp_path / "v", [[person(0)]] * 3, start=7)
    write_frames(folder, [[person(0)]] * 2, start=12)
    walk = read_walk(folder, fps=10)
    np.testing.assert_allclose(walk["time"], np.arange(7, 14) / 10)
    assert np.flatnonzero(np.isnan(column(walk))).tolist() == [3, 4]


def test_the_same_person_is_followed_past_others_in_any_order(tmp_path):
    walker = [person(-200 + 12 * k, height=250) for k in range(60)]
    bystander = person(300, height=420, confidence=0.7)
    frames = []
    for number, child in enumerate(walker):
        people = [child] if number < 20 else [child, bystander]
        frames.append(people[:: -1 if number % 2 else 1])
    walk = read_walk(write_frames(tmp_path / "v", frames), fps=25)
    assert walk.attrs["n_people"] == 2
    assert walk.attrs["person_switches"] == ""
    np.testing.assert_allclose(column(walk), -150 + 12 * np.arange(60), atol=1e-3)


def test_a_partly_hidden_person_stays_the_same_person(tmp_path):
    frames = [[person(5 * k)] for k in range(20)]
    frames[10][0][:15] = 0
    walk = read_walk(write_frames(tmp_path / "v", frames), fps=25)
    assert walk.attrs["person_switches"] == ""
    assert np.isnan(column(walk)).sum() == 1


def test_coming_back_after_a_long_absence_is_a_switch_without_jump(tmp_path):
    out = [[person(20 * k)] for k in range(20)]
    back = [[person(400 - 20 * k)] for k in range(20)]
    walk = read_walk(write_frames(tmp_path / "v", [*out, *[[]] * 30, *back]), fps=25)
    assert walk.attrs["person_switches"] == "50"
    assert walk.attrs["person_jumps"] == ""
    assert np.isfinite(column(walk)).sum() == 40


def test_a_stranger_of_another_size_does_not_fill_an_absence(tmp_path):
    child = [[person(20 * k)] for k in range(20)]
    adult = [[person(20 * k, height=600)] for k in range(10)]
    walk = read_walk(write_frames(tmp_path / "v", [*child, *[[]] * 30, *adult]), fps=25)
    assert np.isfinite(column(walk)).sum() == 20


def test_stale_frames_of_another_video_are_announced(tmp_path):
    folder = write_frames(tmp_path / "v", [[person(5 * k)] for k in range(20)])
    write_frames(folder, [[person(900)]] * 10, start=20)
    sentence = (
        f"The person in {str(folder)!r} jumps at 1 of 30 frames (20); are files of "
        "another video in the folder?"
    )
    with pytest.warns(UserWarning, match=re.escape(sentence)):
        walk = read_walk(folder, fps=25)
    assert walk.attrs["person_jumps"] == "20"


def test_following_does_not_change_its_input():
    frames = [np.stack([person(5 * k), person(500)]) for k in range(4)]
    before = [frame.copy() for frame in frames]
    follow(frames)
    for now, then in zip(frames, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_frames_of_two_videos_are_refused(tmp_path):
    folder = write_frames(tmp_path / "v", [[person(0)]] * 3, video="a")
    write_frames(folder, [[person(0)]] * 2, video="b")
    sentence = (
        f"{str(folder)!r} must hold the frames of one video; it has those of 'a' (3), "
        "'b' (2). Move the other videos out of the folder."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(folder, fps=25)


def test_people_of_another_model_are_refused(tmp_path):
    folder = write_frames(tmp_path / "v", [[person(0, n=21)]])
    sentence = (
        f"{str(folder)!r} must hold 75 (BODY_25) or 54 (COCO) numbers per person; it "
        "has 63. Run OpenPose again with one model."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(folder, fps=25)


def test_nobody_in_any_frame_is_refused(tmp_path):
    folder = write_frames(tmp_path / "v", [[]] * 4)
    sentence = (
        f"{str(folder)!r} must hold at least one frame with a person; none of 4 has "
        "one. Check that the detector saw the person."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(folder, fps=25)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "must hold a recording; it is empty. Export it again."),
        (
            '{"people": [{"pose_key',
            "must be a JSON file; it is cut short or something else. Write it again.",
        ),
        (
            "[" * 100_000,
            "must be a JSON file; it is cut short or something else. Write it again.",
        ),
        (
            '{"people": [{"hand": [1]}]}',
            "must list people with 'pose_keypoints_2d', a list of numbers. Write it "
            "again.",
        ),
        (
            '{"people": [{"pose_keypoints_2d": ["a"]}]}',
            "must list people with 'pose_keypoints_2d', a list of numbers. Write it "
            "again.",
        ),
    ],
)
def test_a_bad_frame_is_named(tmp_path, content, complaint):
    folder = write_frames(tmp_path / "v", [[person(0)]] * 3)
    bad = folder / "walk_000000000001_keypoints.json"
    bad.write_text(content)
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        read_walk(folder, fps=25)
    assert str(error.value) == f"{str(bad)!r} {complaint}"


def test_an_empty_folder_is_refused(tmp_path):
    sentence = (
        f"{str(tmp_path)!r} must hold OpenPose *_keypoints.json files or be a walk "
        "store. Give a cohort folder to `cpexplore run --cohort DIR`."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        read_walk(tmp_path, fps=25)


@pytest.mark.parametrize(("n", "name"), [(17, "coco_17"), (26, "halpe_26")])
@pytest.mark.parametrize("nested", [True, False])
def test_mmpose_results_are_read(tmp_path, n, name, nested):
    frames = [person(10 * k, n=n) for k in range(3)]
    rows = [
        {
            "frame_id": number,
            "instances": [
                {
                    "keypoints": points[:, :2].tolist(),
                    "keypoint_scores": points[:, 2].tolist(),
                }
            ],
        }
        for number, points in enumerate(frames, start=1)
    ]
    content = {"meta_info": {}, "instance_info": rows} if nested else rows
    (tmp_path / "m.json").write_text(json.dumps(content))
    walk = read_walk(tmp_path / "m.json", fps=25)
    assert walk.attrs["keypoint_set"] == name
    assert walk.attrs["source"] == "MMPose JSON"
    triples = np.float32(frames)
    np.testing.assert_array_equal(walk["position"], triples[..., :2])
    np.testing.assert_array_equal(walk["confidence"], triples[..., 2])


def test_alphapose_results_are_read_in_order_of_frames(tmp_path):
    rows = [
        {"image_id": f"{k}.jpg", "keypoints": person(k, n=17).ravel().tolist()}
        for k in (10, 9, 11)
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    walk = read_walk(tmp_path / "a.json", fps=1)
    assert walk["time"].values.tolist() == [9, 10, 11]
    np.testing.assert_allclose(np.diff(column(walk)), 1)
    assert walk.attrs["source"] == "AlphaPose JSON"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            [{"image_id": "1.jpg", "keypoints": [1.0] * 9}],
            "must hold 17 (COCO) or 26 (Halpe) keypoints per person; it has 3. Run the "
            "detector with one of these models.",
        ),
        (
            [{"frame_id": 1, "instances": []}],
            "must hold at least one frame with a person; none of 1 has one. Check that "
            "the detector saw the person.",
        ),
        *(
            (
                content,
                "must be a list of AlphaPose or MMPose results with keypoints. Export "
                "it again, or give a folder of OpenPose files.",
            )
            for content in ([], {}, 3, [1], [{"image_id": "x", "keypoints": []}])
        ),
    ],
)
def test_other_json_is_refused(tmp_path, content, complaint):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=re.escape(complaint)) as error:
        read_walk(path, fps=25)
    assert str(error.value) == f"{str(path)!r} {complaint}"
