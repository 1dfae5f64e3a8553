"""The bundled recordings, and downloads that need a checksum."""

import hashlib
import re
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pytest

from cpexplore.datasets import (
    biomechzoo_folder,
    fetch_biomechzoo,
    load_biomechzoo,
    remote,
    sample_walk,
)
from cpexplore.walks import validate_walk


@pytest.mark.parametrize("name", ["sports2d", "sports2d_lite"])
def test_samples_are_attributed_walks(name):
    walk = sample_walk(name)
    validate_walk(walk)
    assert walk.attrs["walk_id"] == name
    assert walk.attrs["fps"] == 30.0
    assert walk.attrs["simulated"] == 0
    assert walk.attrs["license"] == "BSD-3-Clause, (c) 2022 perfanalytics"
    assert "sports2d 0.8.34" in walk.attrs["source"]
    seen = np.isfinite(walk["position"]).all(("keypoint", "space")).values
    assert not seen[:28].any()
    assert seen[40:].mean() > 0.95


def test_the_two_samples_are_the_same_walk_by_two_models():
    full, lite = sample_walk("sports2d"), sample_walk("sports2d_lite")
    shift = abs(full["position"] - lite["position"]).median()
    assert 0 < shift < 10


def test_an_unknown_sample_lists_the_others():
    sentence = (
        "`name` must be one of 'sports2d', 'sports2d_lite'; got 'sport2d'. Did you "
        "mean 'sports2d'?"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        sample_walk("sport2d")


def test_nothing_is_downloaded_without_checksum(tmp_path, monkeypatch):
    unknown = dict.fromkeys(remote.BIOMECHZOO)
    monkeypatch.setattr(remote, "BIOMECHZOO", unknown)
    with pytest.raises(FileNotFoundError, match="None of the 12 biomechZoo files has"):
        fetch_biomechzoo(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine with one file whose path has spaces."""
    served = tmp_path / "served"
    (served / "raw c3d files").mkdir(parents=True)
    (served / "raw c3d files" / "HC.c3d").write_bytes(b"markers")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    handler = partial(Quiet, directory=str(served))
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{http.server_port}/"
        monkeypatch.setattr(remote, "BASE_URL", address)
        yield
        http.shutdown()
        thread.join()


@pytest.mark.usefixtures("server")
def test_a_file_with_its_checksum_is_downloaded_once(tmp_path, monkeypatch):
    sha = hashlib.sha256(b"markers").hexdigest()
    files = {"raw c3d files/HC.c3d": sha, "raw c3d files/other.c3d": None}
    monkeypatch.setattr(remote, "BIOMECHZOO", files)
    (file,) = fetch_biomechzoo(folder=tmp_path / "cache")
    assert file.read_bytes() == b"markers"
    monkeypatch.setattr(remote, "BASE_URL", "http://127.0.0.1:9/")
    assert fetch_biomechzoo(folder=tmp_path / "cache") == [file]


@pytest.mark.usefixtures("server")
def test_a_file_with_another_checksum_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "BIOMECHZOO", {"raw c3d files/HC.c3d": "0" * 64})
    with pytest.raises(ValueError, match=r"hash of downloaded file"):
        fetch_biomechzoo(folder=tmp_path / "cache")
    assert not [f for f in (tmp_path / "cache").rglob("*") if f.is_file()]


def test_the_registry_is_well_formed():
    assert len(remote.BIOMECHZOO) == 12
    for path, sha in remote.BIOMECHZOO.items():
        assert path.endswith(".c3d")
        assert sha is None or re.fullmatch("[0-9a-f]{64}", sha)


def test_converted_trials_are_looked_for_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv(remote.SHARED_VARIABLE, str(tmp_path))
    sentence = (
        "The converted biomechZoo trials must be in "
        f"{str(tmp_path / 'data' / 'biomechzoo')!r}; they are not. Set "
        "CPEXPLORE_SHARED to the folder above 'data'."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        biomechzoo_folder()


@pytest.mark.data
def test_converted_trials_load():
    try:
        folder = biomechzoo_folder()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(load_biomechzoo(folder)) == 7
