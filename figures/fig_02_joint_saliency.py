"""Figure 2: which joints the skeleton network looks at, and when."""

from pathlib import Path

import numpy as np
import pandas as pd

from cpexplore import gmfcs
from cpexplore.runs import Run, load_run
from cpexplore.view.labels import readable
from cpexplore.view.plots import (
    plot_joint_ranking,
    plot_phase_saliency,
    plot_saliency_skeleton,
)
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)

METHOD = "grad_cam"


def striding_pose(run: Run) -> np.ndarray:
    """Pose (keypoint, 2) of a kept walk: most complete, then ankles furthest apart."""
    walk = run.walk(str(run.saliency["window_walk_id"].values[0]))
    position = walk["position"] - walk["position"].sel(keypoint="mid_hip")
    ankles = position.sel(keypoint=["left_ankle", "right_ankle"], space="x")
    apart = abs(ankles.diff("keypoint")).squeeze("keypoint", drop=True)
    seen = position.count(("keypoint", "space")).where(
        np.isfinite(apart) & (walk["bout"] >= 0)
    )
    frame = position.isel(time=int(apart.where(seen == seen.max()).argmax("time")))
    return frame.values * [[walk["direction"].sel(time=frame["time"]).item(), 1]]


def phase_table(run: Run, *, top: int) -> pd.DataFrame:
    """Mean saliency of the own level by joint and phase, strongest joint first."""
    own = own_level(run, "phase_saliency").mean("walk")
    order = own.mean("phase").to_series().nlargest(top).index
    return own.sel(keypoint=list(order)).transpose("keypoint", "phase").to_pandas()


def own_level(run: Run, variable: str):
    """Saliency of each walk for its own true level."""
    data = run.saliency[variable].sel({"method": METHOD})
    levels = run.index["gmfcs"].astype(str).reindex(data["walk"].values)
    return data.sel(level=levels.to_xarray().rename({levels.index.name: "walk"}))


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw joint saliency of the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    ranking = loaded.ranking
    with publication_style():
        figure = new_figure("double", height_mm=120)
        upper, lower = figure.subfigures(2, 1, height_ratios=[1.1, 1])
        a, b = upper.subplots(1, 2, width_ratios=[1, 1.25])
        plot_joint_ranking(ranking, method=METHOD, ax=a)
        letter(a, "a")
        phases = phase_table(loaded, top=12)
        plot_phase_saliency(phases, ax=b)
        letter(b, "b")
        pose = striding_pose(loaded)
        chosen = ranking[(ranking["method"] == METHOD)]
        vmax = chosen[chosen["level"] != "all"]["estimate"].max()
        for axis, level, mark in zip(
            lower.subplots(1, 4), gmfcs.LEVELS, "cdef", strict=True
        ):
            rows = chosen[chosen["level"] == level].set_index("keypoint")
            values = rows["estimate"]
            plot_saliency_skeleton(pose, values, vmax=vmax, ax=axis)
            known = values.dropna()
            first = readable(known.idxmax()) if len(known) else "no evidence"
            axis.text(
                0.5,
                -0.04,
                f"GMFCS {level}: {first}",
                transform=axis.transAxes,
                ha="center",
            )
            letter(axis, mark)
        caption = (
            "Out-of-fold Grad-CAM (ReLU, last block) of the skeleton network for each "
            "walk's own level. a, Joints by share of saliency; intervals: patient "
            "bootstrap, 95 %. b, Saliency over the gait cycle. c-f, By level."
        )
        return save_figure(
            figure,
            out / "fig_02_joint_saliency",
            run=loaded,
            data={
                "ranking": chosen,
                "phase": phases.rename_axis("keypoint").reset_index(),
            },
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
