"""The whole method on a small simulated cohort."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cpexplore import gmfcs, pipeline
from cpexplore.pipeline import study
from cpexplore.runs import FILES, load_run
from cpexplore.stats.questions import QUESTIONS

MODELS = {
    "majority",
    "missingness_only",
    "speed_only",
    "metadata_only",
    "features_logit",
    "features_boosting",
    "features_ordinal",
    "skeleton",
    "fusion_cross_attention",
    "fusion_concat",
    "fusion_late",
    "fusion_selected_features",
}


@pytest.mark.slow
def test_a_run_holds_every_part(small_run):
    for name in FILES:
        assert small_run.has(name), name
    assert (small_run.path / "report.html").stat().st_size > 10_000
    assert list((small_run.path / "checkpoints").glob("*.safetensors"))
    assert set(small_run.calibration) == {"coverage", "reliability", "risk"}
    judged = set(small_run.calibration["risk"]["model"])
    assert judged == {"features_logit", "skeleton", "fusion_cross_attention"}
    error = 1 - small_run.metrics.set_index(["metric", "model"])["estimate"]
    whole = small_run.calibration["risk"].query("coverage == 1").set_index("model")
    for model, risk in whole["risk"].items():
        assert risk == pytest.approx(error["accuracy", model])
    assert set(small_run.statistics) == {
        *QUESTIONS,
        "odds_ratios_adjusted",
        "odds_ratios_adjusted_device",
        "questions",
    }


def test_every_model_judges_every_walk_once(small_run):
    oof = small_run.oof
    assert set(oof["model"]) == MODELS
    assert not oof.duplicated(["walk_id", "model", "seed"]).any()
    assert (oof.groupby("model").size() == len(small_run.index)).all()
    proba = oof[[f"p_{level}" for level in gmfcs.LEVELS]].to_numpy()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert (proba >= 0).all()


def test_patients_stay_in_one_fold_and_no_prediction_is_of_a_training_patient(
    small_run,
):
    folds = small_run.folds
    assert (
        not folds.drop_duplicates(["patient_id", "fold"])["patient_id"]
        .duplicated()
        .any()
    )
    held_out = folds.set_index("walk_id")["fold"]
    oof = small_run.oof
    assert (oof["fold"].to_numpy() == held_out.loc[oof["walk_id"]].to_numpy()).all()


def test_the_headline_metrics_come_with_intervals(small_run):
    metrics = small_run.metrics
    wanted = {"accuracy", "balanced_accuracy", "linear_kappa", "quadratic_kappa"}
    wanted |= {"mae", "within_one", "recall"}
    assert wanted <= set(metrics["metric"])
    accuracy = metrics[metrics["metric"] == "accuracy"]
    assert accuracy["estimate"].between(accuracy["ci_low"], accuracy["ci_high"]).all()
    assert (accuracy["n_patients"] == small_run.index["patient_id"].nunique()).all()


def test_each_fold_chose_half_of_the_core_features(small_run):
    selection = small_run.selection
    assert set(selection["fold"]) == {0, 1, 2}
    kept = selection.groupby("fold")["kept"].mean()
    assert kept.between(0.3, 0.7).all()


def test_saliency_covers_the_walks_that_have_windows(small_run):
    saliency = small_run.saliency
    with_windows = small_run.oof.query("model == 'skeleton' and n_windows > 0")
    assert set(saliency["walk"].values) == set(with_windows["walk_id"])
    assert saliency.attrs["simulated"] == 1
    relu = saliency["window_saliency"].sel({"method": "grad_cam"})
    assert float(relu.min()) >= 0
    assert saliency.sizes["window"] <= 200


def test_a_finished_run_is_not_computed_again(small_run, monkeypatch):
    def fail(*_args):
        raise AssertionError("a finished stage ran again")

    stages = tuple((name, files, fail) for name, files, _ in study._STAGES)
    monkeypatch.setattr(study, "_STAGES", stages)
    cohort = pipeline.load_cohort("simulated", n_patients=40)
    again = pipeline.run(cohort, out=small_run.path, folds=3, epochs=3)
    assert again.path == small_run.path


def test_another_study_in_the_same_folder_is_refused(small_run):
    cohort = pipeline.load_cohort("simulated", n_patients=40)
    with pytest.raises(ValueError, match=r"holds one with another epochs, folds\."):
        pipeline.run(cohort, out=small_run.path, folds=4, epochs=2)


def test_a_cohort_that_was_tracked_anew_is_another_study(small_run):
    cohort = pipeline.load_cohort("simulated", n_patients=40)
    tracked = {w: cohort.walk(w) for w in cohort.index.sort_index().index}
    one = [*tracked][len(tracked) // 3]
    tracked[one] = tracked[one].assign(position=tracked[one]["position"] + 1)
    config = small_run.config
    asked = {"preset": "quick", "folds": config["folds"], "epochs": config["epochs"]}
    with pytest.raises(ValueError, match=r"holds one with another cohort_sha256\."):
        pipeline.run(replace(cohort, walks=tracked), out=small_run.path, **asked)


def test_other_files_are_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match=r"^`out` must be a new or empty folder;"):
        pipeline.run(pipeline.load_cohort("simulated"), out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_an_interrupted_run_ends_like_an_uninterrupted_one(small_run, tmp_path):
    """Lose a network and everything after the models; all comes back byte for byte."""
    copy = tmp_path / "small"
    shutil.copytree(small_run.path, copy)
    network = "checkpoints/seed0_fold1_skeleton.safetensors"
    lost = [network, "ranking.parquet", "saliency.nc", "report.html"]
    for name in (*lost, "statistics"):
        target = copy / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    pipeline.run(
        pipeline.load_cohort("simulated", n_patients=40), out=copy, folds=3, epochs=3
    )
    for file in (network, "oof.parquet", "ranking.parquet", *_statistics(copy)):
        assert (copy / file).read_bytes() == (small_run.path / file).read_bytes()
    pd.testing.assert_series_equal(
        load_run(copy).saliency["joint_saliency"].to_series(),
        small_run.saliency["joint_saliency"].to_series(),
    )


def _statistics(run: Path) -> list[str]:
    return [f"statistics/{file.name}" for file in (run / "statistics").iterdir()]


def test_a_whole_study_in_several_processes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = (
        "A whole study must run in one process; only `learning.cross_validate` shares "
        "its folds, and 2 were launched. Use `n_jobs`."
    )
    cohort = pipeline.load_cohort("simulated", n_patients=40)
    with pytest.raises(ValueError, match=re.escape(message)):
        pipeline.run(cohort, out=tmp_path)
    assert not list(tmp_path.iterdir())
