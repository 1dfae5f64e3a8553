"""Standard scores of gait features, learned from training walks only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpexplore._validation import check_columns

MAX_MISSING = 0.4
"""A feature missing in a larger share of the training walks is dropped."""

_LIMIT = 5.0


@dataclass(frozen=True, kw_only=True)
class FeatureScaler:
    """Which features a fold may use, and their mean and spread there."""

    columns: tuple[str, ...]
    """Features that are present often enough and not constant."""
    mean: tuple[float, ...]
    """Of each column, over the training walks that have it."""
    sd: tuple[float, ...]
    """Of each column, > 0."""

    @classmethod
    def fit(cls, features: pd.DataFrame) -> "FeatureScaler":
        """Learn from the features of the training walks (rows), NaN where missing."""
        values = features.astype("float64")
        spread = values.std(ddof=0)
        usable = (values.isna().mean() <= MAX_MISSING) & (spread > 1e-9)
        kept = values.loc[:, usable]
        return cls(
            columns=tuple(kept.columns),
            mean=tuple(kept.mean().tolist()),
            sd=tuple(spread[usable].tolist()),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "FeatureScaler":
        """Rebuild from the fields as read from JSON."""
        return cls(**{name: tuple(content[name]) for name in ("columns", "mean", "sd")})

    def select(self, columns: Collection[str]) -> "FeatureScaler":
        """Keep these columns, in the scaler's order."""
        keep = [i for i, name in enumerate(self.columns) if name in columns]
        return FeatureScaler(
            columns=tuple(self.columns[i] for i in keep),
            mean=tuple(self.mean[i] for i in keep),
            sd=tuple(self.sd[i] for i in keep),
        )

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """Standard scores (W, F), limited to +-5; NaN stays NaN.

        Raises
        ------
        ValueError
            If a column is missing.
        """
        check_columns(features, self.columns, name="features")
        values = features[list(self.columns)].to_numpy("float64")
        scores = (values - np.array(self.mean)) / np.array(self.sd)
        return np.clip(scores, -_LIMIT, _LIMIT).astype(np.float32)
