"""Figure 3b: odds ratios of a higher level, adjusted and at each threshold."""

from pathlib import Path

import pandas as pd

from cpexplore.runs import load_run
from cpexplore.view.effects import (
    by_adjustment,
    plot_odds_ratios,
    plot_threshold_odds_ratios,
    surest_features,
)
from cpexplore.view.publication import (
    letter,
    new_figure,
    publication_style,
    save_figure,
)


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw odds ratios of the run at ``run`` into the folder ``out``."""
    loaded = load_run(run)
    statistics = loaded.statistics
    asked = by_adjustment(statistics)
    known = {label: t.dropna(subset="estimate") for label, t in asked.items()}
    known = {label: table for label, table in known.items() if len(table)}
    plain = statistics["odds_ratios"].dropna(subset="estimate")
    features = surest_features(plain, n=14)
    thresholds = statistics["threshold_odds_ratios"]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "ncols": 4}
    with publication_style():
        figure = new_figure("double", height_mm=110)
        left, right = figure.subplots(1, 2, sharey=True)
        plot_odds_ratios(known, features=features, ax=left)
        left.legend(**below, title="adjusted for")
        letter(left, "a")
        plot_threshold_odds_ratios(
            thresholds, features=features, common=plain, ax=right
        )
        right.legend(**below, title="odds of a level")
        letter(right, "b")
        without = [label for label in asked if label not in known]
        level = plain["ci_level"].iloc[0]
        caption = (
            "Proportional odds ratios of a higher GMFCS level per SD, for the "
            f"{len(features)} core features whose unadjusted one is the most standard "
            "errors from 1 (|log OR| / SE), in that order. a, By what they are "
            "adjusted for (speed is not adjusted for itself)"
            + "".join(f"; '{label}' has no estimate in this run" for label in without)
            + ". b, Separate binary odds ratios at each threshold; grey bar: the "
            "common one. Arrow: the estimate or an end of its interval lies outside "
            f"the axis. Wald intervals, {level:.0%}, robust to several walks per "
            "patient."
        )
        shown = [table.assign(adjusted=label) for label, table in known.items()]
        shown = {"odds_ratios": pd.concat(shown), "thresholds": thresholds}
        shown = {name: t[t["feature"].isin(features)] for name, t in shown.items()}
        return save_figure(
            figure, out / "fig_03b_odds_ratios", run=loaded, data=shown, caption=caption
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
