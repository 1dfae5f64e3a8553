"""The walk store: exact, ordered, picklable, atomic, same bytes."""

import pickle
import re

import numpy as np
import pytest
import xarray as xr

from cpexplore.io import WalkStore, store, write_store
from cpexplore.walks import convert_keypoints


@pytest.fixture
def mixed(raw_walk, cleaned_walk):
    """Raw and cleaned walks of several sets, lengths and rates."""
    return {
        "b": raw_walk("b", n_frames=7),
        "a": cleaned_walk("a", n_frames=31),
        "c": raw_walk("c", name="coco_17", n_frames=3, fps=50.0),
        "d": raw_walk("d", n_frames=1),
        "e": cleaned_walk("e", n_frames=12, name="blazepose_33"),
        "f": cleaned_walk("f", n_frames=9),
    }


def test_every_walk_comes_back_identical_and_in_order(tmp_path, mixed):
    kept = WalkStore(write_store(tmp_path / "s.zarr", mixed))
    assert list(kept) == list(mixed)
    assert len(kept) == len(mixed)
    for walk_id, walk in mixed.items():
        xr.testing.assert_identical(kept[walk_id], walk)
        for name, variable in walk.variables.items():
            assert kept[walk_id][name].dtype == variable.dtype


@pytest.mark.parametrize("shard", [1, 2, 5, 16, 64])
def test_walks_may_span_chunks_and_shards(tmp_path, mixed, monkeypatch, shard):
    monkeypatch.setattr(store, "_CHUNK", 1 if shard % 2 else 2)
    monkeypatch.setattr(store, "_SHARD", shard)
    kept = WalkStore(write_store(tmp_path / "s.zarr", mixed.values()))
    for walk_id, walk in mixed.items():
        xr.testing.assert_identical(kept[walk_id], walk)


def test_the_same_walks_give_the_same_bytes(tmp_path, mixed, content_of):
    write_store(tmp_path / "one" / "s.zarr", mixed)
    write_store(tmp_path / "two" / "s.zarr", (walk for walk in mixed.values()))
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


def test_a_pickled_store_is_small_and_works(tmp_path, mixed):
    kept = WalkStore(write_store(tmp_path / "s.zarr", mixed))
    assert kept["a"].sizes["time"] == 31
    letter = pickle.dumps(kept)
    assert len(letter) < 500
    xr.testing.assert_identical(pickle.loads(letter)["e"], mixed["e"])


def test_an_unknown_walk_is_a_key_error(tmp_path, mixed):
    kept = WalkStore(write_store(tmp_path / "s.zarr", mixed))
    assert "z" not in kept
    sentence = f"`walk_id` must be one of the 6 walks of {str(kept.path)!r}; got 'z'."
    with pytest.raises(KeyError, match=re.escape(sentence)):
        kept["z"]


def test_an_empty_store_is_a_store(tmp_path):
    kept = WalkStore(write_store(tmp_path / "s.zarr", []))
    assert list(kept) == []
    with pytest.raises(KeyError, match=re.escape("one of the 0 walks")):
        kept["a"]


def test_an_id_may_occur_once_and_nothing_is_left(tmp_path, raw_walk):
    sentence = "`walks` must have different ids; 'a' is twice."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_store(tmp_path / "s.zarr", [raw_walk("a"), raw_walk("b"), raw_walk("a")])
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_old_store(tmp_path, raw_walk, content_of):
    write_store(tmp_path / "s.zarr", [raw_walk("a")])
    before = content_of(tmp_path)

    def breaks():
        yield raw_walk("b")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_store(tmp_path / "s.zarr", breaks())
    assert content_of(tmp_path) == before


def test_a_store_is_replaced_as_a_whole(tmp_path, raw_walk):
    write_store(tmp_path / "s.zarr", [raw_walk("a"), raw_walk("c", name="coco_17")])
    kept = WalkStore(write_store(tmp_path / "s.zarr", [raw_walk("b")]))
    assert list(kept) == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_a_foreign_folder_is_never_replaced(tmp_path, raw_walk):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    sentence = (
        f"`path` must be free or a walk store; {str(tmp_path / 'mine')!r} is something "
        "else. Choose another one."
    )
    with pytest.raises(FileExistsError, match=re.escape(sentence)):
        write_store(tmp_path / "mine", [raw_walk()])
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_missing_store_says_how_to_make_one(tmp_path):
    sentence = (
        f"`path` must be a walk store; got {str(tmp_path / 'no.zarr')!r}. Make one "
        "with `write_store`."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        WalkStore(tmp_path / "no.zarr")


def test_a_damaged_index_is_one_sentence(tmp_path, raw_walk):
    path = write_store(tmp_path / "s.zarr", [raw_walk("a")])
    (path / "index.parquet").write_bytes(b"PAR1 and nothing more")
    sentence = (
        f"{str(path)!r} must be a walk store; its index is damaged. Write it again "
        "with `write_store`."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        list(WalkStore(path))


def test_variables_must_run_along_time_or_passes(tmp_path, raw_walk):
    walk = raw_walk().assign(colour=("keypoint", np.zeros(25)))
    sentence = (
        "`walks` must have numeric variables with 'time', 'bout' as first dim; "
        "'colour' are not. Drop them."
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        write_store(tmp_path / "s.zarr", [walk])


def test_a_stored_walk_can_be_worked_with(tmp_path, mixed):
    kept = WalkStore(write_store(tmp_path / "s.zarr", mixed))
    converted = convert_keypoints(kept["a"], "coco_17")
    xr.testing.assert_identical(converted, convert_keypoints(mixed["a"], "coco_17"))
