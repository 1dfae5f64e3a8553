"""Figure 3: how gait features relate to GMFCS levels."""

from pathlib import Path

from cpexplore.runs import load_run
from cpexplore.view.labels import feature_label
from cpexplore.view.plots import plot_feature_by_level, plot_intervals
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw features against GMFCS for the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    table = loaded.statistics["association"].dropna(subset=["estimate"])
    strongest = table.reindex(
        table["estimate"].abs().sort_values(ascending=False).index
    ).head(16)
    shown = strongest["feature"].head(6).tolist()
    levels = loaded.index["gmfcs"]
    with publication_style():
        figure = new_figure("double", height_mm=105)
        left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
        forest = left.subplots()
        plot_intervals(
            strongest,
            labels=[feature_label(f) for f in strongest["feature"]],
            ax=forest,
        )
        forest.axvline(0, color="0.6", lw=0.6)
        forest.set_xlabel("Spearman correlation with GMFCS (95 % CI)")
        letter(forest, "a")
        strips = right.subplots(2, 3).ravel()
        for axis, feature, mark in zip(strips, shown, "bcdefg", strict=False):
            plot_feature_by_level(loaded.features[feature], levels, ax=axis)
            letter(axis, mark)
        caption = (
            "a, The 16 core features with the largest absolute Spearman correlation; "
            "intervals: patient-cluster bootstrap, 95 %. b-g, The first six: one point "
            "per walk, box = median and quartiles."
        )
        walks = loaded.features[shown].join(levels.astype(str)).reset_index()
        return save_figure(
            figure,
            out / "fig_03_features_vs_gmfcs",
            run=loaded,
            data={"association": strongest, "walks": walks},
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
