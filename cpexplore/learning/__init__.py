"""Training, cross-validation, metrics and calibration."""

from cpexplore.learning.comparison import compare
from cpexplore.learning.crossval import cross_validate, is_finished
from cpexplore.learning.fold_models import FoldModels, load_fold_models
from cpexplore.learning.metrics import score
from cpexplore.learning.recipe import FitConfig
from cpexplore.learning.training import FitResult, fit, predict
from cpexplore.learning.variants import CrossvalSpec

__all__ = [
    "CrossvalSpec",
    "FitConfig",
    "FitResult",
    "FoldModels",
    "compare",
    "cross_validate",
    "fit",
    "is_finished",
    "load_fold_models",
    "predict",
    "score",
]
