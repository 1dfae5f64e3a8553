"""The training loop: deterministic, resumable, honest about broken files."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cpexplore.learning import FitConfig, fit, predict
from cpexplore.learning import training as training_module
from cpexplore.learning.augment import Augmentation, AugmentConfig, rotate_and_scale
from cpexplore.learning.data import WalkSet, cache_maps, make_walk_set, mirror_features
from cpexplore.learning.training import one_cycle, seeded
from cpexplore.models import STGCN, FusionClassifier, FusionConfig, STGCNConfig
from cpexplore.models.ordinal import OrdinalLogit
from cpexplore.runs import DamagedFileError
from cpexplore.skeleton import adjacency, keypoint_set, mirror_index

SMALL = STGCNConfig(blocks=((8, 2),), embed_dim=16, dropout=0.2, separable=True)
CONFIG = FitConfig(epochs=5, batch_size=8)


def make_backbone() -> STGCN:
    with seeded(0):
        return STGCN(SMALL, adjacency("body_25"))


@pytest.fixture(scope="module")
def sets(study) -> tuple[WalkSet, WalkSet]:
    index = study.cohort.index
    learn = index[index["patient_id"] < "p30"]
    inner = index[index["patient_id"] >= "p30"]
    scores = study.features.iloc[:, :3]
    scores = ((scores - scores.mean()) / scores.std()).to_numpy()
    rows = np.arange(len(index))
    return (
        make_walk_set(learn, study.windows, features=scores[rows[: len(learn)]]),
        make_walk_set(inner, study.windows, features=scores[rows[len(learn) :]]),
    )


AUGMENT = Augmentation(
    config=AugmentConfig(),
    keypoint_mirror=mirror_index("body_25"),
    feature_mirror=np.arange(3),
)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat(
        [value.double().flatten() for value in model.state_dict().values()]
    )


def test_the_same_seed_gives_the_same_weights(sets):
    learn, inner = sets
    fits = [
        fit(make_backbone(), learn, inner=inner, augment=AUGMENT, config=CONFIG, seed=s)
        for s in (1, 1, 2)
    ]
    assert torch.equal(weights(fits[0].model), weights(fits[1].model))
    assert not torch.equal(weights(fits[0].model), weights(fits[2].model))
    columns = ["epoch", "loss", "inner_loss"]
    pd.testing.assert_frame_equal(fits[0].history[columns], fits[1].history[columns])


def test_training_leaves_its_inputs_and_the_global_state_alone(sets):
    learn, inner = sets
    model = make_backbone()
    before = weights(model), learn.x.clone(), torch.get_rng_state()
    fit(model, learn, inner=inner, augment=AUGMENT, config=CONFIG)
    assert torch.equal(weights(model), before[0])
    assert torch.equal(learn.x, before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


@pytest.mark.parametrize("killed_after", range(CONFIG.epochs))
def test_a_killed_training_resumes_to_the_same_weights(
    killed_after, sets, tmp_path, monkeypatch
):
    learn, inner = sets
    arguments = {"inner": inner, "augment": AUGMENT, "config": CONFIG, "seed": 4}
    whole = fit(make_backbone(), learn, **arguments)
    file = tmp_path / "state.safetensors"
    real, calls = training_module._train_epoch, []

    def dies(*args, **kwargs):
        if len(calls) == killed_after:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "_train_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            fit(make_backbone(), learn, **arguments, checkpoint=file)
    resumed = fit(make_backbone(), learn, **arguments, checkpoint=file)
    assert torch.equal(weights(resumed.model), weights(whole.model))
    assert len(resumed.history) == len(whole.history)
    again = fit(make_backbone(), learn, **arguments, checkpoint=file)
    assert torch.equal(weights(again.model), weights(whole.model))


def test_a_checkpoint_of_another_recipe_is_refused(sets, tmp_path):
    learn, inner = sets
    file = tmp_path / "state.safetensors"
    config = replace(CONFIG, epochs=1)
    fit(make_backbone(), learn, inner=inner, config=config, checkpoint=file)
    message = (
        "`checkpoint` must come from the same recipe, seed, model, augmentation and "
        f"walks; {str(file)!r} does not. Delete it or choose another file."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), learn, inner=inner, config=CONFIG, checkpoint=file)
    others = replace(learn, x=learn.x + 1)
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), others, inner=inner, config=config, checkpoint=file)
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), learn, inner=learn, config=config, checkpoint=file)
    other = STGCN(replace(SMALL, dropout=0.9), adjacency("body_25"))
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(other, learn, inner=inner, config=config, checkpoint=file)
    varied = {"augment": AUGMENT, "checkpoint": file}
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), learn, inner=inner, config=config, **varied)
    frugal = STGCN(replace(SMALL, recompute=True), adjacency("body_25"))
    fit(frugal, learn, inner=inner, config=config, checkpoint=file)


def test_a_damaged_checkpoint_gives_one_clear_error(sets, tmp_path):
    learn, inner = sets
    file = tmp_path / "state.safetensors"
    fit(make_backbone(), learn, inner=inner, config=CONFIG, checkpoint=file)
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    reasons = {
        whole[:1000]: "Error while deserializing header: invalid header length",
        flipped: "its checksum is another",
        safetensors.torch.save({}): "it has no checksum, like files of older versions",
    }
    for content, reason in reasons.items():
        file.write_bytes(content)
        with pytest.raises(DamagedFileError) as error:
            fit(make_backbone(), learn, inner=inner, config=CONFIG, checkpoint=file)
        assert str(error.value) == (
            f"{str(file)!r} is damaged ({reason}). Delete it and start the run again; "
            "finished stages are kept."
        )


def test_walks_without_a_level_are_refused(sets):
    learn, inner = sets
    target = learn.target.clone()
    target[:2] = -1
    message = (
        "`train` must have a level for every walk and `inner` for some; "
        f"2 of {len(learn)} and 0 of {len(inner)} have none."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), replace(learn, target=target), inner=inner)


def test_training_stops_when_the_inner_part_gets_no_better(sets):
    learn, inner = sets
    lies = replace(inner, target=(inner.target + 2) % 4)
    config = replace(CONFIG, epochs=30, patience=2, learning_rate=0.01)
    result = fit(make_backbone(), learn, inner=lies, config=config)
    assert len(result.history) < 30
    assert result.best_epoch == result.history["inner_loss"].argmin()
    assert len(result.history) == result.best_epoch + 3


def test_the_best_weights_are_returned(sets):
    learn, inner = sets
    result = fit(make_backbone(), learn, inner=inner, config=CONFIG)
    judged = training_module.judge(result.model, inner)
    assert judged["inner_loss"] == pytest.approx(result.history["inner_loss"].min())


def test_skeleton_and_fusion_learn_a_planted_signal(sets):
    learn, inner = sets
    config = FitConfig(epochs=30, batch_size=8, learning_rate=2e-2)
    backbone = fit(make_backbone(), learn, inner=inner, augment=AUGMENT, config=config)
    assert backbone.history["inner_accuracy"].max() > 0.6
    with seeded(1):
        fusion = FusionClassifier(
            FusionConfig(map_dim=16),
            keypoints=keypoint_set("body_25").keypoints,
            features=("a", "b", "c"),
        )
    mirror = mirror_index("body_25")
    maps = [
        cache_maps(backbone.model, learn, mirror=mirror),
        cache_maps(backbone.model, inner),
    ]
    thresholds = np.array([-1.0, 0.0, 1.0])
    fusion.offset.load(OrdinalLogit(coef=np.full(6, 0.1), thresholds=thresholds))
    result = fit(fusion, maps[0], inner=maps[1], augment=AUGMENT, config=config)
    assert result.history["inner_accuracy"].max() > 0.6
    after, before = (model.offset.state_dict() for model in (result.model, fusion))
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not torch.equal(result.model.head.answer.weight, torch.zeros(4, 512))
    log_proba = predict(result.model, maps[1])
    assert log_proba.isfinite().all()  # also of the walk without a window


def test_steps_in_bfloat16_learn_and_leave_float32_weights(sets):
    learn, inner = sets
    config = FitConfig(epochs=30, batch_size=8, learning_rate=2e-2, bf16=True)
    result = fit(make_backbone(), learn, inner=inner, config=config)
    assert result.history["inner_accuracy"].max() > 0.6
    assert {p.dtype for p in result.model.parameters()} == {torch.float32}
    first, other = (
        fit(make_backbone(), learn, inner=inner, config=once).history["loss"].item()
        for once in (replace(config, epochs=1, bf16=bf16) for bf16 in (True, False))
    )
    assert first != pytest.approx(other, rel=1e-5)


def test_nothing_to_learn_from_raises(sets):
    learn, inner = sets
    empty = replace(learn, x=learn.x[:0], row=learn.row[:0])
    message = f"`train` and `inner` must have windows; got 0 and {len(inner.x)}."
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(make_backbone(), empty, inner=inner)


def test_predict_is_the_mean_over_windows(sets):
    learn, _ = sets
    model = make_backbone().eval()
    log_proba = predict(model, learn, temperature=2.0, chunk=3)
    with torch.no_grad():
        by_window = model(learn.x).log_softmax(1)
    walk = 5
    mean = by_window[learn.row == walk].mean(0)
    torch.testing.assert_close(log_proba[walk], (mean / 2).log_softmax(0))
    none = replace(learn, x=learn.x[:4], row=learn.row[:4])
    assert predict(model, none)[10:].isnan().all()


@given(
    counts=st.lists(st.integers(0, 4), min_size=2, max_size=12).filter(any),
    seed=st.integers(0, 99),
)
def test_an_epoch_draws_one_window_of_each_walk_that_has_any(counts, seed):
    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    n = len(counts)
    walks = WalkSet(
        walk_id=tuple(map(str, range(n))),
        x=torch.zeros(len(rows), 1),
        row=rows,
        features=torch.zeros(n, 0),
        target=torch.zeros(n, dtype=torch.long),
        patient=torch.arange(n),
    )
    drawn = walks.draw(torch.Generator().manual_seed(seed))
    assert sorted(rows[drawn].tolist()) == [w for w in range(n) if counts[w]]


def test_walk_sets_align_by_id_and_not_by_position(study):
    index = study.cohort.index
    order = np.random.default_rng(0).permutation(len(study.windows))
    one = make_walk_set(index, study.windows)
    other = make_walk_set(index, study.windows.select(order))
    torch.testing.assert_close(one.n_windows, other.n_windows)
    totals = [
        torch.zeros(80).index_add_(0, w.row, w.x.sum((1, 2, 3))) for w in (one, other)
    ]
    torch.testing.assert_close(*totals)


def test_mirroring_twice_is_nothing_and_swaps_sides():
    names = ["speed_llps", "rom_left_deg", "asym_s", "rom_right_deg", "lone_left_s"]
    assert mirror_features(names).tolist() == [0, 3, 2, 1, 4]
    augment = Augmentation(
        config=AugmentConfig(mirror=1.0, rotation_deg=0, scale=0, keypoint_dropout=0),
        keypoint_mirror=mirror_index("body_25"),
        feature_mirror=mirror_features(names),
    )
    generator = torch.Generator().manual_seed(0)
    x, features = torch.randn(3, 3, 8, 25), torch.randn(3, 5)
    once = augment(x, features, generator)
    twice = augment(*once, generator)
    assert not torch.equal(once[0], x)
    assert torch.equal(twice[0], x)
    assert torch.equal(twice[1], features)
    maps = torch.stack([torch.zeros(3, 4, 25), torch.ones(3, 4, 25)], dim=1)
    assert torch.equal(augment(maps, features, generator)[0], maps[:, 1])


def test_turning_and_resizing_keep_shape_and_confidence():
    x = torch.randn(4, 3, 8, 25)
    config = AugmentConfig(rotation_deg=30, scale=0.2)
    turned = rotate_and_scale(x, config=config, generator=torch.Generator())
    assert torch.equal(turned[:, 2], x[:, 2])
    length = [v[:, :2].square().sum(1).sqrt() for v in (x, turned)]
    ratio = length[1] / length[0]
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio))
    assert ((ratio - 1).abs() <= 0.2 + 1e-5).all()


def test_the_learning_rate_rises_and_falls_once():
    rates = [one_cycle(p, warm_up=0.3) for p in np.linspace(0, 1, 101)]
    assert int(np.argmax(rates)) == 30
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()


def test_training_that_diverges_is_stopped_and_leaves_no_checkpoint(sets, tmp_path):
    learn, inner = sets
    broken = replace(learn, x=learn.x * torch.nan)
    file = tmp_path / "state.safetensors"
    sentence = (
        "Training must keep finite losses; in epoch 0 they are nan and, inner, nan. "
        "Lower `learning_rate` or look for broken windows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        fit(make_backbone(), broken, inner=inner, config=CONFIG, checkpoint=file)
    assert not file.exists()


def test_an_inner_window_of_nan_is_not_passed_over(sets):
    learn, inner = sets
    x = inner.x.clone()
    x[0] = torch.nan
    with pytest.raises(ValueError, match="inner, nan"):
        fit(make_backbone(), learn, inner=replace(inner, x=x), config=CONFIG)


def test_a_triplet_loss_needs_an_embedding(sets):
    learn, inner = sets
    config = replace(CONFIG, triplet=0.5)
    sentence = (
        "`config.triplet` must be 0 for a model without `embed(x)`; got 0.5 for Linear."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        fit(nn.Linear(3, 4), learn, inner=inner, config=config)


def test_a_frozen_part_stays_frozen(sets):
    model = make_backbone()
    model.blocks.eval()
    predict(model, sets[1])
    assert model.training
    assert not any(module.training for module in model.blocks.modules())
