"""Can a saliency map be trusted? Checks that a map of nothing must fail.

Every check gives one number per window, averaged over the windows of a walk, the walks
of a patient and the patients. Controls (:data:`cpexplore.attribution.CONTROLS`) go
through the same checks: a method is only as good as its distance from them.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from scipy.special import entr
from scipy.stats import rankdata
from torch import Tensor

from cpexplore._validation import check_option, quoted
from cpexplore.attribution._inputs import as_tensor, known_set
from cpexplore.attribution.methods import (
    CONTROLS,
    METHODS,
    NOISE_LL,
    attribute_levels,
    reinitialise,
)
from cpexplore.attribution.ranking import mean_and_interval, one_per_walk
from cpexplore.models.inference import infer
from cpexplore.models.stgcn import STGCN
from cpexplore.skeleton import hop_distances, mirror_index
from cpexplore.windows import Windows

CHECKS = ("deletion", "insertion", "randomisation", "noise", "mirror", "complexity")
"""All checks; see :func:`audit`."""

_STEPS = 8
"""Points of a deletion curve after the first one."""


def audit(
    model: STGCN,
    windows: Windows,
    *,
    groups: ArrayLike | Mapping[str, str],
    methods: tuple[str, ...] = ("grad_cam", "occlusion", *CONTROLS),
    checks: tuple[str, ...] = CHECKS,
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Check attribution methods on one network, for the level that it predicts.

    Parameters
    ----------
    model : STGCN
        The network.
    windows : Windows
        Windows that it was not trained on, with the keypoints of a known set.
    groups : mapping or array
        The patient of each walk, by walk id; or of each window, in order.
    methods : tuple of str
        Names for :func:`cpexplore.attribution.attribute`.
    checks : tuple of str
        ``"deletion"``: mean probability of the level while keypoints are taken away,
        most salient first (low is good). ``"insertion"``: while they are given back in
        that order (high is good). ``"randomisation"``: rank correlation of keypoints
        with the map after layers are drawn anew from the head downwards, by ``detail``
        (should fall to 0). ``"noise"``: the same with the map of a pose with detector
        noise (high is good). ``"mirror"``: with the map of the mirrored child, mirrored
        back (high is good). ``"complexity"``: how many keypoints share the saliency,
        the exponential of its entropy (1 to V).
    n_resamples, ci_level, rng
        Of the bootstrap: draws of patients, >= 1; nominal coverage, 0 to 1; randomness,
        also that of the noise and of lots between equally salient keypoints.

    Returns
    -------
    pandas.DataFrame
        See :func:`summarise_checks`.

    Raises
    ------
    ValueError
        If a method or check is unknown, a walk has no patient, there is no window, the
        keypoints are of no known set, or the bootstrap is not possible.

    Notes
    -----
    A keypoint that is taken away moves as the skeleton would carry it: its mean pose
    plus the displacement that the remaining keypoints give it along the bones, fading
    with their number. With none left, the mean pose stands still. So posture stays, and
    of a single keypoint only that movement goes which its neighbours do not carry; of a
    whole limb, nearly all. This may favour the control ``"motion_energy"``, and
    ``"occlusion"``, which ranks by one keypoint held still.

    References
    ----------
    Samek et al. (2017). Evaluating the visualization of what a deep neural network has
    learned. IEEE TNNLS.

    Adebayo et al. (2018). Sanity checks for saliency maps. NeurIPS.

    Examples
    --------
    >>> from cpexplore import datasets, models, skeleton, windows
    >>> seen = windows.walk_windows(datasets.sample_walk("sports2d"))
    >>> shape = models.STGCNConfig(blocks=((4, 1),))
    >>> model = models.STGCN(shape, skeleton.adjacency("body_25"))  # untrained
    >>> asked = {"methods": ("random", "motion_energy"), "checks": ("complexity",)}
    >>> table = audit(model, seen, groups={"sports2d": "adult"}, rng=0, **asked)
    >>> table.sort_values("estimate")["method"].tolist()  # narrow maps prove nothing
    ['motion_energy', 'random']
    """
    patients = one_per_walk(groups, windows.walk_id, name="groups")
    draw = np.random.default_rng(rng)
    by_walk = check_walks(model, windows, methods=methods, checks=checks, rng=draw)
    return summarise_checks(
        by_walk, groups=patients, n_resamples=n_resamples, ci_level=ci_level, rng=draw
    )


def check_walks(
    model: STGCN,
    windows: Windows,
    *,
    methods: tuple[str, ...] = ("grad_cam", "occlusion", *CONTROLS),
    checks: tuple[str, ...] = CHECKS,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """One number per walk, method and check: what :func:`audit` is made of.

    Parameters
    ----------
    model, windows, methods, checks, rng
        As for :func:`audit`, without resamples.

    Returns
    -------
    pandas.DataFrame
        A row per walk id; columns of the levels ``check, method, detail``.

    Raises
    ------
    ValueError
        As for :func:`audit`, but for patients and bootstrap.

    Examples
    --------
    >>> from cpexplore import datasets, models, skeleton, windows
    >>> seen = windows.walk_windows(datasets.sample_walk("sports2d"))
    >>> shape = models.STGCNConfig(blocks=((4, 1),))
    >>> model = models.STGCN(shape, skeleton.adjacency("body_25"))
    >>> asked = {"methods": ("motion_energy",), "checks": ("mirror",)}
    >>> by_walk = check_walks(model, seen, rng=0, **asked)
    >>> by_walk["mirror", "motion_energy", ""].round(3).to_dict()  # a control can pass
    {'sports2d': 1.0}
    """
    for option in methods:
        check_option("methods", option, tuple(METHODS))
    for option in checks:
        check_option("checks", option, CHECKS)
    subject = _Subject(model, windows, noise=np.random.default_rng(rng))
    columns = {
        (check, method, detail): values
        for check in checks
        for method in methods
        for detail, values in _CHECKS[check](subject, method)
    }
    by_window = pd.DataFrame(columns).rename_axis(columns=_KEYS)
    return pd.DataFrame(by_window.groupby(windows.walk_id).mean())


def summarise_checks(
    by_walk: pd.DataFrame,
    *,
    groups: ArrayLike | Mapping[str, str],
    n_resamples: int = 2000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Mean over patients, and how far a method is ahead of the best control.

    Parameters
    ----------
    by_walk : pandas.DataFrame
        From :func:`check_walks`; walks of several networks may be joined.
    groups : mapping or array
        The patient of each walk, by walk id or in order.
    n_resamples, ci_level, rng
        Of the patient bootstrap, as for :func:`audit`, for the networks as trained.

    Returns
    -------
    pandas.DataFrame
        ``check, method, detail, estimate, ci_low, ci_high, ci_level, n_walks,
        n_patients, is_control``, and for methods in deletion and insertion ``control``,
        the control that does best over these patients, with ``lead, lead_low,
        lead_high``: by how much probability the method does better than it.

    Raises
    ------
    ValueError
        If a walk has no patient, or the bootstrap is not possible.

    Examples
    --------
    >>> import pandas as pd
    >>> names = [("deletion", "grad_cam", ""), ("deletion", "random", "")]
    >>> columns = pd.MultiIndex.from_tuples(names, names=["check", "method", "detail"])
    >>> by_walk = pd.DataFrame([[0.2, 0.6], [0.4, 0.6]], columns=columns)  # made up
    >>> table = summarise_checks(by_walk, groups=["P1", "P2"], rng=0)
    >>> table[["method", "estimate", "control", "lead"]].round(2).values.tolist()[0]
    ['grad_cam', 0.3, 'random', 0.3]
    """
    patients = one_per_walk(groups, by_walk.index.to_numpy(), name="groups")
    children = pd.DataFrame(by_walk.groupby(patients.to_numpy()).mean())
    leads, best = _leads(children)
    estimate, (low, high) = mean_and_interval(
        pd.concat([children, leads], axis=1),
        n_resamples=n_resamples,
        ci_level=ci_level,
        rng=rng,
    )
    n = children.shape[1]
    table = children.columns.to_frame(index=False).assign(
        estimate=estimate[:n],
        ci_low=low[:n],
        ci_high=high[:n],
        ci_level=ci_level,
        n_walks=by_walk.notna().sum().to_numpy(),
        n_patients=children.notna().sum().to_numpy(),
    )
    table["is_control"] = table["method"].isin(CONTROLS)
    ahead = leads.columns.to_frame(index=False).assign(
        control=best, lead=estimate[n:], lead_low=low[n:], lead_high=high[n:]
    )
    return table.merge(ahead, how="left", on=_KEYS)


def _leads(children: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """By how much each method beats its check's best control, by patient, and which."""
    leads, best = {}, []
    for check, sign in _BETTER.items():
        own = sign * children.loc[:, children.columns.isin([check], level="check")]
        is_control = own.columns.isin(CONTROLS, level="method")
        if not is_control.any():
            continue
        control = own.loc[:, is_control].mean().idxmax()
        for column in own.columns[~is_control]:
            leads[column] = own[column] - own[control]
            best.append(control[1])
    columns = pd.MultiIndex.from_tuples(leads, names=_KEYS) if leads else _NO_COLUMNS
    return pd.DataFrame(leads, index=children.index, columns=columns), best


_KEYS = ["check", "method", "detail"]
_NO_COLUMNS = pd.MultiIndex.from_arrays([[], [], []], names=_KEYS)
_BETTER = {"deletion": -1, "insertion": 1}
"""Checks of how much the salient keypoints count, and the sign of better."""

_FADING = 0.5
"""Pull towards the mean pose; along a limb, a displacement halves from bone to bone."""


class _Subject:
    """A network, windows, and what the methods say about them."""

    def __init__(
        self, model: STGCN, windows: Windows, *, noise: np.random.Generator
    ) -> None:
        if not len(windows):
            raise ValueError("`windows` must hold at least one window; got 0.")
        known = known_set(len(windows.keypoint))
        if known is None or known.keypoints != tuple(windows.keypoint):
            raise ValueError(
                "`windows` must have the keypoints of a known set; "
                f"got {quoted(windows.keypoint)}."
            )
        self.model = model
        self.keypoint_set = known.name
        self.x = as_tensor(model, windows)
        self.level = infer(model, self.x).argmax(1)
        jitter = noise.normal(0, NOISE_LL, self.x[:, :2].shape)
        self.noisy = self.x.clone()
        self.noisy[:, :2] += torch.as_tensor(jitter)
        self.lot = noise.random((len(self.x), self.x.shape[3]))
        self._joints: dict[str, np.ndarray] = {}

    def joints(self, method: str) -> np.ndarray:
        """Saliency (window, keypoint) for the predicted level, mean over time."""
        if method not in self._joints:
            self._joints[method] = self.joints_of(method, self.model, self.x)
        return self._joints[method]

    def joints_of(self, method: str, model: STGCN, x: Tensor) -> np.ndarray:
        """The same for other weights or windows and the same levels."""
        targets = self.level.numpy()[None]
        return attribute_levels(model, x, method=method, targets=targets)[0].mean(1)

    def probability(self, hidden: Bool[Tensor, "N V"]) -> np.ndarray:
        """Probability of the level when keypoints are taken away."""
        x = without(self.x, hidden, hops=hop_distances(self.keypoint_set))
        proba = infer(self.model, x).softmax(1)
        return proba.gather(1, self.level[:, None])[:, 0].double().numpy()


Checked = Iterator[tuple[str, np.ndarray]]
"""Detail and one number per window."""


def without(
    x: Float[Tensor, "N C T V"], hidden: Bool[Tensor, "N V"], *, hops: np.ndarray
) -> Float[Tensor, "N C T V"]:
    """Take the hidden keypoints of windows away: let the skeleton carry them.

    They are at their mean place plus what the displacements of the others give them
    along the bones, half of it per bone (``hops (V, V)``); the confidence stays.
    """
    bones = torch.as_tensor(hops == 1).to(x.dtype)
    stiffness = torch.diag(bones.sum(0) + _FADING) - bones
    system = torch.where(hidden[:, :, None], stiffness, torch.eye(len(bones)).to(x))
    pose = x[:, :2].mean(2, keepdim=True)
    moved = (x[:, :2] - pose).masked_fill(hidden[:, None, None], 0.0)
    n, c, t, v = moved.shape
    solved = torch.linalg.solve(system, moved.permute(0, 3, 1, 2).reshape(n, v, c * t))
    carried = x.clone()
    carried[:, :2] = pose + solved.view(n, v, c, t).permute(0, 2, 3, 1)
    return carried


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rho of each row of two arrays; NaN where a row is constant."""
    a, b = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (a, b))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return (a * b).sum(1) / np.where(scale > 0, scale, np.nan)


def _deletion(subject: _Subject, method: str) -> Checked:
    rank = _order(subject, method)
    counts = np.linspace(0, rank.shape[1], _STEPS + 1).round()
    curve = [subject.probability(torch.as_tensor(rank < count)) for count in counts]
    yield "", np.trapezoid(curve, axis=0) / _STEPS


def _insertion(subject: _Subject, method: str) -> Checked:
    rank = _order(subject, method)
    counts = np.linspace(0, rank.shape[1], _STEPS + 1).round()
    curve = [subject.probability(torch.as_tensor(rank >= count)) for count in counts]
    yield "", np.trapezoid(curve, axis=0) / _STEPS


def _order(subject: _Subject, method: str) -> np.ndarray:
    """Place (window, keypoint) of each keypoint, 0 the most salient; ties by lot."""
    return np.lexsort((subject.lot, -subject.joints(method)), axis=1).argsort(1)


def _randomisation(subject: _Subject, method: str) -> Checked:
    model = deepcopy(subject.model)
    blocks = list(model.blocks)
    stages = {"head": model.head, "projection": model.project}
    stages |= {f"block {i}": blocks[i] for i in reversed(range(len(blocks)))}
    stages |= {"input": model.input_norm}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for stage, part in stages.items():
            for module in part.modules():
                reinitialise(module)
            drawn = subject.joints_of(method, model, subject.x)
            yield stage, rank_correlation(subject.joints(method), drawn)


def _noise(subject: _Subject, method: str) -> Checked:
    noisy = subject.joints_of(method, subject.model, subject.noisy)
    yield "", rank_correlation(subject.joints(method), noisy)


def _mirror(subject: _Subject, method: str) -> Checked:
    swap = mirror_index(subject.keypoint_set)
    mirrored = subject.joints_of(method, subject.model, subject.x[..., swap])
    yield "", rank_correlation(subject.joints(method), mirrored[:, swap])


def _complexity(subject: _Subject, method: str) -> Checked:
    size = np.abs(subject.joints(method)).astype(float)
    total = size.sum(1, keepdims=True)
    share = size / np.where(total > 0, total, np.nan)
    yield "", np.exp(entr(share).sum(1))


_CHECKS: Mapping[str, Callable[[_Subject, str], Checked]] = {
    "deletion": _deletion,
    "insertion": _insertion,
    "randomisation": _randomisation,
    "noise": _noise,
    "mirror": _mirror,
    "complexity": _complexity,
}
