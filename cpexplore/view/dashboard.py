"""The controls, the player and the panels of the cohort explorer, linked."""

import html
from typing import Any, cast

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go

from cpexplore import gmfcs
from cpexplore._validation import counted
from cpexplore.gait import detect_events, joint_angles
from cpexplore.io.store import WalkStore
from cpexplore.runs import Run
from cpexplore.view.labels import feature_label, model_label
from cpexplore.view.model_grids import FUSION
from cpexplore.view.overview import Choice, association, figure_overview
from cpexplore.view.player import SkeletonPlayer, walk_saliency
from cpexplore.view.player.clip import angle_label, level_label, method_label
from cpexplore.view.tables import PROBABILITIES, predicted_level

_KEYS = ("walk_id", "level", "method", "feature", "other", "angle", "model")
_HEAD = """<div style="font:14px/1.5 system-ui,sans-serif">
<b style="font-size:17px">Cohort explorer</b> &nbsp; {name}<br>
<span style="color:var(--jp-ui-font-color2, #68727f)">{cohort}. Research use only;
not a medical device.</span></div>"""


class Dashboard(widgets.VBox):
    """The explorer of a run; made by :func:`cpexplore.view.explorer`.

    Parameters
    ----------
    run : Run
        A finished run.
    """

    walk_id: widgets.Dropdown
    """Choice of the walk in the player."""
    level: widgets.Dropdown
    """Choice of the level whose saliency and joint ranking are shown."""
    method: widgets.Dropdown
    """Choice of the attribution method."""
    feature: widgets.Dropdown
    """Choice of the feature that is shown by level."""
    other: widgets.Dropdown
    """Choice of the feature that it is plotted against."""
    angle: widgets.Dropdown
    """Choice of the joint angle whose mean curves are shown."""
    model: widgets.Dropdown
    """Choice of the model of the confusion matrix."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._kept = list(WalkStore(run.path / "walks.zarr"))
        self._predicted = _predictions(run)
        for key, control in self._controls().items():
            setattr(self, key, control)
        self.status = widgets.HTML()
        self.player_box = widgets.VBox(layout=widgets.Layout(min_height="480px"))
        self.player: SkeletonPlayer | None = None
        self.overview: Any = go.FigureWidget(figure_overview(run, self.choice))
        super().__init__(self._rows())
        self.add_class("cpx-explorer")
        self._link()
        self._open_walk()

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        return Choice(**{key: getattr(self, key).value for key in _KEYS})

    def open_walk(self, walk_id: str) -> None:
        """Show a walk in the player, or say that the run did not keep it."""
        if walk_id in self._kept:
            self.walk_id.value = walk_id
            self.status.value = ""
        else:
            self.status.value = (
                f"The run did not keep the frames of walk {html.escape(walk_id)}."
            )

    def _controls(self) -> dict[str, widgets.Dropdown]:
        features = [(feature_label(name), name) for name in association(self.run).index]
        levels = [
            name for name in ("all", *gmfcs.LEVELS) if self._ranked("level", name)
        ]
        methods = self.run.ranking["method"].unique().tolist()
        angles = [
            (angle_label(str(name)), str(name))
            for name, curve in self.run.curves.items()
            if {"walk", "side", "phase"} <= set(curve.dims)
        ]
        models = self.run.oof["model"].unique().tolist()
        options = {
            "walk_id": ("Walk", [(self._walk_label(w), w) for w in self._kept]),
            "level": ("Level", [(_level_option(name), name) for name in levels]),
            "method": ("Method", [(method_label(name), name) for name in methods]),
            "feature": ("Feature", features),
            "other": ("against", features),
            "angle": ("Angle", angles),
            "model": ("Model", [(model_label(name), name) for name in models]),
        }
        controls = {key: _dropdown(*option) for key, option in options.items()}
        if len(features) > 1:
            controls["other"].index = 1
        if FUSION in models:
            controls["model"].value = FUSION
        return controls

    def _ranked(self, column: str, value: str) -> bool:
        return bool((self.run.ranking[column] == value).any())

    def _walk_label(self, walk_id: str) -> str:
        level = str(self.run.index["gmfcs"].get(walk_id, "?"))
        said = self._predicted.get(walk_id, "?")
        return f"{walk_id} · GMFCS {level}, predicted {said}"

    def _rows(self) -> list[widgets.Widget]:
        index = self.run.index
        kind = "Simulated" if self.run.simulated else "Recorded"
        cohort = (
            f"{kind} children: {counted(len(index), 'walk')} of "
            f"{counted(len(index['patient_id'].unique()), 'patient')}"
        )
        head = _HEAD.format(
            name=html.escape(self.run.path.name), cohort=html.escape(cohort)
        )
        above = [self.walk_id, self.level, self.method]
        below = [self.feature, self.other, self.angle, self.model]
        wrap = widgets.Layout(flex_flow="row wrap", margin="8px 0", grid_gap="2px 16px")
        return [
            widgets.HTML(head),
            widgets.HBox([*above, self.status], layout=wrap),
            self.player_box,
            widgets.HBox(below, layout=wrap),
            self.overview,
        ]

    def _link(self) -> None:
        self.walk_id.observe(lambda _: self._open_walk(), names="value")
        for key in ("level", "method"):
            getattr(self, key).observe(lambda _: self._tell_player(), names="value")
        for key in _KEYS:
            getattr(self, key).observe(lambda _: self._redraw(), names="value")
        for trace in self.overview.select_traces({"type": "scatter"}):
            if trace.customdata is not None:
                trace.on_click(self._on_click)

    def _on_click(self, trace: Any, points: Any, _: Any) -> None:
        for number in points.point_inds:
            self.open_walk(str(trace.customdata[number][0]))

    def _open_walk(self) -> None:
        walk_id = str(self.walk_id.value)
        walk = self.run.walk(walk_id)
        opened = SkeletonPlayer(
            walk,
            walk_saliency(self.run, walk_id),
            angles=joint_angles(walk),
            events=detect_events(walk),
        )
        closed, self.player = self.player, opened
        self._tell_player()
        self.player_box.children = [opened]
        if closed is not None:
            closed.close()

    def _tell_player(self) -> None:
        """Let the player show the chosen method and level; "all" is the walk's own."""
        player = self.player
        if player is None or player.clip.saliency is None:
            return
        level = self.level.value
        if level == "all":
            level = str(self.run.index["gmfcs"].get(self.walk_id.value))
        for dim, wanted in (("level", level), ("method", self.method.value)):
            if wanted in player.clip.saliency[dim].values:
                setattr(player, dim, wanted)

    def _redraw(self) -> None:
        new: Any = figure_overview(self.run, self.choice)
        with self.overview.batch_update():
            for old, trace in zip(self.overview.data, new.data, strict=True):
                old.update(trace.to_plotly_json(), overwrite=True)
            self.overview.update_layout(new.layout.to_plotly_json())


def _level_option(level: str) -> str:
    return "all levels" if level == "all" else level_label(level)


def _dropdown(label: str, options: list) -> widgets.Dropdown:
    return widgets.Dropdown(
        description=label,
        options=options,
        layout=widgets.Layout(width="auto"),
        style={"description_width": "initial"},
    )


def _predictions(run: Run) -> dict[str, str]:
    oof = run.oof.loc[run.oof["model"] == FUSION]
    mean = oof.groupby("walk_id")[PROBABILITIES].mean()
    levels = predicted_level(cast(pd.DataFrame, mean))
    return dict(zip(map(str, mean.index), map(str, levels), strict=True))
