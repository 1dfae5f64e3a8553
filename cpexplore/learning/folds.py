"""One fold: everything is fitted on its training patients, then asked once."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import nn

from cpexplore._validation import check_columns
from cpexplore.cohort import check_disjoint
from cpexplore.learning.augment import Augmentation
from cpexplore.learning.backbones import (
    LastBlocks,
    finish_backbone,
    lower_body,
    make_backbone,
    seen_by,
)
from cpexplore.learning.calibration import fit_temperature
from cpexplore.learning.data import WalkSet, cache_maps, make_walk_set, mirror_features
from cpexplore.learning.fold_models import (
    KEPT_TABLES,
    FoldModels,
    finish,
    load_fold,
    probability_table,
    save_fold_models,
)
from cpexplore.learning.fold_task import FoldTask, inner_split
from cpexplore.learning.fusions import make_fusion
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.learning.tabular import fit_tabular, level_shares
from cpexplore.learning.threads import one_thread
from cpexplore.learning.training import (
    FitConfig,
    FitResult,
    fit,
    judge,
    predict,
    seeded,
)
from cpexplore.learning.variants import BACKBONES, SECOND_TRAINING, TABULAR, Variant
from cpexplore.models.baselines import TabularModel
from cpexplore.models.fusion import FusionClassifier
from cpexplore.models.ordinal import OrdinalLogit
from cpexplore.runs import write_table
from cpexplore.skeleton import mirror_index

PARTS = ("learn", "inner", "held_out")
"""Learn from, stop and calibrate by, be scored on."""

_SELECTED = ("selected", "random")
"""What a variant may see that depends on the fold's selection."""


def run_fold(task: FoldTask) -> None:
    """Train, select and predict one fold and write its files, unless it is done.

    One thread, so that the result does not depend on how many folds run at once.
    """
    if task.is_done():
        return
    with one_thread():
        Fold(task).run()


class Fold:
    """One fold at work; every step is computed when it is first asked for."""

    def __init__(self, task: FoldTask):
        self.task = task
        train = task.index.drop(list(task.held_out))
        held_out = task.index.loc[list(task.held_out)]
        check_disjoint(train["patient_id"], held_out["patient_id"])
        learn, inner = inner_split(train, seed=task.number("inner"))
        self.index = {
            "learn": train.loc[learn],
            "inner": train.loc[inner],
            "held_out": held_out,
        }
        self.walks = {
            part: make_walk_set(index, task.windows)
            for part, index in self.index.items()
        }
        self.target = {part: walks.target.numpy() for part, walks in self.walks.items()}
        self.priors = level_shares(self.target["learn"])
        self.history: list[pd.DataFrame] = []
        self.temperature: dict[str, float] = {}
        self._maps: dict[str, dict[str, WalkSet]] = {}
        self._ordinal: dict[str, OrdinalLogit] = {}
        self._tables: dict[str, tuple[dict[str, np.ndarray], TabularModel]] = {}

    def run(self) -> None:
        """Train and ask every model, then write what the fold found out."""
        task = self.task
        answers = {
            name: self.tabular(name) for name in task.spec.models if name in TABULAR
        }
        fusions: dict[str, nn.Module] = {}
        networks = task.spec.networks
        for name, variant in networks.items():
            if variant.fusion is None:
                parts = self.seen(variant.backbone)
                network: nn.Module = self.backbones[BACKBONES[variant.backbone]]
            else:
                network, parts = self.fusion(name, variant)
                fusions[name] = network
            log_proba = {p: predict(network, parts[p]).numpy() for p in PARTS[1:]}
            answers[name] = self.calibrated(name, log_proba)
        tables = {"oof": self.oof(answers)}
        if self.history:
            tables["training"] = pd.concat(self.history)
        if any(v.fusion and v.features in _SELECTED for v in networks.values()):
            tables["selection"] = self.selection
        for kind, table in tables.items():
            write_table(task.part(kind), table)
        written = save_fold_models(self.models(fusions), task.out / "checkpoints")
        task.finish([*map(task.part, tables), *written])
        for state in (task.out / "parts").glob(f"{task.name}_*.safetensors"):
            state.unlink()

    # -- tables ----------------------------------------------------------------------

    def tabular(self, name: str) -> np.ndarray:
        """Probabilities of a tabular model for the held-out walks."""
        if name == "majority":
            return np.tile(self.priors, (len(self.index["held_out"]), 1))
        scores, model = self.table_fit(name)
        log_proba = {part: model.log_proba(scores[part]) for part in PARTS[1:]}
        return self.calibrated(name, log_proba)

    def table_fit(self, name: str) -> tuple[dict[str, np.ndarray], TabularModel]:
        """Standard scores of a tabular model's table, by part, and the fitted model."""
        if name not in self._tables:
            table = self.task.tables[name]
            scaler = FeatureScaler.fit(table.loc[self.index["learn"].index])
            of = {p: scaler.transform(table.loc[self.index[p].index]) for p in PARTS}
            self._tables[name] = of, self.table_model(name, of)
        return self._tables[name]

    def table_model(self, name: str, scores: dict[str, np.ndarray]) -> TabularModel:
        """Fit a tabular model."""
        learn, inner = ((scores[p], self.target[p]) for p in PARTS[:2])
        balance = self.task.spec.fit.loss.balance
        return fit_tabular(name, learn, inner=inner, balance=balance)

    def calibrated(self, name: str, log_proba: dict[str, np.ndarray]) -> np.ndarray:
        """Held-out probabilities at the temperature that suits the inner part."""
        known = np.isfinite(log_proba["inner"]).all(1)
        self.temperature[name] = fit_temperature(
            log_proba["inner"][known], self.target["inner"][known]
        )
        return finish(
            log_proba["held_out"],
            self.temperature[name],
            priors=self.priors,
            n_windows=self.walks["held_out"].n_windows.numpy(),
        )

    # -- skeletons -------------------------------------------------------------------

    @cached_property
    def backbones(self) -> dict[str, nn.Module]:
        """Trained skeleton networks by the name of their model."""
        kinds = {variant.backbone for variant in self.task.spec.networks.values()}
        had: Mapping[str, nn.Module] = {}
        if self.task.backbones is not None:
            folder = self.task.backbones / "checkpoints"
            had = load_fold(folder / f"{self.task.name}.json").backbones
        names = {kind: BACKBONES[kind] for kind in sorted(kinds)}
        return {n: had[n] if n in had else self.backbone(k) for k, n in names.items()}

    def backbone(self, kind: str) -> nn.Module:
        """Train a skeleton network."""
        spec, name = self.task.spec, BACKBONES[kind]
        with seeded(self.task.number(name)):
            network = make_backbone(
                kind, spec.backbone, keypoints=self.task.keypoint_set
            )
        recipe = replace(spec.fit, triplet=0.5) if kind == "triplet" else spec.fit
        parts = self.seen(kind)
        result = self.fit(name, network, parts, recipe=recipe)
        return finish_backbone(kind, result.model, parts["learn"])

    def seen(self, kind: str) -> dict[str, WalkSet]:
        """Windows as a kind of backbone sees them, by part."""
        return {
            part: seen_by(walks, kind, self.task.keypoint_set)
            for part, walks in self.walks.items()
        }

    def maps(self, kind: str) -> dict[str, WalkSet]:
        """Cached maps of a frozen backbone, by part; mirrored too for training."""
        if kind not in self._maps:
            network, seen = self.backbones[BACKBONES[kind]], self.seen(kind)
            mirror = mirror_index(self.task.keypoint_set)
            self._maps[kind] = {
                part: cache_maps(
                    network, walks, mirror=mirror if part == "learn" else None
                )
                for part, walks in seen.items()
            }
        return self._maps[kind]

    # -- fusion ----------------------------------------------------------------------

    @cached_property
    def scaler(self) -> FeatureScaler:
        """Of all features that are usable in this fold."""
        return FeatureScaler.fit(self.task.features.loc[self.index["learn"].index])

    @cached_property
    def selection(self) -> pd.DataFrame:
        """``seed, fold, feature, kept, score`` of the features of this fold."""
        usable = self.columns("all")
        if self.task.select is None:
            table = pd.DataFrame({"feature": usable, "kept": True, "score": np.nan})
        else:
            inner = self.index["inner"]
            windows = self.task.windows.of(inner.index.tolist())
            table = self.task.select(self.backbones["skeleton"], windows, inner)
            check_columns(table, ["feature", "kept", "score"], name="select")
            table = table.loc[table["feature"].isin(usable)].reset_index(drop=True)
        if not any(table["kept"]):
            raise ValueError(
                f"`select` must keep a usable feature; got none of {len(usable)} in "
                f"fold {self.task.fold}."
            )
        table = table.filter(items=["feature", "kept", "score"])
        table.insert(0, "seed", self.task.seed)
        table.insert(1, "fold", self.task.fold)
        return table

    def columns(self, features: str) -> list[str]:
        """The features that a variant may see."""
        usable = list(self.scaler.columns)
        if not usable:
            raise ValueError(
                "`features` must have a column that varies and is present in at least "
                f"60 % of the training walks of fold {self.task.fold}; got none of "
                f"{self.task.features.shape[1]}."
            )
        if features in ("all", "shuffled"):
            return usable
        if features == "legs":
            return lower_body(usable)
        kept = self.selection.loc[self.selection["kept"], "feature"].tolist()
        if features == "random":
            rng = np.random.default_rng(self.task.number("random features"))
            return sorted(rng.choice(usable, size=len(kept), replace=False).tolist())
        return kept

    def fusion(
        self, name: str, variant: Variant
    ) -> tuple[nn.Module, dict[str, WalkSet]]:
        """Train a fusion on cached maps; returns it with what it was asked about."""
        spec = self.task.spec
        scaler = self.scaler.select(self.columns(variant.features))
        keypoints = self.task.windows.keypoint
        seed_of = f"fusion_{variant.fusion}" if variant.fine_tuned else name
        with seeded(self.task.number(seed_of)):
            network = make_fusion(
                variant, spec, keypoints=keypoints, features=scaler.columns
            )
        parts = {
            part: replace(maps, features=self.scores(part, scaler, variant.features))
            for part, maps in self.maps(variant.backbone).items()
        }
        if isinstance(network, FusionClassifier) and network.offset is not None:
            network.offset.load(self.offset_of(variant.features, parts))
        recipe = spec.fit
        if variant.loss is not None:
            recipe = replace(recipe, loss=replace(recipe.loss, name=variant.loss))
        frozen = self.fit(name, network, parts, recipe=recipe, seed_of=seed_of).model
        if variant.fine_tuned:
            return self.fine_tuned(name, variant.backbone, frozen, parts)
        return frozen, parts

    def offset_of(self, features: str, parts: dict[str, WalkSet]) -> OrdinalLogit:
        """The model from which fusions start; the inner part chooses its penalty."""
        if features not in self._ordinal:
            scores = {p: parts[p].features.double().numpy() for p in PARTS[:2]}
            model = self.table_model("features_ordinal", scores)
            self._ordinal[features] = model  # type: ignore[assignment]
        return self._ordinal[features]

    def fine_tuned(
        self, name: str, kind: str, fusion: nn.Module, parts: dict[str, WalkSet]
    ) -> tuple[nn.Module, dict[str, WalkSet]]:
        """Train the backbone's last blocks too, unless the inner part is against it.

        A tenth of the learning rate: everything that learns has learned before. The
        inner part has also stopped both trainings, which favours the longer one.
        """
        seen, recipe = self.seen(kind), self.task.spec.fit
        recipe = replace(recipe, learning_rate=recipe.learning_rate / 10)
        network, backbone = copy.deepcopy(fusion), self.backbones[BACKBONES[kind]]
        network.backbone = LastBlocks(backbone, n_blocks=2)  # type: ignore[arg-type]
        seen = {p: replace(seen[p], features=parts[p].features) for p in PARTS}
        training = name + SECOND_TRAINING
        network = self.fit(training, network, seen, recipe=recipe).model
        tuned = {p: cache_maps(network.backbone, seen[p]) for p in PARTS[1:]}  # type: ignore[arg-type]
        candidates = (fusion, parts), (network, tuned)
        losses = [judge(model, p["inner"])["inner_loss"] for model, p in candidates]
        return candidates[int(np.argmin(losses))]

    def scores(self, part: str, scaler: FeatureScaler, features: str) -> torch.Tensor:
        """Standard scores of a part; of the wrong walks for ``shuffled``."""
        table = self.task.features.loc[self.index[part].index]
        scores = scaler.transform(table)
        if features == "shuffled":
            rng = np.random.default_rng(self.task.number(f"shuffled {part}"))
            scores = rng.permutation(scores)
        return torch.tensor(scores)

    # -- training and results --------------------------------------------------------

    def fit(
        self,
        name: str,
        network: nn.Module,
        parts: dict[str, WalkSet],
        *,
        recipe: FitConfig,
        seed_of: str | None = None,
    ) -> FitResult:
        """Train a network, resuming where an interrupted run stopped."""
        features = getattr(network, "features", ())
        augment = Augmentation(
            config=recipe.augment,
            keypoint_mirror=mirror_index(self.task.keypoint_set),
            feature_mirror=mirror_features(list(features)),
        )
        result = fit(
            network,
            parts["learn"],
            inner=parts["inner"],
            augment=augment,
            config=recipe,
            seed=self.task.number(seed_of or name),
            checkpoint=self.task.part(name).with_suffix(".safetensors"),
            progress=self.task.progress,
        )
        seed_fold = {"seed": self.task.seed, "fold": self.task.fold, "model": name}
        self.history.append(result.history.assign(**seed_fold))
        return result

    def models(self, fusions: dict[str, nn.Module]) -> FoldModels:
        """Everything that is needed to ask the fold's models again.

        Not kept are boosted trees, a fusion of shuffled features, which asked again
        would be given the right ones, one with a backbone of its own, the pooled peer.
        """
        networks = self.task.spec.networks
        kept_fusions = {
            name: fusion
            for name, fusion in fusions.items()
            if isinstance(fusion, FusionClassifier)
            and networks[name].features != "shuffled"
            and not networks[name].fine_tuned
        }
        for name, fusion in kept_fusions.items():
            kind = networks[name].backbone
            fusion.backbone = self.backbones[BACKBONES[kind]]
        logits = [n for n in self.task.spec.models if n in KEPT_TABLES]
        kept = {*self.backbones, *kept_fusions, *logits}
        return FoldModels(
            seed=self.task.seed,
            fold=self.task.fold,
            keypoint_set=self.task.keypoint_set,
            backbones=self.backbones,
            fusions=kept_fusions,
            tables={name: self.table_fit(name)[1] for name in logits},
            scaler=self.scaler,
            temperature={n: t for n, t in self.temperature.items() if n in kept},
            priors=self.priors,
            backbone=self.task.spec.backbone,
        )

    def oof(self, answers: dict[str, np.ndarray]) -> pd.DataFrame:
        """The out-of-fold table of this fold."""
        walks, held_out = self.walks["held_out"], self.index["held_out"]
        tables = []
        for name in self.task.spec.models:
            table = probability_table(answers[name], walks)
            table.insert(1, "patient_id", held_out["patient_id"].to_numpy())
            table.insert(2, "gmfcs", held_out["gmfcs"].array)
            table.insert(3, "model", name)
            table.insert(4, "seed", self.task.seed)
            table.insert(5, "fold", self.task.fold)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)
