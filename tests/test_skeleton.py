import networkx as nx
import numpy as np
import pytest

from cpexplore.skeleton import KEYPOINT_SETS, body_parts, mirror_index, mirror_name

# GAIT.md 2.0: the detectors' own numbering of the clinically used keypoints.
INDICES = {
    "body_25": {
        "nose": 0, "neck": 1, "mid_hip": 8, "right_shoulder": 2, "right_wrist": 4,
        "left_wrist": 7, "right_hip": 9, "right_ankle": 11, "left_hip": 12,
        "left_ankle": 14, "right_ear": 17, "left_ear": 18, "right_big_toe": 22,
        "right_small_toe": 23, "right_heel": 24, "left_big_toe": 19, "left_heel": 21,
    },
    "coco_17": {
        "nose": 0, "left_ear": 3, "right_ear": 4, "right_shoulder": 6,
        "left_shoulder": 5, "right_wrist": 10, "right_hip": 12, "left_ankle": 15,
    },
    "halpe_26": {
        "neck": 18, "mid_hip": 19, "right_big_toe": 21, "right_small_toe": 23,
        "right_heel": 25, "left_big_toe": 20, "left_small_toe": 22, "left_heel": 24,
    },
    "blazepose_33": {
        "right_ear": 8, "left_ear": 7, "right_shoulder": 12, "right_wrist": 16,
        "right_hip": 24, "left_ankle": 27, "right_big_toe": 32, "right_heel": 30,
        "left_big_toe": 31, "left_heel": 29,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", INDICES)
def test_keypoints_stand_where_the_detector_puts_them(name):
    names = KEYPOINT_SETS[name].keypoints
    assert {key: names.index(key) for key in INDICES[name]} == INDICES[name]
    assert len(names) == int(name.rpartition("_")[2])


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_the_skeleton_is_one_connected_mirror_symmetric_graph(name):
    keypoints, edges = KEYPOINT_SETS[name].keypoints, KEYPOINT_SETS[name].edges
    graph = nx.Graph(edges)
    assert set(graph) == set(keypoints)
    assert nx.is_connected(graph)
    mirrored = {frozenset(map(mirror_name, edge)) for edge in edges}
    assert mirrored == {frozenset(edge) for edge in edges}


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_mirroring_twice_changes_nothing(name):
    index = mirror_index(name)
    np.testing.assert_array_equal(index[index], np.arange(len(index)))
    assert (index != np.arange(len(index))).any()


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_every_keypoint_is_in_one_body_part(name):
    members = [keypoint for part in body_parts(name).values() for keypoint in part]
    assert sorted(members) == sorted(KEYPOINT_SETS[name].keypoints)
