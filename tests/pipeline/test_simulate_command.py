"""What ``cpexplore simulate`` makes of its options."""

import json

import pandas as pd
import pytest

from cpexplore.datasets.native import load_native
from cpexplore.pipeline import simulate_to_folder
from cpexplore.pipeline.records import config_of
from cpexplore.simulate import CONSTANTS, PARAMETERS


def test_a_planted_cohort_says_where_the_level_sits(tmp_path):
    lines = simulate_to_folder(
        tmp_path / "out", preset="planted", patients=8, plant="elbow_range", seed=4
    )
    assert lines == [
        str(tmp_path / "out"),
        "8 simulated walks of 8 children; walks by level: I 2, II 2, III 2, IV 2.",
        f"cohort planted-elbow_range-8-4, simulator parameters {PARAMETERS.hash()}, "
        f"constants {CONSTANTS.hash()}; what really happened is in "
        f"{tmp_path / 'out' / 'truth'}.",
    ]
    children = pd.read_parquet(tmp_path / "out" / "truth" / "children.parquet")
    assert set(children["plant"]) == {"elbow_range"}
    assert set(children["decoy"]) == {"I", "II", "III", "IV"}
    about = json.loads((tmp_path / "out" / "truth" / "simulation.json").read_text())
    plant = about["plants"]["elbow_range"]
    assert plant["carriers"] == ["left_elbow", "right_elbow"]
    assert plant["distractors"] == ["left_heel", "right_heel"]
    assert plant["kind"] == "range"
    assert len(load_native(tmp_path / "out")) == 8


def test_another_world_is_written_down(tmp_path):
    simulate_to_folder(tmp_path / "out", patients=4, world="no_device", seed=2)
    folder = tmp_path / "out" / "truth"
    about = json.loads((folder / "simulation.json").read_text())
    assert about["cohort"] == "simulated-demo-no_device-4-2"
    children = pd.read_parquet(folder / "children.parquet")
    assert set(children["device"]) == {"none"}
    about["parameters"] = "of another time"
    (folder / "simulation.json").write_text(json.dumps(about))
    asked = config_of(load_native(tmp_path / "out"), {})
    assert asked["simulator"] == "of another time"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"preset": "plan"},
            "`preset` must be one of 'demo', 'gillette', 'planted'; got 'plan'. Did "
            "you mean 'planted'?",
        ),
        (
            {"preset": "planted", "world": "null"},
            "`world` must be 'standard' where the level is planted; got 'null'. Leave "
            "it out.",
        ),
        (
            {"plant": "elbow_range"},
            "`plant` must go with the preset 'planted'; got 'elbow_range' with "
            "'demo'. Leave it out.",
        ),
        (
            {"world": "nul"},
            "`world` must be one of 'standard', 'no_device', 'beyond_catalogue', "
            "'null'; got 'nul'. Did you mean 'null'?",
        ),
        ({"layout": "zip"}, "`layout` must be one of 'native', 'gaitlab'; got 'zip'."),
    ],
)
def test_wrong_options_are_one_sentence_and_write_nothing(tmp_path, options, sentence):
    with pytest.raises(ValueError, match="must") as error:
        simulate_to_folder(tmp_path / "out", **options)
    assert str(error.value) == sentence
    assert list(tmp_path.iterdir()) == []
