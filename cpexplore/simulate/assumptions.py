"""Every number of the simulator: what is published, and what is assumed.

One frozen table. Published values are targets; assumptions have no published number
and are named so that they can be argued about. Nothing here is fitted to a model.
"""
# ruff: noqa: RUF009  (the helpers below return dataclass fields)

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from typing import Any

import pandas as pd

from cpexplore.gmfcs import LEVELS


def _by_level(*values: Any) -> dict[str, Any]:
    return dict(zip(LEVELS, values, strict=True))


def _published(value: Any, source: str) -> Any:
    return _entry(value, "published", source)


def derived(value: Any, source: str) -> Any:
    """A field whose value follows from published numbers."""
    return _entry(value, "derived", source)


def assumed(value: Any, why: str) -> Any:
    """A field whose value nobody has published."""
    return _entry(value, "assumed", why)


def _entry(value: Any, status: str, source: str) -> Any:
    return field(
        default_factory=lambda: value, metadata={"status": status, "source": source}
    )


_GILLETTE = "Kidzinski 2020, public release"


def hash_of(table: Any, text: str = "") -> str:
    """Hash the values of a dataclass of fields like these, and a text beside them."""
    values = json.dumps(asdict(table), sort_keys=True)
    return hashlib.sha256((values + text).encode()).hexdigest()[:12]


def table_of(table: Any) -> pd.DataFrame:
    """List a dataclass of such fields: ``value, status, source`` by ``parameter``."""
    rows = {
        f.name: (getattr(table, f.name), *f.metadata.values()) for f in fields(table)
    }
    listed = pd.DataFrame.from_dict(
        rows, orient="index", columns=["value", "status", "source"]
    )
    return listed.rename_axis("parameter")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """The simulator's parameters, frozen once they fit the published numbers.

    Quantities by level are dictionaries; pairs are the ends of a uniform range.

    Examples
    --------
    The mean speed of simulated children by level, and how far numbers are published:

    >>> from cpexplore.simulate import PARAMETERS
    >>> PARAMETERS.speed_mps
    {'I': 1.12, 'II': 0.99, 'III': 0.78, 'IV': 0.47}
    >>> names = ["share", "speed_mps", "walkway_m"]
    >>> PARAMETERS.table().loc[names, "status"].to_dict()
    {'share': 'published', 'speed_mps': 'derived', 'walkway_m': 'assumed'}
    """

    share: dict[str, float] = _published(
        _by_level(0.339, 0.352, 0.280, 0.029), f"{_GILLETTE}: 1,450 videos"
    )
    """Share of videos."""
    visit_end: float = derived(0.55, f"{_GILLETTE}: 1.82 videos per patient, at most 7")
    """Chance that a visit is the last one."""
    moves: dict[str, dict[str, float]] = derived(
        {
            "I": {"II": 0.29, "III": 0.015},
            "II": {"I": 0.28, "III": 0.15},
            "III": {"II": 0.19, "IV": 0.05, "I": 0.02},
            "IV": {"III": 0.5},
        },
        f"{_GILLETTE}: 122 of 797 patients have several levels",
    )
    """Chance to change level, for a patient seen more than once."""
    speed_mps: dict[str, float] = derived(
        _by_level(1.12, 0.99, 0.78, 0.47), "Fitzgerald 2016 ratios, Kidzinski 2020 mean"
    )
    """Mean speed."""
    speed_sd: float = derived(0.18, _GILLETTE)
    """Spread of speed within a level, m/s."""
    cadence_spm: dict[str, float] = derived(_by_level(125, 123, 116, 100), _GILLETTE)
    """Mean cadence, steps/min."""
    cadence_sd: float = derived(21.6, _GILLETTE)
    """Spread of cadence within a level, steps/min."""
    speed_cadence_r: float = derived(0.68, _GILLETTE)
    """Correlation of speed and cadence within a level."""
    knee_min_stance_deg: dict[str, float] = derived(
        _by_level(7, 9.5, 14.5, 20), f"{_GILLETTE} and level trends; a target only"
    )
    """Mean minimum knee flexion in stance; patterns and deviations must reach it."""
    gdi: dict[str, float] = derived(
        _by_level(85, 77.5, 69, 63), "Malt 2016, shifted to Kidzinski 2020"
    )
    """Mean Gait Deviation Index; also the scale of the severity latent."""
    gdi_sd: float = derived(8.0, _GILLETTE)
    """Spread of GDI and of severity within a level."""
    gdi_knee: float = derived(0.32, f"{_GILLETTE}: r(GDI, knee) = -.42")
    """Weight of the knee in the GDI label, within a level."""
    gdi_side: float = assumed(0.5, "no published correlation of the two sides")
    """Weight in the GDI label of what one side does not share with the other."""
    blend: dict[str, float] = assumed(
        _by_level(0.45, 0.575, 0.73, 0.88), "textbook severity of patterns"
    )
    """Blend weight of the pattern at a level's mean severity."""
    patterns: dict[str, tuple[float, ...]] = assumed(
        _by_level(
            (0.40, 0.15, 0.12, 0.06, 0.06, 0.08, 0.13),
            (0.22, 0.14, 0.20, 0.13, 0.11, 0.10, 0.10),
            (0.06, 0.12, 0.22, 0.18, 0.21, 0.11, 0.10),
            (0.02, 0.07, 0.25, 0.21, 0.30, 0.07, 0.08),
        ),
        "trends of Morais Filho 2014 and Rethlefsen 2017; solved for the knee by level",
    )
    """Mild, true equinus, jump, apparent equinus, crouch, recurvatum, asymmetric."""
    stiff_knee: dict[str, float] = assumed(
        _by_level(0.20, 0.30, 0.35, 0.35), "no published number"
    )
    """Share of limbs with a stiff knee."""
    device: dict[str, tuple[float, float, float]] = assumed(
        _by_level(
            (1.0, 0.0, 0.0), (0.97, 0.03, 0.0), (0.25, 0.25, 0.5), (0.02, 0.08, 0.9)
        ),
        "definition of the GMFCS levels",
    )
    """Share walking with nothing, crutches, a walker."""
    height_ratio: dict[str, float] = assumed(
        _by_level(0.97, 0.96, 0.94, 0.92), "no published number"
    )
    """Height relative to typical children of the same age."""
    age_years: tuple[float, float] = assumed((11.0, 4.0), "mean and spread; clipped")
    """Age at the first visit."""
    same_child_r: float = assumed(0.7, "no published number")
    """Correlation of a child's residuals from visit to visit."""
    deviation_deg: tuple[float, float, float] = assumed(
        (3.5, 6.0, 5.0), "solved: spread of the knee, sagittal index with level"
    )
    """Spread of a child's own deviation of hip, knee and ankle."""
    stride_noise_deg: dict[str, float] = assumed(
        _by_level(1.5, 2.0, 2.7, 3.5), "direction: Prosser 2010"
    )
    """Stride-to-stride noise of the joint angles; typical children as level I."""
    stride_time_cv: dict[str, float] = assumed(
        _by_level(0.025, 0.035, 0.05, 0.07), "direction: Prosser 2010"
    )
    """Coefficient of variation of stride time; typical children as level I."""
    pace_cv: float = assumed(0.04, "no published number")
    """Slow wandering of speed within a pass."""
    trunk_lean_deg: dict[str, float] = assumed(
        _by_level(3, 4, 6, 8), "solved: Spearman of the sagittal index with level"
    )
    """Mean forward lean of the trunk."""
    trunk_lean_sd: float = assumed(5.0, "no published number")
    """Spread of the trunk's lean from child to child."""
    trunk_sway_deg: dict[str, float] = assumed(
        _by_level(2.0, 3.0, 4.5, 5.5), "only the direction is published"
    )
    """Half range of the trunk's sway in a stride."""
    arm_swing_deg: dict[str, float] = assumed(
        _by_level(17, 13, 9, 6), "no published number"
    )
    """Half range of shoulder swing."""
    elbow_deg: dict[str, float] = assumed(
        _by_level(28, 38, 50, 60), "only the direction is published"
    )
    """Mean elbow flexion."""
    hand_ahead: float = assumed(0.22, "no published number")
    """Hands on a device, ahead of the hips, leg lengths."""
    walkway_m: tuple[float, float] = assumed((3.2, 4.0), "typical gait laboratory")
    """Half the length that is walked before turning."""
    turn_s: tuple[float, float] = assumed((1.2, 2.0), "1.4 times as long below 0.7 m/s")
    """Time to turn round."""
    n_frames: tuple[float, float] = derived((592, 110), f"{_GILLETTE}: median 592")
    """Mean and spread of the length of a recording."""
    camera_m: tuple[float, float] = assumed((8.0, 11.0), "typical gait laboratory")
    """Distance of the camera."""
    panning_share: float = assumed(0.25, "no published number")
    """Share of recordings whose camera follows the child."""
    jitter: tuple[float, float] = assumed((0.009, 0.015), "1 to 2 % of leg length")
    """Spread of keypoints of the near side, leg lengths."""
    far_jitter: float = assumed(1.5, "no published number")
    """Jitter of the far side relative to the near side."""
    swap_chance: tuple[float, float] = assumed(
        (0.015, 0.09), "0.5 to 3 % of frames swapped, begun where the legs cross"
    )
    """Chance per frame of crossing that a swap of the legs begins."""
    lost_share: dict[str, float] = derived(
        _by_level(0.10, 0.11, 0.19, 0.31), f"{_GILLETTE}: keep-rates .87 .86 .77 .65"
    )
    """Share of time in stretches where a leg is hardly seen."""
    other_person: dict[str, float] = assumed(
        _by_level(0.02, 0.03, 0.06, 0.15), "helpers walk along"
    )
    """Chance that a recording jumps to another person for a moment."""
    measured_sd: dict[str, float] = assumed(
        {"speed": 0.03, "cadence": 0.02, "knee": 1.5}, "no published number"
    )
    """Error of the laboratory labels: m/s, strides/s, deg."""

    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of all values and curves."""
        curves = files("cpexplore.simulate").joinpath("curves.json").read_text()
        return hash_of(self, curves)

    def table(self) -> pd.DataFrame:
        """List all parameters with status (published, derived, assumed) and source.

        Returns
        -------
        pandas.DataFrame
            Index ``parameter``; columns ``value, status, source``.
        """
        return table_of(self)


PARAMETERS = Parameters()
"""The parameters that every simulated cohort uses."""
