"""The skeleton player in JupyterLab: all frames go to the browser once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets
import xarray as xr

from cpexplore._validation import check_option, check_range
from cpexplore.runs import write_atomic
from cpexplore.view.player import html, still
from cpexplore.view.player.clip import Clip, make_clip
from cpexplore.view.player.packing import CIVIDIS, pack


class SkeletonPlayer(anywidget.AnyWidget):
    """Play a walk with what a network looked at, joint by joint and frame by frame.

    Playing sends nothing to the kernel; pausing, stepping or letting go of the slider
    sends one message. Setting a trait moves the player.

    Parameters
    ----------
    walk : xarray.Dataset
        A raw or cleaned walk.
    saliency : xarray.DataArray of shape ([method], [level], time, keypoint), optional
        Evidence on the walk's own clock, aligned by keypoint name; NaN where there
        is none.
    angles : xarray.Dataset of shape (time, [side]), optional
        Joint angles, degrees, see :func:`cpexplore.gait.joint_angles`.
    events : pandas.DataFrame, optional
        ``side, event, time_s``, see :func:`cpexplore.gait.detect_events`.
    compare : SkeletonPlayer or xarray.Dataset, optional
        A second walk, or another player's, shown beside the first, locked to it by
        time or by gait cycle.
    **traits
        What is shown first: ``frame`` (from 0; the first with a person, and with
        evidence where there is any), ``playing``, ``speed`` (times real time, 0.1 to
        2), ``selected_keypoint``, ``level``, ``method``, ``theme``.

    Raises
    ------
    ValueError
        If the walk is invalid, or something does not belong to it; also when a trait
        is set to what there is not.
    traitlets.TraitError
        If a trait is of the wrong type.

    Notes
    -----
    Keys, once the player has the focus: space plays and pauses, the arrows step (ten
    frames with shift), Home and End go to the ends, ``[`` and ``]`` to the events,
    ``+`` and ``-`` change the speed. A click on a joint selects it; a click in the
    heat map or the curves goes there.

    Examples
    --------
    Nobody is in the first 28 frames of this real walk. What is shown can be saved
    without a browser.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from cpexplore import datasets
    >>> from cpexplore.view import SkeletonPlayer
    >>> player = SkeletonPlayer(datasets.sample_walk("sports2d"), speed=0.5)
    >>> player.frame
    28
    >>> player.frame = 100
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     player.to_svg(Path(folder) / "walk.svg").read_text()[:4]
    '<svg'
    """

    _esm = html.MODULE
    _css = html.STYLE
    _scene = traitlets.Dict().tag(sync=True)
    _blob = traitlets.Bytes().tag(sync=True)

    frame = traitlets.Int(0, help="Frame that is shown, from 0.").tag(sync=True)
    playing = traitlets.Bool(default_value=False, help="Whether it plays.").tag(
        sync=True
    )
    speed = traitlets.Float(1.0, help="Times real time, 0.1 to 2.").tag(sync=True)
    selected_keypoint = traitlets.Unicode("", help="Name, or nothing.").tag(sync=True)
    level = traitlets.Unicode("", help="Level of the saliency.").tag(sync=True)
    method = traitlets.Unicode("", help="Method of the saliency.").tag(sync=True)
    theme = traitlets.Enum(html.THEMES, "auto", help="Colours.").tag(sync=True)

    def __init__(
        self,
        walk: xr.Dataset,
        saliency: xr.DataArray | None = None,
        *,
        angles: xr.Dataset | None = None,
        events: pd.DataFrame | None = None,
        compare: "SkeletonPlayer | xr.Dataset | None" = None,
        **traits: Any,
    ) -> None:
        self.clip = make_clip(walk, saliency, angles=angles, events=events)
        self._others = _clips_of(compare)
        headers, blob = pack([self.clip, *self._others])
        first: dict[str, Any] = {"level": self.clip.level, "method": self.clip.method}
        first["frame"] = self.clip.start
        scene = {"clips": headers, "colours": CIVIDIS}
        super().__init__(_scene=scene, _blob=blob, **(first | traits))
        self.layout.width = "100%"

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The walk and what it is compared with, with the saliency now chosen."""
        shown = replace(self.clip, level=self.level, method=self.method)
        return (shown, *self._others)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that plays offline, without Jupyter.

        Parameters
        ----------
        path : str or path
            Where to write it.

        Returns
        -------
        path
            The file written.
        """
        page = html.html_page(self, theme=self.theme)
        return write_atomic(
            Path(path), lambda file: file.write_text(page, encoding="utf-8")
        )

    def to_svg(self, path: str | Path, *, frame: int | None = None) -> Path:
        """Write one frame as SVG; the one that is shown by default."""
        drawing = still.svg(self.clips[0], self.frame if frame is None else frame)
        return write_atomic(
            Path(path), lambda file: file.write_text(drawing, encoding="utf-8")
        )

    def to_png(self, path: str | Path, *, frame: int | None = None) -> Path:
        """Write one frame as a PNG; the one that is shown by default."""
        picture = still.image(self.clips[0], self.frame if frame is None else frame)
        return write_atomic(Path(path), lambda file: picture.save(file, format="PNG"))

    def to_gif(self, path: str | Path) -> Path:
        """Write the whole walk as an animated GIF at its own pace."""
        first, *rest = [
            still.image(self.clips[0], frame) for frame in range(self.clip.n_frames)
        ]
        pause_ms = 1000 / self.clip.walk.attrs["fps"] / self.speed
        return write_atomic(
            Path(path),
            lambda file: first.save(
                file,
                format="GIF",
                save_all=True,
                append_images=rest,
                duration=pause_ms,
                loop=0,
            ),
        )

    @traitlets.validate("frame")
    def _check_frame(self, proposal: Any) -> int:
        check_range("frame", proposal["value"], low=0, high=self.clip.n_frames - 1)
        return proposal["value"]

    @traitlets.validate("speed")
    def _check_speed(self, proposal: Any) -> float:
        check_range("speed", proposal["value"], low=0.1, high=2)
        return proposal["value"]

    @traitlets.validate("selected_keypoint")
    def _check_keypoint(self, proposal: Any) -> str:
        names = self.clip.walk["keypoint"].values.tolist()
        check_option("selected_keypoint", proposal["value"], ("", *names))
        return proposal["value"]

    @traitlets.validate("level", "method")
    def _check_choice(self, proposal: Any) -> str:
        dim, value = proposal["trait"].name, proposal["value"]
        check_option(dim, value, self._options(dim))
        return value

    def _options(self, dim: str) -> list[str]:
        saliency = self.clip.saliency
        return [""] if saliency is None else saliency[dim].values.tolist()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        """Add a drawing, so that an exported notebook is not blank."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "image/svg+xml": still.svg(self.clips[0], self.frame)}, metadata


def _clips_of(compare: SkeletonPlayer | xr.Dataset | None) -> tuple[Clip, ...]:
    if compare is None:
        return ()
    if isinstance(compare, SkeletonPlayer):
        return compare.clips[:1]
    return (make_clip(compare),)
