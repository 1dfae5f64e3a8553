"""The two streams of a fusion: how much each says, and which gait features speak."""

from typing import cast

import numpy as np
import pandas as pd
import torch
import xarray as xr
from captum.attr import IntegratedGradients
from jaxtyping import Float
from torch import Tensor

from cpexplore._validation import check_columns
from cpexplore.attribution._inputs import (
    as_tensor,
    model_id,
    still,
    target_index,
)
from cpexplore.models.fusion import FusionClassifier
from cpexplore.windows import Windows

_STEPS = 32


def stream_shapley(
    fusion: FusionClassifier,
    windows: Windows,
    features: pd.DataFrame,
    *,
    target: str | int = "predicted",
) -> pd.DataFrame:
    """Split a fusion's logit between the skeleton and the gait features.

    Parameters
    ----------
    fusion : FusionClassifier
        With a backbone; it comes back in the mode it was in.
    windows : Windows
        What its backbone sees.
    features : pandas.DataFrame
        Standardised gait features; index ``walk_id``, the fusion's columns among them.
    target : str or int
        A level, the number of a logit, or ``"predicted"``.

    Returns
    -------
    pandas.DataFrame
        One row per window: ``walk_id, neither`` (the logit when both streams are
        missing), ``skeleton, clinical`` (exact Shapley values; the three add up to the
        logit) and ``interaction``, what the streams say together beyond what each says
        alone. A stream is taken away as in training: by its tokens for "missing", the
        clinical one with its offset.

    Raises
    ------
    ValueError
        If a feature, a walk, the target or the backbone is missing.

    Examples
    --------
    An untrained fusion says what the proportional-odds model says that it starts from.
    The walk is real; that it is 2 SD slower than the training mean is made up.

    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpexplore import datasets, models, skeleton, windows
    >>> from cpexplore.models.ordinal import OrdinalLogit
    >>> seen = windows.walk_windows(datasets.sample_walk("sports2d"))
    >>> features = pd.DataFrame({"speed_llps": [-2.0]}, index=["sports2d"])
    >>> shape = models.STGCNConfig(blocks=((8, 2),))
    >>> fusion = models.FusionClassifier(
    ...     models.FusionConfig(),
    ...     keypoints=seen.keypoint,
    ...     features=("speed_llps",),
    ...     backbone=models.STGCN(shape, skeleton.adjacency("body_25")),
    ... )
    >>> slow_is_severe = np.array([-1.0, 0.0])  # the other weight is for "missing"
    >>> limits = np.array([-1.0, 0.0, 1.0])
    >>> fusion.offset.load(OrdinalLogit(coef=slow_is_severe, thresholds=limits))
    >>> split = stream_shapley(fusion, seen, features, target="IV")
    >>> split.round(2)[["neither", "skeleton", "clinical"]].values.tolist()
    [[0.0, 0.0, 1.66]]
    """
    with still(fusion), torch.no_grad():
        maps, scores, target_ = _inputs(fusion, windows, features, target)
        no_maps, no_scores = maps * np.nan, scores * np.nan
        value = {
            name: fusion(x, c).gather(1, target_[:, None])[:, 0].double().numpy()
            for name, (x, c) in {
                "both": (maps, scores),
                "skeleton": (maps, no_scores),
                "clinical": (no_maps, scores),
                "neither": (no_maps, no_scores),
            }.items()
        }
    skeleton = value["skeleton"] - value["neither"]
    clinical = value["clinical"] - value["neither"]
    interaction = value["both"] - value["neither"] - skeleton - clinical
    return pd.DataFrame(
        {
            "walk_id": windows.walk_id,
            "neither": value["neither"],
            "skeleton": skeleton + interaction / 2,
            "clinical": clinical + interaction / 2,
            "interaction": interaction,
        }
    )


def feature_attribution(
    fusion: FusionClassifier,
    windows: Windows,
    features: pd.DataFrame,
    *,
    target: str | int = "predicted",
) -> xr.DataArray:
    """Integrated Gradients of a fusion's logit on the gait features.

    Parameters
    ----------
    fusion, windows, features, target
        As for :func:`stream_shapley`.

    Returns
    -------
    xarray.DataArray of shape (window, feature)
        What a feature's distance from the training mean adds to the logit; NaN where
        the feature is missing. Attributes ``method, target, model_id``.

    Raises
    ------
    ValueError
        If a feature, a walk, the target or the backbone is missing.

    References
    ----------
    Sundararajan, Taly, Yan (2017). Axiomatic attribution for deep networks. ICML.

    Examples
    --------
    As for :func:`stream_shapley`: an untrained fusion, and a speed that is made up.
    It speaks for level IV and against level I.

    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpexplore import datasets, models, skeleton, windows
    >>> from cpexplore.models.ordinal import OrdinalLogit
    >>> seen = windows.walk_windows(datasets.sample_walk("sports2d"))
    >>> features = pd.DataFrame({"speed_llps": [-2.0]}, index=["sports2d"])
    >>> shape = models.STGCNConfig(blocks=((8, 2),))
    >>> fusion = models.FusionClassifier(
    ...     models.FusionConfig(),
    ...     keypoints=seen.keypoint,
    ...     features=("speed_llps",),
    ...     backbone=models.STGCN(shape, skeleton.adjacency("body_25")),
    ... )
    >>> slow_is_severe = np.array([-1.0, 0.0])  # the other weight is for "missing"
    >>> limits = np.array([-1.0, 0.0, 1.0])
    >>> fusion.offset.load(OrdinalLogit(coef=slow_is_severe, thresholds=limits))
    >>> for level in ("I", "IV"):
    ...     values = feature_attribution(fusion, seen, features, target=level)
    ...     print(level, round(float(values.sel(feature="speed_llps")[0]), 2))
    I -1.15
    IV 1.58
    """
    with still(fusion):
        with torch.no_grad():
            maps, scores, target_ = _inputs(fusion, windows, features, target)
        engine = IntegratedGradients(lambda c, x: fusion(x, c))
        values = cast(
            Tensor,
            engine.attribute(
                scores,
                baselines=torch.where(scores.isnan(), scores, 0.0),
                target=target_,
                additional_forward_args=maps,
                n_steps=_STEPS,
            ),
        )
    return xr.DataArray(
        values.detach().float().numpy(),
        dims=("window", "feature"),
        coords={
            "feature": list(fusion.features),
            "walk_id": ("window", windows.walk_id),
        },
        name="attribution",
        attrs={
            "method": "integrated_gradients",
            "target": str(target),
            "model_id": model_id(fusion),
        },
    )


def _inputs(
    fusion: FusionClassifier,
    windows: Windows,
    features: pd.DataFrame,
    target: str | int,
) -> tuple[Float[Tensor, "N C V"], Float[Tensor, "N F"], Tensor]:
    """Maps, scores and the logit asked for, one row per window."""
    check_columns(features, fusion.features, name="features")
    absent = sorted(set(windows.walk_id.tolist()) - set(features.index))
    if absent:
        raise ValueError(
            "`features` must have a row for every walk of `windows`; "
            f"{len(absent)} are missing, the first is {absent[0]!r}."
        )
    rows = features.loc[windows.walk_id, list(fusion.features)]
    x = as_tensor(fusion, windows)
    maps = torch.cat([fusion.joint_maps(part) for part in x.split(4)])
    scores = torch.tensor(rows.to_numpy(dtype=float), dtype=maps.dtype)
    index = target_index(target, n_classes=fusion.config.n_levels)
    chosen = torch.full((len(maps),), index)
    return maps, scores, fusion(maps, scores).argmax(1) if index < 0 else chosen
