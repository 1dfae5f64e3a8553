"""Deviation from a reference cohort: scores of curves, a sagittal index and patterns.

The indices see the sagittal plane of one camera only. They are named sGPS and sGDI
because the published GPS and GDI use nine angles of three planes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cpexplore.gait.cycles import PHASE

INDEX_ANGLES = (
    "thigh_deg",
    "knee_flexion_deg",
    "ankle_dorsiflexion_deg",
    "trunk_lean_deg",
)
"""Angles of sGPS and sGDI: independent ones, so that nothing counts twice."""

PFKE_WINDOW = (PHASE >= 20) & (PHASE <= 45)
"""Part of the cycle in which the plantarflexor-knee extension couple is judged."""

STANCE_WINDOW = PHASE <= 60
"""Part of the cycle in which the Rodda-Graham class is judged."""

PATTERNS = (
    "within normal limits",
    "true equinus",
    "jump",
    "apparent equinus",
    "crouch",
    "recurvatum",
    "undetermined",
)
"""Classes of :func:`gait_pattern`."""

_VARIANCE = 0.98
_LEAST_DISTANCE = 1e-9


def variable_scores(curves: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Gait variable scores (GVS): RMS distance of curves from the reference mean.

    Parameters
    ----------
    curves : array of shape (..., 101, angle)
        Degrees.
    mean : array of shape (101, angle)
        Reference mean, degrees.

    Returns
    -------
    array of shape (..., angle)
        Degrees; NaN where less than 80 % of a curve is known. Together they are the
        movement analysis profile (MAP).
    """
    known = np.isfinite(curves)
    n = known.sum(axis=-2)
    squares = (np.where(known, curves - mean, 0.0) ** 2).sum(axis=-2)
    enough = n >= 0.8 * curves.shape[-2]
    return np.where(enough, np.sqrt(squares / np.maximum(n, 1)), np.nan)


def profile_score(scores: np.ndarray) -> np.ndarray:
    """Sagittal gait profile score (sGPS): the root mean square of GVS.

    Parameters
    ----------
    scores : array of shape (..., angle)
        GVS in degrees.

    Returns
    -------
    array of shape (...)
        Degrees; NaN if a score is missing.

    Notes
    -----
    Root mean square as defined by Baker et al. 2009, not the mean of the scores.

    Examples
    --------
    >>> float(profile_score(np.array([3.0, 4.0])).round(4))
    3.5355
    """
    return np.sqrt((scores**2).mean(axis=-1))


@dataclass(frozen=True, kw_only=True)
class DeviationIndex:
    """The construction of the Gait Deviation Index on sagittal curves (sGDI).

    Curves of the reference limbs are concatenated, reduced to the components that hold
    98 % of their variance, and the log distance of a limb from the reference mean is
    scaled so that typical limbs have a mean of 100 and an SD of 10 (Schwartz and
    Rozumalski 2008).

    Raises
    ------
    ValueError
        If a point of ``limbs`` is missing.

    Examples
    --------
    Made-up knees that bend 60 degrees give or take; others bend 10 and 25 degrees more
    throughout the cycle:

    >>> import numpy as np
    >>> from cpexplore.gait import DeviationIndex
    >>> knee = 30 * (1 - np.cos(2 * np.pi * np.arange(101) / 100))
    >>> scale = np.linspace(0.8, 1.2, 20)[:, None]
    >>> offset = 4 * np.cos(np.arange(20))[:, None]
    >>> index = DeviationIndex(limbs=(scale * knee + offset)[..., None])
    >>> round(index.member_scores.mean()), round(index.member_scores.std(ddof=1))
    (100, 10)
    >>> index.score(np.stack([knee + 10, knee + 25])[..., None]).round().tolist()
    [86.0, 71.0]
    """

    limbs: np.ndarray
    """(limb, 101, angle) curves of the reference, degrees, without NaN; fewer than 3
    limbs give no scores."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.limbs).all():
            raise ValueError(
                f"`limbs` must be complete curves; got {np.isnan(self.limbs).sum()} "
                "missing points. Leave limbs with gaps out."
            )

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        return _components(_vectors(self.limbs))

    @cached_property
    def member_log_distances(self) -> np.ndarray:
        """(limb,) ln distance of each reference limb from all the *other* ones.

        Each is left out of the mean and of the components that judge it; otherwise the
        reference would look closer to itself than new typical limbs are.
        """
        vectors = _vectors(self.limbs)
        products = vectors @ vectors.T
        return np.array([_left_out(products, i) for i in range(len(vectors))])

    def score(self, curves: np.ndarray) -> np.ndarray:
        """Score limbs; 100 = typical, 10 points = one SD of typical limbs.

        Parameters
        ----------
        curves : array of shape (limb, 101, angle)
            Degrees; a limb with NaN has no score.

        Returns
        -------
        array of shape (limb,)
        """
        if len(self.limbs) < 3:
            return np.full(len(curves), np.nan)
        distance = np.array([_log_distance(v, *self._basis) for v in _vectors(curves)])
        return self._scaled(distance)

    @property
    def member_scores(self) -> np.ndarray:
        """(limb,) sGDI of the reference limbs, each left out of its own yardstick."""
        return self._scaled(self.member_log_distances)

    def _scaled(self, log_distance: np.ndarray) -> np.ndarray:
        usual = self.member_log_distances
        return 100.0 - 10.0 * (log_distance - usual.mean()) / usual.std(ddof=1)


@dataclass(frozen=True, kw_only=True)
class VariabilityIndex:
    """How much the strides change, scored like the Gait Variability Index.

    The log distance of a leg's stride-to-stride changes from the mean of the reference,
    in SD of the reference (made like Gouelle et al. 2013, unverified; there the changes
    are weighted by principal components).
    """

    members: np.ndarray
    """(limb, change) of the reference; a reference of fewer than 3 gives no scores."""

    @cached_property
    def _yardstick(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        mean, sd = self.members.mean(axis=0), self.members.std(axis=0, ddof=1)
        usual = np.log(np.linalg.norm((self.members - mean) / sd, axis=1))
        return mean, sd, float(usual.mean()), float(usual.std(ddof=1))

    def score(self, changes: np.ndarray) -> np.ndarray:
        """Score legs; 100 = typical, 10 points = one SD of typical legs.

        Parameters
        ----------
        changes : array of shape (limb, change)
            NaN gives NaN.

        Returns
        -------
        array of shape (limb,)
        """
        if len(self.members) < 3:
            return np.full(len(changes), np.nan)
        mean, sd, usual, spread = self._yardstick
        distance = np.linalg.norm((changes - mean) / sd, axis=1)
        log_distance = np.log(np.maximum(distance, _LEAST_DISTANCE))
        return 100.0 - 10.0 * (log_distance - usual) / spread


def couple_scores(
    curves: np.ndarray,
    *,
    mean: np.ndarray,
    sd: np.ndarray,
    window: np.ndarray = PFKE_WINDOW,
) -> np.ndarray:
    """Plantarflexor-knee extension couple: z of knee or ankle in stance.

    Parameters
    ----------
    curves : array of shape (stride, 101)
        Knee flexion or ankle dorsiflexion, degrees.
    mean, sd : array of shape (101,)
        Of the reference, degrees.
    window : bool array of shape (101,)
        The part of the cycle; default 20 to 45 % (Sangeux et al. 2015).

    Returns
    -------
    array of shape (stride,)
        Mean z over the window; NaN if a point of it is missing.
    """
    return ((curves - mean) / sd)[:, window].mean(axis=1)


def gait_pattern(knee_z: float, ankle_z: float) -> tuple[str, float]:
    """Rodda-Graham pattern of a limb by the plantarflexor-knee extension couple.

    Parameters
    ----------
    knee_z, ankle_z : float
        Median over strides of :func:`couple_scores`.

    Returns
    -------
    tuple of str and float
        One of :data:`PATTERNS`, or "" if a score is missing, and the distance to the
        nearest boundary to another pattern in SD: how sure the class is.

    Examples
    --------
    >>> from cpexplore.gait import gait_pattern
    >>> gait_pattern(3.0, -2.5)
    ('jump', 1.5)
    >>> gait_pattern(0.2, 0.1)
    ('within normal limits', 0.8)
    """
    if not (np.isfinite(knee_z) and np.isfinite(ankle_z)):
        return "", np.nan
    edges = [abs(ankle_z + 1), abs(ankle_z - 1), abs(knee_z - 1)]
    if abs(ankle_z) <= 1:
        edges.append(abs(knee_z + 1))
    return _class(knee_z, ankle_z), float(min(edges))


def stance_pattern(knee_z: float, ankle_z: float) -> tuple[str, float]:
    """Rodda-Graham pattern of a limb by knee and ankle throughout stance.

    Parameters
    ----------
    knee_z, ankle_z : float
        Median over strides of :func:`couple_scores` over :data:`STANCE_WINDOW`.

    Returns
    -------
    tuple of str and float
        As :func:`gait_pattern`, but where a hyperextended knee meets an equinus ankle
        the one that deviates more names the pattern: true equinus may bring mild
        recurvatum with it, and recurvatum mild equinus.

    Examples
    --------
    >>> stance_pattern(-3.0, -1.2)[0], stance_pattern(-1.2, -3.0)[0]
    ('recurvatum', 'true equinus')
    """
    name, margin = gait_pattern(knee_z, ankle_z)
    if name not in ("true equinus", "recurvatum"):
        return name, margin
    above = float((ankle_z - knee_z) / np.sqrt(2))
    if above <= 0:
        return "true equinus", min(margin, -above)
    return "recurvatum", float(min(above, -1 - knee_z, 1 - ankle_z))


def _class(knee_z: float, ankle_z: float) -> str:
    if ankle_z < -1:
        return "true equinus" if knee_z < 1 else "jump"
    if ankle_z > 1:
        return "crouch" if knee_z > 1 else "undetermined"
    if knee_z > 1:
        return "apparent equinus"
    return "recurvatum" if knee_z < -1 else "within normal limits"


def _vectors(curves: np.ndarray) -> np.ndarray:
    """(limb, angle * 51): every second point of the cycle, one angle after another."""
    return np.moveaxis(curves[:, ::2], -1, 1).reshape(len(curves), -1)


def _components(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (n,) and components (n, m) that hold 98 % of the variance."""
    mean = vectors.mean(axis=0)
    _, size, components = np.linalg.svd(vectors - mean, full_matrices=False)
    return mean, components[: _n_kept(size**2)].T


def _n_kept(variance: np.ndarray) -> int:
    """Number of components, largest first, that hold 98 % of the variance."""
    share = np.cumsum(variance) / variance.sum()
    return int(np.searchsorted(share, _VARIANCE)) + 1


def _log_distance(
    vector: np.ndarray, mean: np.ndarray, components: np.ndarray
) -> float:
    return _log(np.linalg.norm((vector - mean) @ components))


def _left_out(products: np.ndarray, i: int) -> float:
    """Log distance of vector ``i`` from the others, from inner products alone.

    The same as :func:`_components` of the others and :func:`_log_distance`, without a
    decomposition of the long vectors for each limb.
    """
    others = np.delete(np.arange(len(products)), i)
    among = products[np.ix_(others, others)]
    to_mean = among.mean(axis=0)
    centred = among - to_mean - to_mean[:, None] + to_mean.mean()
    variance, directions = (part[..., ::-1] for part in np.linalg.eigh(centred))
    kept = slice(_n_kept(variance))
    towards = products[others, i] - to_mean
    projected = (towards - towards.mean()) @ directions[:, kept]
    return _log(np.linalg.norm(projected / np.sqrt(variance[kept])))


def _log(distance: np.floating) -> float:
    return float(np.log(np.maximum(distance, _LEAST_DISTANCE)))
