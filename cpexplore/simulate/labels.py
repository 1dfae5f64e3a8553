"""What a gait laboratory would have measured: reference values beside the video."""

import numpy as np
import pandas as pd

from cpexplore.simulate import curves
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import Child
from cpexplore.simulate.gait import SIDES, limb_cycles, step_length

_MEASUREMENT_SD = {"speed": 0.03, "cadence": 0.02, "knee": 1.5}


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
    cadence = child.cadence_spm / 120 + _MEASUREMENT_SD["cadence"] * noise[0]
    measured = {
        "speed": 2 * cadence * step_m + _MEASUREMENT_SD["speed"] * noise[1],
        "cadence": cadence,
    }
    for index, side in enumerate(SIDES):
        least = cycles[index, 1, 10:62].min()
        knee = least + _MEASUREMENT_SD["knee"] * noise[2 + index]
        measured[f"KneeFlex_maxExtension_{side}"] = knee
        measured[f"GDI_{side}"] = _gdi(child, knee, noise[4 + index])
    return measured


def _gdi(child: Child, knee_deg: float, noise: float) -> float:
    mean = PARAMETERS.gdi[child.carrier] if child.carrier else 100.0
    usual = 11.0
    sagittal = -0.25 * np.clip((knee_deg - usual) / 11.6, -2, 2)
    return mean + PARAMETERS.gdi_sd * (sagittal + 0.6 * noise)
