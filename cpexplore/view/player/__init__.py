"""The skeleton saliency player: in JupyterLab, in saved pages, as a drawing.

``make_clip`` aligns a walk with its saliency, angles and events; ``html_fragments``
puts clips into a page; ``SkeletonPlayer`` is the widget.
"""

from typing import TYPE_CHECKING, Any

from cpexplore.view.player.clip import Clip, make_clip
from cpexplore.view.player.html import html_fragments, html_page
from cpexplore.view.player.still import svg
from cpexplore.view.player.windows import walk_saliency

if TYPE_CHECKING:
    from cpexplore.view.player.widget import SkeletonPlayer

__all__ = [
    "Clip",
    "SkeletonPlayer",
    "html_fragments",
    "html_page",
    "make_clip",
    "svg",
    "walk_saliency",
]


def __getattr__(name: str) -> Any:
    """Import the widget when it is asked for: pages need no Jupyter."""
    if name == "SkeletonPlayer":
        from cpexplore.view.player.widget import SkeletonPlayer

        return SkeletonPlayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
