"""Figure 5: how sure one may be of an answer, and what abstaining buys."""

from pathlib import Path

from cpexplore.runs import load_run
from cpexplore.view.confidence import (
    plot_coverage,
    plot_reliability,
    plot_risk_coverage,
)
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw calibration, coverage and abstention of the run at ``run``."""
    loaded = load_run(run)
    tables = loaded.calibration
    with publication_style():
        figure = new_figure("double", height_mm=62)
        axes = figure.subplots(1, 3, width_ratios=[1, 1.1, 1.1])
        plot_reliability(tables["reliability"], ax=axes[0])
        plot_coverage(tables["coverage"], ax=axes[1])
        plot_risk_coverage(tables["risk"], ax=axes[2])
        lines, names = axes[0].get_legend_handles_labels()
        axes[2].legend(lines, names, loc="upper left")
        for axis, mark in zip(axes, "abc", strict=True):
            letter(axis, mark)
        nominal = tables["coverage"]["nominal"].iloc[0]
        caption = (
            "Out-of-fold probabilities after temperature scaling on inner patients. a, "
            "Share of right answers against stated confidence, ten bins of equal mass. "
            f"b, Share of {nominal:.0%} conformal sets (one threshold per level, "
            "calibrated on the other folds, so that coverage is approximate, not "
            "guaranteed) that hold the true level; binomial 95 % intervals, one walk "
            "per child and level, which ignore that sets share thresholds; below, "
            "children and the mean number of levels in fusion's sets. A level with "
            "fewer than 9 calibration children is in every set, so its coverage says "
            "nothing. c, "
            "Share of wrong answers among the surest walks; band: patient bootstrap, "
            "95 %, of fusion."
        )
        return save_figure(
            figure,
            out / "fig_05_calibration",
            run=loaded,
            data=tables,
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
