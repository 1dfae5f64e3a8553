"""Raw track to cleaned walk: all steps in their order, with one audit."""

import hashlib
import json
from dataclasses import asdict, dataclass

import xarray as xr

from cpexplore._validation import check_range
from cpexplore.preprocessing.despike import despike
from cpexplore.preprocessing.direction import find_direction
from cpexplore.preprocessing.fill import fill_gaps
from cpexplore.preprocessing.mask import mask_low_confidence
from cpexplore.preprocessing.passes import find_passes
from cpexplore.preprocessing.scale import scale_passes
from cpexplore.preprocessing.smooth import smooth
from cpexplore.preprocessing.unswap import unswap_legs
from cpexplore.walks import is_cleaned, validate_walk


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanConfig:
    """What counts as missing, outlying, swapped, a gap, noise and a pass.

    Raises
    ------
    ValueError
        If a limit is out of range.

    Examples
    --------
    >>> from cpexplore.preprocessing import CleanConfig
    >>> config = CleanConfig(max_gap_s=0.2)
    >>> config.cutoff_hz, config.digest() == CleanConfig().digest()
    (6.0, False)
    >>> CleanConfig(min_confidence=1.2)
    Traceback (most recent call last):
        ...
    ValueError: `min_confidence` must be a finite number and >= 0 and <= 1; got 1.2.
    """

    min_confidence: float = 0.3
    """Points below are missing, 0 to 1."""
    swap_penalty: float = 6.0
    """Cost of one change between kept and swapped legs, >= 0."""
    spike_window_s: float = 0.28
    """Window of the Hampel filter, s, >= 0."""
    spike_n_mad: float = 3.0
    """Limit of the Hampel filter in scaled median absolute deviations, >= 0."""
    max_gap_s: float = 0.12
    """Longest gap to fill, s, >= 0."""
    cutoff_hz: float = 6.0
    """-3 dB frequency of the low-pass filter, Hz, > 0."""
    direction_window_s: float = 0.5
    """Window whose median decides the direction, s, > 0."""
    max_out_of_plane: float = 0.35
    """Largest horizontal distance of the shoulders in trunk lengths, > 0."""
    min_foot_share: float = 0.6
    """Smallest foot length as a share of its 90th percentile, 0 to 1."""

    def __post_init__(self) -> None:
        for share in ("min_confidence", "min_foot_share"):
            check_range(share, getattr(self, share), low=0, high=1)
        for least in ("swap_penalty", "spike_window_s", "spike_n_mad", "max_gap_s"):
            check_range(least, getattr(self, least), low=0)
        for positive in ("cutoff_hz", "direction_window_s", "max_out_of_plane"):
            check_range(positive, getattr(self, positive), low=0, inclusive=False)

    def digest(self) -> str:
        """Short hash that two configurations share only if they are equal."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def clean(walk: xr.Dataset, config: CleanConfig | None = None) -> xr.Dataset:
    """Clean a walk: mask, unswap, despike, fill, smooth, find the passes, scale.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw walk. A cleaned one is returned as it is, whatever ``config`` says.
    config : CleanConfig, optional
        The limits of every step.

    Returns
    -------
    xarray.Dataset
        In px, with the same frames and clock, and in addition ``observed (time,
        keypoint)``, ``direction (time)``, ``bout (time)``, ``scale_px (bout)`` and the
        attributes ``cleaned`` (hash of the configuration) and ``cleaning_audit``
        (read it with :func:`read_audit`). A filled point is finite with confidence 0.

    Raises
    ------
    ValueError
        If ``walk`` does not keep the walk contract.

    Examples
    --------
    A real adult walks past the camera once, after 28 frames without anybody:

    >>> from cpexplore import datasets
    >>> from cpexplore.preprocessing import clean
    >>> walk = clean(datasets.sample_walk("sports2d"))
    >>> walk.sizes["bout"], int((walk["bout"] == -1).sum())
    (1, 28)
    >>> walk["scale_px"].values.round().tolist()  # leg length of the pass
    [200.0]
    """
    if is_cleaned(walk):
        return walk
    validate_walk(walk)
    config = config or CleanConfig()
    walk = mask_low_confidence(walk, min_confidence=config.min_confidence)
    walk = unswap_legs(walk, penalty=config.swap_penalty, max_gap_s=config.max_gap_s)
    walk = despike(walk, window_s=config.spike_window_s, n_mad=config.spike_n_mad)
    walk = fill_gaps(walk, max_gap_s=config.max_gap_s)
    walk = smooth(walk, cutoff_hz=config.cutoff_hz)
    walk = find_direction(walk, window_s=config.direction_window_s)
    walk = find_passes(
        walk,
        max_out_of_plane=config.max_out_of_plane,
        min_foot_share=config.min_foot_share,
    )
    return scale_passes(walk).assign_attrs(cleaned=config.digest())
