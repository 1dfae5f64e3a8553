"""Figure 3b: odds ratios of a higher level, adjusted and at each threshold."""

from pathlib import Path

import numpy as np

from cpexplore.runs import load_run
from cpexplore.view.effects import plot_odds_ratios, plot_threshold_odds_ratios
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)

ADJUSTED = {
    "odds_ratios": "unadjusted",
    "odds_ratios_adjusted": "age, sex, leg length, speed",
    "odds_ratios_adjusted_device": "and device",
}
"""Tables and what their odds ratios are adjusted for."""


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw odds ratios of the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    statistics = loaded.statistics
    known = {name: statistics[name].dropna(subset="estimate") for name in ADJUSTED}
    known = {name: table for name, table in known.items() if len(table)}
    plain = known["odds_ratios"]
    order = np.log(plain["estimate"]).abs().sort_values(ascending=False).index
    features = plain.loc[order, "feature"].head(14).tolist()
    thresholds = statistics["threshold_odds_ratios"]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "ncols": 4}
    with publication_style():
        figure = new_figure("double", height_mm=110)
        left, right = figure.subplots(1, 2, sharey=True)
        tables = {ADJUSTED[name]: table for name, table in known.items()}
        plot_odds_ratios(tables, features=features, ax=left)
        left.legend(**below, title="adjusted for")
        letter(left, "a")
        plot_threshold_odds_ratios(
            thresholds, features=features, common=plain, ax=right
        )
        right.legend(**below, title="odds of a level")
        letter(right, "b")
        without = [label for name, label in ADJUSTED.items() if name not in known]
        caption = (
            "Proportional odds ratios of a higher GMFCS level per SD, for the 14 core "
            "features with the largest. a, By what they are adjusted for"
            + "".join(f"; '{label}' has no estimate in this run" for label in without)
            + ". b, Separate binary odds ratios at each threshold; grey bar: the "
            "common one; arrow: beyond the axis, the threshold is nearly separated. "
            "Wald intervals, 95 %, robust to several walks per patient."
        )
        shown = {
            name: table[table["feature"].isin(features)]
            for name, table in known.items()
        }
        shown["thresholds"] = thresholds[thresholds["feature"].isin(features)]
        return save_figure(
            figure, out / "fig_03b_odds_ratios", run=loaded, data=shown, caption=caption
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
