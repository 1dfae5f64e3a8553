"""The model table as Markdown, from what `model_table.py` left so far.

python benchmarks/model_table_page.py --table runs/table > page.md
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from model_table import ENSEMBLES

from cpexplore.view.labels import model_label

HEADLINES = (
    ("fusion_cross_attention", "skeleton"),
    ("fusion_cross_attention", "features_logit"),
    ("fusion_cross_attention", "features_boosting"),
    ("fusion_cross_attention", "features_ordinal"),
    ("fusion_cross_attention", "fusion_concat"),
    ("fusion_cross_attention", "fusion_late"),
    ("fusion_cross_attention", "fusion_selected_features"),
    ("skeleton", "skeleton_legs"),
    ("fusion_legs", "skeleton_legs"),
)
"""Differences that stand by world; at the public size all are listed."""

METRICS = {
    "accuracy": "accuracy",
    "linear_kappa": "linear κ",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
}
ORACLES = {
    "oracle_boosting": "oracle, boosted trees",
    "oracle_logit": "oracle, logit",
}
MEANS = (*ENSEMBLES, "skeleton_trainings")
DIFFERENCES = ("accuracy", "balanced_accuracy")


HEAD = """# The model table

Made by `benchmarks/model_table_page.py` from the answers in this folder, simulated
children all of them. What it says, and what not: RESULTS.md."""


def label_of(model: str) -> str:
    """The name of a model, or of an oracle."""
    return ORACLES.get(model) or model_label(model)


def cell(row: pd.Series) -> str:
    """Estimate and interval, without leading zeros."""
    numbers = [f"{row[name]:.3f}" for name in ("estimate", "ci_low", "ci_high")]
    told = [
        text.replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}") for text in numbers
    ]
    return f"{told[0]} [{told[1]}, {told[2]}]"


def page(scores: pd.DataFrame, differences: pd.DataFrame) -> Iterator[str]:
    """Lines of the page: for each size its models, then its differences."""
    for patients, rows in scores.groupby("patients"):
        overall = rows[rows["level"] == "all"]
        accuracy = overall[overall["metric"] == "accuracy"]
        worlds = accuracy["world"].unique().tolist()
        if len(worlds) > 1:
            yield f"\n{patients} patients, accuracy\n"
            yield from table(by_world(accuracy, worlds))
        yield f"\n{patients} patients, standard\n"
        yield from table(by_metric(rows[rows["world"] == "standard"]))
        yield ""
        own = differences[differences["patients"] == patients]
        if len(worlds) > 1:
            pairs = pd.MultiIndex.from_frame(own[["model_a", "model_b"]])
            own = own[pairs.isin(HEADLINES)]
        yield from table(difference_rows(own))


def by_world(accuracy: pd.DataFrame, worlds: list[str]) -> list[list[str]]:
    """A row per model, a column per world."""
    cells = {(r["model"], r["world"]): cell(r) for _, r in accuracy.iterrows()}
    order = accuracy.groupby("model")["estimate"].max().sort_values(ascending=False)
    rows = [
        [label_of(model), *(cells.get((model, world), "") for world in worlds)]
        for model in order.index
    ]
    return [["model", *worlds], *rows]


def by_metric(rows: pd.DataFrame) -> list[list[str]]:
    """A row per model with its main metrics.

    Oracles and means of several answers know no temperature, so their calibration error
    is left out.
    """
    columns = {(name, "all"): label for name, label in METRICS.items()}
    columns |= {("recall", "IV"): "recall of IV"}
    accuracy = rows[rows["metric"] == "accuracy"].set_index("model")
    order = accuracy["estimate"].sort_values(ascending=False).index
    cells = {(r["model"], r["metric"], r["level"]): cell(r) for _, r in rows.iterrows()}
    lines = [["model", "trainings", *columns.values(), "s / epoch"]]
    for model in order:
        seconds = accuracy.loc[model, "seconds_per_epoch"]
        told = {key: cells[model, *key] for key in columns}
        if model in (*ORACLES, *MEANS):
            told["ece", "all"] = ""
        lines.append(
            [
                label_of(model),
                str(accuracy.loc[model, "trainings"]),
                *told.values(),
                "" if pd.isna(seconds) else f"{seconds:.1f}",
            ]
        )
    return lines


def difference_rows(differences: pd.DataFrame) -> list[list[str]]:
    """A row per pair of models."""
    keys = ["world", "model_a", "model_b"]
    by_metric = differences.set_index("metric").groupby(keys, sort=False)
    told = [METRICS[metric] for metric in DIFFERENCES]
    lines = [["world", "difference", *told, "p, folds", "cohorts"]]
    for (world, *models), rows in by_metric:
        first = rows.loc["accuracy"]
        p_folds = "" if pd.isna(first["p_folds"]) else f"{first['p_folds']:.2f}"
        pair = " \N{MINUS SIGN} ".join(map(model_label, models))
        cells = [cell(rows.loc[metric]) for metric in DIFFERENCES]
        lines.append([world, pair, *cells, p_folds, str(first["cohorts"])])
    return lines


def table(rows: list[list[str]]) -> Iterator[str]:
    """Lines of a Markdown table; the first row is its head."""
    head, *body = rows
    for row in (head, ["---"] * len(head), *body):
        yield f"| {' | '.join(row)} |"


def times(folder: Path) -> Iterator[str]:
    """A row per stage that was made from start to end in one go."""
    took = {
        file.parent.name: json.loads(file.read_text())
        for file in sorted(folder.glob("*/time.json"))
    }
    rows = [
        [name, f"{t['seconds'] / 60:.0f}", str(t["processes"])]
        for name, t in took.items()
    ]
    yield from table([["stage", "minutes", "processes"], *rows])
    begun = len(list(folder.glob("*/stage.json")))
    hours = sum(t["seconds"] * t["processes"] for t in took.values()) / 2 / 3600
    yield (
        f"\n{len(took)} stages of {begun} took two processes {hours:.1f} hours; those "
        "of one process ran side by side."
    )


def whole_page(folder: Path) -> str:
    """Everything that the folder of a table tells."""
    tables = (
        pd.read_parquet(folder / f"{n}.parquet") for n in ("scores", "differences")
    )
    return "\n".join([HEAD, *page(*tables), "", *times(folder), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, default=Path("runs/table"))
    print(whole_page(parser.parse_args().table), end="")


if __name__ == "__main__":
    main()
