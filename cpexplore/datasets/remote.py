"""Recordings that are downloaded on request, never by themselves, with checksums."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

COMMIT = "38e00d95e0212498b96799162c692ae4e1192f57"
"""State of github.com/mcgillmotionlab/biomechzoo that the paths belong to."""

BASE_URL = f"https://raw.githubusercontent.com/mcgillmotionlab/biomechzoo/{COMMIT}/"

BIOMECHZOO: Mapping[str, str | None] = MappingProxyType(
    {
        f"sample-study/Data/raw c3d files/{trial[:-2]}/Straight/{trial}.c3d": None
        for trial in (
            *("HC002D06", "HC030A05", "HC031A06", "HC032A03", "HC033A10", "HC036A10"),
            *("HC038A11", "HC039A17", "HC040A14", "HC044A15", "HC050A11", "HC055A09"),
        )
    }
)
"""Path in the repository to ``sha256``; None until somebody has computed it from a
trusted copy. Files without a checksum are never downloaded."""

SHARED_VARIABLE = "CPEXPLORE_SHARED"
"""Environment variable: the folder whose ``data/biomechzoo`` holds converted trials."""


def fetch_biomechzoo(*, folder: str | Path | None = None) -> list[Path]:
    """Download the biomechZoo sample study: 12 healthy children, raw c3d.

    MIT, (c) McGill MOTION Lab. Only files whose sha256 is in :data:`BIOMECHZOO` are
    downloaded, and each is checked against it.

    Parameters
    ----------
    folder : str or path, optional
        Where to keep the files; default the user's cache folder.

    Returns
    -------
    list of path
        The downloaded files; those already there are not downloaded again.

    Raises
    ------
    FileNotFoundError
        If no checksum is known, so that nothing may be downloaded.
    ValueError
        If a file does not have its checksum.

    Examples
    --------
    As long as no checksum is known this says so and downloads nothing:

    >>> from cpexplore.datasets import fetch_biomechzoo
    >>> files = fetch_biomechzoo(folder="biomechzoo")  # doctest: +SKIP
    """
    import pooch

    known = {quote(path): sha for path, sha in BIOMECHZOO.items() if sha is not None}
    if not known:
        raise FileNotFoundError(
            f"None of the {len(BIOMECHZOO)} biomechZoo files has a checksum in "
            f"`BIOMECHZOO` yet, so none is downloaded. Get them from {BASE_URL} by "
            "hand, or read converted ones with `load_biomechzoo`."
        )
    shelf = pooch.create(
        path=folder or pooch.os_cache("cpexplore"),
        base_url=BASE_URL,
        registry=dict(known),
    )
    return [Path(shelf.fetch(path)) for path in known]


def biomechzoo_folder() -> Path:
    """Find the converted biomechZoo trials beside the project.

    Returns
    -------
    path
        ``data/biomechzoo`` of the folder that :data:`SHARED_VARIABLE` names, default
        ``../shared`` relative to the project; for
        :func:`cpexplore.datasets.load_biomechzoo`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    A folder made here, as the variable would name it:

    >>> import os, tempfile
    >>> from pathlib import Path
    >>> from unittest import mock
    >>> from cpexplore.datasets import biomechzoo_folder
    >>> with tempfile.TemporaryDirectory() as shared:
    ...     trials = Path(shared) / "data" / "biomechzoo"
    ...     trials.mkdir(parents=True)
    ...     (trials / "subjects.csv").touch()
    ...     with mock.patch.dict(os.environ, CPEXPLORE_SHARED=shared):
    ...         print(biomechzoo_folder() == trials)
    True
    """
    project = Path(__file__).parents[2]
    shared = Path(os.environ.get(SHARED_VARIABLE) or project.parent / "shared")
    folder = shared / "data" / "biomechzoo"
    if not (folder / "subjects.csv").is_file():
        raise FileNotFoundError(
            f"The converted biomechZoo trials must be in {str(folder)!r}; they are "
            f"not. Set {SHARED_VARIABLE} to the folder above 'data'."
        )
    return folder
