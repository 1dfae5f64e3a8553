"""What a gait laboratory would have measured: reference values beside the video."""

import numpy as np
import pandas as pd

from cpexplore.simulate import curves
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import Child
from cpexplore.simulate.gait import SIDES, limb_cycles, step_length

_KNEE_SD = 12.0
"""Spread of minimum stance knee flexion, deg (Kidzinski 2020)."""


def reference_labels(children: list[Child]) -> pd.DataFrame:
    """Measure every child's usual gait, without the noise of the one recording.

    Parameters
    ----------
    children : list of Child
        One per walk.

    Returns
    -------
    pandas.DataFrame
        Index ``walk_id``; ``speed`` (m/s), ``cadence`` (strides/s), and by side
        ``KneeFlex_maxExtension`` (deg) and ``GDI``.

    Notes
    -----
    ``GDI`` stands for the three-dimensional index: a simulated sagittal part plus what
    the other planes would add. It has the published level means.
    """
    rows = {child.walk_id: _measure(child) for child in children}
    labels = pd.DataFrame.from_dict(rows, orient="index")
    return labels.rename_axis("walk_id")


def _measure(child: Child) -> dict[str, float]:
    rng = np.random.default_rng([child.seed, 99])
    cycles = limb_cycles(child)
    stance = curves.stance_fraction(child.froude_speed)
    step_m = step_length(cycles, stance) * child.leg_length_m
    noise = rng.standard_normal(6)
    cadence = child.cadence_spm / 120 + PARAMETERS.measured_sd["cadence"] * noise[0]
    measured = {
        "speed": 2 * cadence * step_m + PARAMETERS.measured_sd["speed"] * noise[1],
        "cadence": cadence,
    }
    for index, side in enumerate(SIDES):
        least = cycles[index, 1, 10:62].min()
        knee = least + PARAMETERS.measured_sd["knee"] * noise[2 + index]
        measured[f"KneeFlex_maxExtension_{side}"] = knee
        measured[f"GDI_{side}"] = _gdi(child, knee, side_noise=noise[4 + index])
    return measured


def _gdi(child: Child, knee_deg: float, *, side_noise: float) -> float:
    """Level mean, less with a flexed knee, more with milder severity, and chance."""
    if child.carrier is None:
        return 100 + 10 * side_noise
    mean, sd = PARAMETERS.gdi[child.carrier], PARAMETERS.gdi_sd
    usual = PARAMETERS.knee_min_stance_deg[child.carrier]
    knee = -np.clip((knee_deg - usual) / _KNEE_SD, -2.5, 2.5)
    whole = (child.severity - mean) / sd
    by_knee, by_side = PARAMETERS.gdi_knee, PARAMETERS.gdi_side
    by_child = np.sqrt(1 - by_knee**2 - by_side**2)
    return mean + sd * (by_knee * knee + by_child * whole + by_side * side_noise)
