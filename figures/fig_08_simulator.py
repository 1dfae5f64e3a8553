"""Figure 8: the simulator beside published numbers, and what it assumes."""

import json
from pathlib import Path

import pandas as pd

from cpexplore.simulate import CONSTANTS, PARAMETERS
from cpexplore.view.plausibility import list_assumptions, plot_plausibility
from cpexplore.view.publication import (
    Origin,
    new_figure,
    publication_style,
    save_figure,
)

TABLE = Path(__file__).with_name("simulator_plausibility.json")
"""Written by ``benchmarks/simulator_plausibility.py``; no run is needed."""


def main(run: Path, out: Path, *, quick: bool = False) -> list[Path]:
    """Draw the plausibility page into the folder ``out``; ``run`` is not read."""
    made = json.loads(TABLE.read_text())
    if made["parameters"] != PARAMETERS.hash():
        raise ValueError(
            f"{TABLE.name!r} must be made with the simulator's parameters "
            f"{PARAMETERS.hash()}; got {made['parameters']}. Run `{made['command']}`."
        )
    rows = pd.DataFrame(made["rows"])
    parameters = pd.concat([PARAMETERS.table(), CONSTANTS.table()])
    with publication_style():
        figure = new_figure("double", height_mm=243)
        figure.set_layout_engine("none")
        plot_plausibility(rows, ax=figure.add_axes((0.45, 0.245, 0.25, 0.715)))
        columns = [figure.add_axes((x, 0.01, 0.48, 0.17)) for x in (0.01, 0.51)]
        list_assumptions(PARAMETERS.table(), axes=(columns[0], columns[1]))
        for text, height in (("a", 0.975), ("b", 0.188)):
            figure.text(0.008, height, text, size=8, weight="bold")
        figure.text(
            0.03, 0.188, "Assumed, for no number is published; reasons in the CSV"
        )
        caption = (
            f"Simulated against published numbers, row by row: point, seed "
            f"{made['seeds'][0]}; line, range over {len(made['seeds'])} cohorts "
            f"(seeds {', '.join(map(str, made['seeds']))}); band, tolerance; bold, "
            "missed. Levels I to IV: children with CP; free, slow, very slow: typical "
            "children at that speed. The simulator was calibrated to these numbers and "
            "to nothing else. b, "
            "Parameters without a published number; all are assumptions, as are the "
            "constants of body, camera and detector in the CSV. Not drawn "
            f"from a run but from {TABLE.name} ({made['command']}; parameters "
            f"{made['parameters']})."
        )
        return save_figure(
            figure,
            out / "fig_08_simulator",
            run=Origin(
                statement=f"Simulated children: {made['patients']} patients, "
                f"{made['walks'][0]} walks.",
                config={"command": made["command"], "simulator": made["parameters"]},
                name=TABLE.name,
            ),
            data={"rows": rows, "parameters": parameters.astype(str).reset_index()},
            caption=caption,
        )


if __name__ == "__main__":
    main(Path("runs/demo"), Path("figures/build"))
