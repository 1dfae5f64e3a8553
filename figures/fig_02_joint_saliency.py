"""Figure 2: which joints the skeleton network looks at, and when."""

from pathlib import Path

import pandas as pd

from cpexplore import gmfcs
from cpexplore.runs import Run, load_run
from cpexplore.skeleton import keypoint_set
from cpexplore.view.plots import (
    plot_joint_ranking,
    plot_phase_saliency,
    plot_saliency_skeleton,
    readable,
)
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)

METHOD = "grad_cam"


def standing_pose(run: Run) -> pd.DataFrame:
    """Mean pose of the kept windows' walks, in px about the mid-hip."""
    walk = run.walk(str(run.saliency["window_walk_id"].values[0]))
    position = walk["position"] - walk["position"].sel(keypoint="mid_hip")
    forward = position.sel(space="x") * walk["direction"].where(walk["direction"] != 0)
    mean = {"x": forward.mean("time"), "y": position.sel(space="y").mean("time")}
    return pd.DataFrame({k: v.to_series() for k, v in mean.items()})


def phase_table(run: Run, *, top: int) -> pd.DataFrame:
    """Mean saliency of the own level by joint and phase, strongest joint first."""
    own = own_level(run, "phase_saliency").mean("walk")
    order = own.mean("phase").to_series().nlargest(top).index
    return own.sel(keypoint=list(order)).transpose("keypoint", "phase").to_pandas()


def own_level(run: Run, variable: str):
    """Saliency of each walk for its own true level."""
    data = run.saliency[variable].sel(method=METHOD)
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
        pose = standing_pose(loaded)
        chosen = ranking[(ranking["method"] == METHOD)]
        vmax = chosen[chosen["level"] != "all"]["estimate"].max()
        names = list(keypoint_set(loaded.config["windows"]["keypoint_set"]).keypoints)
        for axis, level, mark in zip(
            lower.subplots(1, 4), gmfcs.LEVELS, "cdef", strict=True
        ):
            rows = chosen[chosen["level"] == level].set_index("keypoint")
            values = rows["estimate"]
            plot_saliency_skeleton(
                pose.loc[names].to_numpy(), values, vmax=vmax, ax=axis
            )
            first = readable(values.idxmax()) if len(values) else "none"
            axis.set_title(f"GMFCS {level}: {first}")
            axis.text(
                0, 1.06, mark, transform=axis.transAxes, fontsize=8, weight="bold"
            )
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
