"""Skeleton graphs: partitions against a slow reading of their definition."""

import re
from pathlib import Path

import numpy as np
import pytest

from cpexplore.skeleton import (
    KEYPOINT_SETS,
    STRATEGIES,
    adjacency,
    hop_distances,
    mirror_index,
    partition,
)

NTU_BONES = (
    *((0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6)),
    *((8, 20), (9, 8), (10, 9), (11, 10), (12, 0), (13, 12), (14, 13), (15, 14)),
    *((16, 0), (17, 16), (18, 17), (19, 18), (21, 22), (22, 7), (23, 24), (24, 11)),
)
"""The skeleton with which the published code was run for the golden file."""


def hops_by_walking(n_keypoints, bones):
    """Hop distances by repeated relaxation, no graph library."""
    hops = np.full((n_keypoints, n_keypoints), np.inf)
    np.fill_diagonal(hops, 0)
    for a, b in bones:
        hops[a, b] = hops[b, a] = 1
    for via in range(n_keypoints):
        hops = np.minimum(hops, hops[:, [via]] + hops[[via]])
    return hops


def test_the_original_partition_equals_that_of_the_published_code():
    golden = np.load(Path(__file__).parent / "golden" / "golden_v25.npz")
    hops = hops_by_walking(25, NTU_BONES)

    result = partition(hops, centre=[20], strategy="spatial-original")

    np.testing.assert_allclose(result, golden["A"], atol=1e-7)  # saved from float32


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_spatial_subsets_follow_the_true_distance_to_the_centre(name):
    skeleton = KEYPOINT_SETS[name]
    names = skeleton.keypoints
    bones = [(names.index(a), names.index(b)) for a, b in skeleton.edges]
    hops = hops_by_walking(len(names), bones)
    centre = [skeleton.centre] if isinstance(skeleton.centre, str) else skeleton.centre
    depth = [min(hops[names.index(c), v] for c in centre) for v in range(len(names))]

    result = adjacency(name)

    for v in range(len(names)):
        for w in range(len(names)):
            degree = (hops[:, w] <= 1).sum()
            expected = [0.0, 0.0, 0.0]
            if hops[v, w] == 0:
                expected[0] = 1 / degree
            elif hops[v, w] == 1:
                expected[2 if depth[v] < depth[w] else 1] = 1 / degree
            np.testing.assert_allclose(result[:, v, w], expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_every_partition_splits_the_same_normalised_graph(name, strategy):
    result = adjacency(name, strategy=strategy)

    np.testing.assert_allclose(result.sum(0), adjacency(name, strategy="uniform")[0])
    np.testing.assert_allclose(result.sum((0, 1)), 1)
    assert ((result > 0).sum(0) <= 1).all()


@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_graphs_are_connected_and_the_same_in_the_mirror(name):
    swap = mirror_index(name)

    assert np.isfinite(hop_distances(name)).all()
    np.testing.assert_array_equal(adjacency(name), adjacency(name)[:, swap][:, :, swap])


def test_the_original_defect_leaves_the_last_subset_nearly_empty():
    nearer = adjacency("body_25")[2] > 0
    nearer_original = adjacency("body_25", strategy="spatial-original")[2] > 0

    assert nearer.sum() == 24  # every keypoint but the centre has one inner neighbour
    assert nearer_original.sum() == 8


def test_an_unknown_strategy_is_named_with_all_options():
    message = (
        "`strategy` must be one of 'spatial', 'spatial-original', 'uniform', "
        "'distance'; got 'spacial'. Did you mean 'spatial'?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        adjacency("body_25", strategy="spacial")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        partition(np.zeros((1, 1)), centre=[0], strategy="spacial")
