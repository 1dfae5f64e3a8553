"""How sure one may be: calibration, sets of levels and abstention of a study."""

from collections.abc import Mapping

import pandas as pd

from cpexplore.learning.calibration import reliability, risk_coverage
from cpexplore.learning.conformal import conformal_sets, coverage_by_level
from cpexplore.runs import Run

MODELS = ("features_logit", "skeleton", "fusion_cross_attention")
"""Whose confidence is judged, as far as the run has them."""

COVERAGE = 0.9
"""Wanted share of each level's children whose set of levels holds the truth."""

ASSURANCE = 0.9
"""Chance that a run's children calibrate sets to at least that share. Without it 29
children of a level leave a third of all runs below 88 %."""


def calibration_tables(run: Run, *, seed: int) -> Mapping[str, pd.DataFrame]:
    """Judge the out-of-fold probabilities of the main models.

    Parameters
    ----------
    run : Run
        With ``oof``.
    seed : int
        Of resampling and of the walk that stands for a child.

    Returns
    -------
    mapping of str to DataFrame
        ``reliability`` (model, confidence, accuracy, n_rows), ``coverage`` (model,
        level, estimate, ci_low, ci_high, ci_level, mean_size, n_patients, nominal) and
        ``risk`` (model, coverage, risk, ci_low, ci_high, ci_level, aurc).
    """
    oof = run.oof
    models = [model for model in MODELS if model in set(oof["model"])]
    tables: dict[str, list[pd.DataFrame]] = {"reliability": [], "coverage": []}
    tables["risk"] = []
    for model in models:
        sets = conformal_sets(
            oof, model=model, coverage=COVERAGE, assurance=ASSURANCE, rng=seed
        )
        risk = risk_coverage(oof, model=model, rng=seed)
        made = {
            "reliability": reliability(oof, model=model),
            "coverage": coverage_by_level(sets).assign(nominal=COVERAGE),
            "risk": risk.assign(aurc=risk.attrs["aurc"]),
        }
        for name, table in made.items():
            table.insert(0, "model", model)
            tables[name].append(table)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
