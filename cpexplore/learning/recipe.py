"""The recipe of a training."""

from dataclasses import dataclass, field

from cpexplore._validation import check_range
from cpexplore.learning.augment import AugmentConfig
from cpexplore.models.losses import LossConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """The training recipe: AdamW, one cycle of the learning rate, averaged weights.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from cpexplore.models.losses import LossConfig
    >>> FitConfig(epochs=40, loss=LossConfig(name="emd")).patience
    8
    >>> FitConfig(learning_rate=0.0)
    Traceback (most recent call last):
    ValueError: `learning_rate` must be a finite number and > 0; got 0.0.
    """

    epochs: int = 18
    """Passes over the training walks, one random window of each, >= 1."""
    batch_size: int = 16
    """Walks per step, >= 2."""
    learning_rate: float = 2e-3
    """Peak of the cycle, > 0."""
    warm_up: float = 0.3
    """Share of the steps before the peak, 0 to 1."""
    weight_decay: float = 0.02
    """Of AdamW, >= 0."""
    clip: float = 2.0
    """Largest norm of the gradient, > 0."""
    average: float = 0.95
    """Decay of the exponential moving average of the weights, 0 to below 1."""
    patience: int = 8
    """Epochs without a better inner loss after which training stops, >= 1."""
    auxiliary: float = 0.3
    """Weight of the loss of the answer from each embedding of a fusion, >= 0."""
    triplet: float = 0.0
    """Weight of the triplet loss on the embedding of an ST-GCN, >= 0. A study wants 0:
    its metric learning is the model ``skeleton_triplet``, which has 0.5."""
    bf16: bool = False
    """Whether steps are computed in bfloat16, twice as fast where the processor can;
    weights stay in float32. Not shown to train as well."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Which loss."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How examples are varied."""

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 2), ("patience", 1)):
            check_range(name, getattr(self, name), low=low)
        for name in ("learning_rate", "clip"):
            check_range(name, getattr(self, name), low=0, inclusive=False)
        for name in ("weight_decay", "auxiliary", "triplet"):
            check_range(name, getattr(self, name), low=0)
        check_range("warm_up", self.warm_up, low=0, high=1)
        check_range("average", self.average, low=0, high=0.9999)
