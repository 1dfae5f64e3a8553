"""The reference cohort that gait is compared with."""

from dataclasses import dataclass
from functools import cache

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Typically developing children, measured like the patients."""

    features: pd.DataFrame
    """One row per child, one column per feature (mean of both legs)."""
    source: str
    """Who they are, for people to read."""

    @property
    def usual(self) -> pd.Series:
        """Mean by feature."""
        return self.features.mean()


@cache
def default_reference() -> Reference:
    """Nobody yet: features whose worse side needs a reference stay NaN."""
    return Reference(features=pd.DataFrame(), source="none")
