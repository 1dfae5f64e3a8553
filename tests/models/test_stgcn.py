"""ST-GCN: equal to the published network, and fit to be trained."""

import importlib.util
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.sparse.csgraph import shortest_path
from torch.nn import functional as F

from cpexplore.models import (
    STGCN,
    STGCNConfig,
    fold_batch_norm,
    infer,
    load_reference_state,
)
from cpexplore.models.reference import reference_name
from cpexplore.skeleton import KEYPOINT_SETS, adjacency, partition

ROOT = Path(__file__).parents[2]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
GRADIENT_TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-3}
"""In float32, rounding takes an activation beside 0 to its other side, on each
processor another one: 1.2e-5 (V = 25) and 1.8e-4 (V = 17) of a norm were seen with
AVX2, 1.3e-3 without vector instructions (4e-6 and 2e-5 of the largest norm)."""
SMALL = STGCNConfig(blocks=((8, 1), (8, 1), (12, 2)), embed_dim=12, dropout=0)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def reference_weights(name, shape):
    """The rule by which the golden network was given its weights."""
    rng = np.random.default_rng(2603 + zlib.crc32(name.encode()))
    r = rng.standard_normal(shape)
    if name.startswith("edge_importance"):
        return 1 + 0.2 * r
    if name.endswith("running_var"):
        return 1 + 0.3 * np.tanh(r)
    if name.endswith(("running_mean", "bias")):
        return 0.1 * r
    if len(shape) == 1:
        return 1 + 0.1 * r
    return r * np.sqrt(1 / np.prod(shape[1:]))


@pytest.fixture(params=[(v, t) for v in (25, 17) for t in TOLERANCE], ids=str)
def published(request):
    """Golden file, our network with its weights, input and dtype."""
    n_keypoints, dtype = request.param
    golden = np.load(ROOT / f"tests/golden/golden_v{n_keypoints}.npz")
    state = {"A": golden["A"]}
    for name, shape in zip(golden["names"], golden["shapes"], strict=True):
        dims = tuple(int(size) for size in re.findall(r"\d+", shape))
        if name != "A" and not name.endswith("num_batches_tracked"):
            state[str(name)] = reference_weights(str(name), dims)
    model = STGCN(STGCNConfig(dropout=0), golden["A"]).to(dtype)
    load_reference_state(model, state)
    x = torch.tensor(golden["x"][..., 0], dtype=dtype)
    return golden, model, x, dtype


def assert_near(result, expected, tolerance):
    result = result.detach().double().numpy()
    assert np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


def test_forward_equals_the_published_network(published):
    golden, model, x, dtype = published
    near = TOLERANCE[dtype]
    model.eval()
    blocks = []
    for block in model.blocks:
        block.register_forward_hook(lambda *args: blocks.append(args[2]))

    logits = model(x)

    assert_near(logits, golden["logits"], near)
    assert_near(model.embed(x), golden["pooled"], near)
    assert_near(model.maps(x), golden["last_block"], near)
    for i, block in enumerate(blocks[:10]):
        assert_near(block.mean((2, 3)), golden[f"block{i}_mean"], near)
        assert_near(block.norm(), golden[f"block{i}_norm"], near)
    by_position = model.head(model.maps(x).movedim(1, -1)).movedim(-1, 1)
    assert_near(by_position, golden["extract_output"][..., 0], near)
    assert_near(infer(model, x), golden["logits"], near)


def test_a_training_step_equals_the_published_network(published):
    golden, model, x, dtype = published
    model.train()

    loss = F.cross_entropy(model(x), torch.tensor(golden["labels"]))
    loss.backward()

    assert_near(loss, golden["loss"], TOLERANCE[dtype])
    norm = model.blocks[9].temporal_norm
    assert_near(norm.running_mean, golden["bn_running_mean_9"], TOLERANCE[dtype])
    assert_near(norm.running_var, golden["bn_running_var_9"], TOLERANCE[dtype])
    gradients = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    assert len(gradients) == len(golden["grad_names"])
    for name, expected in zip(golden["grad_names"], golden["grad_norms"], strict=True):
        assert gradients[reference_name(name)] == pytest.approx(
            expected, rel=GRADIENT_TOLERANCE[dtype], abs=TOLERANCE[dtype]
        ), name


def random_tree(n_keypoints):
    """Partition of a skeleton that nobody has seen."""
    rng = np.random.default_rng(n_keypoints)
    links = np.zeros((n_keypoints, n_keypoints))
    for keypoint in range(1, n_keypoints):
        links[keypoint, rng.integers(keypoint)] = 1
    hops = shortest_path(links, directed=False, unweighted=True)
    return partition(hops, centre=[int(rng.integers(n_keypoints))])


def published_name(name):
    """What the published code calls a parameter of the textbook network."""
    swap = {"graph_conv": "gcn.conv", "graph_norm": "tcn.0", "time_conv": "tcn.2"}
    swap |= {"time_norm": "tcn.3", "shortcut": "residual", "input_norm": "data_bn"}
    swap |= {"blocks": "st_gcn_networks", "head": "fcn"}
    for ours, published in swap.items():
        name = name.replace(ours, published)
    name = re.sub(r"st_gcn_networks\.(\d+)\.(edge_importance)", r"\2.\1", name)
    return "A" if name == "graph" else name


@pytest.mark.parametrize("told", [True, False], ids=["with A", "without A"])
@pytest.mark.parametrize("skeleton", ["halpe_26", "blazepose_33", 13, 21])
def test_any_other_skeleton_equals_the_textbook_network(skeleton, told):
    path = ROOT / "benchmarks" / "textbook_stgcn.py"
    spec = importlib.util.spec_from_file_location("textbook_stgcn", path)
    textbook_module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(textbook_module)
    named = isinstance(skeleton, str)
    graph = adjacency(skeleton) if named else random_tree(skeleton)
    textbook = textbook_module.TextbookSTGCN(torch.tensor(graph)).double()
    state = {published_name(k): v for k, v in textbook.state_dict().items()}
    for name, value in state.items():
        if name != "A" and value.ndim:
            value.copy_(torch.tensor(reference_weights(name, tuple(value.shape))))
    if not told:
        del state["A"]
    model = STGCN(STGCNConfig.preset("paper", dropout=0), graph).double()
    load_reference_state(model, state)
    x = torch.randn(2, 3, 30, graph.shape[-1], dtype=torch.float64)
    near = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(model.eval()(x), textbook.eval()(x), **near)

    for block in textbook.blocks:
        block.drop.p = 0
    losses = [
        F.cross_entropy(m.train()(x), torch.tensor([1, 3])) for m in (model, textbook)
    ]
    torch.testing.assert_close(*losses, **near)
    for loss in losses:
        loss.backward()
    ours, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    for name, parameter in textbook.named_parameters():
        norm = ours[reference_name(published_name(name))].grad.norm()
        torch.testing.assert_close(norm, parameter.grad.norm(), rtol=1e-9, atol=1e-12)
    for name, value in textbook.named_buffers():
        result = buffers[reference_name(published_name(name))]
        torch.testing.assert_close(result, value, **near)


@pytest.mark.parametrize("preset", ["paper", "quick"])
@pytest.mark.parametrize("name", list(KEYPOINT_SETS))
def test_both_presets_share_one_interface_on_every_skeleton(name, preset):
    graph = adjacency(name)
    model = STGCN(STGCNConfig.preset(preset, n_classes=3), graph).eval()
    x = torch.randn(2, 3, 60, graph.shape[-1])

    with torch.no_grad():
        assert model(x).shape == (2, 3)
        assert model.embed(x).shape == (2, 256)
        assert model.maps(x).shape == (2, 256, 15, graph.shape[-1])


def test_the_paper_preset_has_its_published_size():
    model = STGCN(STGCNConfig.preset("paper"), adjacency("body_25"))

    assert sum(p.numel() for p in model.parameters()) == 3_084_440


@pytest.mark.parametrize("strategy", ["uniform", "distance", "spatial-original"])
def test_every_partition_can_be_used(strategy):
    model = STGCN(SMALL, adjacency("coco_17", strategy=strategy))

    assert model(torch.randn(2, 3, 20, 17)).shape == (2, 4)


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_backward_touches_every_parameter(preset):
    model = STGCN(STGCNConfig.preset(preset, dropout=0), adjacency("coco_17")).double()
    x = torch.randn(4, 3, 24, 17, dtype=torch.float64)

    F.cross_entropy(model(x), torch.arange(4)).backward()

    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    cancelled = {name for name, norm in norms.items() if norm < 1e-12}
    # a batch norm subtracts the bias of the convolution before it, whatever it is
    assert all(re.search(r"(temporal|residual|project).*bias$", n) for n in cancelled)
    touched = norms.keys() - cancelled
    assert all(name in touched for name in norms if not name.endswith("bias"))


def test_evaluation_is_deterministic_and_leaves_the_input_alone():
    model = STGCN(replace(SMALL, dropout=0.5), adjacency("coco_17")).eval()
    x = torch.randn(3, 3, 20, 17)
    before = x.clone()

    assert torch.equal(model(x), model(x))
    assert torch.equal(x, before)


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_the_state_survives_safetensors(preset, tmp_path):
    config = STGCNConfig.preset(preset)
    model = STGCN(config, adjacency("coco_17")).eval()
    other = STGCN(config, np.zeros((3, 17, 17))).eval()
    x = torch.randn(2, 3, 24, 17)

    save_file(model.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))

    assert torch.equal(model(x), other(x))


def test_recomputing_gives_the_same_gradients_and_statistics():
    config = STGCNConfig(dropout=0.3, recompute=False)
    plain = STGCN(config, adjacency("coco_17"))
    frugal = STGCN(replace(config, recompute=True), adjacency("coco_17"))
    frugal.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3, 20, 17)
    kept = {}

    for model in (plain, frugal):
        sizes = {}

        def keep(tensor, sizes=sizes):
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = F.cross_entropy(model(x), torch.arange(4))
        loss.backward()
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        kept[model] = sum(sizes[at] for at in sizes.keys() - weights)

    assert kept[frugal] < 0.35 * kept[plain]

    for (name, a), b in zip(plain.named_parameters(), frugal.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name
    states = zip(plain.state_dict().items(), frugal.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for (_, a), b in states)


def test_recomputing_bears_a_second_backward_pass():
    model = STGCN(replace(SMALL, recompute=True), adjacency("coco_17"))
    x = torch.randn(4, 3, 20, 17, requires_grad=True)
    logits = model(x)
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    first, again = (
        torch.autograd.grad(logits.sum(), x, retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, again)
    for name, value in model.named_buffers():
        assert torch.equal(value, statistics[name]), name


def planted(n, rng):
    """Windows whose class is the amplitude of the right knee's swing."""
    target = rng.integers(0, 3, n)
    x = 0.3 * rng.standard_normal((n, 3, 32, 17)).astype(np.float32)
    knee = KEYPOINT_SETS["coco_17"].keypoints.index("right_knee")
    swing = np.sin(np.arange(32) / 3 + rng.uniform(0, 6, (n, 1)))
    x[:, 0, :, knee] += target[:, None] * swing
    return torch.tensor(x), torch.tensor(target)


def test_the_network_learns_a_planted_signal(rng):
    model = STGCN(replace(SMALL, n_classes=3), adjacency("coco_17"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(80):
        x, target = planted(32, rng)
        optimiser.zero_grad()
        F.cross_entropy(model(x), target).backward()
        optimiser.step()

    x, target = planted(200, rng)

    assert (infer(model, x).argmax(1) == target).float().mean() > 0.85


@pytest.mark.parametrize("preset", ["paper", "quick"])
def test_folding_batch_norms_changes_nothing_but_rounding(preset):
    model = STGCN(STGCNConfig.preset(preset), adjacency("coco_17")).double()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(2, 3, 24, 17, dtype=torch.float64)

    folded = fold_batch_norm(model.train())

    assert model.training
    assert all(torch.equal(before[n], value) for n, value in model.state_dict().items())
    assert not any("spatial_norm" in name for name, _ in folded.named_parameters())
    torch.testing.assert_close(folded(x), model.eval()(x), rtol=1e-10, atol=1e-10)


def test_inference_in_chunks_is_inference_at_once():
    model = STGCN(SMALL, adjacency("coco_17")).train()
    x = torch.randn(7, 3, 20, 17)

    logits = infer(model, x, chunk=3)

    assert model.training
    assert not logits.requires_grad
    torch.testing.assert_close(logits, model.eval()(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(infer(model, x, bf16=True), logits, rtol=0.1, atol=0.05)


def test_windows_of_another_skeleton_are_refused():
    model = STGCN(SMALL, adjacency("coco_17"))
    x = torch.zeros(2, 3, 20, 25)
    with pytest.raises(ValueError, match=r"^`x` must have") as error:
        model(x)
    assert str(error.value) == (
        "`x` must have the shape (N, 3, T, 17); got (2, 3, 20, 25)."
    )
    with pytest.raises(ValueError, match=r"^`chunk` must") as error:
        infer(model, x[..., :17], chunk=0)
    assert str(error.value) == "`chunk` must be a finite number and >= 1; got 0."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_classes": 0}, "`n_classes` must be a finite number and >= 1; got 0."),
        (
            {"dropout": 1.0},
            "`dropout` must be a finite number and >= 0 and <= 0.95; got 1.0.",
        ),
        ({"temporal_kernel": 4}, "`temporal_kernel` must be odd; got 4."),
        (
            {"blocks": ((8, 0),)},
            "`blocks` must be pairs of a width and a stride, both >= 1; got ((8, 0),).",
        ),
    ],
)
def test_a_config_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match="must") as error:
        STGCNConfig(**changes)
    assert str(error.value) == message


def test_an_unknown_preset_is_named_with_all_options():
    with pytest.raises(ValueError, match="`preset`") as error:
        STGCNConfig.preset("large")
    assert str(error.value) == "`preset` must be one of 'paper', 'quick'; got 'large'."


def test_an_adjacency_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="`adjacency`") as error:
        STGCN(SMALL, np.eye(17))
    assert (
        str(error.value) == "`adjacency` must have the shape (K, V, V); got (17, 17)."
    )


def test_weights_of_another_network_are_refused():
    model = STGCN(SMALL, adjacency("coco_17"))

    with pytest.raises(KeyError, match="`state`") as missing:
        load_reference_state(model, {"data_bn.weight": np.ones(51)})
    with pytest.raises(ValueError, match="`state`") as misshapen:
        load_reference_state(model, {**_own_names(model), "data_bn.bias": np.ones(5)})

    assert missing.value.args[0].endswith(
        "do not fit, the first is 'blocks.0.spatial.bias'."
    )
    assert (
        str(misshapen.value)
        == "`state` must hold (51,) for 'input_norm.bias'; got (5,)."
    )


def _own_names(model):
    state = dict(model.state_dict())
    del state["input_norm.bias"]
    return state
