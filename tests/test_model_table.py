"""How the stages of `benchmarks/model_table.py` become one table."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cpexplore.datasets import simulated_cohort
from cpexplore.learning import score

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import model_table
import model_table_page
from model_table import ANSWERS, Stage, summarise


def answers(models: dict[str, float], *, seed: int, n: int = 40) -> pd.DataFrame:
    """One walk of each of ``n`` children; a model is right with a probability."""
    rng = np.random.default_rng(seed)
    tables = []
    for model, share in models.items():
        right = rng.random(n) < share
        yes, no = [0.97, 0.01, 0.01, 0.01], [0.01, 0.97, 0.01, 0.01]
        proba = np.where(right[:, None], yes, no)
        table = pd.DataFrame(proba, columns=["p_I", "p_II", "p_III", "p_IV"])
        ids = {name: [f"{name}{i}" for i in range(n)] for name in ("walk", "patient")}
        tables.append(
            table.assign(
                walk_id=ids["walk"],
                patient_id=ids["patient"],
                gmfcs=pd.Categorical(["I"] * n, ["I", "II", "III", "IV"], ordered=True),
                model=model,
                seed=0,
                fold=np.arange(n) % 5,
                n_windows=1,
            )
        )
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def stages(tmp_path):
    """Two cohorts; on the first, the skeleton alone was trained a second time."""

    def stage(cohort_seed: int, models: dict[str, float], **more) -> Stage:
        made = Stage(world="standard", cohort_seed=cohort_seed, patients=40, **more)
        folder = tmp_path / made.name
        folder.mkdir()
        told = answers(models, seed=cohort_seed).assign(seconds_per_epoch=1.5)
        told.to_parquet(folder / ANSWERS)
        return made

    both = {"skeleton": 0.5, "fusion_cross_attention": 0.9}
    return (
        stage(1, both, part="extra"),
        stage(2, both, part="extra"),
        stage(1, {"skeleton": 0.0}, part="extra", seed=1),
        Stage(world="standard", cohort_seed=3, patients=40, part="not run"),
    )


def test_children_of_different_cohorts_stay_apart(stages, tmp_path):
    scores = summarise(tmp_path, stages)["scores"]
    accuracy = scores[scores["metric"] == "accuracy"].set_index("model")
    assert accuracy.loc["skeleton", "n_patients"] == 80
    assert accuracy["cohorts"].tolist() == [2, 2]
    assert accuracy.loc["skeleton", "trainings"] == 2
    assert accuracy.loc["fusion_cross_attention", "trainings"] == 1
    assert (accuracy["seconds_per_epoch"] == 1.5).all()


def test_two_models_are_compared_on_the_splits_of_both(stages, tmp_path):
    tables = summarise(tmp_path, stages)
    joined = tables["differences"].query("metric == 'accuracy'").iloc[0]
    apart = tables["by_cohort"].query("metric == 'accuracy'")
    assert joined["trainings"] == 1
    assert joined["n_walks"] == 80
    assert 0.2 < joined["estimate"] < 0.6  # the second training is always wrong
    assert joined["estimate"] == pytest.approx(apart["estimate"].mean())
    assert joined["ci_low"] < joined["estimate"] < joined["ci_high"]
    assert np.isnan(joined["p_folds"])
    assert apart["cohort_seed"].tolist() == [1, 2]
    assert apart["p_folds"].notna().all()


def test_streams_are_averaged_where_all_of_them_were_trained():
    oof = answers(dict.fromkeys(model_table.STREAMS, 0.8), seed=0)
    again = answers({"skeleton": 0.8}, seed=0).assign(seed=1)
    both = model_table.with_ensembles(pd.concat([oof, again], ignore_index=True))
    mean = both[both["model"] == "skeleton_streams"]
    assert len(mean) == 40
    assert set(mean["seed"]) == {0}
    assert "streams_and_ordinal" not in set(both["model"])  # there is no ordinal logit
    assert model_table.with_ensembles(again) is again


def test_the_mean_of_streams_is_averaged_with_the_ordinal_logit_as_one_model():
    models = dict.fromkeys((*model_table.STREAMS, "features_ordinal"), 0.8)
    both = model_table.with_ensembles(answers(models, seed=0))
    by_model = both.set_index(["model", "walk_id"])[list(model_table.PROBABILITIES)]
    roots = np.sqrt(by_model.loc["skeleton_streams"] * by_model.loc["features_ordinal"])
    expected = roots.div(roots.sum(axis=1), axis=0)
    mean = by_model.loc["streams_and_ordinal"]
    np.testing.assert_allclose(mean, expected.loc[mean.index])


def test_the_mean_of_trainings_stands_under_each_of_them():
    once = answers({"skeleton": 0.8, "majority": 0.4}, seed=0)
    assert model_table.with_trainings(once) is once
    columns = list(model_table.PROBABILITIES)
    again = once.assign(seed=1)
    again[columns] = 0.25
    both = model_table.with_trainings(pd.concat([once, again], ignore_index=True))
    mean = both[both["model"] == "skeleton_trainings"]
    assert mean["seed"].tolist() == [0] * 40 + [1] * 40
    roots = np.sqrt(once.loc[once["model"] == "skeleton", columns].to_numpy())
    expected = roots / roots.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(mean[columns], np.tile(expected, (2, 1)))
    assert mean["seconds_per_epoch"].isna().all()


@pytest.mark.filterwarnings("ignore:Levels with fewer patients")
def test_stages_run_side_by_side_once(tmp_path):
    stages = [
        Stage(
            world="standard",
            cohort_seed=seed,
            patients=12,
            part="quick",
            models=("majority", "missingness_only"),
        )
        for seed in (1, 2)
    ]
    model_table.run_stages(stages[:1], tmp_path, n_jobs=1)
    first = tmp_path / stages[0].name / ANSWERS
    written = first.stat().st_mtime_ns
    model_table.run_stages(stages, tmp_path, n_jobs=2)
    assert all(model_table.is_done(stage, tmp_path) for stage in stages)
    assert first.stat().st_mtime_ns == written
    timed = json.loads((first.parent / "time.json").read_text())
    assert timed["processes"] == 1


def test_a_cohort_is_made_once_and_by_one_code(tmp_path, monkeypatch):
    stage = Stage(world="standard", cohort_seed=1, patients=4)
    made = model_table.make_cohort(stage, tmp_path, n_jobs=1)
    folder = tmp_path / "cohorts" / stage.cohort
    written = {f: f.stat().st_mtime_ns for f in folder.rglob("*") if f.is_file()}
    again = model_table.make_cohort(stage, tmp_path, n_jobs=1)
    assert written == {f: f.stat().st_mtime_ns for f in written}

    cohort = simulated_cohort(n_patients=4, seed=1, min_per_level=0)
    for name, values in vars(cohort.windows()).items():
        np.testing.assert_array_equal(getattr(made.windows, name), values)
        np.testing.assert_array_equal(getattr(again.windows, name), values)
    for walk_id in cohort.index.index:
        assert again.cohort.walk(walk_id).identical(cohort.walk(walk_id))
    assert made.truth.index.tolist() == cohort.index.index.tolist()
    speed = [cohort.walks.truth(w).parameters["speed_mps"] for w in cohort.index.index]
    assert again.truth["speed_mps"].tolist() == speed
    pd.testing.assert_frame_equal(made.features, again.features)

    monkeypatch.setattr(model_table, "source_of_cohorts", lambda: "other")
    with pytest.raises(SystemExit) as error:
        model_table.make_cohort(stage, tmp_path, n_jobs=1)
    assert str(error.value) == f"{folder} holds something else; delete it to go on."


def test_the_page_sums_the_stages_that_were_timed_in_one_go(tmp_path):
    for name, told in {
        "a": '{"seconds": 600, "processes": 1}',
        "b": '{"seconds": 3000, "processes": 2}',
        "c": "",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "stage.json").write_text("{}")
        if told:
            (tmp_path / name / "time.json").write_text(told)
    assert list(model_table_page.times(tmp_path)) == [
        "| stage | minutes | processes |",
        "| --- | --- | --- |",
        "| a | 10 | 1 |",
        "| b | 50 | 2 |",
        "\n2 stages of 3 took two processes 0.9 hours; those of one process ran side "
        "by side.",
    ]


def test_what_is_kept_of_a_stage_scores_as_all_of_it_does(small_run):
    kept = model_table.answers(small_run)
    models = small_run.oof["model"].unique()
    assert (kept["p_I"].dtype, kept["model"].nunique()) == ("float32", len(models))
    timed = kept.groupby("model")["seconds_per_epoch"].first()
    assert timed["skeleton"] > 0
    assert np.isnan(timed["features_logit"])
    columns = ["metric", "level", "estimate", "ci_low", "ci_high"]
    for model in ("skeleton", "features_logit"):
        first, second = (
            score(oof[oof["model"] == model])[columns] for oof in (small_run.oof, kept)
        )
        pd.testing.assert_frame_equal(first, second, atol=1e-5)
