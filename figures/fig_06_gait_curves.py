"""Figure 6: joint angles over the gait cycle by level, beside the reference."""

from pathlib import Path

from cpexplore.runs import load_run
from cpexplore.view.effects import plot_level_curves
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)

ANGLES = {
    "hip_flexion_deg": "hip flexion (°)",
    "knee_flexion_deg": "knee flexion (°)",
    "ankle_dorsiflexion_deg": "ankle dorsiflexion (°)",
    "foot_pitch_deg": "foot pitch (°)",
    "trunk_lean_deg": "trunk lean (°)",
    "shoulder_flexion_deg": "shoulder flexion (°)",
}


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw gait curves of the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    by_level = loaded.statistics["curves_by_level"]
    tests = loaded.statistics["curve_tests"]
    reference = loaded.curves
    patients = by_level.groupby("level")["n_patients"].max()
    with publication_style():
        figure = new_figure("double", height_mm=100)
        axes = figure.subplots(2, 3).ravel()
        for axis, (name, label), mark in zip(
            axes, ANGLES.items(), "abcdef", strict=True
        ):
            band = (f"{name}_reference_mean", f"{name}_reference_sd")
            plot_level_curves(
                by_level[by_level["curve"] == name],
                tests=tests[tests["curve"] == name],
                reference=tuple(reference[variable].values for variable in band),
                ax=axis,
            )
            axis.set_ylabel(label)
            letter(axis, mark)
        handles, levels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            [f"GMFCS {level} ({patients[level]} patients)" for level in levels],
            loc="outside lower center",
            ncols=len(levels),
        )
        caption = (
            "Mean joint angles of both sides by GMFCS level (a patient who changes "
            "level counts at both). Bands: pointwise 95 % interval, "
            "patients resampled. Grey: mean ± 1 SD of the reference "
            f"({reference.attrs['reference']}). Black bar: clusters in which the angle "
            "goes with the level (cluster permutation of patients over the whole "
            "cycle, p ≤ 0.05 of the cluster and q ≤ 0.05 of the angle, one q per "
            "angle over all tested angles); its ends are no estimate of "
            "where the difference begins."
        )
        return save_figure(
            figure,
            out / "fig_06_gait_curves",
            run=loaded,
            data={"curves": by_level, "tests": tests},
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
