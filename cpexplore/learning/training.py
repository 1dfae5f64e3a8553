"""A plain training loop: same seed and thread count, same weights, interrupted or not.

Every epoch has its own seed, made of the run's seed and the epoch's number, so that a
resumed run needs no memory of random states.
"""

import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cpexplore._validation import check_range
from cpexplore.learning.augment import Augmentation, AugmentConfig
from cpexplore.learning.checkpoints import flatten, load_tensors, save_tensors, take
from cpexplore.learning.data import WalkSet
from cpexplore.learning.threads import return_freed_memory
from cpexplore.models.fusion import FusionClassifier
from cpexplore.models.losses import Criterion, LossConfig, make_criterion, triplet
from cpexplore.models.peers import PooledConcat


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """The training recipe: AdamW, one cycle of the learning rate, averaged weights."""

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
    """Weight of the loss of each stream's own answer in a fusion, >= 0."""
    triplet: float = 0.0
    """Weight of the triplet loss on the skeleton embedding, >= 0."""
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


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained model and how it got there."""

    model: nn.Module
    """In evaluation mode, with the weights of the best epoch."""
    history: pd.DataFrame
    """``epoch, learning_rate, loss, inner_loss, inner_accuracy, seconds``."""
    best_epoch: int
    """The epoch with the smallest inner loss."""


@contextmanager
def seeded(*seeds: int) -> Iterator[torch.Generator]:
    """Seed torch inside a block, by a tuple of numbers, and restore it afterwards.

    Dropout and weight initialisation can only draw from the global state; everything
    else takes the generator that the block is given.
    """
    number = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0] >> 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        yield torch.Generator().manual_seed(number + 1)


def one_cycle(progress: float, *, warm_up: float) -> float:
    """Share of the peak learning rate: a cosine up, then a cosine down to zero.

    Examples
    --------
    >>> [round(one_cycle(p, warm_up=0.25), 2) for p in (0, 0.25, 1)]
    [0.04, 1.0, 0.0]
    """
    if progress < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warm_up)) / 2
    rest = (progress - warm_up) / max(1 - warm_up, 1e-12)
    return (1 + math.cos(math.pi * min(rest, 1.0))) / 2


def fit(
    model: nn.Module,
    train: WalkSet,
    *,
    inner: WalkSet,
    augment: Augmentation | None = None,
    config: FitConfig | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> FitResult:
    """Train a model; stop when it no longer gets better on the inner part.

    Parameters
    ----------
    model : torch.nn.Module
        A skeleton network (``model(x)``) or a fusion (``model(x, features)``). It
        stays as it is; a copy is trained.
    train, inner : WalkSet
        Walks of different patients: to learn from, and to stop by.
    augment : Augmentation, optional
        Varies training examples; they are left as they are by default.
    config : FitConfig, optional
        The recipe.
    seed : int
        Same seed and thread count, same weights.
    checkpoint : path, optional
        Written after each epoch; if it exists, training resumes there and ends with
        the weights of an uninterrupted run.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If there is nothing to learn from, levels are missing, training diverges, or
        the checkpoint is damaged or belongs to another recipe or other walks.
    OSError
        If the checkpoint cannot be written.
    """
    config = config or FitConfig()
    if not len(train.x) or not len(inner.x):
        raise ValueError(
            "`train` and `inner` must have windows; got "
            f"{len(train.x)} and {len(inner.x)}."
        )
    if (train.target < 0).any() or (inner.target < 0).all():
        raise ValueError(
            "`train` must have a level for every walk and `inner` for some; "
            f"{int((train.target < 0).sum())} of {len(train)} and "
            f"{int((inner.target < 0).sum())} of {len(inner)} have none."
        )
    if getattr(getattr(model, "config", None), "recompute", False):
        return_freed_memory()
    data = [walks.fingerprint() for walks in (train, inner)] if checkpoint else []
    state = _State(copy.deepcopy(model), config=config, seed=seed, data=data)
    if checkpoint is not None and checkpoint.exists():
        state.restore(checkpoint)
    criterion = make_criterion(config.loss, train.priors)
    epochs = range(len(state.history), config.epochs)
    for epoch in tqdm(epochs, desc="epochs", disable=not progress, leave=False):
        if epoch - state.best_epoch > config.patience:
            break
        started = perf_counter()
        with seeded(seed, epoch) as generator:
            loss, rate = _train_epoch(
                state, train, augment=augment, criterion=criterion, generator=generator
            )
        record = {"epoch": epoch, "learning_rate": rate, "loss": loss}
        record |= judge(state.average, inner)
        _check_finite(record)
        state.keep(record | {"seconds": perf_counter() - started})
        if checkpoint is not None:
            state.save(checkpoint)
    state.average.load_state_dict(state.best)
    history = pd.DataFrame(state.history)
    return FitResult(
        model=state.average.eval(), history=history, best_epoch=state.best_epoch
    )


@torch.no_grad()
def predict(
    model: nn.Module, walks: WalkSet, *, temperature: float = 1.0, chunk: int = 8
) -> Tensor:
    """Log-probabilities of the levels of each walk: the mean over its windows.

    Parameters
    ----------
    model : torch.nn.Module
        As in :func:`fit`; used in evaluation mode and left as it was.
    walks : WalkSet
        Walks to judge.
    temperature : float
        Divides the walk's log-probabilities, > 0.
    chunk : int
        Windows at a time.

    Returns
    -------
    Tensor of shape (W, 4)
        NaN for a walk without windows.
    """
    was_training = model.training
    model.eval()
    parts = [
        outputs(model, x, walks.features[row])[0].log_softmax(1)
        for x, row in zip(walks.x.split(chunk), walks.row.split(chunk), strict=True)
    ]
    model.train(was_training)
    by_window = torch.cat(parts)
    total = by_window.new_zeros(len(walks), by_window.shape[1])
    total.index_add_(0, walks.row, by_window)
    mean = total / walks.n_windows[:, None]
    return (mean / temperature).log_softmax(1)


def outputs(model: nn.Module, x: Tensor, features: Tensor) -> tuple[Tensor, ...]:
    """Logits of a model, followed by those of its streams if it has any."""
    if isinstance(model, FusionClassifier):
        return model.outputs(x, features)[:3]
    if isinstance(model, PooledConcat):
        return (model(x, features),)
    return (model(x),)


def judge(model: nn.Module, walks: WalkSet) -> dict[str, float]:
    """``inner_loss, inner_accuracy``: of the walks with an answer and a level."""
    log_proba = predict(model, walks)
    known = log_proba.isfinite().all(1) & (walks.target >= 0)
    log_proba, target = log_proba[known], walks.target[known]
    loss = nn.functional.nll_loss(log_proba, target)
    accuracy = (log_proba.argmax(1) == target).float().mean()
    return {"inner_loss": loss.item(), "inner_accuracy": accuracy.item()}


def _check_finite(record: dict[str, float]) -> None:
    """Stop a training that diverged; its weights would answer nothing but NaN."""
    if not math.isfinite(record["loss"] + record["inner_loss"]):
        raise ValueError(
            f"Training must keep finite losses; in epoch {record['epoch']} they are "
            f"{record['loss']} and, inner, {record['inner_loss']}. Lower "
            "`learning_rate` or look for broken windows."
        )


class _State:
    """Everything that changes during training and that a checkpoint keeps."""

    def __init__(
        self, model: nn.Module, *, config: FitConfig, seed: int, data: list[str]
    ):
        self.model, self.config, self.seed, self.data = model, config, seed, data
        self.average = copy.deepcopy(model)
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.best = copy.deepcopy(model.state_dict())
        self.history: list[dict[str, float]] = []
        self.step = 0

    @property
    def best_epoch(self) -> int:
        """The epoch with the smallest inner loss so far."""
        losses = [record["inner_loss"] for record in self.history]
        return int(np.argmin(losses)) if losses else 0

    @property
    def recipe(self) -> str:
        """What a checkpoint must have been made with, to be resumed."""
        names = {k: list(v.shape) for k, v in self.model.state_dict().items()}
        recipe = {"config": asdict(self.config), "seed": self.seed, "weights": names}
        return json.dumps(recipe | {"data": self.data}, sort_keys=True)

    def update_average(self) -> None:
        """Move the averaged weights towards the model; early steps count fully."""
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        current = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

    def keep(self, record: dict[str, float]) -> None:
        """Note an epoch, and its weights if they are the best so far."""
        self.history.append(record)
        if self.best_epoch == len(self.history) - 1:
            self.best = copy.deepcopy(self.average.state_dict())

    def save(self, path: Path) -> None:
        """Write a checkpoint, atomically."""
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict()["state"],
        }
        history = json.dumps(self.history)
        meta = {"recipe": self.recipe, "history": history, "step": str(self.step)}
        save_tensors(path, flatten(parts, prefix="state"), meta=meta)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint."""
        tensors, meta = load_tensors(path)
        if meta.get("recipe") != self.recipe:
            raise ValueError(
                f"`checkpoint` must come from the same recipe, seed, model and "
                f"walks; {str(path)!r} does not. Delete it or choose another file."
            )
        parts = take(tensors, prefix="state")
        self.model.load_state_dict(take(parts, prefix="model"))
        self.average.load_state_dict(take(parts, prefix="average"))
        self.best = take(parts, prefix="best")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in take(parts, prefix="optimizer").items():
            number, key = name.split("/")
            moments.setdefault(int(number), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.history = json.loads(meta["history"])
        self.step = int(meta["step"])


def _train_epoch(
    state: _State,
    train: WalkSet,
    *,
    augment: Augmentation | None,
    criterion: Criterion,
    generator: torch.Generator,
) -> tuple[float, float]:
    """One pass; returns the mean loss and the last learning rate."""
    config = state.config
    drawn = train.draw(generator)
    batches = drawn.tensor_split(max(1, math.ceil(len(drawn) / config.batch_size)))
    state.model.train()
    losses, rate = [], 0.0
    for batch in batches:
        done = state.step / (config.epochs * len(batches))
        rate = config.learning_rate * one_cycle(done, warm_up=config.warm_up)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        walk = train.row[batch]
        x, features = train.x[batch], train.features[walk]
        if augment is not None:
            x, features = augment(x, features, generator)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=config.bf16):
            loss = _objective(
                state, x, features, rows=walk, train=train, loss=criterion
            )
        state.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(state.model.parameters(), config.clip)
        state.optimizer.step()
        state.step += 1
        state.update_average()
        losses.append(loss.item())
    return float(np.mean(losses)), rate


def _objective(
    state: _State,
    x: Tensor,
    features: Tensor,
    *,
    rows: Tensor,
    train: WalkSet,
    loss: Criterion,
) -> Tensor:
    """Loss of the answer, plus what the recipe asks of streams and embedding."""
    target = train.target[rows]
    if state.config.triplet:
        embedding = state.model.embed(x)  # type: ignore[operator]
        answer, *streams = (state.model.head(embedding),)  # type: ignore[operator]
        metric = triplet(embedding, target, train.patient[rows])
        return loss(answer, target) + state.config.triplet * metric
    answer, *streams = outputs(state.model, x, features)
    own = [loss(stream, target) for stream in streams]
    return loss(answer, target) + state.config.auxiliary * sum(own, torch.tensor(0.0))
