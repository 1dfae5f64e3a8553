"""A plain training loop: same seed and thread count, same weights, interrupted or not.

Every epoch has its own seed, made of the run's seed and the epoch's number, so that a
resumed run needs no memory of random states. (The first epoch's is that of the run,
from which :mod:`cpexplore.learning.folds` also draws the weights: trailing zeros of a
seed sequence do not count.)
"""

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cpexplore.learning.augment import Augmentation
from cpexplore.learning.data import WalkSet
from cpexplore.learning.memory import freed_memory
from cpexplore.learning.recipe import FitConfig
from cpexplore.learning.training_state import TrainingState
from cpexplore.models.fusion import FusionClassifier
from cpexplore.models.losses import Criterion, make_criterion, triplet
from cpexplore.models.modes import evaluating
from cpexplore.models.peers import PooledConcat


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
        If there is nothing to learn from, levels are missing, a triplet loss is asked
        of a model without ``embed(x)``, training diverges, or the checkpoint is damaged
        or belongs to another recipe, network, augmentation or other walks.
    OSError
        If the checkpoint cannot be written.

    Notes
    -----
    Where glibc is used, its allocator is told what to do with freed memory meanwhile,
    see :func:`cpexplore.learning.memory.freed_memory`: one training per process.

    Examples
    --------
    The same seed gives the same weights; four made-up children to learn from and four
    others to stop by, one window each:

    >>> import torch
    >>> from cpexplore.learning.data import WalkSet
    >>> def made_up(names):
    ...     x, n = torch.rand(4, 3, 8, 17), torch.arange(4)
    ...     known = {"walk_id": tuple(names), "target": n, "patient": n}
    ...     return WalkSet(x=x, row=n, features=torch.empty(4, 0), **known)
    >>> train, inner = made_up("abcd"), made_up("efgh")
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(408, 4))
    >>> once, again = (fit(model, train, inner=inner, seed=1).model for _ in "ab")
    >>> torch.equal(predict(once, inner), predict(again, inner))
    True
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
    if config.triplet and not hasattr(model, "embed"):
        raise ValueError(
            "`config.triplet` must be 0 for a model without `embed(x)`; got "
            f"{config.triplet} for {type(model).__name__}."
        )
    data = [walks.fingerprint() for walks in (train, inner)] if checkpoint else []
    state = TrainingState(
        copy.deepcopy(model), config=config, augment=augment, seed=seed, data=data
    )
    if checkpoint is not None and checkpoint.exists():
        state.restore(checkpoint)
    epochs = range(len(state.history), config.epochs)
    bar = tqdm(epochs, desc="epochs", disable=not progress, leave=False)
    frugal = any(getattr(part, "recompute", False) for part in model.modules())
    with freed_memory(kept=not frugal):
        _train(state, train, inner=inner, epochs=bar, checkpoint=checkpoint)
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

    Examples
    --------
    Two windows of one walk and none of another, asked of a network that answers what
    it is given:

    >>> import torch
    >>> from cpexplore.learning.data import WalkSet
    >>> x, n = torch.tensor([0.7, 0.1, 0.1, 0.1]).log().expand(2, 4), torch.arange(2)
    >>> known = {"walk_id": ("a", "b"), "target": n, "patient": n}
    >>> walks = WalkSet(x=x, row=0 * n, features=torch.empty(2, 0), **known)
    >>> predict(torch.nn.Identity(), walks).exp().double().round(decimals=2).tolist()
    [[0.7, 0.1, 0.1, 0.1], [nan, nan, nan, nan]]
    """
    with evaluating(model):
        parts = [
            outputs(model, x, walks.features[row])[0].log_softmax(1)
            for x, row in zip(walks.x.split(chunk), walks.row.split(chunk), strict=True)
        ]
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
    """``inner_loss, inner_accuracy``: of the walks with a window and a level."""
    log_proba = predict(model, walks)
    known = (walks.n_windows > 0) & (walks.target >= 0)
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


def _train(
    state: TrainingState,
    train: WalkSet,
    *,
    inner: WalkSet,
    epochs: Iterable[int],
    checkpoint: Path | None,
) -> None:
    """Train for some epochs, or until the inner part has been patient enough."""
    criterion = make_criterion(state.config.loss, train.priors)
    for epoch in epochs:
        if epoch - state.best_epoch > state.config.patience:
            break
        started = perf_counter()
        with seeded(state.seed, epoch) as generator:
            loss, rate = _train_epoch(
                state, train, criterion=criterion, generator=generator
            )
        record = {"epoch": epoch, "learning_rate": rate, "loss": loss}
        record |= judge(state.average, inner)
        _check_finite(record)
        state.keep(record | {"seconds": perf_counter() - started})
        if checkpoint is not None:
            state.save(checkpoint)


def _train_epoch(
    state: TrainingState,
    train: WalkSet,
    *,
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
        if state.augment is not None:
            x, features = state.augment(x, features, generator)
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
    state: TrainingState,
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
