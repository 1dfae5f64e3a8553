"""The pages of a run and of one walk, opened from disk."""

import pandas as pd
import pytest

from cpexplore.gait import analyse_walk, default_reference
from cpexplore.runs import Explanation
from cpexplore.view.explanation import write_explanation
from cpexplore.view.player import walk_saliency


def picture(page) -> str:
    return page.evaluate(
        "[...document.querySelector('.cpx').querySelectorAll('canvas')]"
        ".map(c => c.toDataURL()).join()"
    )


def play_and_choose(page, *, level: str, method: str) -> None:
    """Press play and move both controls; each must change the picture."""
    seen = [picture(page)]
    player = page.locator(".cpx").first
    player.get_by_role("button", name="Play").click()
    page.wait_for_timeout(600)
    player.get_by_role("button", name="Pause").click()
    seen.append(picture(page))
    for control, choice in (("Level", level), ("Method", method)):
        player.get_by_label(control).select_option(label=choice)
        seen.append(picture(page))
    assert len(set(seen)) == 4


@pytest.mark.slow
def test_the_report_of_a_study_plays(page, small_run, shoot):
    page.goto((small_run.path / "report.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.cpx').length >= 2")
    play_and_choose(page, level="GMFCS IV", method="Grad-CAM, signed")
    shoot("report")


def test_the_explanation_of_a_walk_plays(page, make_run, tmp_path, shoot):
    run = make_run(tmp_path / "demo")
    walk_id = str(run.saliency["window_walk_id"].values[0])
    analysis = analyse_walk(run.walk(walk_id))
    chances = {"p_I": 0.1, "p_II": 0.2, "p_III": 0.6, "p_IV": 0.1}
    moved = {"value": 1.0, "cohort_median": 0.5, "effect": 0.1}
    explanation = Explanation(
        walk=analysis.walk,
        run_path=run.path,
        probabilities=pd.DataFrame([{"model": "fusion_cross_attention", **chances}]),
        saliency=walk_saliency(run, walk_id),
        features=analysis.features,
        feature_reasons=analysis.reasons,
        events=analysis.events,
        curves=default_reference().with_bands(
            run.curves.sel(walk=walk_id).assign(
                ankle_dorsiflexion_deg=run.curves["hip_flexion_deg"].sel(walk=walk_id)
            )
        ),
        contributions=pd.DataFrame([{"feature": "cadence_spm", **moved}]),
    )
    page.goto(write_explanation(explanation, out=tmp_path / "explain.html").as_uri())
    page.wait_for_selector(".cpx")
    play_and_choose(page, level="GMFCS IV", method="Grad-CAM, signed")
    shoot("explain")
