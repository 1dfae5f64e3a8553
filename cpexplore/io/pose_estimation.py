"""From video to walk with MediaPipe Pose; needs the optional extra ``video``."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cpexplore.io.problems import check_file, wrong
from cpexplore.io.track import Track, walk_of_track
from cpexplore.skeleton import keypoint_set

MODEL_VARIABLE = "CPEXPLORE_POSE_MODEL"
"""Environment variable that names the landmarker file, so that none is downloaded."""

_SET = "blazepose_33"
_FRAME_MS = 33  # the tracker needs increasing stamps; its smoothing is in frames


def estimate_walk(
    video: str | Path,
    *,
    fps: float | None = None,
    model: str | Path | None = None,
    walk_id: str | None = None,
) -> xr.Dataset:
    """Track the person in a video with MediaPipe Pose.

    Nothing is uploaded or downloaded: the landmarker file must be on the machine.

    Parameters
    ----------
    video : str or path
        A file that OpenCV can decode, with one person in the picture.
    fps : float, optional
        Frames per second, Hz; default what the video says.
    model : str or path, optional
        A pose landmarker (``pose_landmarker_full.task``); default the file that the
        environment variable :data:`MODEL_VARIABLE` names.
    walk_id : str, optional
        Name of the walk; default the stem of ``video``.

    Returns
    -------
    xarray.Dataset
        A raw ``blazepose_33`` walk in px.

    Raises
    ------
    ImportError
        If the extra ``video`` is not installed.
    FileNotFoundError
        If the video or the landmarker file is missing.
    ValueError
        If the video cannot be decoded or nobody is found.
    """
    video = Path(video)
    check_file(video)
    mediapipe, cv2 = _imported("mediapipe"), _imported("cv2")
    landmarker = _landmarker_file(model)
    capture = cv2.VideoCapture(str(video))
    try:
        stored = float(capture.get(cv2.CAP_PROP_FPS)) or None
        triples = _tracked(mediapipe, cv2, capture, landmarker)
    finally:
        capture.release()
    if not len(triples):
        raise wrong(
            video, "must be a video; no frame can be decoded.", "Convert it to MP4."
        )
    track = Track(
        triples=triples,
        keypoint_set=_SET,
        source=f"MediaPipe Pose {mediapipe.__version__}",
        fps=stored if fps is None else fps,
    )
    return walk_of_track(track, video, fps=fps, walk_id=walk_id)


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(
            f"Tracking a video needs the package {module!r}. Install it with "
            "`pip install 'cpexplore[video]'`, or track the video with OpenPose and "
            "read its output."
        ) from None


def _landmarker_file(model: str | Path | None) -> Path:
    named = model or os.environ.get(MODEL_VARIABLE)
    if not named or not Path(named).is_file():
        raise FileNotFoundError(
            "`model` must be a MediaPipe pose landmarker file (.task); got "
            f"{named!r}. Download pose_landmarker_full.task from the MediaPipe model "
            f"page and give its path, or set {MODEL_VARIABLE}."
        )
    return Path(named)


def _tracked(mediapipe: Any, cv2: Any, capture: Any, landmarker: Path) -> np.ndarray:
    """Points (time, 33, 3): px and visibility, NaN where nobody is found."""
    tasks = import_module("mediapipe.tasks.python")
    options = tasks.vision.PoseLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(landmarker)),
        running_mode=tasks.vision.RunningMode.VIDEO,
    )
    frames: list[np.ndarray] = []
    with tasks.vision.PoseLandmarker.create_from_options(options) as pose:
        while True:
            decoded, image = capture.read()
            if not decoded:
                return np.array(frames, dtype=np.float32)
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            found = pose.detect_for_video(
                mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb),
                len(frames) * _FRAME_MS,
            )
            frames.append(_points(found.pose_landmarks, rgb.shape))


def _points(people: Any, shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape[:2]
    if not people:
        return np.full((len(keypoint_set(_SET).keypoints), 3), np.nan)
    return np.array([[p.x * width, p.y * height, p.visibility] for p in people[0]])
