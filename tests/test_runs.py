"""Run directories: complete files or clear sentences."""

import json
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from cpexplore.io import write_walk
from cpexplore.io.files import write_atomic, write_netcdf
from cpexplore.learning.checkpoints import save_tensors
from cpexplore.runs import (
    FILES,
    DamagedFileError,
    Run,
    load_run,
    read_table,
    undamaged,
    write_json,
    write_table,
)
from cpexplore.walks import make_walk


def test_a_folder_that_is_no_run_says_so(tmp_path):
    sentence = (
        f"`path` must be a run directory with a config.json; got {str(tmp_path)!r}. "
        "Make one with `cpexplore run`."
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(sentence)}$"):
        load_run(tmp_path)


def test_a_part_that_is_missing_names_the_file(tmp_path):
    write_json(tmp_path / "config.json", {"preset": "quick"})
    run = load_run(tmp_path)
    assert run.config == {"preset": "quick"}
    assert not run.has("oof")
    with pytest.raises(FileNotFoundError, match=r"lacks 'oof\.parquet'"):
        _ = run.oof


def test_a_failing_write_leaves_nothing_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "table.parquet"
    table = pd.DataFrame({"a": [1, 2]})
    write_table(target, table)

    def fail(file):
        file.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomic(target, fail)
    pd.testing.assert_frame_equal(pd.read_parquet(target), table)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_files_have_the_rights_that_the_user_gives_files(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "new.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640


def test_what_a_killed_process_left_is_no_table(tmp_path):
    folder = tmp_path / "statistics"

    def killed(file):
        file.write_text("half")
        file.rename(file.with_name(file.name + "x"))  # what no `finally` finds
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(folder / "effects.csv", killed)
    (left,) = folder.iterdir()
    left.rename(left.with_name(left.name.removesuffix("x")))
    write_atomic(folder / "trend.csv", lambda file: file.write_text("a\n1\n"))
    assert list(Run(tmp_path).statistics) == ["trend"]


def test_a_changed_number_of_a_table_is_noticed(tmp_path):
    table = pd.DataFrame({"p_I": np.random.default_rng(0).random(400)})
    file = write_table(tmp_path / "oof.parquet", table)
    whole = bytearray(file.read_bytes())
    for place in range(100, 3000, 290):  # inside the numbers
        damaged = whole.copy()
        damaged[place] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(DamagedFileError, match="is damaged"):
            read_table(file)


def test_a_damaged_table_of_statistics_is_named(tmp_path):
    file = tmp_path / "statistics" / "trend.csv"
    write_atomic(file, lambda path: path.write_text(""))
    with pytest.raises(ValueError, match="is damaged") as error:
        _ = Run(tmp_path).statistics
    assert str(error.value) == (
        f"{str(file)!r} is damaged (No columns to parse from file). Delete it and "
        "start the run again; finished stages are kept."
    )


def _write_all(folder, number):
    """Write one of each kind of file, 1 MB each; what the disk said, by name."""
    values = np.random.default_rng(number).random((2500, 25, 2))
    walk = make_walk(
        values, np.ones((2500, 25)), fps=25.0, keypoint_set="body_25", walk_id="a"
    )
    table = pd.DataFrame(values.reshape(-1, 50))
    writers = {
        "table.parquet": lambda file: write_table(file, table),
        "table.csv": lambda file: write_atomic(file, table.to_csv),
        "text.json": lambda file: write_json(file, {"text": "x" * 10**6}),
        "maps.nc": lambda file: write_netcdf(file, xr.Dataset({"x": walk["position"]})),
        "weights.safetensors": lambda file: save_tensors(
            file, {"a": torch.tensor(values)}, meta={}
        ),
        **{
            f"walk{suffix}": lambda file: write_walk(walk, file)
            for suffix in (".nc", ".csv", ".parquet", ".zarr")
        },
    }
    said = {}
    for name, write in writers.items():
        try:
            write(folder / name)
        except OSError as error:
            said[name] = str(error)
    return said


def _contents(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_a_full_disk_is_told_in_one_sentence_and_loses_nothing(tmp_path):
    assert _write_all(tmp_path, 1) == {}
    before = _contents(tmp_path)
    names = {name.split("/")[0] for name in before}
    script = (
        "import json, sys, resource, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from test_runs import _write_all\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))\n"
        "print(json.dumps(_write_all(pathlib.Path(sys.argv[2]), 2)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, __file__.rpartition("/")[0], tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        name: f"{str(tmp_path / name)!r} could not be written (File too large). What "
        "was finished before is kept; make room or choose another place, and start "
        "again."
        for name in names
    }
    assert _contents(tmp_path) == before


@pytest.mark.parametrize(
    ("part", "content", "reason"),
    [
        ("config", b'{"preset": "qu', "Unterminated string starting"),
        ("environment", b'{"mach', "Unterminated string starting"),
        ("metrics", b"PAR1" + b"x" * 50, "Parquet magic bytes"),
        ("saliency", b"HDF", "file signature not found"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(tmp_path, part, content, reason):
    file = tmp_path / FILES[part]
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as error:
        getattr(Run(tmp_path), part)
    assert str(error.value).startswith(f"{str(file)!r} is damaged (")
    assert reason in str(error.value)
    remedy = "Delete it and start the run again; finished stages are kept."
    if part == "config":  # without which nobody knows what the folder holds
        remedy = "Start again in another directory."
    assert str(error.value).endswith(f"). {remedy}")


def test_what_the_system_refuses_is_no_damage(tmp_path):
    with pytest.raises(OSError, match="Too many open files"), undamaged(tmp_path):
        raise OSError(24, "Too many open files")
