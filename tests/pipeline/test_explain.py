"""One walk explained by the models of a finished run."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from cpexplore import datasets, gmfcs, pipeline
from cpexplore.gait import default_reference
from cpexplore.gait.kinematics import ANGLES
from cpexplore.pipeline.explaining import fold_models_for, range_note, set_note
from cpexplore.runs import Run, write_json
from cpexplore.view.explanation import write_explanation

P = [f"p_{level}" for level in gmfcs.LEVELS]


@pytest.fixture(scope="module")
def explained(small_run):
    return pipeline.explain(datasets.sample_walk("sports2d"), small_run)


def test_the_real_walk_is_that_of_a_healthy_adult(explained):
    features = explained.features
    assert 90 < features["cadence_spm"] < 130
    assert 56 < features["stance_mean_pct"] < 66
    assert 50 < features["knee_max_swing_mean_deg"] < 75
    assert -5 < features["knee_min_stance_mean_deg"] < 15


def test_an_answer_from_few_features_says_so_first(explained, small_run):
    lite = pipeline.explain(datasets.sample_walk("sports2d_lite"), small_run)
    assert lite.notes[0].endswith(
        "it is no assessment. Only 9 of 59 core gait features could be measured in "
        "this walk: an answer from the rest is not to be relied on."
    )
    assert explained.notes[0].endswith("it is no assessment.")


def test_a_wrong_frame_rate_is_questioned():
    known = pd.DataFrame({"cadence_spm": [76.2, 99, 172.9], "speed_llps": [0.6, 1, 2]})
    right = pd.Series({"cadence_spm": 98.0, "speed_llps": 1.4, "not_in_the_run": 9.0})
    assert range_note(right, known, fps=30) == []
    assert range_note(right * np.nan, known, fps=30) == []
    assert range_note(right.replace(1.4, 2.1), known, fps=30) == [
        "Measured core gait features outside the range of the run's other patients: "
        "1 of 2 (about 1 by chance in a child like them). The models have seen "
        "nothing there."
    ]
    assert range_note(2 * right, known, fps=60) == [
        "Measured core gait features outside the range of the run's other patients: "
        "2 of 2 (about 1 by chance in a child like them). The models have seen "
        "nothing there. The cadence is one of them, 196 steps/min (run: 76 to 173): "
        "are 60 frames per second right?"
    ]


@pytest.mark.slow
def test_a_child_of_the_run_is_not_in_the_range_that_it_is_held_against(small_run):
    fastest = small_run.features["cadence_spm"].idxmax()
    notes = pipeline.explain(small_run.walk(fastest), small_run).notes
    assert any("The cadence is one of them" in note for note in notes)


def test_probabilities_and_set_are_of_levels(explained):
    table = explained.probabilities.set_index("model")
    np.testing.assert_allclose(table[P].sum(axis=1), 1, atol=1e-6)
    first = table.loc["fusion_cross_attention", P].to_numpy(float).argmax()
    assert gmfcs.LEVELS[first] in explained.prediction_set


def test_saliency_lies_on_the_clock_of_the_walk(explained):
    assert explained.saliency.dims == ("method", "level", "time", "keypoint")
    np.testing.assert_array_equal(explained.saliency["time"], explained.walk["time"])
    assert np.isfinite(explained.saliency).any()


def test_curves_of_a_walk_and_of_the_run_have_the_reference_beside_them(
    explained, small_run
):
    reference = default_reference()
    for curves in (explained.curves, small_run.curves):
        assert curves.attrs["reference"] == reference.source
        for place, angle in enumerate(ANGLES):
            assert angle in curves
            for kind, band in (("mean", reference.mean), ("sd", reference.sd)):
                drawn = curves[f"{angle}_reference_{kind}"]
                assert drawn.dims == ("phase",)
                np.testing.assert_allclose(drawn, band[:, place])


def test_contributions_say_what_moved_the_level(explained):
    table = explained.contributions
    assert table["effect"].abs().is_monotonic_decreasing
    own = explained.features[table["feature"]].to_numpy()
    np.testing.assert_allclose(table["value"], own)


def test_the_page_says_that_the_models_know_only_simulated_children(
    explained, tmp_path
):
    page = write_explanation(explained, out=tmp_path / "explain.html").read_text()
    assert "The models were trained on simulated children" in page
    assert "Research use only; not a medical device." in page
    assert "Recordings as given by the user, taken for real ones." in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_walk_of_the_run_is_asked_of_models_that_have_not_seen_its_patient(
    small_run,
):
    walk_id = small_run.index.index[0]
    row = small_run.folds.set_index("walk_id").loc[walk_id]
    models = fold_models_for(small_run.walk(walk_id), small_run)
    assert [m.fold for m in models] == [row["fold"]]
    unnamed = small_run.walk(walk_id).assign_attrs(patient_id=walk_id)
    assert [m.fold for m in fold_models_for(unnamed, small_run)] == [row["fold"]]
    later = small_run.walk(walk_id).assign_attrs(walk_id="a later visit")
    assert [m.fold for m in fold_models_for(later, small_run)] == [row["fold"]]
    every = fold_models_for(datasets.sample_walk("sports2d"), small_run)
    assert [m.fold for m in every] == [0, 1, 2]


def test_a_walk_without_any_point_is_refused(small_run):
    walk = datasets.sample_walk("sports2d")
    empty = walk.assign(position=walk["position"] * np.nan)
    sentence = "`walk` must have at least one detected keypoint; 'sports2d' has none."
    with pytest.raises(ValueError, match=sentence):
        pipeline.explain(empty, small_run)


def test_a_cross_validation_is_no_study(tmp_path):
    write_json(tmp_path / "config.json", {"folds": 5})
    walk = datasets.sample_walk("sports2d")
    for ask in (partial(pipeline.explain, walk), pipeline.audit_run):
        with pytest.raises(ValueError, match="must be a study") as error:
            ask(Run(tmp_path))
        assert str(error.value) == (
            f"`run` must be a study of `cpexplore run`; {str(tmp_path)!r} is a "
            "cross-validation only."
        )


def test_levels_that_cannot_be_judged_are_named_apart_from_the_others():
    thresholds = pd.Series([0.5, 0.9, 0.9, np.inf], index=["I", "II", "III", "IV"])
    children = pd.Series(22, index=thresholds.index)
    few = (
        "In every set because the run has fewer than 9 other children of the level, "
        "too few to leave it out at 90 % coverage: {}."
    )
    mild = np.array([[0.96, 0.03, 0.005, 0.005]])
    assert set_note(mild, thresholds, children) == [
        few.format("IV") + " Of the levels that can be judged, not excluded: I."
    ]
    severe = np.array([[0.02, 0.08, 0.25, 0.65]])
    assert set_note(severe, thresholds, children) == [
        few.format("IV") + " Of the levels that can be judged, not excluded: II, III."
    ]
    both = thresholds.mask(thresholds.index == "II", np.inf)
    assert set_note(mild, both, children) == [
        few.format("II, IV") + " Of the levels that can be judged, not excluded: I."
    ]
    nothing = thresholds * np.inf
    assert set_note(mild, nothing, children) == [few.format("I, II, III, IV")]


def test_levels_of_few_children_assure_less():
    thresholds = pd.Series([0.5, 0.9, 0.9, 0.9], index=["I", "II", "III", "IV"])
    proba = np.array([[0.96, 0.03, 0.005, 0.005]])
    enough = pd.Series(22, index=thresholds.index)
    assert set_note(proba, thresholds, enough) == []
    assert set_note(proba, thresholds, enough.mask(enough.index == "IV", 10)) == [
        "Level IV: only 10 other children of the run set its threshold, so that its "
        "sets may hold the level of less than 90 % of such children (chance about "
        "35 %, were they all drawn alike)."
    ]
