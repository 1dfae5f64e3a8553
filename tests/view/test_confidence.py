"""How sure one may be: the pictures show the numbers of the tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from cpexplore.view.confidence import (
    confidence_pictures,
    plot_coverage,
    plot_reliability,
    plot_risk_coverage,
)


@pytest.fixture
def tables():
    models = ("skeleton", "fusion_cross_attention")
    levels = ("I", "II", "IV")
    return {
        "reliability": pd.DataFrame(
            {"model": np.repeat(models, 2), "confidence": [0.5, 0.9, 0.4, 0.8]}
        ).assign(accuracy=[0.4, 1.0, 0.5, 0.7], n_rows=10),
        "coverage": pd.DataFrame(
            {"model": np.repeat(models, 3), "level": levels * 2}
        ).assign(
            estimate=[0.9, 0.8, 1.0] * 2,
            ci_low=0.7,
            ci_high=1.0,
            n_patients=[30, 20, 4] * 2,
            mean_size=[1.2, 2.5, 3.0] * 2,
            nominal=0.9,
        ),
        "risk": pd.DataFrame(
            {"model": np.repeat(models, 2), "coverage": [0.5, 1.0] * 2}
        ).assign(risk=[0.1, 0.3, 0.05, 0.2], ci_low=0.0, ci_high=0.4),
    }


@pytest.fixture
def ax():
    figure = plt.figure()
    yield figure.subplots()
    plt.close(figure)


def test_reliability_shows_every_bin_beside_the_diagonal(tables, ax):
    diagonal, *models = plot_reliability(tables["reliability"], ax=ax).lines
    assert diagonal.get_xdata().tolist() == diagonal.get_ydata().tolist()
    assert models[1].get_ydata().tolist() == [0.5, 0.7]
    assert models[0].get_linestyle() != models[1].get_linestyle()


def test_coverage_says_how_many_children_and_how_large_the_sets_are(tables, ax):
    plot_coverage(tables["coverage"], ax=ax)
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == ["I\n30\n1.2", "II\n20\n2.5", "IV\n4\n3.0"]
    assert ax.get_xticks().tolist() == [0, 1, 3]  # nobody of level III
    assert ax.lines[0].get_ydata()[0] == 0.9
    assert ax.get_ylim()[0] < 0.5


def test_the_band_of_risk_is_that_of_the_last_model(tables, ax):
    tables["risk"].loc[2:, "ci_high"] = 0.25
    plot_risk_coverage(tables["risk"], ax=ax)
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() == 0.25


def test_a_page_gets_three_pictures(tables):
    pictures = confidence_pictures(tables)
    assert len({picture.src for picture in pictures}) == 3
    assert "90% sets" in pictures[1].caption
