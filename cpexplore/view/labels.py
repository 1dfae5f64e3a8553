"""Names as readers know them."""

from functools import cache

import pandas as pd

from cpexplore.gait import feature_columns

_MODELS = {
    "skeleton": "skeleton only (ST-GCN)",
    "fusion_cross_attention": "fusion, cross-attention",
    "fusion_concat": "fusion, concatenation",
    "fusion_late": "fusion, late",
    "fusion_no_offset": "fusion, without a start from ordinal logit",
    "fusion_concat_no_offset": "concatenation, without that start",
    "pooled_concat": "pooled ST-GCN vector beside features",
    "fusion_selected_features": "fusion, features chosen by joints",
    "fusion_random_features": "fusion, features chosen blindly",
    "fusion_shuffled_features": "fusion, features of another walk",
    "fusion_skeleton_asks": "fusion, only keypoints ask",
    "fusion_clinical_asks": "fusion, only features ask",
    "fusion_one_token": "fusion, one token (degenerate)",
    "fusion_bottleneck": "fusion, bottleneck",
    "fusion_chunked": "fusion, chunked",
    "fusion_sum": "fusion, sum",
    "fusion_gated": "fusion, gated",
    "fusion_film": "fusion, FiLM",
    "fusion_bilinear": "fusion, low-rank bilinear",
    "fusion_no_modality_dropout": "fusion, without modality dropout",
    "fusion_fine_tuned": "fusion, last blocks tuned with it",
    "fusion_logit_adjusted": "fusion, logit-adjusted loss",
    "fusion_soft_ordinal": "fusion, soft ordinal labels",
    "fusion_cdw_ce": "fusion, CDW-CE loss",
    "fusion_emd": "fusion, EMD loss",
    "fusion_corn": "fusion, answers by CORN",
    "fusion_proportional_odds": "fusion, answers by proportional odds",
    "features_logit": "gait features (logit)",
    "features_boosting": "gait features (boosted trees)",
    "features_ordinal": "gait features (ordinal logit)",
    "skeleton_legs": "skeleton, legs only",
    "skeleton_bone": "skeleton, bones",
    "skeleton_motion": "skeleton, motion",
    "skeleton_streams": "skeleton: joints, bones, motion",
    "streams_and_ordinal": "ordinal logit and mean of joints, bones, motion",
    "skeleton_trainings": "skeleton, mean of its trainings",
    "skeleton_triplet": "skeleton, metric learning (Zhao 2024)",
    "fusion_legs": "fusion, legs only",
    "cnn": "1D-CNN (Kidziński 2020)",
    "metadata_only": "age, height, device",
    "speed_only": "speed only",
    "missingness_only": "missingness only",
    "majority": "majority class",
}

_UNITS = {
    "deg": "°",
    "degps": "°/s",
    "ll": "LL",
    "llps": "LL/s",
    "llpspm": "LL·min/step",
    "pct": "%",
    "s": "s",
    "spm": "steps/min",
    "z": "z",
}

_ABBREVIATIONS = {
    "ic": "at contact",
    "rom": "range",
    "t": "time of",
    "min": "minimum",
    "max": "maximum",
    "sgps": "sGPS",
    "sgdi": "sGDI",
    "pfke": "PFKE",
    "sd": "SD",
    "si": "symmetry index",
    "sparc": "SPARC",
    "rmsd": "RMSD",
    "lr": "left-right",
}

_SIDES = {"left": "left", "right": "right", "mean": "mean of sides"}
_SIDES |= {"worse": "worse side", "better": "better side", "asym": "asymmetry"}


def readable(name: str) -> str:
    """Turn a keypoint or column name into words.

    Examples
    --------
    >>> readable("right_big_toe")
    'right big toe'
    """
    return name.replace("_", " ")


def model_label(model: str) -> str:
    """Name of a model; an unknown one stays as it is.

    Examples
    --------
    >>> model_label("skeleton")
    'skeleton only (ST-GCN)'
    """
    return _MODELS.get(model, readable(model))


def feature_label(column: str) -> str:
    """Name, side and unit of a feature column; an unknown one stays as it is.

    Examples
    --------
    >>> feature_label("knee_min_stance_worse_deg")
    'knee minimum stance, worse side (°)'
    """
    table = _columns()
    if column not in table.index:
        return readable(column)
    row = table.loc[column]
    words = [_ABBREVIATIONS.get(word, word) for word in str(row["name"]).split("_")]
    side = _SIDES.get(row["aggregate"])
    unit = _UNITS.get(row["unit"])
    label = " ".join(words) + (f", {side}" if side else "")
    return f"{label} ({unit})" if unit else label


@cache
def _columns() -> pd.DataFrame:
    return feature_columns()
