"""``explain.html``: one walk, its level by model, and why."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpexplore import gmfcs
from cpexplore.gait import joint_angles
from cpexplore.io.files import write_atomic
from cpexplore.preprocessing.audit import read_audit
from cpexplore.runs import Explanation
from cpexplore.view import html, plots
from cpexplore.view.labels import feature_label, model_label, readable
from cpexplore.view.player import html_fragments, make_clip
from cpexplore.view.tables import PROBABILITIES, predicted_level, rows_where

_FUSION = "fusion_cross_attention"

_CURVES = {
    "hip_flexion_deg": "hip flexion (°)",
    "knee_flexion_deg": "knee flexion (°)",
    "ankle_dorsiflexion_deg": "ankle dorsiflexion (°)",
}

_EVENTS = {"initial_contact": "initial contact", "foot_off": "foot off"}


def write_explanation(explanation: Explanation, *, out: Path) -> Path:
    """Write the self-contained page of one explained walk.

    Parameters
    ----------
    explanation : Explanation
        From ``pipeline.explain``.
    out : path
        The HTML file to write.

    Returns
    -------
    path
        ``out``: one file, no outside address.
    """
    walk = explanation.walk
    clip = make_clip(
        walk,
        explanation.saliency,
        angles=joint_angles(walk),
        events=explanation.events,
        level=_answer(explanation)[0],
    )
    simulated = bool(walk.attrs["simulated"])
    page = html.render(
        "explain.html.j2",
        title=f"Walk {walk.attrs['walk_id']}",
        subtitle=walk.attrs["source"] or "source not stated",
        banner=[*html.banner(simulated=simulated), *explanation.notes[:1]],
        headline=_headline(explanation),
        cards=_cards(explanation),
        probabilities=_probability_grid(explanation.probabilities),
        player=html_fragments([clip])[0],
        curve_plots=_curve_plots(explanation),
        events=_event_grid(explanation.events),
        feature_note=_FEATURE_NOTE,
        contributions=html.grid_of(_worded(explanation.contributions.head(_TOP))),
        features=_feature_grid(explanation.features),
        missing=_missing_grid(explanation.feature_reasons),
        quality=_quality_grid(explanation),
        notes=explanation.notes[1:],
    )
    return write_atomic(out, lambda file: file.write_text(page))


_TOP = 8
"""How many contributions are listed."""

_FEATURE_NOTE = (
    "The effect of a feature is how much the fusion's expected level rises when the "
    "feature goes from the cohort's median to this walk's value, all else unchanged; "
    f"listed are the {_TOP} largest. Features that say nearly the same share an effect."
)


def _answer(explanation: Explanation) -> tuple[str, float]:
    """The fusion's most probable level and its probability."""
    row = rows_where(explanation.probabilities, model=_FUSION)
    return str(predicted_level(row)[0]), float(row[PROBABILITIES].to_numpy().max())


def _headline(explanation: Explanation) -> str:
    level, probability = _answer(explanation)
    text = (
        f"The fusion's most probable answer is GMFCS {level}, with probability "
        f"{html.number(100 * probability, 0)} %."
    )
    if explanation.prediction_set:
        levels = ", ".join(explanation.prediction_set)
        text += (
            f" Levels that cannot be excluded at {100 * explanation.set_level:.0f} % "
            f"coverage: {levels}."
        )
    return text


def _cards(explanation: Explanation) -> list[dict[str, str]]:
    features = explanation.features
    entries: dict[str, Any] = {
        "cadence, steps/min": features.get("cadence_spm", np.nan),
        "stance, % of cycle": features.get("stance_mean_pct", np.nan),
        "speed, leg lengths/s": features.get("speed_llps", np.nan),
        "peak swing knee, °": features.get("knee_max_swing_mean_deg", np.nan),
        "minimum stance knee, °": features.get("knee_min_stance_mean_deg", np.nan),
    }
    return [{"label": k, "value": html.number(v, 1)} for k, v in entries.items()]


def _probability_grid(probabilities: pd.DataFrame) -> html.Grid:
    rows = [
        [
            model_label(row["model"]),
            *(html.number(row[p], 2) for p in PROBABILITIES),
        ]
        for row in probabilities.to_dict("records")
    ]
    return html.Grid(head=["model", *gmfcs.LEVELS], rows=rows)


def _curve_plots(explanation: Explanation) -> list[html.Picture]:
    curves = explanation.curves
    foot_off = {
        side: float(curves["foot_off_pct"].sel(side=side))
        for side in curves["side"].values.tolist()
    }
    strides = ", ".join(
        f"{int(curves['n_strides'].sel(side=side))} {side}" for side in foot_off
    )

    def draw(figure, name: str, label: str) -> None:
        ax = figure.subplots()
        reference = (
            curves[f"{name}_reference_mean"].values,
            curves[f"{name}_reference_sd"].values,
        )
        plots.plot_curves(
            curves[name],
            reference=reference,
            reference_label=curves.attrs["reference_label"],
            foot_off_pct=foot_off,
            ax=ax,
        )
        ax.set_ylabel(label)
        ax.legend(loc="best")

    return [
        html.picture(
            lambda figure, n=name, t=label: draw(figure, n, t),
            caption=f"Mean {label.removesuffix(' (°)')} over the gait cycle "
            f"({strides} strides); dashed vertical line: foot off; grey band: mean ± 1 "
            f"SD of the reference ({curves.attrs['reference']}).",
            size=(3.2, 2.2),
        )
        for name, label in _CURVES.items()
    ]


def _event_grid(events: pd.DataFrame) -> html.Grid:
    rows = []
    for side in ("left", "right"):
        for event, label in _EVENTS.items():
            chosen = events[(events["side"] == side) & (events["event"] == event)]
            times = ", ".join(html.number(time, 2) for time in chosen["time_s"])
            rows.append([side, label, times or "none found"])
    head = ["side", "event", "time on the recording's clock, s"]
    return html.Grid(head=head, rows=rows, text=frozenset({0, 1, 2}))


def _worded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(feature=table["feature"].map(feature_label))


def _feature_grid(features: pd.Series) -> html.Grid:
    known = features.dropna()
    rows = [
        [feature_label(str(name)), html.number(value, 2)]
        for name, value in known.items()
    ]
    return html.Grid(head=["feature", "value"], rows=rows)


def _missing_grid(reasons: pd.DataFrame) -> html.Grid:
    grouped = reasons.groupby("reason")["feature"].agg(list)
    rows = [
        [reason, ", ".join(map(feature_label, names[:6])) + _more(len(names) - 6)]
        for reason, names in grouped.items()
    ]
    head = ["reason", "features"]
    return html.Grid(head=head, rows=rows, text=frozenset({0, 1}))


def _more(n: int) -> str:
    return f" and {n} more" if n > 0 else ""


def _quality_grid(explanation: Explanation) -> html.Grid:
    walk = explanation.walk
    seen = walk["confidence"].values > 0
    bouts = walk["bout"].values
    entries = {
        "frames": f"{walk.sizes['time']} at {walk.attrs['fps']:g} Hz",
        "passes used": str(len(np.unique(bouts[bouts >= 0]))),
        "frames inside a pass": f"{100 * np.mean(bouts >= 0):.0f} %",
        "keypoints seen": f"{100 * seen.mean():.0f} %",
    }
    for record in read_audit(walk):
        words = [
            f"{value:g} {readable(name)}"
            for name, value in record.items()
            if isinstance(value, int | float)
        ]
        if words:
            entries[f"cleaning: {record['step']}"] = ", ".join(words)
    return html.Grid(
        head=["quality", ""],
        rows=[list(entry) for entry in entries.items()],
        text=frozenset({0, 1}),
    )
