"""Every number of the simulator: what is published, and what is assumed.

One frozen table. Values with a published source are targets; those without one are
assumptions, named so, and free to be argued about.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from cpexplore.gmfcs import LEVELS


def _levels(*values: float) -> dict[str, float]:
    return dict(zip(LEVELS, values, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameters:
    """The simulator's parameters; frozen once they fit the published numbers."""

    share: dict[str, float] = field(
        default_factory=lambda: _levels(0.339, 0.352, 0.280, 0.029)
    )
    """Share of videos by level (1,450 public videos)."""
    speed_mps: dict[str, float] = field(
        default_factory=lambda: _levels(1.12, 0.99, 0.78, 0.47)
    )
    """Mean speed by level, from 6-minute walks scaled to the public mean."""
    speed_sd: float = 0.18
    """Spread of speed within a level, m/s."""
    cadence_spm: dict[str, float] = field(
        default_factory=lambda: _levels(125, 123, 116, 100)
    )
    """Mean cadence by level, steps/min."""
    cadence_sd: float = 21.6
    """Spread of cadence within a level, steps/min."""
    speed_cadence_r: float = 0.68
    """Correlation of speed and cadence within a level."""
    gdi: dict[str, float] = field(default_factory=lambda: _levels(85, 77.5, 69, 63))
    """Mean Gait Deviation Index by level; also the scale of the severity latent."""
    gdi_sd: float = 8.0
    """Spread of GDI and of severity within a level."""
    blend: dict[str, float] = field(
        default_factory=lambda: _levels(0.45, 0.575, 0.75, 0.925)
    )
    """Blend weight of the pattern at a level's mean severity (assumed)."""
    patterns: dict[str, tuple[float, ...]] = field(
        default_factory=lambda: {
            "I": (0.40, 0.15, 0.12, 0.06, 0.06, 0.08, 0.13),
            "II": (0.22, 0.14, 0.20, 0.13, 0.11, 0.10, 0.10),
            "III": (0.06, 0.12, 0.22, 0.18, 0.20, 0.12, 0.10),
            "IV": (0.02, 0.08, 0.25, 0.20, 0.28, 0.09, 0.08),
        }
    )
    """Mix of mild, true equinus, jump, apparent equinus, crouch, recurvatum and
    asymmetric (assumed)."""
    stiff_knee: dict[str, float] = field(
        default_factory=lambda: _levels(0.20, 0.30, 0.35, 0.35)
    )
    """Share of limbs with a stiff knee (assumed)."""
    device: dict[str, tuple[float, float, float]] = field(
        default_factory=lambda: {
            "I": (1.0, 0.0, 0.0),
            "II": (0.97, 0.03, 0.0),
            "III": (0.25, 0.25, 0.50),
            "IV": (0.02, 0.08, 0.90),
        }
    )
    """Share walking with nothing, crutches, a walker (assumed from the definition)."""
    deviation_deg: tuple[float, float, float] = (3.0, 5.0, 4.0)
    """Spread of a child's own deviation of hip, knee and ankle (assumed)."""
    stride_noise_deg: dict[str, float] = field(
        default_factory=lambda: _levels(1.5, 2.0, 2.7, 3.5)
    )
    """Stride-to-stride noise of the joint angles (assumed)."""
    stride_time_cv: dict[str, float] = field(
        default_factory=lambda: _levels(0.025, 0.035, 0.05, 0.07)
    )
    """Coefficient of variation of stride time (assumed)."""
    keep_rate: dict[str, float] = field(
        default_factory=lambda: _levels(0.87, 0.86, 0.77, 0.65)
    )
    """Share of 124-frame clips whose leg keypoints are at most 25 % missing."""
    height_ratio: dict[str, float] = field(
        default_factory=lambda: _levels(0.97, 0.96, 0.94, 0.92)
    )
    """Height relative to typical children (assumed)."""
    trunk_lean_deg: dict[str, float] = field(
        default_factory=lambda: _levels(3, 5, 9, 13)
    )
    """Mean forward lean of the trunk (assumed)."""
    trunk_sway_deg: dict[str, float] = field(
        default_factory=lambda: _levels(2.0, 3.0, 4.5, 5.5)
    )
    """Half range of the trunk's sway in a stride (assumed; direction published)."""
    arm_swing_deg: dict[str, float] = field(
        default_factory=lambda: _levels(17, 13, 9, 6)
    )
    """Half range of shoulder swing (assumed)."""
    elbow_deg: dict[str, float] = field(default_factory=lambda: _levels(28, 38, 50, 60))
    """Mean elbow flexion (assumed; direction published)."""
    same_child_r: float = 0.7
    """Correlation of a child's residuals from visit to visit (assumed)."""

    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of all values."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


PARAMETERS = Parameters()
"""The parameters every simulated cohort uses."""
