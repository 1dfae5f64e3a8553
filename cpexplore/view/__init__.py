"""What people see: player, explorer, plots and report; never imports torch."""

from typing import TYPE_CHECKING, Any

from cpexplore.view.explorer import explorer

if TYPE_CHECKING:
    from cpexplore.view import plots
    from cpexplore.view.player import SkeletonPlayer
    from cpexplore.view.report import write_report

__all__ = ["SkeletonPlayer", "explorer", "plots", "write_report"]


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: a report needs no Jupyter."""
    if name == "SkeletonPlayer":
        from cpexplore.view.player import SkeletonPlayer

        return SkeletonPlayer
    if name == "write_report":
        from cpexplore.view.report import write_report

        return write_report
    if name == "plots":
        from importlib import import_module

        return import_module("cpexplore.view.plots")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
