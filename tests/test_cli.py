"""The command line as a user meets it: exit codes and one sentence."""

import subprocess
import sys

import pandas as pd
import pytest


def cpexplore(*arguments, cwd):
    command = [sys.executable, "-m", "cpexplore", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def one_sentence(done, *, code=1):
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("cpexplore: ")
    return lines[0].removeprefix("cpexplore: ")


def test_no_command_and_an_unknown_one_are_wrong_use(tmp_path):
    assert cpexplore(cwd=tmp_path).returncode == 2
    assert cpexplore("rnu", cwd=tmp_path).returncode == 2
    assert cpexplore("run", "--jobs", "0", cwd=tmp_path).returncode == 2


def test_a_missing_cohort_folder(tmp_path):
    done = cpexplore("run", "--cohort", "nowhere", "--out", "out", cwd=tmp_path)
    sentence = "`cohort` must be 'simulated' or an existing folder; got 'nowhere'."
    assert one_sentence(done) == sentence
    assert list(tmp_path.iterdir()) == []


def test_a_missing_run(tmp_path):
    done = cpexplore("explain", "sample:sports2d", "--run", "nowhere", cwd=tmp_path)
    assert one_sentence(done) == (
        "`path` must be a run directory with a config.json; got 'nowhere'. Make one "
        "with `cpexplore run`."
    )


def test_an_unknown_preset(tmp_path):
    done = cpexplore("run", "--preset", "fast", "--out", "out", cwd=tmp_path)
    assert one_sentence(done) == (
        "`preset` must be one of 'quick', 'paper'; got 'fast'."
    )
    assert list(tmp_path.iterdir()) == []


def test_features_of_the_sample_walk(tmp_path):
    done = cpexplore("features", "sample:sports2d", "--out", "f.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "f.csv", index_col="walk_id")
    assert table.index.tolist() == ["sports2d"]
    assert 90 < table.loc["sports2d", "cadence_spm"] < 130
    assert (tmp_path / "f_reasons.csv").exists()


@pytest.mark.parametrize("layout", ["native", "gaitlab"])
def test_simulate_writes_a_cohort_that_check_likes(tmp_path, layout):
    arguments = ("--patients", 6, "--seed", 1, "--layout", layout)
    done = cpexplore("simulate", "--out", "c", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "simulator parameters" in done.stdout
    again = cpexplore("simulate", "--out", "c", *arguments, cwd=tmp_path)
    assert one_sentence(again) == (
        "`root` must be a new or empty folder; 'c' is not. Choose another one."
    )
    assert cpexplore("check", "c", cwd=tmp_path).returncode == 0


def test_a_file_without_fps(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(["1.0"] * 75) + "\n")
    done = cpexplore("features", "a.csv", cwd=tmp_path)
    assert "`fps` must be given" in one_sentence(done)
    assert not (tmp_path / "features.csv").exists()


def test_debug_shows_where(tmp_path):
    done = cpexplore("run", "--cohort", "nowhere", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr
