"""Saliency over the gait cycle, over a walk and for a whole fold."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from cpexplore.attribution import (
    attribute,
    grad_cam,
    merge_saliency,
    on_walk_clock,
    phase_saliency,
    rank_joints,
    saliency_of,
    stride_table,
)
from cpexplore.datasets import sample_walk
from cpexplore.models import STGCN, STGCNConfig
from cpexplore.preprocessing import clean
from cpexplore.skeleton import KEYPOINT_SETS, adjacency
from cpexplore.windows import Windows, walk_windows

COCO = KEYPOINT_SETS["coco_17"].keypoints
STRIDES = pd.DataFrame(
    {
        "walk_id": ["a", "a", "a", "b"],
        "side": ["left", "left", "right", "left"],
        "start_s": [0.0, 1.0, 0.5, 0.0],
        "end_s": [1.0, 2.0, 1.5, 1.0],
    }
)


def ramp(walk_id=("a",), n_frames=60):
    """Saliency that is its own time in seconds, at 25 frames/s, for three joints."""
    clock = np.tile(np.arange(n_frames) / 25, (len(walk_id), 1))
    joints = ["left_knee", "right_knee", "nose"]
    return xr.DataArray(
        np.repeat(clock[..., None], 3, axis=2),
        dims=("window", "time", "keypoint"),
        coords={
            "keypoint": joints,
            "walk_id": ("window", np.array(walk_id)),
            "time_s": (("window", "time"), clock),
        },
        attrs={"method": "grad_cam"},
    )


def test_phases_are_those_of_the_own_side():
    phases = phase_saliency(ramp(), STRIDES, n_bins=5)

    assert phases.dims == ("walk", "keypoint", "phase")
    np.testing.assert_allclose(phases["phase"], [10, 30, 50, 70, 90])
    # left cycles start at 0 and 1 s: frames 0-4 and 25-29 are in the first bin
    left = [
        np.mean([*range(k, k + 5), *range(25 + k, 30 + k)]) / 25
        for k in range(0, 25, 5)
    ]
    np.testing.assert_allclose(phases.sel(keypoint="left_knee")[0], left, rtol=1e-6)
    # the only right cycle starts at 0.5 s, between frames 12 and 13
    right = np.arange(13, 38) / 25
    bins = ((right - 0.5) * 5).astype(int)
    expected = [right[bins == b].mean() for b in range(5)]
    for joint in ("right_knee", "nose"):
        np.testing.assert_allclose(phases.sel(keypoint=joint)[0], expected, rtol=1e-6)


def test_phases_without_a_cycle_are_missing():
    phases = phase_saliency(ramp(("b", "a", "c"), n_frames=10), STRIDES, n_bins=10)

    assert phases["walk"].values.tolist() == ["b", "a", "c"]
    left = phases.sel(keypoint="left_knee")
    assert np.isfinite(left.sel(walk="b")).sum() == 4  # 10 frames of a 25-frame cycle
    assert np.isnan(left.sel(walk="c")).all()
    assert np.isnan(phases.sel(keypoint="nose", walk="b")).all()


def test_windows_of_one_walk_are_averaged_frame_by_frame():
    two = ramp(("a", "a"))
    two[1] += 1

    one, both = phase_saliency(ramp(), STRIDES), phase_saliency(two, STRIDES)

    np.testing.assert_allclose(both, one + 0.5, rtol=1e-6)


def test_more_dimensions_are_kept():
    several = xr.concat([ramp(), 2 * ramp()], "level").assign_coords(level=["I", "II"])

    phases = phase_saliency(several, STRIDES)

    assert phases.dims == ("level", "walk", "keypoint", "phase")
    np.testing.assert_allclose(phases.sel(level="II"), 2 * phases.sel(level="I"))


def test_maps_are_laid_over_the_frames_of_the_walk():
    maps = ramp(("a", "a"), n_frames=6)  # 0 to 0.2 s
    maps[1] += 10
    maps["time_s"][1] += 0.12  # 0.12 to 0.32 s
    walk = xr.Dataset(coords={"time": np.arange(10) / 50})

    laid = on_walk_clock(maps.isel(keypoint=[0]), walk).squeeze()

    seconds = walk["time"].values
    late = seconds >= 0.12 - 1e-9
    second = seconds - 0.12 + 10
    expected = np.where(late, (seconds + second) / 2, seconds)
    np.testing.assert_allclose(laid, expected, rtol=1e-5, atol=1e-9)


def test_frames_outside_all_windows_are_missing():
    walk = xr.Dataset(coords={"time": [-1.0, 0.1, 9.0]})

    laid = on_walk_clock(ramp(), walk)

    assert laid.dims == ("time", "keypoint")
    assert np.isnan(laid).all("keypoint").values.tolist() == [True, False, True]
    assert np.isnan(on_walk_clock(ramp().isel(window=[]), walk)).all()


def test_frames_played_twice_count_once():
    there_and_back = ramp(n_frames=5)
    there_and_back["time_s"][0] = [0.0, 0.04, 0.08, 0.04, 0.0]
    there_and_back[0] = np.arange(5.0)[:, None]
    walk = xr.Dataset(coords={"time": [0.0, 0.04, 0.08]})

    laid = on_walk_clock(there_and_back, walk)

    np.testing.assert_allclose(laid[:, 0], [2, 2, 2])


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = STGCNConfig(blocks=((8, 1), (8, 2)), embed_dim=8)
    return STGCN(config, adjacency("coco_17")).eval()


@pytest.fixture
def windows(rng):
    return Windows(
        x=rng.standard_normal((5, 3, 50, 17)).astype(np.float32),
        walk_id=np.array(["b", "a", "b", "a", "c"]),
        start=np.array([0, 0, 31, 31, 0]),
        padded_pct=np.zeros(5, np.float32),
        time=np.arange(5)[:, None] + np.arange(50) / 25,
        keypoint=COCO,
    )


def test_a_fold_is_summarised_as_a_run_keeps_it(model, windows, tmp_path):
    result = saliency_of(
        model,
        windows,
        methods=("grad_cam", "occlusion"),
        strides=STRIDES,
        keep=np.array([3, 4]),
        simulated=True,
    )

    assert result["joint_saliency"].dims == ("method", "walk", "level", "keypoint")
    assert result["phase_saliency"].dims[-1] == "phase"
    assert result["window_saliency"].dims == (
        *("method", "window", "level", "time", "keypoint"),
    )
    assert all(array.dtype == np.float32 for array in result.values())
    assert result["walk"].values.tolist() == ["b", "a", "c"]
    assert result["window_walk_id"].values.tolist() == ["a", "c"]
    assert result["window_start"].values.tolist() == [31, 0]
    np.testing.assert_array_equal(result["window_time_s"], windows.time[3:])
    direct = attribute(model, windows, method="occlusion", target="III")
    np.testing.assert_allclose(
        result["window_saliency"].sel({"method": "occlusion", "level": "III"}),
        direct[3:],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        result["joint_saliency"].sel({"method": "occlusion", "level": "III"})[1],
        direct[[1, 3]].mean(("window", "time")),
        atol=1e-6,
    )
    assert {k: result.attrs[k] for k in ("layer", "target", "simulated")} == {
        "layer": "last",
        "target": "logit",
        "simulated": 1,
    }
    result.to_netcdf(tmp_path / "saliency.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "saliency.nc", engine="h5netcdf")
    xr.testing.assert_equal(again, result)


def test_folds_are_put_together_by_walk_and_window(model, windows):
    keep = np.ones(5, dtype=bool)
    whole = saliency_of(model, windows, methods=("grad_cam",), keep=keep)
    parts = [
        saliency_of(
            model, windows.of([name]), methods=("grad_cam",), keep=np.ones(n, bool)
        )
        for name, n in (("b", 2), ("a", 2), ("c", 1))
    ]

    nothing = saliency_of(model, windows.of([]), methods=("grad_cam",))

    merged = merge_saliency([parts[0], nothing, *parts[1:]])

    assert len(merged.attrs["model_id"].split()) == 4
    for name in ("joint_saliency", "phase_saliency"):
        xr.testing.assert_allclose(
            merged[name].sel({"method": "grad_cam"}), whole[name][0]
        )
    order = merged["window_walk_id"].values.tolist()
    assert order == ["b", "b", "a", "a", "c"]


def test_a_summary_can_be_ranked(model, windows):
    result = saliency_of(model, windows, methods=("grad_cam",))

    by_walk = rank_joints(
        result["joint_saliency"], groups={"a": "p", "b": "q", "c": "q"}, rng=0
    )
    maps = grad_cam(model, windows, target="II")
    by_window = rank_joints(maps, groups={"a": "p", "b": "q", "c": "q"}, rng=0)

    of_two = by_walk[by_walk["level"] == "II"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_two, by_window, rtol=1e-4)


def test_a_walk_without_windows_is_simply_absent(model, windows):
    result = saliency_of(model, windows.of([]))

    assert result.sizes["walk"] == 0
    assert result.sizes["window"] == 0


def test_nothing_cannot_be_merged():
    with pytest.raises(ValueError, match="`parts`") as error:
        merge_saliency([])
    assert str(error.value) == "`parts` must hold at least one dataset; got 0."


def test_a_real_walk_goes_all_the_way(model):
    walk = clean(sample_walk("sports2d"))
    network = STGCN(model.config, adjacency("body_25")).eval()
    strides = stride_table({"real": walk}, ["real"])
    windows = walk_windows(walk)

    maps = grad_cam(network, windows, target="I")
    phases = phase_saliency(maps, strides.assign(walk_id=windows.walk_id[0]))

    assert {"left", "right"} == set(strides["side"])
    assert (strides["end_s"] > strides["start_s"]).all()
    assert np.isfinite(phases).all()
    assert np.isfinite(on_walk_clock(maps, walk)).any()
    assert stride_table({}, []).empty
