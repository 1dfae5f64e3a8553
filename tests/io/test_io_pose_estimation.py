"""Without the optional extra, tracking a video says how to get it."""

import re
import sys

import pytest

from cpexplore.io.pose_estimation import MODEL_VARIABLE, estimate_walk


def test_without_mediapipe_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    video = tmp_path / "walk.mp4"
    video.write_bytes(b"\0")
    sentence = (
        "Tracking a video needs the package 'mediapipe'. Install it with `pip install "
        "'cpexplore[video]'`, or track the video with OpenPose and read its output."
    )
    with pytest.raises(ImportError, match=re.escape(sentence)):
        estimate_walk(video)


def test_without_a_landmarker_file_its_source_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", object())
    monkeypatch.setitem(sys.modules, "cv2", object())
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    video = tmp_path / "walk.mp4"
    video.write_bytes(b"\0")
    sentence = (
        "`model` must be a MediaPipe pose landmarker file (.task); got None. Download "
        "pose_landmarker_full.task from the MediaPipe model page and give its path, or "
        "set CPEXPLORE_POSE_MODEL."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        estimate_walk(video)


def test_a_missing_video_is_named_first(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be an existing file"):
        estimate_walk(tmp_path / "no.mp4")
