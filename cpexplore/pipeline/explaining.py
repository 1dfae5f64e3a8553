"""Explaining one walk with the models of a finished run."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from cpexplore import gait, gmfcs, learning
from cpexplore._validation import counted
from cpexplore.learning import FoldModels
from cpexplore.learning.conformal import conformal_thresholds, prediction_sets
from cpexplore.learning.fold_models import mean_prediction
from cpexplore.learning.threads import one_thread
from cpexplore.pipeline.calibrating import ASSURANCE, COVERAGE
from cpexplore.pipeline.records import window_config
from cpexplore.pipeline.saliency import explain_windows
from cpexplore.runs import Explanation, Run
from cpexplore.windows import Windows, walk_windows

FUSION = "fusion_cross_attention"

_PROBABILITIES = list(gmfcs.PROBABILITIES)


def explain(walk: xr.Dataset, run: Run) -> Explanation:
    """Explain which GMFCS level the models of a run give a walk, and why.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk of any keypoint set.
    run : Run
        A finished run.

    Returns
    -------
    Explanation
        Probabilities by model, prediction set, saliency on the walk's clock, gait
        features with what each contributes, and plain notes.

    Raises
    ------
    ValueError
        If ``walk`` is no valid walk, or no keypoint of it was ever seen, or the run is
        no study.
    FileNotFoundError
        If the run is not finished.

    Notes
    -----
    A walk of a patient of the run is asked of the models that have not seen this
    patient, and its set is calibrated on the other patients. Any other walk is asked
    of the models of all folds; their log probabilities are averaged.

    Examples
    --------
    >>> from cpexplore import datasets
    >>> from cpexplore.runs import load_run
    >>> walk = datasets.sample_walk("sports2d")  # a real healthy adult
    >>> explained = explain(walk, load_run("runs/demo"))  # doctest: +SKIP
    >>> explained.prediction_set, explained.contributions.head()  # doctest: +SKIP
    """
    if not np.isfinite(walk["position"].values).any():
        raise ValueError(
            "`walk` must have at least one detected keypoint; "
            f"{walk.attrs['walk_id']!r} has none. Check the file with "
            "`cpexplore check`."
        )
    analysis = gait.analyse_walk(walk)
    windows = walk_windows(analysis.walk, window_config(run))
    models = fold_models_for(walk, run)
    features = analysis.features.to_frame(walk.attrs["walk_id"]).T
    with one_thread():
        probabilities = mean_prediction(models, windows, features)
        saliency = explain_windows(models, windows, analysis.walk)
        moved = contributions(models, windows, features, run=run)
    fused = probabilities.set_index("model").loc[[FUSION], _PROBABILITIES]
    patient = patient_of(walk, run)
    fused_oof = run.oof.query("model == @FUSION")
    others = fused_oof["patient_id"].ne(patient)
    calibrated_on = fused_oof.loc[others]
    thresholds = conformal_thresholds(
        calibrated_on, coverage=COVERAGE, assurance=ASSURANCE
    )
    n_children = calibrated_on.groupby("gmfcs", observed=False)["patient_id"].nunique()
    known = pd.DataFrame(run.index)["patient_id"].ne(patient)
    return Explanation(
        walk=analysis.walk,
        run_path=run.path,
        probabilities=probabilities,
        prediction_set=prediction_sets(fused.to_numpy(), thresholds)[0],
        set_level=COVERAGE,
        saliency=saliency,
        features=analysis.features,
        feature_reasons=analysis.reasons,
        events=analysis.events,
        curves=gait.default_reference().with_bands(gait.mean_curves(analysis.cycles)),
        contributions=moved,
        notes=(
            *_notes(run, models, windows, features),
            *range_note(
                analysis.features,
                run.features.loc[known[known].index],
                fps=walk.attrs["fps"],
            ),
            *set_note(fused.to_numpy(), thresholds, n_children),
        ),
    )


def fold_models_for(walk: xr.Dataset, run: Run) -> list[FoldModels]:
    """The models that may judge a walk: never those that have seen its patient."""
    models = learning.load_fold_models(run)
    folds = run.folds[run.folds["patient_id"] == patient_of(walk, run)]
    if folds.empty:
        return models
    unseen = set(zip(folds["seed"], folds["fold"], strict=True))
    return [m for m in models if (m.seed, m.fold) in unseen]


def patient_of(walk: xr.Dataset, run: Run) -> str:
    """The patient of a walk: as the run knows it, else as the walk says.

    A recording read from a file does not name its patient, but may be one of the run.
    """
    own = walk.attrs["patient_id"]
    return str(run.index["patient_id"].get(walk.attrs["walk_id"], own))


def contributions(
    models: list[FoldModels], windows: Windows, features: pd.DataFrame, *, run: Run
) -> pd.DataFrame:
    """How much each feature moves the fusion's expected level.

    Parameters
    ----------
    models, windows, features
        Of one walk.
    run : Run
        Gives the medians that a feature is set to.

    Returns
    -------
    pandas.DataFrame
        ``feature, value, cohort_median, effect``, strongest first. ``effect`` is the
        expected level (1 to 4) with the walk's value minus that with the median.
    """
    used = sorted({name for m in models for name in m.fusions[FUSION].features})
    own = features.iloc[0]
    used = [name for name in used if np.isfinite(own[name])]
    medians = run.features[used].median()
    variants = pd.concat([features] * (len(used) + 1))
    variants.index = pd.Index(["", *used])
    for name in used:
        variants.loc[name, name] = medians[name]
    proba = [m.vary(windows, variants, model=FUSION) for m in models]
    mean = special.softmax(np.log(np.clip(proba, 1e-12, 1)).mean(0), axis=1)
    expected = mean @ np.arange(1, len(gmfcs.LEVELS) + 1)
    table = pd.DataFrame(
        {
            "feature": used,
            "value": own[used].to_numpy(),
            "cohort_median": medians.to_numpy(),
            "effect": expected[0] - expected[1:],
        }
    )
    return table.sort_values(
        "effect", key=abs, ascending=False, kind="stable", ignore_index=True
    )


def _notes(
    run: Run, models: list[FoldModels], windows: Windows, features: pd.DataFrame
) -> tuple[str, ...]:
    core = features[
        features.columns.intersection(gait.feature_columns(core=True).index)
    ]
    n_core, n_measured = core.size, int(core.notna().to_numpy().sum())
    few = (
        f" Only {n_measured} of {n_core} core gait features could be measured in this "
        "walk: an answer from the rest is not to be relied on."
    )
    trained = "simulated children" if run.simulated else "recorded patients"
    index = run.index
    notes = [
        f"The models were trained on {trained} "
        f"({counted(len(index['patient_id'].unique()), 'patient')}, "
        f"{counted(len(index), 'walk')}) of the run {run.path.name!r}; they know "
        "nothing else. On any other person their answer shows how the method works, "
        f"it is no assessment.{few if n_measured < n_core / 2 else ''}",
        f"Asked: the models of {counted(len(models), 'fold')}, none of which was "
        "trained under this patient's id; a walk of the run under another name cannot "
        "be recognised.",
        "GMFCS is judged from what a person does in daily life; a walk shows only part "
        "of it.",
        f"Windows of {run.config['windows']['length']} frames at 25 Hz: "
        f"{len(windows)}.",
    ]
    if not len(windows):
        notes.append(
            "No pass was long and complete enough for a window: the skeleton models "
            "answer with the shares of levels they were trained on."
        )
    elif windows.padded_pct.max() > 0:
        notes.append(
            f"{windows.padded_pct.max():.0f} % of a window was filled by playing the "
            "pass forwards and backwards."
        )
    return tuple(notes)


def range_note(own: pd.Series, known: pd.DataFrame, *, fps: float) -> list[str]:
    """Say that features lie where no other patient of the run does.

    Parameters
    ----------
    own : pandas.Series
        Features of the walk.
    known : pandas.DataFrame
        Features of the walks of other patients of the run.
    fps : float
        Frame rate of the recording, which a cadence out of range questions.

    Returns
    -------
    list of str
        One note; empty where every measured core feature is within the range.
    """
    core = gait.feature_columns(core=True).index.intersection(known.columns)
    measured = own[own.index.intersection(core)].dropna()
    low, high = known[measured.index].min(), known[measured.index].max()
    outside = measured.index[(measured < low) | (measured > high)]
    if outside.empty:
        return []
    # the newcomer among n + 1 alike is the lowest or highest in 2 of n + 1 cases
    n_known = known[measured.index].notna().to_numpy().sum(axis=0)
    chance = (2 / (n_known + 1)).sum()
    note = (
        f"Measured core gait features outside the range of the run's other patients: "
        f"{len(outside)} of {len(measured)} (about {chance:.0f} by chance in a child "
        "like them). The models have seen nothing there."
    )
    if (name := "cadence_spm") in outside:
        note += (
            f" The cadence is one of them, {measured[name]:.0f} steps/min (run: "
            f"{low[name]:.0f} to {high[name]:.0f}): are {fps:g} frames per second "
            "right?"
        )
    return [note]


def set_note(
    proba: np.ndarray, thresholds: pd.Series, n_children: pd.Series
) -> list[str]:
    """Say which levels no set can leave out, and how sure the others are left out.

    Parameters
    ----------
    proba : array of shape (1, 4)
        Probabilities of the walk.
    thresholds : pandas.Series
        From :func:`cpexplore.learning.conformal.conformal_thresholds`.
    n_children : pandas.Series
        By level, how many children the thresholds were learnt from.

    Returns
    -------
    list of str
        A note on the levels that are always in the set and what it would be without
        them, and one on the levels whose threshold, the largest score of few children,
        assures less than it should; empty where every level has children enough.
    """
    unjudged = np.isinf(thresholds)
    always = [str(level) for level in thresholds.index[unjudged]]
    # Wilks: the largest of n scores covers the share with chance 1 - share ** n
    sure = 1 - COVERAGE ** n_children.reindex(thresholds.index)
    notes = [
        f"Level {level}: only {n_children[level]} other children of the run set its "
        f"threshold, so that its sets may hold the level of less than "
        f"{100 * COVERAGE:.0f} % of such children (chance about "
        f"{100 * (1 - chance):.0f} %, were they all drawn alike)."
        for level, chance in sure[~unjudged & (sure < ASSURANCE)].items()
    ]
    if not always:
        return notes
    note = (
        "In every set because the run has fewer than 9 other children of the level, "
        f"too few to leave it out at {100 * COVERAGE:.0f} % coverage: "
        f"{', '.join(always)}."
    )
    found = prediction_sets(proba, thresholds.where(~unjudged, -1.0))[0]
    others = [level for level in found if level not in always]
    if others:
        note += f" Of the levels that can be judged, not excluded: {', '.join(others)}."
    return [note, *notes]
