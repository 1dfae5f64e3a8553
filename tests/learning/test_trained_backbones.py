"""Skeleton networks that were trained before: taken over, or fine-tuned."""

import copy
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import cross_validate, load_fold_models
from cpexplore.learning import folds as folds_module
from cpexplore.learning.backbones import LastBlocks
from cpexplore.models import STGCN
from cpexplore.skeleton import adjacency

P = list(PROBABILITIES)


def arguments_of(study) -> dict:
    return {"folds": 3, "features": study.features, "windows": study.windows}


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    spec = replace(study.spec, models=("skeleton", "fusion_cross_attention"))
    return cross_validate(study.cohort, spec, out=out, **arguments_of(study))


def test_trained_networks_of_the_same_folds_are_taken_as_they_are(
    run, study, tmp_path, monkeypatch
):
    trained = []
    monkeypatch.setattr(
        folds_module.Fold, "backbone", lambda self, kind: trained.append(kind)
    )
    spec = replace(study.spec, models=("fusion_cross_attention", "fusion_sum"))
    arguments = arguments_of(study) | {"backbones": run}
    taken = cross_validate(study.cohort, spec, out=tmp_path, **arguments)
    assert not trained
    asked = load_fold_models(taken)[0].predict(study.windows, study.features)
    assert asked["model"].unique().tolist() == list(spec.models)  # not the network
    main = "model == 'fusion_cross_attention'"
    answers = [each.oof.query(main)[P] for each in (run, taken)]
    np.testing.assert_array_equal(*answers)  # the same fusion of the same maps


@pytest.mark.parametrize("n_windows", [0, None])
def test_varied_features_answer_as_the_same_walk_with_them(run, study, n_windows):
    models = load_fold_models(run)[0]
    name, walk_id = "fusion_cross_attention", study.windows.walk_id[-1]
    own = study.windows.of([walk_id])
    own = own.select(np.arange(len(own))[:n_windows])
    variants = study.features.iloc[:3]
    varied = models.vary(own, variants, model=name)
    asked = [
        models.predict(own, pd.DataFrame([row], index=pd.Index([walk_id])))
        for _, row in variants.iterrows()
    ]
    one_by_one = pd.concat(asked).query("model == @name")[P]
    np.testing.assert_allclose(varied, one_by_one, rtol=1e-5)
    assert len(np.unique(varied.round(6), axis=0)) == 3


def test_networks_that_may_have_seen_the_held_out_are_refused(run, study, tmp_path):
    message = (
        f"`backbones` must have the same walks, folds and recipe; those of "
        f"{str(run.path)!r} are others, so its networks may have been trained on "
        "held-out walks."
    )
    others = replace(study.windows, x=study.windows.x + 1)
    wider = replace(study.spec.backbone, embed_dim=64)
    for changes, spec in (
        ({"seed": 1}, study.spec),
        ({"windows": others}, study.spec),
        ({}, replace(study.spec, backbone=wider)),
    ):
        arguments = arguments_of(study) | {"backbones": run.path} | changes
        with pytest.raises(ValueError, match=re.escape(message)):
            cross_validate(study.cohort, spec, out=tmp_path / "new", **arguments)


def test_the_last_blocks_alone_go_on_learning(study):
    network = STGCN(study.spec.backbone, adjacency("body_25"))
    before = copy.deepcopy(network.state_dict())
    tuned = LastBlocks(network, n_blocks=1).train()
    x = torch.randn(4, 3, 16, 25)
    optimizer = torch.optim.SGD(tuned.parameters(), lr=0.1)
    tuned.maps(x).square().sum().backward()
    optimizer.step()
    after = tuned.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("blocks.1.", "project.")) for name in changed)
    assert all(torch.equal(before[n], v) for n, v in network.state_dict().items())


@pytest.mark.parametrize("gain", [True, False])
def test_the_inner_part_decides_whether_blocks_are_fine_tuned(
    gain, study, tmp_path, monkeypatch
):
    losses = iter([1.0, 0.9 if gain else 1.1] * 3)
    monkeypatch.setattr(
        folds_module, "judge", lambda model, walks: {"inner_loss": next(losses)}
    )
    fit = replace(study.spec.fit, epochs=1)
    spec = replace(study.spec, models=("fusion_fine_tuned",), fit=fit)
    backbones = []
    real = folds_module.predict

    def predict(model, walks):
        backbones.append(getattr(model, "backbone", None))
        return real(model, walks)

    monkeypatch.setattr(folds_module, "predict", predict)
    run = cross_validate(study.cohort, spec, out=tmp_path, **arguments_of(study))
    assert all((backbone is not None) == gain for backbone in backbones)
    assert not load_fold_models(run)[0].fusions  # its backbone is nobody else's
    parts = [pd.read_parquet(f) for f in tmp_path.glob("parts/*_training.parquet")]
    seconds = pd.concat(parts).groupby("model")["seconds"].median()
    told = run.metrics.query("model == 'fusion_fine_tuned'")["seconds_per_epoch"]
    both = seconds["fusion_fine_tuned"] + seconds["fusion_fine_tuned_blocks"]
    assert told.iloc[0] == pytest.approx(both)
