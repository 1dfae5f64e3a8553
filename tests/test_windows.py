import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexplore.skeleton import KEYPOINT_SETS
from cpexplore.walks import make_walk
from cpexplore.windows import WindowConfig, make_windows, walk_windows

NAMES = list(KEYPOINT_SETS["body_25"].keypoints)
MID_HIP, KNEE = NAMES.index("mid_hip"), NAMES.index("left_knee")


def cleaned_walk(bout, *, direction=1, scale=100.0, seed=0):
    """A cleaned walk of random poses; ``bout`` gives the pass of every frame."""
    rng = np.random.default_rng(seed)
    bout = np.asarray(bout)
    position = rng.normal(size=(len(bout), 25, 2)) * scale + 500
    position[..., 0] = 500 + direction * (position[..., 0] - 500)
    walk = make_walk(
        position,
        np.full((len(bout), 25), 0.9),
        fps=25,
        keypoint_set="body_25",
        walk_id="w",
    )
    n_passes = max(int(bout.max()) + 1, 0)
    return walk.assign(
        observed=(("time", "keypoint"), np.ones((len(bout), 25), bool)),
        direction=("time", np.full(len(bout), direction, np.int8)),
        bout=("time", bout),
        scale_px=("bout", np.full(n_passes, scale)),
    ).assign_attrs(cleaned="by hand", cleaning_audit="[]")


def test_windows_are_leg_lengths_about_the_mid_hip():
    walk = cleaned_walk(np.zeros(124, int))
    windows = walk_windows(walk)
    assert windows.x.shape == (1, 3, 124, 25)
    assert windows.x.dtype == np.float32
    np.testing.assert_allclose(windows.x[0, :2, :, MID_HIP], 0, atol=1e-6)
    position = walk["position"].values
    expected = (position[:, KNEE] - position[:, MID_HIP]) / 100
    np.testing.assert_allclose(windows.x[0, :2, :, KNEE].T, expected, atol=1e-5)
    np.testing.assert_allclose(windows.x[0, 2], 0.9, rtol=1e-6)


@given(scale=st.floats(20, 400), direction=st.sampled_from([1, -1]))
def test_windows_ignore_scale_and_direction(scale, direction):
    bout = np.zeros(130, int)
    one = walk_windows(cleaned_walk(bout))
    other = walk_windows(cleaned_walk(bout, scale=scale, direction=direction))
    np.testing.assert_allclose(one.x, other.x, atol=1e-3)


def test_a_window_never_leaves_its_pass():
    bout = np.repeat([0, -1, 1, 2], [160, 20, 130, 60])
    windows = walk_windows(cleaned_walk(bout))
    np.testing.assert_array_equal(windows.start, [0, 31, 180])
    frames = np.rint(windows.time * 25).astype(int)
    assert [set(bout[row]) for row in frames] == [{0}, {0}, {1}]
    assert (windows.padded_pct == 0).all()


def test_a_short_pass_is_played_there_and_back():
    windows = walk_windows(cleaned_walk(np.repeat([-1, 0], [10, 62])))
    assert windows.padded_pct == pytest.approx([50.0])
    frames = np.rint(windows.time[0] * 25).astype(int)
    assert (np.abs(np.diff(frames)) == 1).all()
    assert frames.min() == 10
    assert frames.max() == 71
    assert len(walk_windows(cleaned_walk(np.zeros(49, int)))) == 0


def test_missing_points_are_filled_with_confidence_zero():
    walk = cleaned_walk(np.zeros(124, int))
    position, truth = walk["position"].copy(), walk_windows(walk).x
    position.loc[{"keypoint": "left_knee"}][40:50] = np.nan
    position.loc[{"keypoint": "nose"}] = np.nan
    x = walk_windows(walk.assign(position=position)).x
    assert np.isfinite(x).all()
    knee = x[0, :, :, KNEE]
    assert (knee[2, 40:50] == 0).all()
    line = np.interp(range(40, 50), [39, 50], truth[0, 0, [39, 50], KNEE])
    np.testing.assert_allclose(knee[0, 40:50], line, atol=1e-5)
    assert (x[0, 2, :, NAMES.index("nose")] == 0).all()


def test_a_window_with_a_lost_knee_is_left_out():
    walk = cleaned_walk(np.zeros(155, int))
    position = walk["position"].copy()
    position.loc[{"keypoint": "left_knee"}][:60] = np.nan
    lost = walk.assign(position=position)
    assert walk_windows(lost).start.tolist() == [31]
    assert len(walk_windows(lost, WindowConfig(max_missing=0.1))) == 0


def test_a_detector_without_feet_still_gives_windows():
    names = list(KEYPOINT_SETS["coco_17"].keypoints)
    body = cleaned_walk(np.zeros(124, int))
    coco = body.sel(keypoint=names).assign_attrs(keypoint_set="coco_17")
    x = walk_windows(coco).x
    assert len(x) == 1
    assert np.isfinite(x).all()
    assert (x[0, 2, :, NAMES.index("left_heel")] == 0).all()


def test_many_walks_come_in_the_order_asked_for():
    walks = {
        name: cleaned_walk(np.zeros(n, int), seed=n).assign_attrs(walk_id=name)
        for name, n in (("a", 124), ("b", 20), ("c", 160))
    }
    windows = make_windows(walks, ["c", "b", "a"], WindowConfig())
    assert windows.walk_id.tolist() == ["c", "c", "a"]
    assert windows.of(["a"]).x.shape == (1, 3, 124, 25)
    none = make_windows(walks, [], WindowConfig())
    assert none.x.shape == (0, 3, 124, 25)
