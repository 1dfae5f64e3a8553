"""Cross-validation: nothing leaks, nothing is lost, and order does not matter."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import cross_validate, is_finished, load_fold_models
from cpexplore.learning import folds as folds_module
from cpexplore.learning.comparison import pairs
from cpexplore.learning.fold_models import finish
from cpexplore.learning.fold_task import inner_split
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.learning.tables import metadata_table, missingness_table, speed_table
from cpexplore.learning.variants import VARIANTS, CrossvalSpec
from cpexplore.runs import DamagedFileError

P = list(PROBABILITIES)


def select(model, windows, index):
    """Keeps everything but the noise."""
    names = ["speed_llps", "knee_rom_mean_deg", "noise_deg"]
    table = pd.DataFrame({"feature": names, "score": [2.0, 1.0, 0.0]})
    return table.assign(kept=table["score"] > 0)


def study_arguments(study) -> dict:
    return {
        "folds": 3,
        "features": study.features,
        "windows": study.windows,
        "select": select,
    }


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "run"
    return cross_validate(study.cohort, study.spec, out=out, **study_arguments(study))


def test_every_walk_is_judged_once_by_every_model(run, study):
    oof = run.oof
    assert oof.columns.tolist() == [
        *("walk_id", "patient_id", "gmfcs", "model", "seed", "fold", "n_windows"),
        *P,
    ]
    assert set(oof["model"]) == set(study.spec.models)
    for _, rows in oof.groupby("model"):
        assert sorted(rows["walk_id"]) == sorted(study.cohort.index.index)
    np.testing.assert_allclose(oof[P].sum(axis=1), 1, rtol=1e-5)
    truth = study.cohort.index["gmfcs"].astype(str)
    assert (oof["gmfcs"].astype(str).values == truth[oof["walk_id"]].values).all()


def test_the_tables_of_the_run_are_complete(run, study):
    assert set(run.metrics["model"]) == set(study.spec.models)
    headline = run.comparisons.iloc[0]
    assert headline["model_a"] == "fusion_cross_attention"
    assert headline["model_b"] == "skeleton"
    assert run.selection.groupby(["seed", "fold"])["kept"].sum().tolist() == [2, 2, 2]
    assert not run.selection["feature"].isin(["rare_s", "constant_ratio"]).any()
    assert run.config["folds"] == 3
    training = pd.read_parquet(run.path / "training.parquet")
    networks = [name for name in study.spec.models if name in VARIANTS]
    assert set(training["model"]) == set(networks)
    assert "seconds" not in training
    trained = run.metrics["model"].isin(networks)
    assert run.metrics["seconds_per_epoch"].gt(0).equals(trained)
    told = pd.read_csv(run.path / "metrics.csv")
    pd.testing.assert_frame_equal(told, run.metrics, check_dtype=False)


def test_models_that_may_know_the_level_do(run):
    accuracy = run.metrics[run.metrics["metric"] == "accuracy"].set_index("model")
    assert accuracy.loc["features_logit", "estimate"] > 0.8
    assert accuracy.loc["fusion_cross_attention", "estimate"] > 0.8
    assert accuracy.loc["missingness_only", "estimate"] < 0.45
    assert accuracy.loc["majority", "estimate"] < 0.45


def test_a_walk_without_windows_keeps_its_row(run, study):
    lost = study.cohort.index.index[-2]
    rows = run.oof[run.oof["walk_id"] == lost].set_index("model")
    assert (rows["n_windows"] == 0).all()
    priors = rows.loc["majority", P].astype(float)
    np.testing.assert_allclose(rows.loc["skeleton", P].astype(float), priors)
    fused = rows.loc["fusion_cross_attention", P].astype(float)
    assert not np.allclose(fused, priors)


def test_patients_never_cross_folds(run, study):
    assert run.folds.groupby("patient_id")["fold"].nunique().max() == 1
    index = study.cohort.index
    levels = index["gmfcs"].groupby(index["patient_id"]).nunique()
    assert (levels > 1).sum() == 1
    learn, inner = inner_split(index, seed=3)
    patients = [set(index.loc[part, "patient_id"]) for part in (learn, inner)]
    assert not patients[0] & patients[1]
    assert len(inner) == pytest.approx(len(index) / 5, abs=6)


def test_everything_is_fitted_on_training_patients_only(study, tmp_path, monkeypatch):
    seen = {"scaler": [], "selector": []}
    real = FeatureScaler.fit.__func__

    def watch_fit(cls, features):
        seen["scaler"].append(set(features.index))
        return real(cls, features)

    def watch_select(model, windows, index):
        seen["selector"].append(set(index.index) | set(windows.walk_id))
        return select(model, windows, index)

    monkeypatch.setattr(FeatureScaler, "fit", classmethod(watch_fit))
    arguments = study_arguments(study) | {"select": watch_select}
    run = cross_validate(study.cohort, study.spec, out=tmp_path / "r", **arguments)
    patient = study.cohort.index["patient_id"]
    held_out = run.folds.groupby("fold")["patient_id"].agg(set)
    assert len(seen["selector"]) == 3
    for ids in [*seen["scaler"], *seen["selector"]]:
        disjoint = [
            f for f in held_out.index if not set(patient[list(ids)]) & held_out[f]
        ]
        assert len(disjoint) == 1


def test_a_held_out_childs_data_change_no_other_childs_answer(run, study, tmp_path):
    fold = run.folds[run.folds["fold"] == 0]
    spoiled = study.features.copy()
    spoiled.loc[fold["walk_id"]] = 1e3
    windows = study.windows.select(np.arange(len(study.windows)))
    windows.x[np.isin(windows.walk_id, fold["walk_id"])] = 7.0
    arguments = study_arguments(study) | {"features": spoiled, "windows": windows}
    spec = replace(study.spec, models=("features_ordinal", "skeleton", "fusion_concat"))
    other = cross_validate(study.cohort, spec, out=tmp_path / "r", **arguments)
    models = [load_fold_models(r)[0] for r in (run, other)]
    assert models[0].scaler == models[1].scaler
    for name in ("skeleton", "fusion_concat"):
        assert models[0].temperature[name] == models[1].temperature[name]
        a, b = (m.networks[name].state_dict() for m in models)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert models[0].fusions["fusion_concat"].offset.coef.abs().max() > 0


@pytest.mark.slow
def test_jobs_and_interruptions_change_nothing(run, study, tmp_path, monkeypatch):
    arguments = study_arguments(study)
    spec = replace(study.spec, models=("skeleton", "fusion_concat"))
    parallel = cross_validate(
        study.cohort, spec, out=tmp_path / "jobs", n_jobs=2, **arguments
    )
    whole = run.oof[run.oof["model"].isin(spec.models)].reset_index(drop=True)
    pd.testing.assert_frame_equal(parallel.oof, whole)

    real, calls = folds_module.fit, []

    def dies(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(folds_module, "fit", dies)
        with pytest.raises(KeyboardInterrupt):
            cross_validate(study.cohort, spec, out=out, **arguments)
    done = out / "parts" / "seed0_fold0_oof.parquet"
    stamp = done.stat().st_mtime_ns
    resumed = cross_validate(study.cohort, spec, out=out, **arguments)
    assert done.stat().st_mtime_ns == stamp
    pd.testing.assert_frame_equal(resumed.oof, whole)


def test_saved_models_give_the_out_of_fold_answers(run, study):
    for models in load_fold_models(run):
        held_out = run.folds.loc[run.folds["fold"] == models.fold, "walk_id"]
        answer = models.predict(
            study.windows.of(held_out.tolist()), study.features.loc[held_out]
        )
        keys = ["model", "walk_id"]
        expected = run.oof[run.oof["fold"] == models.fold].set_index(keys)
        answer = answer.set_index(keys)
        assert set(answer.index.levels[0]) == {
            "skeleton",
            *(f"fusion_{name}" for name in ("cross_attention", "concat", "late")),
            "fusion_selected_features",
            "features_logit",
            "features_ordinal",
        }
        np.testing.assert_allclose(
            answer[P], expected.loc[answer.index, P], rtol=1e-4, atol=1e-6
        )
        fusions = models.fusions
        selected = fusions["fusion_selected_features"].features
        assert selected == ("speed_llps", "knee_rom_mean_deg")
        assert set(selected) < set(fusions["fusion_cross_attention"].features)


def test_a_fusion_starts_from_the_ordinal_logit_of_the_table(run, study):
    for models in load_fold_models(run):
        fusion = models.fusions["fusion_cross_attention"]
        answers = run.oof.query("model == 'features_ordinal' and fold == @models.fold")
        answers = answers.set_index("walk_id")[P]
        scores = models.scores(
            study.features.loc[answers.index], model="fusion_cross_attention"
        )
        none = torch.zeros(len(scores), dtype=torch.bool)
        start = fusion.offset(torch.tensor(scores), drop=none).numpy()
        told = np.log(answers.to_numpy())
        told -= told.mean(axis=1, keepdims=True)
        temperature = (start * told).sum() / (told**2).sum()
        assert temperature > 0
        np.testing.assert_allclose(start, told * temperature, atol=0.05)


def test_a_directory_of_another_study_is_refused(run, study):
    spec = replace(study.spec, models=("majority",))
    message = (
        f"`out` must be empty or hold the same study to be resumed; {str(run.path)!r} "
        "was made with other data, folds or settings. Choose another directory."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, spec, out=run.path, **study_arguments(study))
    other = study_arguments(study) | {"select": None}
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, study.spec, out=run.path, **other)


def test_repeats_use_other_splits(study, tmp_path):
    spec = replace(study.spec, models=("majority", "features_logit"))
    run = cross_validate(
        study.cohort, spec, out=tmp_path, repeats=2, **study_arguments(study)
    )
    assert sorted(run.oof["seed"].unique()) == [0, 1]
    overall = run.metrics.query("level == 'all'")
    assert (overall["n_walks"] == len(study.cohort)).all()
    by_seed = run.folds.sort_values(["seed", "walk_id"])["fold"].to_numpy()
    assert not np.array_equal(*np.split(by_seed, 2))


@pytest.mark.slow
def test_every_variant_runs(study, tmp_path):
    fit = replace(study.spec.fit, epochs=1)
    models = ("features_boosting", "features_ordinal", *VARIANTS)
    spec = replace(study.spec, models=models, fit=fit)
    arguments = study_arguments(study) | {"folds": 2}
    run = cross_validate(study.cohort, spec, out=tmp_path, **arguments)
    assert set(run.oof["model"]) == set(models)
    models = load_fold_models(run)[0]
    assert models.fusions["fusion_legs"].backbone is models.backbones["skeleton_legs"]
    hidden = folds_module.seen_by(
        folds_module.make_walk_set(study.cohort.index, study.windows),
        "legs",
        "body_25",
    )
    names = study.windows.keypoint
    assert (hidden.x[..., names.index("right_wrist")] == 0).all()
    assert (hidden.x[..., names.index("right_knee")] != 0).any()
    assert (
        "fusion_shuffled_features" not in models.fusions
    )  # it would get the right ones


def test_the_network_of_the_legs_never_sees_an_arm(study, tmp_path):
    fit = replace(study.spec.fit, epochs=1)
    spec = replace(study.spec, models=("fusion_legs",), fit=fit)
    arm = study.features.assign(arm_rom_mean_deg=study.features["speed_llps"])
    arguments = study_arguments(study) | {"features": arm, "folds": 2}
    run = cross_validate(study.cohort, spec, out=tmp_path, **arguments)
    for models in load_fold_models(run):
        assert "arm_rom_mean_deg" in models.scaler.columns
        assert models.fusions["fusion_legs"].features == (
            *("speed_llps", "knee_rom_mean_deg"),
        )
    assert not run.has("selection")  # nothing was chosen by a network that sees arms
    only_arms = arguments | {"features": arm[["arm_rom_mean_deg"]]}
    message = (
        "`features` must have a usable column of the catalogue without head, trunk and "
        "arms for 'fusion_legs'; got none in 'arm_rom_mean_deg'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, spec, out=tmp_path / "arms", **only_arms)


def test_a_walk_with_windows_but_no_answer_raises():
    answers = np.log([[0.7, 0.1, 0.1, 0.1], [np.nan] * 4])
    priors = (0.4, 0.3, 0.2, 0.1)
    proba = finish(answers, 1.0, priors=priors, n_windows=np.array([3, 0]))
    np.testing.assert_allclose(proba, [[0.7, 0.1, 0.1, 0.1], priors])
    message = "A model must answer for every walk with windows; it gave NaN for 1 of 2."
    with pytest.raises(ValueError, match=re.escape(message)):
        finish(answers, 1.0, priors=priors, n_windows=np.array([3, 2]))


def test_a_selection_of_nothing_raises(study, tmp_path):
    def nothing(model, windows, index):
        return select(model, windows, index).assign(kept=False)

    arguments = study_arguments(study) | {"select": nothing}
    message = "`select` must keep a usable feature; got none of 3 in fold 0."
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, study.spec, out=tmp_path, **arguments)


def test_features_that_are_all_useless_raise(study, tmp_path):
    arguments = study_arguments(study) | {"features": study.features[["rare_s"]]}
    spec = replace(study.spec, models=("fusion_concat",))
    with pytest.raises(ValueError, match="`features` must have a column") as error:
        cross_validate(study.cohort, spec, out=tmp_path, **arguments)
    assert str(error.value) == (
        "`features` must have a column that varies and is present in at least 60 % of "
        "the training walks of fold 0; got none of 1."
    )


def test_too_few_patients_for_the_inner_part_raise(study):
    index = study.cohort.index.head(8)
    message = (
        "A fold must have at least 5 training patients; got 4. Use more patients or "
        "fewer folds."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        inner_split(index, seed=0)


def test_unknown_models_are_named():
    with pytest.raises(ValueError, match="`models` must be one of 'majority'") as error:
        CrossvalSpec(models=("skelet",))
    assert str(error.value).endswith("got 'skelet'. Did you mean 'skeleton'?")


def test_models_without_files_are_named(tmp_path):
    message = (
        f"{str(tmp_path / 'checkpoints')!r} holds no models; finish the run that they "
        "are of."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        load_fold_models(tmp_path)


def test_the_scaler_drops_and_limits():
    table = pd.DataFrame(
        {
            "a": [0.0, 2.0, np.nan, 2.0],
            "rare": [np.nan, np.nan, 1.0, 2.0],
            "flat": [1.0, 1.0, 1.0, 1.0],
        }
    )
    scaler = FeatureScaler.fit(table)
    assert scaler.columns == ("a",)
    far = pd.DataFrame({"a": [4 / 3, 1e9, np.nan]})
    expected = [[0.0], [5.0], [np.nan]]
    np.testing.assert_allclose(scaler.transform(far), expected, atol=1e-6)
    with pytest.raises(ValueError, match=re.escape("`features` lacks the columns 'a'")):
        scaler.transform(table[["flat"]])


def test_tables_that_must_not_be_enough(study):
    cohort = study.cohort
    table = missingness_table(cohort)
    assert (table["tracked_ratio"] == 1).all()
    half = {
        name: walk.assign(observed=(walk["confidence"].dims, np.eye(4, 25) > 0))
        for name, walk in cohort.walks.items()
    }
    cleaned = missingness_table(replace(cohort, walks=half))
    np.testing.assert_allclose(cleaned["tracked_ratio"], 4 / 100)
    expected = cohort.index["n_frames"] / 25
    pd.testing.assert_series_equal(table["duration_s"], expected, check_names=False)
    assert list(metadata_table(cohort.index)) == [
        *("age_years", "height_m", "device_none", "device_walker"),
    ]
    unknown = cohort.index.assign(device=pd.Series(np.nan, cohort.index.index, "str"))
    assert metadata_table(unknown).filter(like="device").empty
    with pytest.raises(ValueError, match=re.escape("`features` lacks the columns")):
        speed_table(study.features[["noise_deg"]])


def test_features_of_other_walks_are_refused(study, tmp_path):
    renamed = study.features.rename(index=lambda walk_id: f"{walk_id}_b")
    n = len(renamed)
    message = (
        f"`features` must have a row for each walk with a level; {n} of {n} have none, "
        f"the first is {study.cohort.index.index[0]!r}. Give a row of NaN to a walk "
        "without features."
    )
    arguments = study_arguments(study) | {"features": renamed}
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, study.spec, out=tmp_path, **arguments)


def test_windows_of_nan_are_refused(study, tmp_path):
    x = study.windows.x.copy()
    x[3, 0, 0, 0] = np.nan
    windows = replace(study.windows, x=x)
    message = (
        f"`windows` must be finite; 1 of {len(x)} are not, the first is of walk "
        f"{str(study.windows.walk_id[3])!r}. Fill or drop them."
    )
    arguments = study_arguments(study) | {"windows": windows}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        cross_validate(study.cohort, study.spec, out=tmp_path, **arguments)


def _infinite(features):
    features.iloc[5, 0] = np.inf
    return features


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            _infinite,
            "`features` must be finite, or NaN where missing; got infinite values in "
            "'speed_llps'.",
        ),
        (
            lambda features: pd.concat([features, features.iloc[:1]]),
            "`features` must have each of its walks once; got 'w000' again.",
        ),
        (
            lambda features: pd.concat([features, features["speed_llps"]], axis=1),
            "`features` must have each of its columns once; got 'speed_llps' again.",
        ),
        (
            lambda features: features.assign(device="walker"),
            "`features` must have numbers only; got other values in 'device'.",
        ),
    ],
)
def test_unusable_features_are_refused(study, tmp_path, spoil, message):
    features = spoil(study.features.copy())
    arguments = study_arguments(study) | {"features": features}
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, study.spec, out=tmp_path, **arguments)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("seed0_fold0.json", b"{}", "backbone"),
        ("seed0_fold0.json", b"{", "Expecting property name"),
        ("seed0_fold0_skeleton.safetensors", None, "Error(s) in loading state_dict"),
        ("seed0_fold0_fusion_late.safetensors", b"", "header too small"),
    ],
)
def test_a_damaged_file_of_a_fold_is_named(run, tmp_path, name, content, reason):
    shutil.copytree(run.path, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "checkpoints" / name
    if content is None:  # the weights of another network
        content = file.with_name("seed0_fold0_fusion_late.safetensors").read_bytes()
    file.write_bytes(content)
    with pytest.raises(DamagedFileError) as error:
        load_fold_models(tmp_path)
    said = str(error.value)
    assert said.startswith(f"{str(file)!r} is damaged (")
    assert reason in said
    assert said.endswith(
        "). Delete it and start the run again; finished stages are kept."
    )


@pytest.mark.slow
def test_a_lost_file_is_made_again(run, study, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(run.path, out)
    lost = {
        "checkpoints/seed0_fold0.json",
        "checkpoints/seed0_fold1_fusion_late.safetensors",
        "parts/seed0_fold2_training.parquet",
    }
    for name in lost:
        (out / name).unlink()
    cut = out / "checkpoints" / "seed0_fold1_skeleton.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    assert not is_finished(out)
    missing = re.escape(str(out / "checkpoints" / "seed0_fold0.json"))
    with pytest.raises(FileNotFoundError, match=rf"^There is no '{missing}'\. Start"):
        load_fold_models(out)
    made = cross_validate(study.cohort, study.spec, out=out, **study_arguments(study))
    assert is_finished(out)
    assert len(load_fold_models(out)) == 3
    lost.add(f"checkpoints/{cut.name}")
    for name in (*lost, "oof.parquet", "selection.parquet", "training.parquet"):
        if "parts" not in name:  # which tell the seconds
            assert (out / name).read_bytes() == (run.path / name).read_bytes(), name
    pd.testing.assert_frame_equal(made.comparisons, run.comparisons)


def test_answers_without_a_claim_are_not_taken_over(run, study, tmp_path):
    shutil.copytree(run.path / "parts", tmp_path / "parts")
    (tmp_path / "parts" / "study.json").unlink()
    message = (
        f"`out` must be empty or hold the same study to be resumed; {str(tmp_path)!r} "
        "was made with other data, folds or settings. Choose another directory."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        cross_validate(study.cohort, study.spec, out=tmp_path, **study_arguments(study))


@pytest.mark.parametrize("content", [b"{}", b'{"fingerprint'])
def test_a_damaged_claim_of_a_study_is_named(study, tmp_path, content):
    file = tmp_path / "parts" / "study.json"
    file.parent.mkdir()
    file.write_bytes(content)
    message = (
        rf"^{re.escape(repr(str(file)))} is damaged \(.*\)\. "
        r"Start again in another directory\.$"
    )
    with pytest.raises(DamagedFileError, match=message):
        cross_validate(study.cohort, study.spec, out=tmp_path, **study_arguments(study))


def test_pairs_compare_with_the_skeleton_and_the_main_fusion():
    models = ["majority", "skeleton", "fusion_concat", "fusion_cross_attention"]
    assert pairs(models) == [
        ("fusion_cross_attention", "skeleton"),
        ("fusion_cross_attention", "fusion_concat"),
        ("skeleton", "majority"),
        ("skeleton", "fusion_concat"),
    ]


def test_every_child_is_equally_likely_to_be_in_the_inner_part(study):
    index = study.cohort.index
    chosen = [inner_split(index, seed=seed)[1] for seed in range(150)]
    patients = [set(index.loc[inner, "patient_id"]) for inner in chosen]
    share = pd.Series([p for part in patients for p in part]).value_counts() / 150
    assert len(share) == 40
    assert share.between(0.08, 0.35).all()


def test_a_table_without_anything_known_answers_with_the_shares(study, tmp_path):
    index = study.cohort.index.assign(age_years=np.nan, height_m=np.nan)
    index["device"] = pd.Series(np.nan, index.index, "str")
    cohort = replace(study.cohort, index=index)
    spec = replace(study.spec, models=("majority", "metadata_only"))
    run = cross_validate(cohort, spec, out=tmp_path, **study_arguments(study))
    tables = dict(list(run.oof.groupby("model")))
    np.testing.assert_allclose(
        tables["metadata_only"][P].to_numpy().argmax(1),
        tables["majority"][P].to_numpy().argmax(1),
    )
