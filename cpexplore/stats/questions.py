"""Every question at once: one tidy table each, for any ordered severity scale."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import joblib
import numpy as np
import pandas as pd
import xarray as xr

from cpexplore._validation import check_columns, check_range
from cpexplore.stats._design import check_covariates
from cpexplore.stats._sample import check_families, check_features, check_walks
from cpexplore.stats.association import associate
from cpexplore.stats.curves import compare_curves, level_curves
from cpexplore.stats.differences import kruskal, pairwise, trend
from cpexplore.stats.missingness import missingness
from cpexplore.stats.mixed import mixed_effects
from cpexplore.stats.ordinal import ordinal_effects
from cpexplore.stats.partial import partial_association
from cpexplore.stats.proportionality import brant, threshold_effects
from cpexplore.stats.redundancy import redundancy
from cpexplore.stats.repeatability import icc

Answer = Callable[[], pd.DataFrame]
"""Makes the table of a question."""

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "association": ("Does the feature rise or fall with the level?", "features"),
    "trend": ("Do children's means rise or fall from level to level?", "features"),
    "differences": ("Do the levels differ in any way?", "features"),
    "pairwise": (
        "Which two levels differ, and how much?",
        "features x pairs of levels",
    ),
    "odds_ratios": (
        "How do the odds of a higher level change with one SD of the feature?",
        "features",
    ),
    "proportionality": ("Is one odds ratio fair at every threshold?", "features"),
    "threshold_odds_ratios": (
        "What is the odds ratio at each threshold?",
        "features x thresholds",
    ),
    "mixed_model": (
        "How far is each level from the lowest, in the feature's unit?",
        "features; features x levels for the differences",
    ),
    "partial_association": (
        "Is the feature more than the covariates that are held constant?",
        "features, apart for each set of covariates",
    ),
    "missingness": ("Is the feature missing more often at some levels?", "features"),
    "redundancy": ("Which features say the same?", "no test"),
    "repeatability": ("How alike are the walks of one child?", "no test"),
    "curve_tests": (
        "Does a curve change with the level, over the whole gait cycle?",
        "curves",
    ),
    "curves_by_level": ("What is the mean curve of each level?", "no test"),
}
"""Tables of :func:`severity_tables`: what each answers, and the family of its tests,
within which q-values control the false discovery rate."""

_ADJUSTED = "odds_ratios_"
"""How the names of tables of adjusted odds ratios begin."""


def severity_tables(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    curves: xr.Dataset | None = None,
    adjustments: Mapping[str, Sequence[str]] | None = None,
    given: Sequence[Sequence[str]] = (),
    families: Mapping[str, str] | None = None,
    n_resamples: int = 2000,
    n_permutations: int = 9999,
    seed: int = 0,
    n_jobs: int = 1,
) -> dict[str, pd.DataFrame]:
    """Ask every question about features and severity; one tidy table each.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        Index ``walk_id``; NaN where not computable.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome``, ``groups`` and covariates.
    outcome : str
        An ordered categorical column of any names, or a numeric one with few values.
    groups : str
        The column that names the patient.
    curves : xarray.Dataset, optional
        Variables of dims (walk, phase); without them nothing is asked about curves.
    adjustments : mapping of str to sequence of str, optional
        Covariates by name; each makes a table ``odds_ratios_<name>``. The mixed model
        is adjusted for the first.
    given : sequence of sequences of str
        Sets of covariates that partial associations hold constant, one after another.
    families : mapping of str to str, optional
        Family by feature; splits the families of :data:`QUESTIONS`.
    n_resamples, n_permutations : int
        Of the patient bootstrap (intervals) and the patient permutation (p-values).
    seed : int
        The same for every question.
    n_jobs : int
        Processes, one question each; the result does not depend on it.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the names of :data:`QUESTIONS` and, last, ``questions``: one row per
        question with ``table, question, family``, ``n_tests`` (p-values that entered
        q-values), ``n_missing`` (rows without estimate) and ``problem``. A question
        that the data cannot answer has no table or only missing estimates; its
        problem says why.

    Raises
    ------
    TypeError
        If a feature is not numeric or the outcome has no order.
    ValueError
        If tables do not match, a covariate is unknown or a number is out of range.

    Examples
    --------
    One feature of simulated children. Few resamples are enough for the estimate alone:

    >>> from dataclasses import asdict
    >>> import pandas as pd
    >>> from cpexplore import gmfcs, simulate, stats
    >>> children = simulate.draw_children(60, seed=0)
    >>> walks = pd.DataFrame(map(asdict, children)).set_index("walk_id")
    >>> walks["gmfcs"] = gmfcs.as_levels(walks["gmfcs"])
    >>> few = {"n_resamples": 20, "n_permutations": 19}
    >>> tables = stats.severity_tables(walks[["speed_mps"]], walks, **few)
    >>> float(tables["association"].loc[0, "estimate"].round(1))
    -0.6
    >>> asked = tables["questions"].set_index("table")
    >>> asked.loc[["pairwise", "mixed_model"], "n_tests"].to_dict()
    {'pairwise': 6, 'mixed_model': 4}
    >>> asked.loc["redundancy", "problem"]
    '`features` must have at least two columns that vary; got 1.'
    """
    adjustments = adjustments or {}
    check_columns(index, [outcome, groups], name="index")
    check_features(features)
    check_walks(features, index)
    check_families(families, features)
    for covariates in (*adjustments.values(), *given):
        check_covariates(covariates, features, index)
    check_range("n_resamples", n_resamples, low=1)
    check_range("n_permutations", n_permutations, low=1)
    scale = {"outcome": outcome, "groups": groups}
    draws = {"n_resamples": n_resamples, "rng": seed}
    permuted = {"n_permutations": n_permutations, "rng": seed}

    def about(function: Callable[..., pd.DataFrame], **options: Any) -> Answer:
        return partial(function, features, index, families=families, **scale, **options)

    answers = {
        "association": about(associate, **draws | permuted),
        "trend": about(trend),
        "differences": about(kruskal),
        "pairwise": about(pairwise, **draws),
        "odds_ratios": about(ordinal_effects),
    }
    for name, covariates in adjustments.items():
        own = about(ordinal_effects, covariates=covariates)
        answers[_ADJUSTED + name] = own
    first = next(iter(adjustments.values()), ())
    answers |= {
        "proportionality": about(brant),
        "threshold_odds_ratios": about(threshold_effects),
        "mixed_model": about(mixed_effects, covariates=first),
        "missingness": about(missingness, **draws | permuted),
        "redundancy": partial(redundancy, features),
        "repeatability": partial(icc, features, index, groups=groups, **draws),
    }
    if given:
        own = about(_partial_associations, given=given, **draws | permuted)
        answers["partial_association"] = own
    if curves is not None:
        on_curves = (curves, index)
        answers["curve_tests"] = partial(
            compare_curves, *on_curves, **scale, **permuted
        )
        answers["curves_by_level"] = partial(level_curves, *on_curves, **scale, **draws)
    found: Any = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_ask)(answer) for answer in answers.values()
    )
    return _with_summary(dict(zip(answers, found, strict=True)), adjustments)


def _ask(answer: Answer) -> tuple[pd.DataFrame | None, str]:
    """The table, or why the data cannot answer."""
    try:
        return answer(), ""
    except np.linalg.LinAlgError:  # a ValueError that says nothing about the data
        raise
    except ValueError as error:
        return None, str(error)


def _partial_associations(
    features: pd.DataFrame,
    index: pd.DataFrame,
    *,
    given: Sequence[Sequence[str]],
    **options: Any,
) -> pd.DataFrame:
    """Partial associations for one set of covariates after another."""
    tables = [
        partial_association(features, index, given=covariates, **options)
        for covariates in given
    ]
    return pd.concat(tables, ignore_index=True)


def _with_summary(
    found: Mapping[str, tuple[pd.DataFrame | None, str]],
    adjustments: Mapping[str, Sequence[str]],
) -> dict[str, pd.DataFrame]:
    """The tables there are, and one row per question."""
    rows = []
    for name, (table, problem) in found.items():
        is_adjusted = name.startswith(_ADJUSTED)
        words, family = QUESTIONS["odds_ratios" if is_adjusted else name]
        if is_adjusted:
            covariates = adjustments[name.removeprefix(_ADJUSTED)]
            words += f" Adjusted for {', '.join(covariates)}."
        rows.append([name, words, family, *_counts(table), problem or _excuse(table)])
    columns = ["table", "question", "family", "n_tests", "n_missing", "problem"]
    summary = pd.DataFrame(rows, columns=columns)
    summary = summary.astype({"n_tests": "Int64", "n_missing": "Int64"})
    tables = {name: table for name, (table, _) in found.items() if table is not None}
    return tables | {"questions": summary}


def _counts(table: pd.DataFrame | None) -> tuple[int | None, int | None]:
    """How many tests have a q-value, and how many rows lack an estimate."""
    if table is None or "estimate" not in table:
        return None, None
    n_missing = int(np.count_nonzero(table["estimate"].isna()))
    if "q_value" not in table:
        return 0, n_missing
    is_test = table["q_value"].notna()
    if "cluster" in table:  # a curve is tested once, whatever clusters it forms
        is_test = (table["note"] == "") & ~table.duplicated(["curve"])
    return int(np.count_nonzero(is_test)), n_missing


def _excuse(table: pd.DataFrame | None) -> str:
    """The most common note of a table without any estimate."""
    if table is None or "note" not in table or np.any(table["estimate"].notna()):
        return ""
    return str(table["note"].mode().iloc[0])
