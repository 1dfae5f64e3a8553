"""Figure 4: does fusion beat the skeleton alone, and what do the errors look like."""

from pathlib import Path

import pandas as pd

from cpexplore import gmfcs
from cpexplore.runs import load_run
from cpexplore.view.labels import model_label
from cpexplore.view.plots import plot_confusion, plot_intervals
from cpexplore.view.publication import (
    new_figure,
    publication_style,
    save_figure,
)
from cpexplore.view.tables import confusion_counts

MODELS = ("skeleton", "fusion_cross_attention")


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw the model comparison of the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    metrics = loaded.metrics.drop(columns="seconds_per_epoch")  # never twice the same
    accuracy = metrics[metrics["metric"] == "accuracy"].sort_values(
        "estimate", ascending=False
    )
    differences = loaded.comparisons
    differences = differences[
        (differences["metric"] == "accuracy") & (differences["model_a"] == MODELS[1])
    ]
    levels = loaded.index["gmfcs"]
    counts = {
        model: confusion_counts(loaded.oof[loaded.oof["model"] == model], levels)
        for model in MODELS
    }
    with publication_style():
        figure = new_figure("double", height_mm=110)
        axes = figure.subplot_mosaic("ab;cd", width_ratios=[1.2, 1])
        plot_intervals(
            accuracy, labels=[model_label(m) for m in accuracy["model"]], ax=axes["a"]
        )
        axes["a"].set_xlabel("accuracy (95 % CI)")
        labels = [f"minus {model_label(model)}" for model in differences["model_b"]]
        plot_intervals(differences, labels=labels, ax=axes["c"])
        axes["c"].axvline(0, color="0.6", lw=0.6)
        axes["c"].set_xlabel("paired difference in accuracy (95 % CI)")
        for mark, model in zip("bd", MODELS, strict=True):
            plot_confusion(counts[model], ax=axes[mark])
            axes[mark].set_title(model_label(model))
        for mark, axis in axes.items():
            axis.text(
                -0.08, 1.04, mark, transform=axis.transAxes, fontsize=8, weight="bold"
            )
        long = pd.concat(counts, names=["model"]).reset_index()
        caption = (
            "Pooled out-of-fold predictions, one per walk. a, Accuracy of every model; "
            "c, paired differences. Intervals: patient-cluster bootstrap, 95 %. "
            f"b, d, Confusion matrices (walks; levels {', '.join(gmfcs.LEVELS)})."
        )
        return save_figure(
            figure,
            out / "fig_04_model_comparison",
            run=loaded,
            data={"accuracy": accuracy, "differences": differences, "confusion": long},
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
