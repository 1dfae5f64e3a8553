"""Files and folders are complete or absent."""

import re

import pytest

from cpexplore.io.files import write_atomic, write_folder_atomic


def test_where_you_are_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        f"A folder is written anew and cannot be {str(tmp_path)!r}, where you are or "
        "where a disk is mounted. Name a new folder."
    )
    made = []
    with pytest.raises(FileExistsError, match=re.escape(message)):
        write_folder_atomic(tmp_path, made.append)
    assert not made
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_not_told_as_unwritten(tmp_path):
    source, out = tmp_path / "walks" / "w7.csv", tmp_path / "out" / "w7.txt"
    with pytest.raises(FileNotFoundError) as error:
        write_atomic(out, lambda file: file.write_text(source.read_text()))
    assert error.value.filename == str(source)
    assert "could not be written" not in str(error.value)
    blocked = tmp_path / "a file"
    blocked.touch()
    with pytest.raises(OSError, match="could not be written"):
        write_atomic(blocked / "out.txt", lambda file: file.write_text("x"))


def test_a_failure_leaves_the_old_folder(tmp_path):
    folder = tmp_path / "out"
    write_folder_atomic(folder, lambda new: (new / "a").write_text("old"))

    def fail(new):
        (new / "a").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_folder_atomic(folder, fail)
    assert (folder / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
