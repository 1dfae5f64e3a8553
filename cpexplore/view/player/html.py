"""The player in saved pages: self-contained, offline, the module that Jupyter uses."""

import base64
import html
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cpexplore._validation import check_option
from cpexplore.view.player.clip import Clip
from cpexplore.view.player.packing import CIVIDIS, pack

MODULE = Path(__file__).with_name("player.js")
STYLE = Path(__file__).with_name("player.css")

THEMES = ("auto", "light", "dark")

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
:root {{ color-scheme: {scheme}; }}
body {{ margin: 24px auto; max-width: 1120px; padding: 0 16px; }}
</style>
</head>
<body>
{fragment}
</body>
</html>
"""
_SCHEMES = {"auto": "light dark", "light": "light", "dark": "dark"}


class HasClips(Protocol):
    """What shows clips, such as a :class:`~cpexplore.view.SkeletonPlayer`."""

    @property
    def clips(self) -> tuple[Clip, ...]:
        """One clip, or two that are compared."""
        ...


def html_fragments(
    players: Sequence[Clip | HasClips], *, theme: str = "auto"
) -> list[str]:
    """Write players as pieces of one page; all of them share one style and script.

    Parameters
    ----------
    players : sequence of Clip or SkeletonPlayer
        What to show; see :func:`cpexplore.view.player.make_clip`, which needs no
        Jupyter.
    theme : {"auto", "light", "dark"}
        Colours; ``"auto"`` follows the reader's system.

    Returns
    -------
    list of str
        One piece of HTML per player, all text escaped; the last one carries the
        style and the script, so all of them must go into the same page.

    Raises
    ------
    ValueError
        If there is no such theme.
    """
    check_option("theme", theme, THEMES)
    mounts = [_mount(player, theme) for player in players]
    return [*mounts[:-1], *(mount + _module() for mount in mounts[-1:])]


def html_page(player: Clip | HasClips, *, theme: str = "auto") -> str:
    """Write a page with one player that opens offline and asks nobody for anything.

    Parameters
    ----------
    player, theme
        As in :func:`html_fragments`.

    Returns
    -------
    str
        A complete HTML document.
    """
    return _PAGE.format(
        policy=_POLICY,
        title=html.escape(_clips_of(player)[0].title),
        scheme=_SCHEMES[theme],
        fragment=html_fragments([player], theme=theme)[0],
    )


def _clips_of(player: Clip | HasClips) -> tuple[Clip, ...]:
    return (player,) if isinstance(player, Clip) else player.clips


def _mount(player: Clip | HasClips, theme: str) -> str:
    headers, blob = pack(_clips_of(player))
    scene = {
        "clips": headers,
        "colours": CIVIDIS,
        "theme": theme,
        "blob": base64.b64encode(zlib.compress(blob, 9)).decode(),
    }
    return (
        '<div class="cpx-mount"><script type="application/json">'
        f"{_script_json(scene)}</script></div>"
    )


def _module() -> str:
    return (
        f"<style>\n{STYLE.read_text()}</style>\n"
        f'<script type="module">\n{MODULE.read_text()}mountAll();\n</script>'
    )


def _script_json(content: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
