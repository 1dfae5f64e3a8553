import re

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from cpexplore.stats import agreement, bland_altman, icc

FEW = {"n_resamples": 200, "rng": 0}

CARDIAC_OUTPUT = """
1,7.83,6.57 1,7.42,5.62 1,7.89,6.9 1,7.12,6.57 1,7.88,6.35 2,6.16,4.06 2,7.26,4.29
2,6.71,4.26 2,6.54,4.09 3,4.75,4.71 3,5.24,5.5 3,4.86,5.08 3,4.78,5.02 3,6.05,6.01
3,5.42,5.67 4,4.21,4.14 4,3.61,4.2 4,3.72,4.61 4,3.87,4.68 4,3.92,5.04 5,3.13,3.03
5,2.98,2.86 5,2.85,2.77 5,3.17,2.46 5,3.09,2.32 5,3.12,2.43 6,5.92,5.9 6,6.42,5.81
6,5.92,5.7 6,6.27,5.76 7,7.13,5.09 7,6.62,4.63 7,6.58,4.61 7,6.93,5.09 8,4.54,4.72
8,4.81,4.61 8,5.11,4.36 8,5.29,4.2 8,5.39,4.36 8,5.57,4.2 9,4.48,3.17 9,4.92,3.12
9,3.97,2.96 10,4.22,4.35 10,4.65,4.62 10,4.74,3.16 10,4.44,3.53 10,4.5,3.53
11,6.78,7.2 11,6.07,6.09 11,6.52,7.0 11,6.42,7.1 11,6.41,7.4 11,5.76,6.8 12,5.06,4.5
12,4.72,4.2 12,4.9,3.8 12,4.8,3.8 12,4.9,4.2 12,5.1,4.5
"""
"""Subject and cardiac output (l/min) by two methods, Bland and Altman (2007)."""

JUDGES = np.array(
    [
        [9, 2, 5, 8],
        [6, 1, 3, 2],
        [8, 4, 6, 8],
        [7, 1, 2, 6],
        [10, 5, 6, 9],
        [6, 2, 4, 7],
    ]
)
"""Six targets rated by four judges, Shrout and Fleiss (1979), table 2."""


@pytest.fixture
def ratings():
    target, judge = np.indices(JUDGES.shape)
    index = pd.DataFrame({"target": target.ravel(), "judge": judge.ravel()})
    return pd.DataFrame({"rating": JUDGES.ravel().astype(float)}), index


def test_limits_of_agreement_of_the_published_example():
    subject, first, second = np.array(
        [entry.split(",") for entry in CARDIAC_OUTPUT.split()], dtype=float
    ).T
    table = bland_altman(first, second, groups=subject, **FEW).set_index("method")
    assert table.loc["bias", "estimate"] == pytest.approx(0.60, abs=0.005)
    assert table.loc["limit_low", "estimate"] == pytest.approx(-1.34, abs=0.005)
    assert table.loc["limit_high", "estimate"] == pytest.approx(2.54, abs=0.005)
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["ci_high"] > table["estimate"]).all()
    assert table["n_rows"].tolist() == [60] * 3


def test_limits_without_repetition_are_the_classical_ones(rng):
    first, second = rng.normal(size=(2, 30))
    table = bland_altman(first, second, groups=np.arange(30), **FEW)
    difference = first - second
    reach = 1.96 * difference.std(ddof=1)
    expected = difference.mean() + np.array([0, -reach, reach])
    np.testing.assert_allclose(table["estimate"], expected)


def test_series_are_aligned_by_label(rng):
    walks = [f"w{number}" for number in range(20)]
    first = pd.Series(rng.normal(size=20), walks)
    second = pd.Series(rng.normal(size=20), walks)
    patients = pd.Series(np.repeat(np.arange(10), 2), walks)
    one = bland_altman(first, second, groups=patients, **FEW)
    other = bland_altman(
        first[::-1], second, groups=patients[rng.permutation(walks)], **FEW
    )
    np.testing.assert_allclose(one["estimate"], other["estimate"])


def test_icc_of_the_published_example(ratings):
    features, index = ratings
    one_way = icc(features, index, groups="target", **FEW).iloc[0]
    two_way = icc(features, index, groups="target", occasion="judge", **FEW).iloc[0]
    assert one_way["estimate"] == pytest.approx(0.17, abs=0.005)
    assert two_way["estimate"] == pytest.approx(0.29, abs=0.005)
    assert (one_way["method"], two_way["method"]) == ("icc_1", "icc_a1")
    within = JUDGES.var(axis=1, ddof=1).mean()
    assert one_way["sem"] == pytest.approx(np.sqrt(within))
    assert one_way["mdc95"] == pytest.approx(1.96 * np.sqrt(2 * within))


def test_icc_of_balanced_data_equals_the_mixed_model(rng):
    child = np.repeat(np.arange(40), 3)
    values = rng.normal(size=40)[child] + 0.7 * rng.normal(size=120)
    fit = MixedLM(values, np.ones((120, 1)), groups=child).fit()
    between, within = float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale)
    index = pd.DataFrame({"patient_id": child})
    row = icc(pd.DataFrame({"angle": values}), index, **FEW).iloc[0]
    assert row["estimate"] == pytest.approx(between / (between + within), rel=1e-3)
    assert row["sem"] == pytest.approx(np.sqrt(within), rel=1e-3)
    assert row["ci_low"] < row["estimate"] < row["ci_high"]


def test_incomplete_patients_are_left_out_of_the_two_way_icc(ratings):
    features, index = ratings
    settings = {"groups": "target", "occasion": "judge", **FEW}
    extra = pd.DataFrame({"target": [6, 6], "judge": [0, 1]}, index=[24, 25])
    more = pd.concat([features, pd.DataFrame({"rating": [5.0, np.nan]}, [24, 25])])
    one = icc(features, index, **settings).iloc[0]
    other = icc(more, pd.concat([index, extra]), **settings).iloc[0]
    assert one["estimate"] == other["estimate"]
    assert (other["n_rows"], other["n_missing"], other["n_patients"]) == (24, 2, 6)


def test_icc_that_cannot_be_estimated_says_why():
    index = pd.DataFrame({"patient_id": range(8)})
    features = pd.DataFrame({"once": np.arange(8.0), "empty": np.nan})
    table = icc(features, index, **FEW)
    assert table["estimate"].isna().all()
    assert table["note"].tolist() == [
        "constant, or no patient has two walks",
        "an interval or test needs 5 patients; there are 0",
    ]


def test_agreement_by_hand(study, rng):
    features, index = study
    reference = features[["knee", "trunk"]] + 0.5
    reference["knee"] += rng.normal(size=len(features))
    table = agreement(features, reference.iloc[::-1], index, **FEW)
    assert table["feature"].unique().tolist() == ["knee", "trunk"]
    row = table.set_index(["feature", "method"])["estimate"]
    difference = features["knee"] - reference["knee"]
    assert row["knee", "bias"] == pytest.approx(difference.mean())
    assert row["knee", "mae"] == pytest.approx(difference.abs().mean())
    assert row["knee", "rmse"] == pytest.approx(np.sqrt((difference**2).mean()))
    both = np.stack([features["knee"], reference["knee"]])
    covariance = np.cov(both, bias=True)
    total = covariance[0, 0] + covariance[1, 1] + difference.mean() ** 2
    assert row["knee", "concordance"] == pytest.approx(2 * covariance[0, 1] / total)
    assert row["trunk", "bias"] == pytest.approx(-0.5)
    assert row["trunk", "limit_high"] == pytest.approx(-0.5)


def test_tables_without_a_common_column_are_named(study):
    features, index = study
    sentence = "`reference` must share a column with `features`; none does."
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        agreement(features, features[["knee"]].rename(columns={"knee": "x"}), index)


def test_lengths_must_match():
    sentence = (
        "`reference` must have one entry per row of `measured`; got 2 for 3 rows."
    )
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        bland_altman([1.0, 2.0, 3.0], [1.0, 2.0], groups=[1, 2, 3])
