"""Figure 1: the framework, drawn from one walk of the run and its own saliency."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from cpexplore import gmfcs
from cpexplore.runs import Run, load_run
from cpexplore.view.plots import plot_saliency_skeleton
from cpexplore.view.publication import new_figure, publication_style, save_figure

SKELETON, CLINICAL, FUSION = "#E8F1F8", "#FDF3E1", "#F1EAF5"

SIDES = ("left", "right")

HALF_STRIDE = 13
"""Frames at 25 Hz."""


def box(ax: Axes, centre: tuple[float, float], text: str, *, colour: str) -> None:
    """A rounded box with centred text."""
    x, y = centre
    width, height = 0.128, 0.2
    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0.004,rounding_size=0.012",
        facecolor=colour,
        edgecolor="0.4",
        linewidth=0.6,
    )
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center", linespacing=1.35)


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], **style: Any
) -> None:
    """A thin arrow between two points."""
    style |= {"arrowstyle": "-|>", "mutation_scale": 7, "color": "0.35", "lw": 0.8}
    ax.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))


def chosen_window(run: Run) -> tuple[str, np.ndarray, pd.Series]:
    """The window with the surest saliency: walk, its poses and joint saliency."""
    saliency = run.saliency
    maps = saliency["window_saliency"].sel({"method": "grad_cam"})
    concentration = maps.mean("time").max("keypoint").max("level")
    window = maps.isel(window=int(np.argmax(concentration.values)))
    walk_id = str(window["window_walk_id"].item())
    walk = run.walk(walk_id)
    poses = walk["position"].sel(time=window["window_time_s"].values, method="nearest")
    level = window.mean(("time", "keypoint")).idxmax("level").item()
    joints = window.sel(level=level).mean("time").to_series()
    return walk_id, poses.values, joints


def draw_walk(figure, poses: np.ndarray, joints: pd.Series) -> None:
    """Four poses of half a stride, then one coloured by Grad-CAM."""
    names = joints.index.tolist()
    left, right = (poses[:, names.index(f"{side}_ankle"), 0] for side in SIDES)
    stride = int(np.nanargmax(np.abs(left - right)[:-HALF_STRIDE]))
    for i, step in enumerate(np.linspace(0, HALF_STRIDE, 4).astype(int)):
        inset = figure.add_axes((-0.012 + 0.037 * i, 0.57, 0.07, 0.34))
        plot_saliency_skeleton(poses[stride + step], joints * 0, vmax=1.0, ax=inset)
    inset = figure.add_axes((0.565, 0.55, 0.13, 0.38))
    plot_saliency_skeleton(poses[stride], joints, ax=inset)


def draw_probabilities(figure, run: Run, walk_id: str) -> pd.DataFrame:
    """The fusion's out-of-fold answer for the walk."""
    oof = run.oof
    row = oof[(oof["model"] == "fusion_cross_attention") & (oof["walk_id"] == walk_id)]
    values = row[[f"p_{level}" for level in gmfcs.LEVELS]].mean().to_numpy()
    inset = figure.add_axes((0.925, 0.2, 0.068, 0.26))
    inset.barh(range(4), values, color=[gmfcs.COLOURS[k] for k in gmfcs.LEVELS])
    inset.set_yticks(range(4), labels=list(gmfcs.LEVELS))
    inset.invert_yaxis()
    inset.set_xlim(0, 1)
    inset.set_xlabel("probability")
    return pd.DataFrame({"level": gmfcs.LEVELS, "probability": values})


def draw_boxes(ax: Axes, run: Run) -> None:
    """Boxes and arrows of the two steps."""
    config = run.config
    n_features = run.selection["feature"].nunique()
    length, v = config["windows"]["length"], len(run.saliency["keypoint"])
    box(
        ax,
        (0.25, 0.73),
        f"windows\n$N{{\\times}}3{{\\times}}{length}{{\\times}}{v}$\n25 Hz, one pass",
        colour=SKELETON,
    )
    box(
        ax,
        (0.42, 0.73),
        f"ST-GCN\npreset {config['preset']}\n" + r"$N{\times}256{\times}T'{\times}V$",
        colour=SKELETON,
    )
    box(
        ax,
        (0.80, 0.73),
        f"gait features\n{n_features} core, ranked\nby their joints",
        colour=CLINICAL,
    )
    box(
        ax,
        (0.42, 0.27),
        "joint tokens\npool over time\n" + r"$f_s\in\mathbb{R}^{256}$",
        colour=SKELETON,
    )
    answer = "cross-attention\nboth directions,\n+ ordinal logit"
    box(ax, (0.80, 0.27), answer, colour=FUSION)
    box(
        ax,
        (0.61, 0.27),
        "feature tokens\npool\n" + r"$f_c\in\mathbb{R}^{256}$",
        colour=CLINICAL,
    )
    for start, end in (
        ((0.165, 0.73), (0.182, 0.73)),
        ((0.318, 0.73), (0.352, 0.73)),
        ((0.488, 0.73), (0.585, 0.73)),
        ((0.42, 0.625), (0.42, 0.375)),
        ((0.80, 0.625), (0.63, 0.375)),
        ((0.80, 0.625), (0.80, 0.375)),
        ((0.678, 0.27), (0.732, 0.27)),
        ((0.868, 0.27), (0.9, 0.27)),
    ):
        arrow(ax, start, end)
    arrow(ax, (0.68, 0.73), (0.732, 0.73), linestyle="--")  # ranks, chooses nothing
    arrow(ax, (0.42, 0.165), (0.79, 0.165), connectionstyle="arc3,rad=0.25")
    ax.text(
        0.005,
        0.96,
        "Step 1  pre-train, find the joints, derive the features",
        fontweight="bold",
        va="center",
    )
    ax.text(
        0.005,
        0.43,
        "Step 2  fuse skeleton\nand gait features",
        fontweight="bold",
        va="center",
    )
    ax.text(0.63, 0.53, "Grad-CAM", ha="center", va="center")
    ax.text(0.08, 0.55, "2D keypoints\nfrom video", ha="center", va="center")


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw the framework from the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    with publication_style():
        figure = new_figure("double", height_mm=70)
        figure.set_layout_engine("none")
        canvas = figure.add_axes((0, 0, 1, 1))
        canvas.set(xlim=(0, 1), ylim=(0, 1))
        canvas.axis("off")
        draw_boxes(canvas, loaded)
        walk_id, poses, joints = chosen_window(loaded)
        draw_walk(figure, poses, joints)
        answer = draw_probabilities(figure, loaded, walk_id)
        saliency = joints.rename("saliency").rename_axis("keypoint").reset_index()
        return save_figure(
            figure,
            out / "fig_01_framework",
            run=loaded,
            data={"saliency": saliency, "probabilities": answer},
            caption="Framework. Skeletons, Grad-CAM and probabilities are those of "
            f"walk {walk_id}, which the models shown had not been trained on.",
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
    plt.close("all")
