"""The audit: a method that knows must pass, a control must not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cpexplore.attribution import (
    audit,
    localisation,
    rank_agreement,
    summarise_checks,
)
from cpexplore.attribution.audit import _order, _Subject, rank_correlation, without
from cpexplore.models import STGCN, STGCNConfig
from cpexplore.skeleton import KEYPOINT_SETS, adjacency, hop_distances, mirror_index
from cpexplore.windows import Windows

COCO = KEYPOINT_SETS["coco_17"].keypoints
KNEE = COCO.index("right_knee")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class OneKnee(STGCN):
    """Says IV the more, the more the right knee moves; sees nothing else."""

    def __init__(self):
        config = STGCNConfig(blocks=((4, 1),), embed_dim=4, temporal_kernel=1)
        super().__init__(config, np.eye(17)[None])
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.input_norm.weight.view(17, 3)[KNEE, 0] = 1
            block = self.blocks[0]
            block.spatial.edge_importance.fill_(1)
            block.spatial.channels.weight[:2, 0] = torch.tensor([1.0, -1.0])
            block.spatial_norm.weight.fill_(1)
            block.temporal.weight[0, :2] = 1
            block.temporal_norm.weight.fill_(1)
            self.head.weight[3, 0] = 400
            self.head.bias[0] = 3
        self.eval()


@pytest.fixture
def windows(rng):
    x = np.zeros((12, 3, 40, 17), np.float32)
    swing = np.sin(np.arange(40) / 4 + rng.uniform(0, 6, (12, 17, 1)))
    calm = ["right_hip", "right_ankle", "right_shoulder"]  # or they carry the knee
    swing[:, KNEE] *= 0.4  # or motion energy finds it
    swing[:, [COCO.index(name) for name in calm]] = 0
    x[:, 0] = (swing * rng.uniform(0.5, 1, (12, 17, 1))).transpose(0, 2, 1)
    x[:, 1] = 0.1 * rng.standard_normal((12, 40, 17))
    return Windows(
        x=x,
        walk_id=np.array([f"w{i // 2}" for i in range(12)]),
        start=np.arange(12),
        padded_pct=np.zeros(12, np.float32),
        time=np.arange(12)[:, None] + np.arange(40) / 25,
        keypoint=COCO,
    )


@pytest.fixture
def table(windows):
    groups = {f"w{i}": f"p{i // 2}" for i in range(6)}
    methods = ("grad_cam", "occlusion", "random", "motion_energy")
    return audit(
        OneKnee(), windows, groups=groups, methods=methods, n_resamples=100, rng=0
    )


def test_it_is_one_tidy_table(table):
    assert table.columns.tolist() == [
        *("check", "method", "detail", "estimate", "ci_low", "ci_high", "ci_level"),
        *("n_walks", "n_patients", "is_control"),
        *("control", "lead", "lead_low", "lead_high"),
    ]
    known = table.dropna(subset="estimate")
    assert set(known["n_walks"]) == {6}
    assert set(known["n_patients"]) == {3}
    assert (known["ci_low"] <= known["estimate"] + 1e-9).all()
    assert (known["estimate"] <= known["ci_high"] + 1e-9).all()
    stages = table.loc[table["check"] == "randomisation", "detail"].unique()
    assert stages.tolist() == ["head", "projection", "block 0", "input"]


def test_a_method_that_knows_beats_the_controls(table):
    estimate = table.set_index(["check", "method", "detail"])["estimate"]

    for method in ("grad_cam", "occlusion"):
        for control in ("random", "motion_energy"):
            assert (
                estimate["deletion", method, ""]
                < estimate["deletion", control, ""] - 0.1
            )
            assert (
                estimate["insertion", method, ""]
                > estimate["insertion", control, ""] + 0.1
            )
        assert estimate["complexity", method, ""] < 1.01
        assert estimate["noise", method, ""] > 0.9
    assert estimate["complexity", "random", ""] > 10


def test_a_lead_is_that_over_the_best_control_of_the_same_children():
    by_walk = pd.DataFrame(
        {
            ("deletion", "grad_cam", ""): [0.2, 0.4, 0.3, 0.7],
            ("deletion", "random", ""): [0.6, 0.6, 0.6, 0.6],
            ("deletion", "motion_energy", ""): [0.3, 0.5, 0.4, 0.6],
            ("insertion", "grad_cam", ""): [0.5, 0.5, 0.5, 0.5],
            ("insertion", "random", ""): [0.6, 0.4, 0.5, 0.6],
            ("noise", "grad_cam", ""): [1.0, 1.0, 1.0, 1.0],
            ("noise", "random", ""): [1.0, 1.0, 1.0, 1.0],
        },
        index=["a1", "a2", "b1", "c1"],
    ).rename_axis(columns=["check", "method", "detail"])
    groups = {walk: walk[0] for walk in by_walk.index}
    table = summarise_checks(by_walk, groups=groups, n_resamples=500, rng=0)
    leads = table.set_index(["check", "method"])

    # by child: .3, .3, .7 beside .4, .4, .6
    first = leads.loc[("deletion", "grad_cam")]
    assert first["control"] == "motion_energy"
    assert first["lead"] == pytest.approx((0.1 + 0.1 - 0.1) / 3)
    assert first["lead_low"] == pytest.approx(-0.1)
    assert first["lead_high"] == pytest.approx(0.1)
    assert first[["estimate", "n_walks", "n_patients"]].tolist() == pytest.approx(
        [1.3 / 3, 4, 3]
    )
    second = leads.loc[("insertion", "grad_cam")]
    assert second["control"] == "random"
    assert second["lead"] == pytest.approx(0.5 - (0.5 + 0.5 + 0.6) / 3)
    others = leads.drop([("deletion", "grad_cam"), ("insertion", "grad_cam")])
    assert others[["control", "lead"]].isna().all(axis=None)


def test_without_a_control_there_is_no_lead(windows):
    table = audit(
        OneKnee(),
        windows,
        groups=windows.walk_id,
        methods=("grad_cam",),
        checks=("deletion",),
        n_resamples=10,
        rng=0,
    )
    assert table["lead"].isna().all()
    assert not table["is_control"].any()


def test_equal_keypoints_go_by_lot(windows):
    still = replace(windows, x=np.zeros_like(windows.x))
    subject = _Subject(OneKnee(), still, noise=np.random.default_rng(0))
    rank = _order(subject, "motion_energy")
    assert (np.sort(rank, axis=1) == np.arange(17)).all()
    assert len(np.unique(rank, axis=0)) == len(rank)


def test_a_control_cannot_notice_new_weights(table):
    drawn = table[(table["check"] == "randomisation") & (table["detail"] == "input")]
    estimate = drawn.set_index("method")["estimate"]

    assert estimate["random"] == pytest.approx(1)
    assert estimate["motion_energy"] == pytest.approx(1)
    assert estimate["occlusion"] < 0.7


def test_a_network_that_sees_one_side_fails_in_the_mirror(windows):
    groups = windows.walk_id
    blind = audit(
        OneKnee(),
        windows,
        groups=groups,
        methods=("occlusion", "motion_energy"),
        checks=("mirror",),
        n_resamples=10,
        rng=0,
    ).set_index("method")["estimate"]

    assert blind["occlusion"] < 0.5
    assert blind["motion_energy"] == pytest.approx(1)


def test_the_same_seed_gives_the_same_audit(windows):
    first, second = (
        audit(
            OneKnee(),
            windows,
            groups=windows.walk_id,
            methods=("occlusion",),
            checks=("noise", "deletion"),
            n_resamples=20,
            rng=3,
        )
        for _ in range(2)
    )

    pd.testing.assert_frame_equal(first, second)


def test_a_hidden_knee_moves_with_its_neighbours(rng):
    x = torch.zeros(1, 3, 30, 17)
    shift = torch.sin(torch.arange(30) / 5.0)
    x[:, 0] = torch.tensor(rng.standard_normal(17), dtype=torch.float32)
    hip, ankle = COCO.index("right_hip"), COCO.index("right_ankle")
    x[0, 0, :, hip] += shift
    x[0, 0, :, ankle] += 3 * shift
    hidden = torch.zeros(1, 17, dtype=torch.bool)
    hidden[0, KNEE] = True

    carried = without(x, hidden, hops=hop_distances("coco_17"))

    centred = shift - shift.mean()
    own = x[0, 0, :, KNEE].mean()
    torch.testing.assert_close(carried[0, 0, :, KNEE], own + (1 + 3) / 2.5 * centred)
    kept = ~hidden[0]
    torch.testing.assert_close(carried[..., kept], x[..., kept])


def test_with_nothing_left_the_mean_pose_stands_still(rng):
    x = torch.tensor(rng.standard_normal((2, 3, 10, 17)), dtype=torch.float32)

    carried = without(
        x, torch.ones(2, 17, dtype=torch.bool), hops=hop_distances("coco_17")
    )

    pose = x[:, :2].mean(2, keepdim=True).expand(-1, -1, 10, -1)
    torch.testing.assert_close(carried[:, :2], pose)
    torch.testing.assert_close(carried[:, 2], x[:, 2])


def test_rank_correlation_equals_that_of_scipy(rng):
    from scipy.stats import spearmanr

    a, b = rng.integers(0, 5, (2, 6, 17)).astype(float)

    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]

    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert np.isnan(rank_correlation(np.ones((1, 5)), b[:1, :5])).all()


def ranked(order, **columns):
    table = pd.DataFrame({"keypoint": order, "rank": range(1, len(order) + 1)})
    return table.assign(**{"method": "grad_cam", "level": "all", **columns})


def test_localisation_of_a_known_order():
    rest = [k for k in COCO if k not in ("left_knee", "left_ankle", "nose")]
    ranking = ranked(["left_knee", "nose", "left_ankle", *rest])

    found = localisation(
        ranking, ["left_knee", "left_ankle"], keypoints="coco_17", top=2
    ).iloc[0]

    hops = hop_distances("coco_17")
    assert found["top_1"] == 1
    assert found["top_share"] == 0.5
    assert found["auc"] == pytest.approx(1 - 1 / (2 * 15))
    nose_to_knee = hops[COCO.index("nose"), COCO.index("left_knee")]
    assert found["hop_distance"] == nose_to_knee / 2


def test_localisation_by_level_leaves_out_levels_without_a_plant():
    rankings = pd.concat([ranked(COCO, level=level) for level in ("I", "II", "III")])

    found = localisation(
        rankings, {"II": ["nose"], "III": ["right_ankle"]}, keypoints="coco_17"
    ).set_index("level")

    assert found.index.tolist() == ["II", "III"]
    assert found["auc"].tolist() == [1, 0]
    assert found["top_1"].tolist() == [1, 0]


def test_an_unknown_carrier_is_named():
    with pytest.raises(ValueError, match="`carriers`") as error:
        localisation(ranked(COCO), ["left_kne"], keypoints="coco_17")
    assert str(error.value).endswith("got 'left_kne'. Did you mean 'left_knee'?")


def test_agreement_of_folds_is_counted_by_hand():
    folds = pd.concat(
        [
            ranked(["a", "b", "c", "d"], fold=0),
            ranked(["b", "a", "c", "d"], fold=1),
            ranked(["d", "c", "b", "a"], fold=2),
        ]
    )

    row = rank_agreement(folds, across="fold", top=2).iloc[0]

    # one of six pairs of keypoints swapped: 4 / 6; the reverse order: -1 and -4 / 6
    assert row["kendall"] == pytest.approx((4 / 6 - 1 - 4 / 6) / 3)
    assert row["top_overlap"] == pytest.approx((1 + 0 + 0) / 3)
    assert row["n_pairs"] == 3


def test_methods_can_be_compared_within_a_level():
    both = pd.concat([ranked(COCO), ranked(COCO, method="occlusion")])

    row = rank_agreement(both, across="method").iloc[0]

    assert row.to_dict() == {
        "level": "all",
        "kendall": pytest.approx(1),
        "top_overlap": 1,
        "n_pairs": 1,
    }


def test_impossible_audits_are_refused(windows):
    model = STGCN(
        STGCNConfig(blocks=((4, 1),), embed_dim=4), adjacency("coco_17")
    ).eval()
    order = mirror_index("coco_17")
    swapped = replace(windows, keypoint=tuple(np.array(COCO)[order].tolist()))

    with pytest.raises(ValueError, match="`windows`") as nothing:
        audit(model, windows.of([]), groups={})
    with pytest.raises(ValueError, match="`checks`") as check:
        audit(model, windows, groups=windows.walk_id, checks=("deletions",))

    with pytest.raises(ValueError, match="`windows`") as order_error:
        audit(model, swapped, groups=windows.walk_id)

    assert str(order_error.value).startswith(
        "`windows` must have the keypoints of a known set; got 'nose', 'right_eye', "
    )
    assert str(nothing.value) == "`windows` must hold at least one window; got 0."
    assert str(check.value) == (
        "`checks` must be one of 'deletion', 'insertion', 'randomisation', 'noise', "
        "'mirror', 'complexity'; got 'deletions'. Did you mean 'deletion'?"
    )
