"""Grad-CAM: by hand on a tiny network, equal to the published one, harmless."""

import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cpexplore.attribution import METHODS, attribute, grad_cam
from cpexplore.attribution._inputs import CHUNK
from cpexplore.attribution.gradcam import cam, stretch
from cpexplore.attribution.methods import attribute_levels, mean_pose, typical_pose
from cpexplore.models import STGCN, STGCNConfig, load_reference_state
from cpexplore.skeleton import KEYPOINT_SETS, adjacency
from cpexplore.windows import Windows

COCO = KEYPOINT_SETS["coco_17"].keypoints
SMALL = STGCNConfig(blocks=((8, 1), (8, 2)), embed_dim=8, dropout=0.3)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model():
    """A small network with batch norm statistics that are not those of a fresh one."""
    network = STGCN(SMALL, adjacency("coco_17"))
    with torch.no_grad():
        network.train()(torch.randn(16, 3, 20, 17))
    return network.eval()


@pytest.fixture
def x(rng):
    return rng.standard_normal((5, 3, 20, 17)).astype(np.float32)


@pytest.fixture
def windows(x):
    return Windows(
        x=x,
        walk_id=np.array(["a", "a", "b", "b", "c"]),
        start=np.array([0, 31, 0, 31, 0]),
        padded_pct=np.zeros(5, np.float32),
        time=np.arange(5)[:, None] + np.arange(20) / 25,
        keypoint=COCO,
    )


def cam_by_hand(model, x, target, *, relu):
    """Grad-CAM of the last layer from its definition, with autograd only."""
    maps = model.maps(torch.tensor(x)).detach().requires_grad_()
    logit = model.head(maps.mean((2, 3)))[:, target].sum()
    (gradient,) = torch.autograd.grad(logit, maps)
    weighted = (gradient.mean((2, 3), keepdim=True) * maps).sum(1)
    return (weighted.relu() if relu else weighted).detach()


@pytest.mark.parametrize("relu", [True, False])
def test_it_equals_the_definition(model, x, relu):
    expected = cam_by_hand(model, x, 2, relu=relu)

    result = grad_cam(model, x, target="III", relu=relu)

    at_steps = result.isel(time=slice(None, None, 2))
    np.testing.assert_allclose(at_steps, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_an_inner_layer_equals_the_definition(model, x, layer):
    wide = STGCN(replace(SMALL, embed_dim=12), adjacency("coco_17")).eval()
    first = wide.blocks[0]
    entry = wide.input_norm(torch.tensor(x).permute(0, 2, 3, 1).reshape(100, 51))
    entry = entry.view(5, 20, 17, 3).permute(0, 3, 1, 2)
    maps = first(entry, wide.adjacency)
    rest = [wide.blocks[1]]
    if layer != 0:
        maps = rest.pop()(maps, wide.adjacency)
    maps = maps.detach().requires_grad_()
    out = maps
    for block in rest:
        out = block(out, wide.adjacency)
    logit = wide.head(wide.project(out).mean((2, 3)))[:, 1].sum()
    (gradient,) = torch.autograd.grad(logit, maps)
    expected = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).detach()

    result = grad_cam(wide, x, target="II", layer=layer, relu=False)

    step = 1 if layer == 0 else 2
    np.testing.assert_allclose(result[:, ::step], expected, rtol=1e-3, atol=1e-8)


def test_with_global_pooling_it_is_the_class_activation_map(model, x):
    maps = model.maps(torch.tensor(x))
    weights = model.head.weight[1]
    activation_map = torch.einsum("nctv,c->ntv", maps, weights).detach()

    result = grad_cam(model, x, target="II", relu=False)

    expected = activation_map / activation_map[0].numel()
    np.testing.assert_allclose(result[:, ::2], expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("n_keypoints", [25, 17])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (None, 1e-5)])
def test_it_equals_that_of_the_published_network(n_keypoints, dtype, near):
    path = Path(__file__).parents[1] / "golden" / f"golden_v{n_keypoints}.npz"
    golden = np.load(path)
    state = {"A": golden["A"]}
    for name, shape in zip(golden["names"], golden["shapes"], strict=True):
        dims = tuple(int(size) for size in re.findall(r"\d+", shape))
        if name != "A" and not name.endswith("num_batches_tracked"):
            state[str(name)] = published_weights(str(name), dims)
    model = STGCN(STGCNConfig(dropout=0), golden["A"]).to(dtype or torch.float32)
    load_reference_state(model, state)
    x = torch.tensor(golden["x"][..., 0], dtype=dtype or torch.float32)

    result = cam(model.eval(), x, torch.tensor(golden["labels"])[None], relu=True)[0]

    error = np.abs(result[:, ::4].double().numpy() - golden["gradcam"]).max()
    assert error <= near * golden["gradcam"].max()


def published_weights(name, shape):
    r = np.random.default_rng(2603 + zlib.crc32(name.encode())).standard_normal(shape)
    if name.startswith("edge_importance"):
        return 1 + 0.2 * r
    if name.endswith("running_var"):
        return 1 + 0.3 * np.tanh(r)
    if name.endswith(("running_mean", "bias")):
        return 0.1 * r
    return 1 + 0.1 * r if len(shape) == 1 else r * np.sqrt(1 / np.prod(shape[1:]))


def test_it_names_its_axes_and_itself(model, windows):
    result = grad_cam(model, windows, target="IV", layer=0, relu=False)

    assert result.dims == ("window", "time", "keypoint")
    assert tuple(result["keypoint"].values) == COCO
    assert result["walk_id"].values.tolist() == ["a", "a", "b", "b", "c"]
    np.testing.assert_array_equal(result["time_s"], windows.time)
    assert {k: result.attrs[k] for k in ("method", "layer", "target", "relu")} == {
        "method": "grad_cam_signed",
        "layer": "0",
        "target": "IV",
        "relu": 0,
    }


def test_the_model_id_changes_with_any_weight(model, x):
    before = grad_cam(model, x, target=0).attrs["model_id"]
    again = grad_cam(model, x, target=0).attrs["model_id"]
    with torch.no_grad():
        model.head.bias[3] += 1e-3

    assert before == again
    assert grad_cam(model, x, target=0).attrs["model_id"] != before


def test_predicted_explains_the_level_that_the_network_gives(model, x):
    levels = model(torch.tensor(x)).argmax(1)

    result = grad_cam(model, x, target="predicted", relu=False)

    for window, level in enumerate(levels.tolist()):
        own = grad_cam(model, x[[window]], target=level, relu=False)[0]
        np.testing.assert_allclose(result[window], own, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("method", list(METHODS))
def test_no_method_changes_the_network_or_the_windows(model, x, method):
    model.train()
    model.blocks[0].eval()  # a mixed state has to come back as well
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    before = x.copy()

    attribute(model, x, method=method, target="II")

    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(state[n], value) for n, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("method", list(METHODS))
def test_maps_are_repeatable_float32_and_of_input_shape(model, x, method):
    torch.manual_seed(1)
    first = attribute(model, x, method=method, target="II")
    torch.manual_seed(2)
    second = attribute(model, x, method=method, target="II")

    assert first.shape == (5, 20, 17)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


def test_gradients_do_not_leak_and_the_random_state_stays(model, x):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    attribute(model, x, method="saliency_noise", target=0)
    attribute(model, x, method="untrained", target=0)

    assert torch.equal(torch.rand(3), expected)


def test_it_works_in_inference_mode_and_with_frozen_weights(model, x):
    expected = grad_cam(model, x, target=1)
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    with torch.inference_mode():
        result = grad_cam(model, x, target=1)

    np.testing.assert_array_equal(result, expected)


def test_chunks_do_not_matter(model, rng):
    x = rng.standard_normal((35, 3, 12, 17)).astype(np.float32)

    result = grad_cam(model, x, target=0, relu=False)

    for part in (slice(0, 3), slice(30, 35)):
        np.testing.assert_allclose(
            result[part], grad_cam(model, x[part], target=0, relu=False), atol=1e-7
        )


@pytest.mark.parametrize("method", ["random", "saliency_noise"])
def test_what_is_drawn_depends_on_the_window_not_on_its_place(model, rng, method):
    x = rng.standard_normal((CHUNK + 2, 3, 12, 17)).astype(np.float32)

    result = attribute(model, x, method=method, target=0).values
    again = attribute(model, x[[CHUNK, 3]], method=method, target=0).values
    levels = attribute_levels(model, x[[3]], method=method, targets=[0, 1])

    np.testing.assert_allclose(again, result[[CHUNK, 3]], rtol=1e-4)
    np.testing.assert_allclose(levels[0, 0], result[3], rtol=1e-4)
    assert not np.allclose(result[0], result[CHUNK])


def test_no_windows_give_no_maps(model):
    result = grad_cam(model, np.zeros((0, 3, 20, 17), np.float32), target=0)

    assert result.shape == (0, 20, 17)


@pytest.mark.parametrize(
    "method",
    ["grad_cam_signed", "integrated_gradients", "occlusion", "shapley_parts"],
)
def test_maps_change_when_the_weights_are_drawn_anew(model, x, method):
    other = STGCN(SMALL, adjacency("coco_17")).eval()

    ours = attribute(model, x, method=method, target=0).values.ravel()
    theirs = attribute(other, x, method=method, target=0).values.ravel()

    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 0.9


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "occlusion", "saliency_noise"]
)
def test_a_keypoint_the_network_cannot_see_gets_nothing(x, method):
    graph = np.eye(17)[None]  # no bones: keypoints meet only in the pooling
    model = STGCN(SMALL, graph).eval()
    hidden = COCO.index("left_wrist")
    with torch.no_grad():
        model.input_norm.weight.view(17, 3)[hidden] = 0

    maps = attribute(model, x, method=method, target=0)

    assert abs(maps.sel(keypoint="left_wrist")).max() == 0
    assert abs(maps.sel(keypoint="right_wrist")).max() > 0


def test_grad_cam_finds_the_only_keypoint_that_carries_the_logit(x):
    model = STGCN(SMALL, np.eye(17)[None]).eval()
    seen = COCO.index("right_knee")
    with torch.no_grad():
        model.input_norm.bias[:] = 0
        model.input_norm.weight[:] = 0
        model.input_norm.weight.view(17, 3)[seen] = 5

    maps = grad_cam(model, x, target=0, relu=False)

    contrast = maps.std("window").max("time")
    assert str(contrast.idxmax().item()) == "right_knee"
    assert contrast.drop_sel(keypoint="right_knee").max() < 1e-6 * contrast.max()


def test_integrated_gradients_add_up_to_the_change_of_the_logit(model, x):
    model.double()
    full = model(torch.tensor(x, dtype=torch.float64))[:, 1]
    baseline = model(mean_pose(torch.tensor(x, dtype=torch.float64)))[:, 1]

    maps = attribute(model, x, method="integrated_gradients", target="II")

    total = maps.sum(("time", "keypoint"))
    np.testing.assert_allclose(total, (full - baseline).detach(), rtol=0.1, atol=0.01)


def test_shapley_values_add_up_to_the_change_of_the_logit(model, x):
    tensor = torch.tensor(x)
    change = model(tensor) - model(mean_pose(tensor))

    maps = attribute_levels(
        model, x, method="shapley_parts", targets=range(4)
    )  # constant over time

    np.testing.assert_allclose(
        maps[:, :, 0].sum(-1).T, change.detach(), rtol=1e-4, atol=1e-5
    )


def test_occlusion_is_the_change_of_the_logit_when_a_keypoint_stands_still(model, x):
    tensor = torch.tensor(x)
    knee = COCO.index("left_knee")
    still = tensor.clone()
    still[:, :2, :, knee] = tensor[:, :2, :, knee].mean(2, keepdim=True)
    change = (model(tensor) - model(still))[:, 3].detach()

    maps = attribute(model, x, method="occlusion", target="IV")

    np.testing.assert_allclose(
        maps.sel(keypoint="left_knee").isel(time=4), change, rtol=1e-3, atol=1e-6
    )


def test_only_a_typical_baseline_sees_how_a_child_is_held(model, x):
    held = x.copy()
    held[:, 1, :, COCO.index("nose")] = 2.0  # bent away, and still

    held[:, 0, :, COCO.index("nose")] = 0.0
    methods = ("occlusion", "integrated_gradients")

    maps = {
        method: attribute(model, held, method=method, target=0).sel(keypoint="nose")
        for method in (*methods, *(f"{method}_typical" for method in methods))
    }

    for method, values in maps.items():
        seen = bool(abs(values.sum("time")).max() > 1e-4)
        assert seen is method.endswith("typical"), method


def test_a_typical_keypoint_stands_at_its_mean_place_in_training(x):
    model = STGCN(SMALL, adjacency("coco_17"))
    tensor = torch.tensor(x)
    model.input_norm.momentum = 1.0
    model.train()(tensor)

    pose = typical_pose(model, tensor)

    mean = tensor[:, :2].mean((0, 2))
    torch.testing.assert_close(
        pose[:, :2], mean[None, :, None].expand(5, 2, 20, 17), atol=1e-6, rtol=0
    )
    assert torch.equal(pose[:, 2], tensor[:, 2])


def test_hires_cam_of_the_last_layer_is_grad_cam(model, x):
    hires = attribute(model, x, method="hires_cam", target=0)
    plain = attribute(model, x, method="grad_cam_signed", target=0)

    np.testing.assert_allclose(hires, plain, rtol=1e-3, atol=1e-7)


def test_motion_energy_is_squared_displacement(model, x):
    maps = attribute(model, x, method="motion_energy", target=0)

    step = np.diff(x[:, :2], axis=2) ** 2
    np.testing.assert_allclose(maps[:, 1:], step.sum(1), rtol=1e-5)
    assert (maps[:, 0] == 0).all()


def test_a_class_blind_control_is_the_same_for_every_level(model, x):
    levels = attribute_levels(model, x, method="activation_norm", targets=range(4))

    assert all(np.array_equal(levels[0], other) for other in levels[1:])


def test_layers_are_stretched_over_time_and_never_over_keypoints():
    steps = torch.zeros(1, 3, 4)
    steps[0, 1, 2] = 1.0

    frames = stretch(steps, n_frames=10, stride=4)[0]

    expected = [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0]
    np.testing.assert_allclose(frames[:, 2], expected)
    assert (frames[:, [0, 1, 3]] == 0).all()


def test_the_last_frames_hold_the_last_step():
    frames = stretch(torch.tensor([[[1.0], [3.0]]]), n_frames=8, stride=4)[0, :, 0]

    assert frames.tolist() == [1, 1.5, 2, 2.5, 3, 3, 3, 3]


def test_unknown_targets_layers_and_methods_are_named(model, x):
    with pytest.raises(ValueError, match="`target`") as target:
        grad_cam(model, x, target="V")
    with pytest.raises(ValueError, match="`target`") as number:
        grad_cam(model, x, target=4)
    with pytest.raises(ValueError, match="`layer`") as layer:
        grad_cam(model, x, target="I", layer=2)
    with pytest.raises(ValueError, match="`method`") as method:
        attribute(model, x, method="motion")

    options = "`target` must be one of 'I', 'II', 'III', 'IV', 'predicted' or an index "
    assert str(target.value) == options + "below 4; got 'V'."
    assert str(number.value) == options + "below 4; got 4."
    assert str(layer.value) == (
        "`layer` must be 'last' or the number of one of the 2 blocks; got 2."
    )
    assert str(method.value).endswith(
        "'motion_energy'; got 'motion'. Did you mean 'motion_energy'?"
    )


def test_windows_that_cannot_be_are_refused(model, x):
    with pytest.raises(ValueError, match="`windows`") as shape:
        grad_cam(model, x[0], target=0)
    with pytest.raises(ValueError, match="`windows`") as missing:
        grad_cam(model, np.where(x > 1, np.nan, x), target=0)

    assert str(shape.value) == (
        "`windows` must have the shape (N, C, T, V); got (3, 20, 17)."
    )
    assert str(missing.value) == (
        "`windows` must be finite; got NaN. Make them with `cohort.windows()`."
    )


def test_body_parts_need_a_known_skeleton(x):
    model = STGCN(replace(SMALL), np.eye(4)[None]).eval()

    maps = attribute(model, x[..., :4], method="occlusion", target=0)

    assert maps["keypoint"].values.tolist() == [f"keypoint_{v}" for v in range(4)]
    with pytest.raises(ValueError, match="`windows`") as error:
        attribute(model, x[..., :4], method="shapley_parts", target=0)
    assert str(error.value) == (
        "`windows` must have the keypoints of a known set for 'shapley_parts'; "
        "got 4 keypoints."
    )
