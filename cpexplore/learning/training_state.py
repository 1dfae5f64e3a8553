"""What changes during training and what a checkpoint keeps of it."""

import copy
import json
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cpexplore.learning.augment import Augmentation
from cpexplore.learning.checkpoints import flatten, load_tensors, save_tensors, take
from cpexplore.learning.recipe import FitConfig


class TrainingState:
    """Everything that changes during training and that a checkpoint keeps."""

    def __init__(
        self,
        model: nn.Module,
        *,
        config: FitConfig,
        augment: Augmentation | None,
        seed: int,
        data: list[str],
    ):
        self.model, self.config, self.augment = model, config, augment
        self.seed, self.data = seed, data
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
        # what shapes do not show: strides, dropout, heads
        recipe |= {"network": repr(self.model), "settings": _settings(self.model)}
        recipe |= {"augment": self.augment and self.augment.told, "data": self.data}
        return json.dumps(recipe, sort_keys=True)

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
                f"`checkpoint` must come from the same recipe, seed, model, "
                f"augmentation and walks; {str(path)!r} does not. Delete it or choose "
                "another file."
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


def _settings(model: nn.Module) -> dict[str, str]:
    """The configuration of a network, without what leaves the result as it is."""
    config = getattr(model, "config", None)
    names = [f.name for f in fields(config)] if is_dataclass(config) else []
    told = [name for name in names if name != "recompute"]
    return {name: repr(getattr(config, name)) for name in told}
