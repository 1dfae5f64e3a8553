"""The fusion family: shapes, gradients, missing values, and what each variant is."""

import re

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from cpexplore.models import STGCN, FusionClassifier, FusionConfig, STGCNConfig
from cpexplore.models.fusion import FUSIONS
from cpexplore.models.mixing import HEADS, GatedAttention
from cpexplore.models.ordinal import OrdinalLogit, OrdinalOffset
from cpexplore.skeleton import adjacency, keypoint_set

KEYPOINTS = keypoint_set("coco_17").keypoints
FEATURES = ("speed_llps", "knee_rom_mean_deg", "cadence_spm")
DEGENERATE = {"norm_asker", "in_proj"}


def make_fusion(
    fusion: str = "cross_attention", *, offset: bool = False, **changes
) -> FusionClassifier:
    torch.manual_seed(0)
    config = FusionConfig(fusion=fusion, map_dim=32, offset=offset, **changes)
    return FusionClassifier(config, keypoints=KEYPOINTS, features=FEATURES)


def open_gates(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, GatedAttention):
            nn.init.constant_(module.gate, 0.1)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(6, 32, len(KEYPOINTS), generator=generator)
    features = torch.randn(6, len(FEATURES), generator=generator)
    features[0, 1] = torch.nan
    maps[1] = torch.nan
    return maps, features


def open_heads(model: FusionClassifier) -> None:
    """Draw the last layers, which are 0 with an offset, as without one."""
    for head in (model.head_c, getattr(model.head, "answer", None)):
        if head is not None:
            head.reset_parameters()


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_answers_and_trains_every_parameter(fusion, offset, batch):
    model = make_fusion(fusion, offset=offset, modality_dropout=0.0)
    open_gates(model)
    open_heads(model)
    out = model.outputs(*batch)
    assert out.logits.shape == out.skeleton_logits.shape == (6, 4)
    assert out.f_s.shape == out.f_c.shape == (6, 256)
    sum(logits.square().sum() for logits in out[:3]).backward()
    untouched = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum()
    ]
    if fusion == "one_token":  # the degenerate one: see the next test
        untouched = [n for n in untouched if not any(d in n for d in DEGENERATE)]
    assert untouched == []


def test_with_one_token_queries_and_keys_get_no_gradient(batch):
    model = make_fusion("one_token", modality_dropout=0.0)
    open_gates(model)
    model(*batch).square().sum().backward()
    attention = model.vector_mixer.mixer.asks["skeleton"].attention
    query, key, value = attention.in_proj_weight.grad.chunk(3)
    assert query.abs().max() == 0
    assert key.abs().max() == 0
    assert value.abs().max() > 0


@pytest.mark.parametrize("fusion", ["cross_attention", "clinical_asks", "bottleneck"])
def test_attention_starts_as_concatenation(fusion, batch):
    model, concat = make_fusion(fusion).eval(), make_fusion("concat").eval()
    concat.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(model(*batch), concat(*batch))
    open_gates(model)
    assert not torch.allclose(model(*batch), concat(*batch))


def test_late_fusion_is_the_mean_of_probabilities(batch):
    out = make_fusion("late").eval().outputs(*batch)
    expected = (out.skeleton_logits.softmax(1) + out.clinical_logits.softmax(1)) / 2
    torch.testing.assert_close(out.logits.softmax(1), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_evaluation_is_deterministic_and_state_round_trips(fusion, batch):
    model = make_fusion(fusion).eval()
    twin = FusionClassifier(model.config, keypoints=KEYPOINTS, features=FEATURES).eval()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(model(*batch), model(*batch))
    assert torch.equal(model(*batch), twin(*batch))


@pytest.fixture
def ordinal() -> OrdinalLogit:
    rng = np.random.default_rng(2)
    return OrdinalLogit(coef=rng.normal(size=6), thresholds=np.array([-1.0, 0.2, 2.0]))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_training_starts_from_the_answer_of_the_offset(fusion, ordinal, batch):
    model = make_fusion(fusion, offset=True).eval()
    model.offset.load(ordinal)
    out = model.outputs(*batch)
    known = torch.tensor(ordinal.log_proba(batch[1].numpy())).float().exp()
    torch.testing.assert_close(out.clinical_logits.softmax(1), known)
    if fusion == "late":
        known = (out.skeleton_logits.softmax(1) + known) / 2
    torch.testing.assert_close(out.logits.softmax(1), known)


def test_an_offset_says_nothing_before_it_is_fitted_or_without_features(ordinal, batch):
    model = make_fusion(offset=True).eval()
    nothing = torch.full_like(batch[1], torch.nan)
    torch.testing.assert_close(model(*batch), torch.zeros(6, 4))
    model.offset.load(ordinal)
    assert model(*batch).abs().amax(1).min() > 0.1
    torch.testing.assert_close(model(batch[0], nothing), torch.zeros(6, 4))
    dropped = model.offset(batch[1], drop=torch.tensor([True] + 5 * [False]))
    assert (dropped == 0).all(1).tolist() == [True] + 5 * [False]


def test_an_offset_is_never_surer_than_the_model_it_is(batch):
    sure = OrdinalLogit(coef=np.full(6, 50.0), thresholds=np.array([-1.0, 0.2, 20.0]))
    layer = OrdinalOffset(3, n_levels=4)
    layer.load(sure)
    logits = layer(batch[1], drop=torch.zeros(6, dtype=torch.bool))
    known = torch.tensor(sure.log_proba(batch[1].numpy())).float().exp()
    torch.testing.assert_close(logits.softmax(1), known, atol=1e-4, rtol=1e-3)
    assert logits.amax(1).max() < 7.0
    with torch.autocast("cpu", torch.bfloat16):
        again = layer(batch[1], drop=torch.zeros(6, dtype=torch.bool))
    torch.testing.assert_close(again, logits)


def test_an_offset_is_for_answers_with_a_logit_per_level():
    message = (
        "`offset` must be False for an answer that is ordered itself; got `answer` "
        "'corn'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        FusionConfig(answer="corn")


def test_missing_is_a_token_and_not_zero(batch):
    model = make_fusion().eval()
    nn.init.normal_(model.feature_tokens.missing)
    nn.init.normal_(model.keypoint_tokens.missing)
    maps, features = torch.nan_to_num(batch[0]), torch.nan_to_num(batch[1])
    with_nan, with_zero = model(*batch), model(maps, features)
    assert with_nan.isfinite().all()
    different = (with_nan - with_zero).abs().amax(1) > 1e-4
    assert different.tolist() == [True, True, False, False, False, False]


def test_modality_dropout_acts_in_training_only(batch):
    model = make_fusion("concat", modality_dropout=0.99, dropout=0.0)
    torch.manual_seed(0)
    kept_s, kept_c = model.train()._dropped(1000, device=torch.device("cpu"))
    assert not (kept_s & kept_c).any()
    assert 950 < (kept_s | kept_c).sum() < 1000
    assert 400 < kept_s.sum() < 600
    assert torch.equal(model.eval()(*batch), model(*batch))


def test_attention_is_named_and_sums_to_one(batch):
    fusion = make_fusion().train()
    fusion.token_mixer.eval()  # a part may be frozen
    maps = fusion.attention(*batch)
    assert fusion.training
    assert not fusion.token_mixer.training
    xr.testing.assert_identical(maps, fusion.eval().attention(*batch))
    asks = maps["skeleton_asks"]
    assert asks.dims == ("window", "keypoint", "feature")
    assert asks["keypoint"].values.tolist() == list(KEYPOINTS)
    assert asks["feature"].values.tolist() == list(FEATURES)
    np.testing.assert_allclose(asks.sum("feature"), 1, rtol=1e-5)
    np.testing.assert_allclose(maps["clinical_asks"].sum("keypoint"), 1, rtol=1e-5)
    one_way = make_fusion("clinical_asks").eval().attention(*batch)
    assert list(one_way.data_vars) == ["clinical_asks"]


def test_fusions_without_attention_say_so(batch):
    message = (
        "`fusion` must be one of 'cross_attention', 'skeleton_asks', 'clinical_asks' "
        "to have keypoint-by-feature attention; got 'concat'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        make_fusion("concat").attention(*batch)


def test_windows_go_through_the_backbone():
    shape = STGCNConfig(blocks=((8, 2), (16, 1)), embed_dim=32, separable=True)
    backbone = STGCN(shape, adjacency("coco_17")).eval()
    model = make_fusion().eval()
    x, features = torch.randn(2, 3, 16, 17), torch.randn(2, 3)
    expected = model(backbone.maps(x).mean(2), features)
    model.backbone = backbone
    torch.testing.assert_close(model(x, features), expected)


@pytest.mark.parametrize("answer", ["corn", "proportional_odds"])
@pytest.mark.parametrize("fusion", ["cross_attention", "film", "late"])
def test_ordinal_answers_are_log_probabilities(fusion, answer, batch):
    output = make_fusion(fusion, answer=answer).eval().outputs(*batch)
    for log_proba in output[:3]:
        assert log_proba.shape == (len(batch[0]), 4)
        torch.testing.assert_close(log_proba.exp().sum(1), torch.ones(len(log_proba)))


def test_windows_without_a_backbone_raise():
    message = (
        "`x` must be maps (N, C, V) for a fusion without a backbone; got shape "
        "(2, 3, 16, 17). Give it a `backbone` or cache the maps."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        make_fusion()(torch.zeros(2, 3, 16, 17), torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"token_dim": 60},
            "`token_dim` must divide `embed_dim`; got 60 for 256.",
        ),
        ({"n_heads": 5}, "`n_heads` must divide `token_dim`; got 5 for 64."),
        (
            {"dropout": 1.0},
            "`dropout` must be a finite number and >= 0 and <= 0.99; got 1.0.",
        ),
        (
            {"fusion": "conca"},
            "`fusion` must be one of 'cross_attention', 'skeleton_asks', "
            "'clinical_asks', 'bottleneck', 'one_token', 'chunked', 'concat', 'sum', "
            "'gated', 'film', 'bilinear', 'late'; got 'conca'. "
            "Did you mean 'concat'?",
        ),
    ],
)
def test_wrong_hyper_parameters_raise(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        FusionConfig(**changes)


def test_size_is_as_documented():
    config = FusionConfig(fusion="cross_attention")
    features = tuple(f"f{n}" for n in range(40))
    names = keypoint_set("body_25").keypoints
    model = FusionClassifier(config, keypoints=names, features=features)
    assert 55_000 < sum(p.numel() for p in model.parameters()) < 70_000


@pytest.mark.parametrize("fusion", FUSIONS)
def test_who_has_heard_the_other_stream_before_answering(fusion, batch):
    model = make_fusion(fusion).eval()
    open_gates(model)
    maps, features = batch
    before = model.outputs(maps, features).skeleton_logits
    after = model.outputs(maps, features + 1).skeleton_logits
    alone = fusion in HEADS or fusion == "clinical_asks"
    assert torch.equal(before, after) == alone
