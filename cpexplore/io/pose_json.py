"""One JSON file per video, as AlphaPose and MMPose (RTMPose) write it."""

import re
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from cpexplore.io.openpose import followed_track, load_json
from cpexplore.io.people import follow
from cpexplore.io.problems import wrong
from cpexplore.io.track import Track, check_numbers, nobody

_SETS = {17: "coco_17", 26: "halpe_26"}


def read_pose_json(path: Path) -> Track:
    """Read the results of AlphaPose or MMPose: COCO-17 or Halpe-26 keypoints.

    Where several people are in the picture the one seen best and longest is followed.

    Parameters
    ----------
    path : path
        AlphaPose: a list of ``{"image_id", "keypoints"}``. MMPose: a list of
        ``{"frame_id", "instances"}``, perhaps under ``"instance_info"``.

    Raises
    ------
    InputError
        If the file is neither, or has another number of keypoints.
    """
    content = load_json(path)
    try:
        rows = content["instance_info"] if isinstance(content, dict) else content
        mmpose = "instances" in rows[0]
        frames = _mmpose(rows) if mmpose else _alphapose(rows)
        people = {n: np.asarray(p, np.float32) for n, p in sorted(frames.items())}
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        raise wrong(
            path,
            "must be a list of AlphaPose or MMPose results with keypoints.",
            "Export it again, or give a folder of OpenPose files.",
        ) from None
    sizes = {p.shape[1] for p in people.values() if len(p)}
    if not sizes:
        raise nobody(path, len(people))
    if len(sizes) > 1 or not sizes <= set(_SETS):
        raise wrong(
            path,
            "must hold 17 (COCO) or 26 (Halpe) keypoints per person; it has "
            f"{', '.join(map(str, sorted(sizes)))}.",
            "Run the detector with one of these models.",
        )
    (size,) = sizes
    everyone = [p.reshape(-1, size, 3) for p in people.values()]
    check_numbers(np.concatenate(everyone), path)
    return followed_track(
        follow(everyone),
        keypoint_set=_SETS[size],
        source=f"{'MMPose' if mmpose else 'AlphaPose'} JSON",
        frame=np.array(list(people)),
    )


def _mmpose(rows: list[dict[str, Any]]) -> dict[int, list[np.ndarray]]:
    return {
        int(row["frame_id"]): [
            np.column_stack([person["keypoints"], person["keypoint_scores"]])
            for person in row["instances"]
        ]
        for row in rows
    }


def _alphapose(rows: list[dict[str, Any]]) -> dict[int, list[np.ndarray]]:
    rows = sorted(rows, key=_frame_number)
    return {
        frame: [np.reshape(person["keypoints"], (-1, 3)) for person in people]
        for frame, people in groupby(rows, key=_frame_number)
    }


def _frame_number(row: dict[str, Any]) -> int:
    """The last number of ``image_id``: a frame number or an image name."""
    return int(re.findall(r"\d{1,15}", str(row["image_id"]))[-1])
