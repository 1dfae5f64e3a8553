"""The trained models of one fold: asked again later, kept without pickles."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from cpexplore._validation import quoted
from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning.backbones import make_backbone, seen_by
from cpexplore.learning.checkpoints import load_tensors, save_tensors
from cpexplore.learning.data import WalkSet, cache_maps, make_walk_set
from cpexplore.learning.fold_task import fold_name
from cpexplore.learning.scaling import FeatureScaler
from cpexplore.learning.training import predict
from cpexplore.learning.variants import BACKBONES, VARIANTS
from cpexplore.models.baselines import Logit, TabularModel
from cpexplore.models.fusion import FusionClassifier, FusionConfig
from cpexplore.models.ordinal import OrdinalLogit
from cpexplore.models.peers import NeighbourClassifier
from cpexplore.models.stgcn import STGCNConfig
from cpexplore.runs import Run, read_json, undamaged, write_json
from cpexplore.skeleton import keypoint_set
from cpexplore.windows import Windows

KEPT_TABLES = ("features_logit", "features_ordinal")
"""Tabular models of all features that are a few numbers."""


@dataclass(frozen=True, kw_only=True)
class FoldModels:
    """Models of one fold, and everything fitted that they need to answer."""

    seed: int
    """Seed of the split."""
    fold: int
    """Number of the fold whose patients the models have not seen."""
    keypoint_set: str
    """Of the windows."""
    backbones: Mapping[str, nn.Module]
    """Skeleton networks by the name of their model (``skeleton``, ...)."""
    fusions: Mapping[str, FusionClassifier]
    """Fusions by name, each with its backbone, so that they take windows."""
    tables: Mapping[str, TabularModel]
    """Those of :data:`KEPT_TABLES` that the fold has."""
    scaler: FeatureScaler
    """Of all features that the fold may use."""
    temperature: Mapping[str, float]
    """Of each model that answers; a network that was trained for a fusion alone has
    none."""
    priors: tuple[float, ...]
    """Share of each level among the training walks, none of them zero."""
    backbone: STGCNConfig
    """Shape of the skeleton networks."""

    @property
    def name(self) -> str:
        """How the fold is called in files."""
        return fold_name(self.seed, self.fold)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Skeleton networks and fusions, by name."""
        return {**self.backbones, **self.fusions}

    def scores(self, features: pd.DataFrame, *, model: str) -> np.ndarray:
        """Standard scores (W, F) of the features that a fusion reads."""
        return self.scaler.select(self.fusions[model].features).transform(features)

    def predict(self, windows: Windows, features: pd.DataFrame) -> pd.DataFrame:
        """Ask all models about walks.

        Parameters
        ----------
        windows : Windows
            Of the walks; some walks may have none.
        features : pandas.DataFrame
            One row per walk, index ``walk_id``.

        Returns
        -------
        pandas.DataFrame
            ``walk_id, model, n_windows, p_I, p_II, p_III, p_IV``: one row per walk
            and model.
        """
        index = pd.DataFrame(
            {"gmfcs": None, "patient_id": features.index}, index=features.index
        )
        walks = make_walk_set(index, windows)
        maps: dict[int, WalkSet] = {}  # fusions of one backbone share them
        answers = {
            name: self._ask(name, walks, features, maps)
            for name in self.networks
            if name in self.temperature
        }
        scores = self.scaler.transform(features)
        answers |= {n: table.log_proba(scores) for n, table in self.tables.items()}
        return pd.concat(
            [
                probability_table(
                    finish(
                        answer,
                        self.temperature[name],
                        priors=self.priors,
                        n_windows=walks.n_windows.numpy(),
                    ),
                    walks,
                ).assign(model=name)
                for name, answer in answers.items()
            ],
            ignore_index=True,
        )

    def vary(
        self, windows: Windows, variants: pd.DataFrame, *, model: str
    ) -> np.ndarray:
        """Ask a fusion about one walk as if it had other features.

        Parameters
        ----------
        windows : Windows
            Of the walk, perhaps none.
        variants : pandas.DataFrame
            One row per set of features.
        model : str
            Name of the fusion.

        Returns
        -------
        array of shape (len(variants), 4)
            Probabilities; what the skeleton says is computed once.
        """
        fusion, n = self.fusions[model], len(windows)
        walk = WalkSet(
            walk_id=("",),
            x=torch.tensor(windows.x),
            row=torch.zeros(n, dtype=torch.int64),
            features=torch.empty(1, 0),
            target=torch.tensor([-1]),
            patient=torch.tensor([0]),
        )
        walk = seen_by(walk, VARIANTS[model].backbone, self.keypoint_set)
        maps = cache_maps(fusion.backbone, walk)  # type: ignore[arg-type]
        scores = torch.tensor(self.scores(variants, model=model))
        answers = [predict(fusion, replace(maps, features=row[None])) for row in scores]
        return finish(
            torch.cat(answers).numpy(),
            self.temperature[model],
            priors=self.priors,
            n_windows=np.full(len(variants), n),
        )

    def _ask(
        self,
        name: str,
        walks: WalkSet,
        features: pd.DataFrame,
        maps: dict[int, WalkSet],
    ) -> np.ndarray:
        walks = seen_by(walks, VARIANTS[name].backbone, self.keypoint_set)
        if name in self.backbones:
            return predict(self.backbones[name], walks).numpy()
        fusion = self.fusions[name]
        backbone = id(fusion.backbone)
        if backbone not in maps:
            maps[backbone] = cache_maps(fusion.backbone, walks)  # type: ignore[arg-type]
        scores = torch.tensor(self.scores(features, model=name))
        return predict(fusion, replace(maps[backbone], features=scores)).numpy()


def mean_prediction(
    models: list[FoldModels], windows: Windows, features: pd.DataFrame
) -> pd.DataFrame:
    """Probabilities by walk and model, averaged over folds in log probability.

    Parameters
    ----------
    models : list of FoldModels
        At least one.
    windows : Windows
        Of the walks.
    features : pandas.DataFrame
        One row per walk.

    Returns
    -------
    pandas.DataFrame
        ``walk_id, model, n_windows, p_I, p_II, p_III, p_IV``.
    """
    columns = list(PROBABILITIES)
    answers = pd.concat([m.predict(windows, features) for m in models])
    answers[columns] = np.log(answers[columns].clip(lower=1e-12))
    keys = ["walk_id", "model", "n_windows"]
    mean = pd.DataFrame(answers.groupby(keys, sort=False)[columns].mean())
    proba = pd.DataFrame(np.exp(mean))
    return proba.div(proba.sum(axis=1), axis=0).reset_index()


def finish(
    log_proba: np.ndarray,
    temperature: float,
    *,
    priors: tuple[float, ...],
    n_windows: np.ndarray,
) -> np.ndarray:
    """Probabilities (W, 4) at a temperature; the priors for walks without a window.

    Raises
    ------
    ValueError
        If a model gives no answer for a walk that has windows.
    """
    silent = np.asarray(np.isnan(log_proba).any(axis=1))
    if lost := int((silent & (n_windows > 0)).sum()):
        raise ValueError(
            f"A model must answer for every walk with windows; it gave NaN for {lost} "
            f"of {len(silent)}. Look for broken windows, or train again."
        )
    scaled = np.exp(log_proba / temperature)
    proba = scaled / scaled.sum(1, keepdims=True)
    return np.where(silent[:, None], np.array(priors), proba)


def probability_table(proba: np.ndarray, walks: WalkSet) -> pd.DataFrame:
    """``walk_id, n_windows`` and the probabilities of each level."""
    table = pd.DataFrame(proba, columns=list(PROBABILITIES))
    table.insert(0, "walk_id", list(walks.walk_id))
    table.insert(1, "n_windows", walks.n_windows.numpy())
    return table


def save_fold_models(models: FoldModels, folder: Path) -> list[Path]:
    """Write ``<fold>_<model>.safetensors`` and, last, ``<fold>.json`` beside them.

    Returns
    -------
    list of path
        What was written.

    Raises
    ------
    OSError
        If the disk is full.
    """
    weights = {n: folder / f"{models.name}_{n}.safetensors" for n in models.networks}
    for name, network in models.networks.items():
        own = network.state_dict()
        if name in models.fusions:  # the backbone has a file of its own
            own = {k: v for k, v in own.items() if not k.startswith("backbone.")}
        save_tensors(weights[name], own, meta={})
    content: dict[str, Any] = {
        "seed": models.seed,
        "fold": models.fold,
        "keypoint_set": models.keypoint_set,
        "backbone": asdict(models.backbone),
        "backbones": list(models.backbones),
        "fusions": {
            name: {"config": asdict(fusion.config), "features": list(fusion.features)}
            for name, fusion in models.fusions.items()
        },
        "tables": {
            name: {key: value.tolist() for key, value in vars(table).items()}
            for name, table in models.tables.items()
        },
        "scaler": asdict(models.scaler),
        "temperature": dict(models.temperature),
        "priors": list(models.priors),
    }
    file = folder / f"{models.name}.json"
    write_json(file, content)
    return [*weights.values(), file]


def load_fold_models(run: Run | Path, *, seed: int | None = None) -> list[FoldModels]:
    """Load the models of every fold of a finished run.

    Parameters
    ----------
    run : Run or path
        The run, or its directory.
    seed : int, optional
        Only the folds of this seed.

    Returns
    -------
    list of FoldModels
        Sorted by seed and fold; networks are in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If the run is not finished, or lacks the models of a fold.
    DamagedFileError
        If a file of the run is damaged.

    Examples
    --------
    >>> from cpexplore import learning, runs
    >>> models = learning.load_fold_models(runs.load_run("runs/demo"))  # doctest: +SKIP
    >>> models[0].predict(windows, features)  # doctest: +SKIP
    """
    run = run if isinstance(run, Run) else Run(Path(run))
    folder = run.path / "checkpoints"
    if not run.has("folds"):
        raise FileNotFoundError(
            f"{str(folder)!r} holds no models; finish the run that they are of."
        )
    keys = run.folds[["seed", "fold"]].itertuples(index=False, name=None)
    folds = sorted(set(keys))
    seeds = sorted({of_seed for of_seed, _ in folds})
    if seed is not None and seed not in seeds:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no models of seed {seed!r}; it has the seeds "
            f"{quoted(seeds)}."
        )
    return [
        load_fold(folder / f"{fold_name(of_seed, fold)}.json")
        for of_seed, fold in folds
        if seed in (None, of_seed)
    ]


def load_fold(file: Path) -> FoldModels:
    """Load the models of one fold, given its ``checkpoints/<fold>.json``.

    Raises
    ------
    FileNotFoundError
        If a file of the fold is missing.
    DamagedFileError
        If a file of the fold is damaged.
    """
    if not file.exists():
        raise FileNotFoundError(
            f"There is no {str(file)!r}. Start the run again; it trains the fold anew."
        )
    content = read_json(file)
    with undamaged(file):
        config = _stgcn_config(content["backbone"])
        fusions = {
            name: FusionClassifier(
                FusionConfig(**saved["config"]),
                keypoints=keypoint_set(content["keypoint_set"]).keypoints,
                features=saved["features"],
            )
            for name, saved in content["fusions"].items()
        }
        made = FoldModels(
            seed=content["seed"],
            fold=content["fold"],
            keypoint_set=content["keypoint_set"],
            backbones={
                name: make_backbone(kind, config, keypoints=content["keypoint_set"])
                for kind, name in BACKBONES.items()
                if name in content["backbones"]
            },
            fusions=fusions,
            tables={name: _table(saved) for name, saved in content["tables"].items()},
            scaler=FeatureScaler.from_json(content["scaler"]),
            temperature=content["temperature"],
            priors=tuple(content["priors"]),
            backbone=config,
        )
    return _with_weights(made, file)


def _with_weights(made: FoldModels, file: Path) -> FoldModels:
    """Fill the networks of a fold with what lies beside its ``file``."""
    backbones = {}
    for name, network in made.backbones.items():
        weights = file.with_name(f"{file.stem}_{name}.safetensors")
        tensors, _ = load_tensors(weights)
        with undamaged(weights):
            if name == BACKBONES["triplet"]:
                bank, target = tensors["bank"], tensors["target"]
                network = NeighbourClassifier(network, bank=bank, target=target)
            network.load_state_dict(tensors)
        backbones[name] = network.eval()
    for name, fusion in made.fusions.items():
        weights = file.with_name(f"{file.stem}_{name}.safetensors")
        tensors, _ = load_tensors(weights)
        with undamaged(weights):
            fusion.load_state_dict(tensors)
        fusion.eval().backbone = backbones[BACKBONES[VARIANTS[name].backbone]]
    return replace(made, backbones=backbones)


def _table(saved: dict[str, list[Any]]) -> TabularModel:
    arrays = {key: np.array(value) for key, value in saved.items()}
    return OrdinalLogit(**arrays) if "thresholds" in arrays else Logit(**arrays)


def _stgcn_config(content: dict[str, Any]) -> STGCNConfig:
    blocks = tuple(tuple(block) for block in content["blocks"])
    return STGCNConfig(**{**content, "blocks": blocks})
