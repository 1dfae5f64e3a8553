"""The cohort explorer: a finished run in one linked view."""

from pathlib import Path
from typing import TYPE_CHECKING

from cpexplore.runs import Run, load_run

if TYPE_CHECKING:
    from cpexplore.view.dashboard import Dashboard


def explorer(run: Run | str | Path) -> "Dashboard":
    """Explore a run: choose a walk, a level and a method; see what belongs to them.

    Needs JupyterLab, but no torch: everything is read from the run directory. A click
    on a walk in the feature plots opens it in the player.

    Parameters
    ----------
    run : Run or path
        What :func:`cpexplore.pipeline.run` or ``cpexplore run`` left on disk.

    Returns
    -------
    Dashboard
        An ipywidgets box; its ``walk_id``, ``level``, ``method``, ``feature`` and
        ``model`` controls are attributes.

    Raises
    ------
    FileNotFoundError
        If ``run`` is no run directory, or lacks its walks, a table, its curves or
        ``statistics/association.csv``. Without its saliency the player shows none.
    ImportError
        If the packages of the extra ``lab`` are not installed.

    Examples
    --------
    >>> from cpexplore.view import explorer
    >>> board = explorer("runs/demo")  # doctest: +SKIP
    >>> board.level.value = "III"  # doctest: +SKIP
    >>> board  # doctest: +SKIP
    """
    from cpexplore.view.dashboard import Dashboard

    return Dashboard(run if isinstance(run, Run) else load_run(run))
