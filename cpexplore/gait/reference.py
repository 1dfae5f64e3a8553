"""The reference cohort that gait is compared with.

A reference is external to the study: typically developing children, measured like the
patients, fixed before any model is trained. The default ones are simulated; users may
bring their own.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import xarray as xr

from cpexplore.gait._gait import column_mean, column_sd
from cpexplore.gait.cycles import PHASE
from cpexplore.gait.indices import (
    INDEX_ANGLES,
    DeviationIndex,
    VariabilityIndex,
    variable_scores,
)
from cpexplore.gait.kinematics import ANGLES
from cpexplore.io.files import write_atomic

SPEED = "speed"
"""Feature by which children are matched, leg lengths per s."""
CHANGES = tuple(
    f"{name}_{kind}"
    for kind in ("change", "change_sd")
    for name in ("step_length", "step_time", "stance", "single_support", "stride_speed")
)
"""Features that the variability index is made of."""

_BANDWIDTH_LLPS = 0.15
_FILE = "reference.npz"
_DAMAGED = (OSError, EOFError, BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Typically developing children, measured like the patients.

    Make one with :func:`cpexplore.gait.make_reference`, :func:`read_reference` or take
    :func:`default_reference`.

    Raises
    ------
    ValueError
        If ``curves`` has another shape or fewer than 3 children, or ``own_pace`` does
        not fit ``features`` or is never true.

    Examples
    --------
    Whoever walks slowly takes fewer steps per minute; nobody in the shipped reference,
    which is simulated, walks at 9 leg lengths per s:

    >>> from cpexplore.gait import default_reference
    >>> reference = default_reference()
    >>> reference.n, reference.label, reference.mean.shape
    (30, 'reference (simulated)', (101, 9))
    >>> [float(reference.at_speed(v)["cadence"].round()) for v in (0.8, 1.6, 9.0)]
    [85.0, 131.0, nan]
    """

    curves: np.ndarray
    """(child, side, 101, angle) mean curves at the children's own pace, degrees."""
    features: pd.DataFrame
    """One row per leg and pace, one column per feature; those of the whole walk are
    the same for both legs."""
    own_pace: np.ndarray
    """(row,) whether a row of ``features`` is a walk at the child's own pace."""
    source: str
    """Who they are, for people to read: printed wherever an index is."""
    simulated: bool = False
    """Whether they are simulated; pictures and tables say so."""
    sd_scale: np.ndarray = field(default_factory=lambda: np.ones(len(ANGLES)))
    """(angle,) factor on the SD of curves and features and on the usual scores; 1 = as
    measured. Simulated children are more alike than real ones; sGDI is scaled by its
    own distances."""
    licence: str = ""
    """Licence of the data behind it."""
    age_years: float = np.nan
    """Mean age."""

    def __post_init__(self) -> None:
        shape = (*self.curves.shape[:1], 2, len(PHASE), len(ANGLES))
        if self.curves.shape != shape or len(self.curves) < 3:
            raise ValueError(
                f"`curves` must have the shape (child, 2, {len(PHASE)}, {len(ANGLES)}) "
                f"with at least 3 children; got {self.curves.shape}."
            )
        if len(self.own_pace) != len(self.features) or not self.own_pace.any():
            raise ValueError(
                "`own_pace` must say for each of the "
                f"{len(self.features)} rows of `features` whether it is at own pace, "
                f"and be true for some; got {len(self.own_pace)} values."
            )

    @property
    def label(self) -> str:
        """What legends and columns call it."""
        return "reference (simulated)" if self.simulated else "reference"

    @property
    def n(self) -> int:
        """Number of children."""
        return len(self.curves)

    @property
    def speed_llps(self) -> float:
        """Mean own pace, leg lengths per s."""
        return self.usual_by_name[SPEED]

    @cached_property
    def mean(self) -> np.ndarray:
        """(101, angle) mean curves over children and sides, degrees."""
        return column_mean(self._limbs)

    @cached_property
    def sd(self) -> np.ndarray:
        """(101, angle) SD of curves over limbs, degrees."""
        return column_sd(self._limbs, least=3) * self.sd_scale

    @cached_property
    def usual(self) -> pd.Series:
        """Mean of every feature at the children's own pace."""
        return pd.Series(self.features[self.own_pace].mean())

    @cached_property
    def usual_by_name(self) -> dict[str, float]:
        """:attr:`usual` as a plain mapping, for quick look-ups."""
        return self.usual.to_dict()

    @cached_property
    def spread(self) -> pd.Series:
        """SD of every feature at the children's own pace."""
        spread = pd.Series(self.features[self.own_pace].std())
        for angle, scale in zip(ANGLES, self.sd_scale, strict=True):
            of_angle = spread.index.str.startswith(f"{angle.partition('_')[0]}_")
            spread[of_angle] *= scale
        return spread

    @cached_property
    def usual_scores(self) -> np.ndarray:
        """(angle,) mean GVS of the reference's limbs times ``sd_scale``, degrees."""
        return column_mean(variable_scores(self._limbs, self.mean)) * self.sd_scale

    @cached_property
    def index(self) -> DeviationIndex:
        """The yardstick of sGDI."""
        angles = [ANGLES.index(angle) for angle in INDEX_ANGLES]
        limbs = self._limbs[..., angles]
        complete = np.isfinite(limbs).all(axis=(1, 2))
        return DeviationIndex(limbs=limbs[complete])

    @cached_property
    def variability(self) -> VariabilityIndex:
        """The yardstick of the GVI-like score."""
        changes = self.features.loc[self.own_pace, list(CHANGES)]
        return VariabilityIndex(members=changes.dropna().to_numpy())

    def warm_up(self) -> None:
        """Compute the yardsticks now, so that every worker receives them ready."""
        if len(self.index.limbs) > 2:
            self.index.score(self.index.limbs[:1])

    def at_speed(self, speed_llps: float) -> pd.Series:
        """Mean of every feature among reference walks of about this speed.

        Parameters
        ----------
        speed_llps : float
            Leg lengths per s.

        Returns
        -------
        pandas.Series
            Weighted by a Gaussian kernel of 0.15 leg lengths per s over the walks at
            all paces; NaN outside the range of speeds of the reference.
        """
        speeds = self.features[SPEED].to_numpy()
        if not np.nanmin(speeds) <= speed_llps <= np.nanmax(speeds):
            return pd.Series(np.nan, self.features.columns)
        distance = (speeds - speed_llps) / _BANDWIDTH_LLPS
        weight = np.where(np.isfinite(distance), np.exp(-0.5 * distance**2), 0.0)
        values = self.features.to_numpy()
        weights = np.where(np.isfinite(values), weight[:, None], 0.0)
        total = (weights * np.nan_to_num(values)).sum(axis=0)
        share = weights.sum(axis=0)
        mean = total / np.where(share > 0, share, np.nan)
        return pd.Series(mean, self.features.columns)

    def bands(self) -> xr.Dataset:
        """Mean and SD of every angle, ready to draw.

        Returns
        -------
        xarray.Dataset
            ``<angle>_reference_mean`` and ``<angle>_reference_sd`` with dim phase,
            degrees; attributes ``n``, ``source``, ``label``, ``speed_llps``.
        """
        variables = {}
        for a, angle in enumerate(ANGLES):
            variables[f"{angle}_reference_mean"] = ("phase", self.mean[:, a])
            variables[f"{angle}_reference_sd"] = ("phase", self.sd[:, a])
        attrs = {"n": self.n, "source": self.source, "label": self.label}
        return xr.Dataset(
            variables,
            coords={"phase": PHASE},
            attrs=attrs | {"speed_llps": self.speed_llps},
        )

    def with_bands(self, curves: xr.Dataset) -> xr.Dataset:
        """Put :meth:`bands` beside curves with dim phase.

        Returns
        -------
        xarray.Dataset
            ``curves`` with the variables of :meth:`bands`; the attributes
            ``reference`` and ``reference_label`` say whose they are.
        """
        return curves.merge(self.bands()).assign_attrs(
            reference=self.source, reference_label=self.label
        )

    @cached_property
    def _limbs(self) -> np.ndarray:
        return self.curves.reshape(-1, *self.curves.shape[2:]).astype(float)


@cache
def default_reference() -> Reference:
    """Read the reference that is shipped: simulated typically developing children.

    Returns
    -------
    Reference
        Thirty children at four paces, made by
        :func:`cpexplore.gait.simulated_reference` with its default seed and measured
        through simulated camera and detector. It shows how the *method* behaves; it is
        no clinical norm.

    Examples
    --------
    >>> from cpexplore.gait import default_reference
    >>> default_reference().source
    '30 simulated typically developing children, seed 2008'
    >>> default_reference().simulated
    True
    """
    with files("cpexplore.gait").joinpath(_FILE).open("rb") as file:
        return _unpack(np.load(file, allow_pickle=False))


def read_reference(path: str | Path) -> Reference:
    """Read a reference written by :func:`write_reference`.

    Parameters
    ----------
    path : str or path
        The ``.npz`` file.

    Returns
    -------
    Reference
        With curves as float32.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no reference of this version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore.gait import default_reference, read_reference, write_reference
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_reference(default_reference(), Path(folder) / "own.npz")
    ...     print(file.name, read_reference(file).n)
    own.npz 30
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"`path` must be a reference file; there is none at {str(path)!r}. Make "
            "one with `make_reference` and `write_reference`."
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _unpack(arrays)
    except (*_DAMAGED, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"`path` must be a file of `write_reference`; got {str(path)!r}: {error}"
        ) from error


def write_reference(reference: Reference, path: str | Path) -> Path:
    """Write a reference as a compressed ``.npz``; the same content gives equal bytes.

    Curves are kept as float16 (0.03 degrees at 60), features as float32.

    Parameters
    ----------
    reference : Reference
        From :func:`cpexplore.gait.make_reference`, for instance.
    path : str or path
        Where to write; its folder is made, an existing file is replaced.

    Returns
    -------
    path
        The same ``path``, for :func:`read_reference`.

    Raises
    ------
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore.gait import default_reference, read_reference, write_reference
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_reference(default_reference(), Path(folder) / "own.npz")
    ...     print(file.name, read_reference(file).n)
    own.npz 30
    """
    arrays = {
        "angles": np.array(ANGLES),
        "curves": reference.curves.astype(np.float16),
        "names": np.array(reference.features.columns, dtype=np.str_),
        "rows": np.array(reference.features.index, dtype=np.str_),
        "features": reference.features.to_numpy(np.float32),
        "own_pace": reference.own_pace,
        "simulated": np.array(reference.simulated),
        "sd_scale": reference.sd_scale,
        "about": np.array([reference.source, reference.licence]),
        "age_years": np.array(reference.age_years),
    }

    def write(file: Path) -> None:
        with file.open("wb") as target:  # numpy gives a path another suffix
            np.savez_compressed(target, **arrays)

    return write_atomic(Path(path), write)


def _unpack(arrays: Mapping[str, np.ndarray]) -> Reference:
    if tuple(arrays["angles"]) != ANGLES:
        raise ValueError(f"it holds the angles {', '.join(arrays['angles'])}")
    names = pd.Index(arrays["names"].astype(str))
    rows = pd.Index(arrays["rows"].astype(str), name="walk_id")
    features = arrays["features"].astype(float)
    source, licence = (str(text) for text in arrays["about"])
    return Reference(
        curves=arrays["curves"].astype(np.float32),
        features=pd.DataFrame(features, index=rows, columns=names),
        own_pace=arrays["own_pace"],
        simulated=bool(arrays["simulated"]),
        sd_scale=arrays["sd_scale"],
        source=source,
        licence=licence,
        age_years=float(arrays["age_years"]),
    )
