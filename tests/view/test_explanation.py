"""The page of one walk: answer, curves beside the reference, what is missing."""

import json
import re
from dataclasses import replace
from html import escape

import pandas as pd
import pytest

from cpexplore.gait import analyse_walk, default_reference
from cpexplore.runs import Explanation
from cpexplore.view import html
from cpexplore.view.explanation import write_explanation
from cpexplore.view.player import walk_saliency

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def explanation(module_run):
    run = module_run()
    walk_id = str(run.saliency["window_walk_id"].values[0])
    analysis = analyse_walk(run.walk(walk_id))
    curves = run.curves.sel(walk=walk_id)
    curves["ankle_dorsiflexion_deg"] = curves["hip_flexion_deg"]
    chances = {"p_I": 0.1, "p_II": 0.2, "p_III": 0.6, "p_IV": 0.1}
    moved = {"feature": "cadence_spm", "value": 1.0, "cohort_median": 0.5}
    return Explanation(
        walk=analysis.walk,
        run_path=run.path,
        probabilities=pd.DataFrame(
            [
                {"model": "majority", "p_I": 1.0, "p_II": 0, "p_III": 0, "p_IV": 0},
                {"model": "fusion_cross_attention", **chances},
            ]
        ),
        prediction_set=("II", "III"),
        set_level=0.9,
        saliency=walk_saliency(run, walk_id),
        features=analysis.features,
        feature_reasons=analysis.reasons,
        events=analysis.events,
        curves=default_reference().with_bands(curves),
        contributions=pd.DataFrame([moved | {"effect": -0.25}]),
        notes=("The models know simulated children only.", "Windows: 1."),
    )


@pytest.fixture
def page(tmp_path):
    def write(explanation):
        return write_explanation(explanation, out=tmp_path / "explain.html").read_text()

    return write


def clip_of(page):
    """What the player is told about the walk."""
    scene = re.search(r'<script type="application/json">(.*?)</script>', page)
    (clip,) = json.loads(scene[1])["clips"]
    return clip


def test_the_answer_comes_with_its_set(explanation, page):
    text = page(explanation)
    assert "most probable answer is GMFCS III, with probability 60 %." in text
    assert "cannot be excluded at 90 % coverage: II, III." in text
    assert "coverage" not in page(replace(explanation, prediction_set=()))


def test_the_player_starts_with_the_predicted_level_and_all_events(explanation, page):
    clip = clip_of(page(explanation))
    assert clip["level"] == "III"
    assert len(clip["events"]) == len(explanation.events) > 3


def test_every_curve_says_whose_band_it_shows(explanation, page):
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page(explanation))
    joints = ("hip flexion", "knee flexion", "ankle dorsiflexion")
    for caption, joint in zip(captions, joints, strict=True):
        assert caption.startswith(f"Mean {joint} over the gait cycle")
        assert f"SD of the reference ({default_reference().source})." in caption


def test_what_is_missing_comes_with_its_reason(explanation, page):
    text = page(explanation)
    reasons = explanation.feature_reasons["reason"].unique()
    assert len(reasons)
    for reason in reasons:
        assert f'<td class="text">{escape(reason)}</td>' in text
    assert "What could not be computed" not in page(
        replace(explanation, feature_reasons=explanation.feature_reasons.iloc[:0])
    )


def test_the_largest_contributions_are_listed_and_tiles_are_short(explanation, page):
    many = pd.concat([explanation.contributions] * 9, ignore_index=True)
    many["effect"] = [0.9 - 0.1 * row for row in range(9)]
    features = explanation.features.copy()
    features["cadence_spm"] = 101.26
    text = page(replace(explanation, contributions=many, features=features))
    assert "<td>0.200</td>" in text
    assert "<td>0.100</td>" not in text
    assert "<b>101.3</b><span>cadence, steps/min" in text


def test_contributions_are_named_and_rounded(explanation, page):
    assert "<td>−0.250</td>" in page(explanation)
    assert "cadence (steps/min)" in page(explanation)


def test_the_page_says_whose_walk_it_is(explanation, page):
    text = page(explanation)
    assert html.SIMULATED in text
    assert html.RESEARCH in text
    assert "The models know simulated children only." in text
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) <= {
        "http://www.w3.org/2000/svg"
    }


def test_strings_of_the_walk_never_become_markup(explanation, page):
    named = {"walk_id": HOSTILE, "source": HOSTILE}
    hostile = replace(explanation, walk=explanation.walk.assign_attrs(named))
    text = page(hostile)
    assert HOSTILE not in text
    assert text.count(escape(HOSTILE)) >= 3
    assert text.count("<script") == page(explanation).count("<script")


def test_the_same_explanation_gives_the_same_bytes(explanation, page):
    assert page(explanation) == page(explanation)
