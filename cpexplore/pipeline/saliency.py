"""Saliency in a study: choosing features inside a fold, maps of held-out walks."""

from collections.abc import Iterable
from typing import cast

import numpy as np
import pandas as pd
import xarray as xr
from joblib import Parallel, delayed
from torch import nn
from tqdm.auto import tqdm

from cpexplore import attribution, learning
from cpexplore.attribution.clinical import DEFAULT_METHODS as METHODS
from cpexplore.cohort import Cohort, check_disjoint
from cpexplore.gait import feature_columns
from cpexplore.gmfcs import LEVELS
from cpexplore.learning import FoldModels
from cpexplore.learning.threads import one_thread
from cpexplore.models import STGCN
from cpexplore.runs import Run
from cpexplore.windows import Windows

SHARE = 0.5
"""Share of the core features that the joint ranking keeps in each fold."""

WINDOWS_PER_WALK = 2
"""Windows of each walk that are asked about, spread over the walk."""

MOST_WINDOWS = 200
"""Windows of a run whose maps are kept whole."""

MODEL = "skeleton"


def select_by_joints(
    model: nn.Module, windows: Windows, index: pd.DataFrame
) -> pd.DataFrame:
    """Let the joints that a network looks at choose the gait features.

    Parameters
    ----------
    model : torch.nn.Module
        The fold's skeleton network, an :class:`~cpexplore.models.STGCN`.
    windows : Windows
        Of inner walks: training patients that the network was not fitted on.
    index : pandas.DataFrame
        Cohort index of these walks.

    Returns
    -------
    pandas.DataFrame
        ``feature, kept, score`` of every core feature.
    """
    saliency = attribution.saliency_of(cast(STGCN, model), windows, methods=METHODS[:1])
    ranking = joint_ranking(saliency, index, seed=0)
    columns = feature_columns(core=True)
    scores = attribution.feature_scores(ranking, columns)
    kept = attribution.select_features(ranking, columns, share=SHARE)
    return pd.DataFrame(
        {
            "feature": scores.index,
            "kept": scores.index.isin(kept),
            "score": scores.to_numpy(),
        }
    )


def joint_ranking(
    saliency: xr.Dataset, index: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Rank joints by the saliency of each walk for its own level, by every method.

    Parameters
    ----------
    saliency : xarray.Dataset
        With ``joint_saliency``.
    index : pandas.DataFrame
        Cohort index of its walks.
    seed : int
        Of the patient bootstrap.
    """
    known = saliency["joint_saliency"]
    rows = index.loc[known["walk"].values]
    return attribution.rank_joints(
        known,
        groups=rows["patient_id"],
        levels=rows["gmfcs"].astype(str),
        rng=seed,
    )


def study_saliency(
    run: Run, windows: Windows, cohort: Cohort, *, n_jobs: int = 1
) -> xr.Dataset:
    """Saliency of every walk by the model of the fold that held its patient out.

    Parameters
    ----------
    run : Run
        With trained models.
    windows : Windows
        Of all walks; at most :data:`WINDOWS_PER_WALK` of each are used.
    cohort : Cohort
        Cleaned walks.
    n_jobs : int
        Processes.

    Returns
    -------
    xarray.Dataset
        The content of ``saliency.nc``.
    """
    seed = int(min(run.folds["seed"]))
    folds = run.folds.query("seed == @seed")
    windows = windows.select(_spread(windows))
    keep = _kept(windows, run.index)
    tasks = []
    for models in learning.load_fold_models(run, seed=seed):
        held_out = folds[folds["fold"] == models.fold]
        trained = folds[folds["fold"] != models.fold]
        check_disjoint(trained["patient_id"], held_out["patient_id"])
        inside = np.isin(windows.walk_id, held_out["walk_id"])
        if inside.any():
            task = delayed(_fold_saliency)(
                _skeleton(models),
                windows.select(inside),
                keep=keep[inside],
                cohort=cohort,
            )
            tasks.append(task)
    parts = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    bar = tqdm(
        cast("Iterable[xr.Dataset]", parts),
        desc="saliency",
        total=len(tasks),
        leave=False,
    )
    return attribution.merge_saliency(list(bar))


def _skeleton(models: FoldModels) -> STGCN:
    return cast(STGCN, models.backbones[MODEL])


def _fold_saliency(
    model: STGCN, windows: Windows, *, keep: np.ndarray, cohort: Cohort
) -> xr.Dataset:
    walk_ids = dict.fromkeys(windows.walk_id.tolist())
    with one_thread():
        return attribution.saliency_of(
            model,
            windows,
            methods=METHODS,
            strides=attribution.stride_table(cohort.walks, walk_ids),
            keep=keep,
            simulated=cohort.simulated,
        )


def explain_windows(
    models: list[FoldModels], windows: Windows, walk: xr.Dataset
) -> xr.DataArray:
    """Saliency of one walk on its own clock, mean over models.

    Returns
    -------
    xarray.DataArray
        Dims (method, level, time, keypoint); NaN where no window is.
    """
    if not len(windows):
        return xr.DataArray(
            np.full(
                (
                    len(METHODS),
                    len(LEVELS),
                    walk.sizes["time"],
                    len(windows.keypoint),
                ),
                np.nan,
                dtype=np.float32,
            ),
            dims=("method", "level", "time", "keypoint"),
            coords={
                "method": list(METHODS),
                "level": list(LEVELS),
                "time": walk["time"].values,
                "keypoint": list(windows.keypoint),
            },
        )
    every = np.ones(len(windows), dtype=bool)
    maps = [
        attribution.saliency_of(_skeleton(fold), windows, methods=METHODS, keep=every)[
            "window_saliency"
        ]
        for fold in models
    ]
    mean = xr.concat(maps, "fold").mean("fold")
    mean = mean.assign_coords(time_s=(("window", "time"), windows.time))
    return attribution.on_walk_clock(mean, walk)


def _spread(windows: Windows) -> np.ndarray:
    """Choose a few windows of each walk, evenly spread over it."""
    place = pd.Series(windows.walk_id).groupby(windows.walk_id)
    number, total = place.cumcount(), place.transform("size")
    wanted = np.minimum(total, WINDOWS_PER_WALK)
    turn = (number * wanted) // total
    return (turn != ((number - 1) * wanted) // total).to_numpy()


def _kept(windows: Windows, index: pd.DataFrame) -> np.ndarray:
    """Choose whose maps are kept: one window of each walk, the levels taking turns."""
    first = np.unique(windows.walk_id, return_index=True)[1]
    levels = index["gmfcs"].astype(str).reindex(windows.walk_id[first])
    turn = levels.groupby(levels.to_numpy()).cumcount().to_numpy()
    chosen = first[np.lexsort((first, turn))][:MOST_WINDOWS]
    keep = np.zeros(len(windows), dtype=bool)
    keep[chosen] = True
    return keep
