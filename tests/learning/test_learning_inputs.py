"""What reaches a model: keypoints, core gait features, controls; never the truth."""

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import cpexplore
from cpexplore import gait
from cpexplore.cohort import INDEX_SCHEMA
from cpexplore.learning import CrossvalSpec, crossval
from cpexplore.learning.tables import metadata_table, missingness_table
from cpexplore.learning.variants import TABULAR
from cpexplore.pipeline.study import Study
from cpexplore.simulate import cohort_of, draw_children
from cpexplore.windows import walk_windows

TRUTH = ("severity", "carrier", "pattern_left", "weight_left", "true_speed_mps")

CORE = set((Path(__file__).parents[1] / "golden/core_features.txt").read_text().split())
"""Columns that a model may be given as gait features; all come from keypoints."""

INDEX = {
    *("patient_id", "visit_id", "gmfcs", "fps", "n_frames", "age_years", "sex"),
    *("height_m", "leg_length_m", "device", "side_affected", "simulated", "source"),
}


@pytest.fixture(scope="module")
def cohort():
    return cohort_of(draw_children(8, seed=0), name="few")


@pytest.mark.parametrize("package", ["models", "learning", "attribution", "stats"])
def test_what_learns_never_asks_the_simulator(package):
    asked = {"truth", "child", "severity", "carrier", "limbs", "person_seed"}
    for path in Path(cpexplore.__file__).with_name(package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            names.append(getattr(node, "module", None) or "")
            far = ("cpexplore.simulate", "cpexplore.datasets")
            assert not any(str(name).startswith(far) for name in names), path
            if isinstance(node, ast.Attribute):
                assert node.attr not in asked, f"{path}, line {node.lineno}"


def test_the_index_of_a_cohort_holds_no_truth(cohort):
    assert set(INDEX_SCHEMA.columns) == set(cohort.index.columns) == INDEX


def test_core_features_are_known_by_name():
    assert set(gait.feature_columns(core=True).index) == CORE


def test_controls_see_what_their_name_says(cohort):
    few = cohort.select(cohort.index.index[:2])
    assert list(missingness_table(few)) == ["duration_s", "tracked_ratio"]
    known = {"age_years", "height_m"}
    devices = {f"device_{name}" for name in cohort.index["device"]}
    assert set(metadata_table(cohort.index)) == known | devices


def test_windows_are_keypoints_and_confidence_whatever_else_a_walk_says(cohort):
    walk = cohort.walk(cohort.index.index[0])
    usual = walk_windows(walk)
    told = walk_windows(walk.assign_attrs(severity=70.0, pattern="crouch"))
    assert usual.x.shape[1] == 3
    np.testing.assert_array_equal(usual.x, told.x)


def everything(cohort):
    """All features of the catalogue, and the truth beside them."""
    columns = [*gait.feature_columns().index, *TRUTH]
    return pd.DataFrame(1.0, index=cohort.index.index, columns=columns)


def test_folds_are_given_core_features_and_controls_only(study, tmp_path, monkeypatch):
    seen = []

    def stop(tasks, **_):
        seen.extend(tasks)
        raise InterruptedError

    monkeypatch.setattr(gait, "extract_features", lambda c, **_: everything(c))
    monkeypatch.setattr(crossval, "_run_folds", stop)
    with pytest.raises(InterruptedError):
        crossval.cross_validate(
            study.cohort,
            CrossvalSpec(models=TABULAR),
            windows=study.windows,
            out=tmp_path / "out",
        )
    for task in seen:
        assert set(task.features) == CORE
        assert set(task.index) == INDEX
        assert task.windows.x.shape[1] == 3
        assert {name: set(table) for name, table in task.tables.items()} == {
            "missingness_only": {"duration_s", "tracked_ratio"},
            "speed_only": {"speed_llps"},
            "metadata_only": {
                *("age_years", "height_m", "device_none", "device_walker"),
            },
            "features_logit": CORE,
            "features_boosting": CORE,
            "features_ordinal": CORE,
        }
    assert len(seen) == 5


def test_the_pipeline_hands_on_core_features_only(study, tmp_path, monkeypatch):
    finished = SimpleNamespace(features=everything(study.cohort))
    monkeypatch.setattr(Study, "finished", finished)
    plan = Study(
        cohort=study.cohort,
        out=tmp_path,
        preset="quick",
        folds=3,
        seed=0,
        epochs=None,
        n_jobs=1,
    )
    assert set(plan.core_features) == CORE
