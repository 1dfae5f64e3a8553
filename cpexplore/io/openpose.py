"""Folders of OpenPose JSON files, one file per frame."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cpexplore.io.people import Followed, follow
from cpexplore.io.problems import check_file, wrong
from cpexplore.io.track import Track, check_numbers, nobody
from cpexplore.skeleton import keypoint_set

_NAME = re.compile(r"^(?P<video>.*?)_?(?P<frame>\d+)(?:_keypoints)?\.json$")
_LONGEST_NUMBER = 15

_COCO_18 = (
    "nose",
    "neck",
    *(f"right_{joint}" for joint in ("shoulder", "elbow", "wrist")),
    *(f"left_{joint}" for joint in ("shoulder", "elbow", "wrist")),
    *(f"right_{joint}" for joint in ("hip", "knee", "ankle")),
    *(f"left_{joint}" for joint in ("hip", "knee", "ankle")),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)


def read_openpose_folder(folder: Path) -> Track:
    """Read the frames of one video as OpenPose writes them (``--write_json``).

    BODY_25 (75 numbers per person) and COCO-18 (54; its neck is dropped, which leaves
    COCO-17) are told apart by their length. Where several people are in the picture
    the one seen best and longest is followed, see :mod:`cpexplore.io.people`.

    Parameters
    ----------
    folder : path
        Holds ``<video>_<frame number>_keypoints.json``.

    Returns
    -------
    Track
        With ``n_people``, ``person_switches`` and ``person_jumps`` in its attributes.

    Raises
    ------
    InputError
        If the folder holds several videos, a frame cannot be read, or nobody is seen.
    """
    frames = _frame_files(folder)
    people = [_people(file) for file in frames.values()]
    sizes = {len(person) for frame in people for person in frame}
    if not sizes:
        raise nobody(folder, len(frames))
    if len(sizes) > 1 or sizes.isdisjoint({54, 75}):
        raise wrong(
            folder,
            "must hold 75 (BODY_25) or 54 (COCO) numbers per person; it has "
            f"{', '.join(map(str, sorted(sizes)))}.",
            "Run OpenPose again with one model.",
        )
    (size,) = sizes
    stacked = [np.reshape(frame, (-1, size // 3, 3)) for frame in people]
    name, triples = "body_25", [np.asarray(s, np.float32) for s in stacked]
    if size == 54:
        name = "coco_17"
        order = [_COCO_18.index(k) for k in keypoint_set(name).keypoints]
        triples = [frame[:, order] for frame in triples]
    check_numbers(np.concatenate(triples), folder)
    return followed_track(
        follow(triples),
        keypoint_set=name,
        source=f"OpenPose JSON ({'BODY_25' if size == 75 else 'COCO'})",
        frame=np.array(list(frames)),
    )


def followed_track(
    followed: Followed, *, keypoint_set: str, source: str, frame: np.ndarray
) -> Track:
    """Make a track of the person who was followed, with the story in its attributes."""
    return Track(
        triples=followed.triples,
        keypoint_set=keypoint_set,
        source=source,
        frame=frame,
        attrs={
            "n_people": followed.n_people,
            "person_switches": _numbers(frame, followed.switches),
            "person_jumps": _numbers(frame, followed.jumps),
        },
    )


def load_json(file: Path) -> Any:
    """Load a JSON file.

    Raises
    ------
    InputError
        If the file is empty, huge, truncated or no JSON.
    """
    check_file(file)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise wrong(
            file, "must be a JSON file; it is cut short or something else.", _AGAIN
        ) from None


_AGAIN = "Write it again."


def _numbers(frame: np.ndarray, at: Iterable[int]) -> str:
    return ",".join(str(frame[n]) for n in at)


def _frame_files(folder: Path) -> dict[int, Path]:
    """The files of one video by frame number, in order."""
    files = sorted(folder.glob("*_keypoints.json")) or sorted(folder.glob("*.json"))
    matches = {file: _NAME.match(file.name) for file in files}
    named = {file: match for file, match in matches.items() if match}
    strangers = [file for file in files if file not in named]
    strangers += [f for f, m in named.items() if len(m["frame"]) > _LONGEST_NUMBER]
    if strangers:
        raise wrong(
            strangers[0],
            "must be named NAME_<frame number>_keypoints.json.",
            "Move other files out of the folder.",
        )
    videos = sorted({match["video"] for match in named.values()})
    if len(videos) > 1:
        counts = [sum(m["video"] == v for m in named.values()) for v in videos]
        found = ", ".join(
            f"{video!r} ({count})" for video, count in zip(videos, counts, strict=True)
        )
        raise wrong(
            folder,
            f"must hold the frames of one video; it has those of {found}.",
            "Move the other videos out of the folder.",
        )
    frames = {int(match["frame"]): file for file, match in named.items()}
    if len(frames) < len(named):
        raise wrong(
            folder,
            f"must hold each frame once; {len(named)} files share {len(frames)} "
            "numbers.",
            "Remove the files of the older run.",
        )
    return dict(sorted(frames.items()))


def _people(file: Path) -> Sequence[list[float]]:
    """The flat points of everyone in one frame."""
    content = load_json(file)
    try:
        people = [person["pose_keypoints_2d"] for person in content["people"]]
        return [np.asarray(p, np.float32).reshape(-1).tolist() for p in people if p]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise wrong(
            file,
            "must list people with 'pose_keypoints_2d', a list of numbers.",
            _AGAIN,
        ) from None
