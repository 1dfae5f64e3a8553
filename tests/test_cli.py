"""The command line as a user meets it: exit codes and one sentence."""

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from joblib import Parallel, delayed

from cpexplore import cli
from cpexplore.runs import write_json


def cpexplore(*arguments, cwd):
    command = [sys.executable, "-m", "cpexplore", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def one_sentence(done, *, code=1):
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("cpexplore: ")
    return lines[0].removeprefix("cpexplore: ")


def wrong_use(done):
    """The last line: what is wrong, below a hint at the usage."""
    assert done.returncode == 2, done.stderr
    assert "╭" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_no_command_and_an_unknown_one_are_wrong_use(tmp_path):
    assert cpexplore(cwd=tmp_path).returncode == 2
    assert cpexplore("rnu", cwd=tmp_path).returncode == 2
    assert cpexplore("run", "--jobs", "0", cwd=tmp_path).returncode == 2


def test_a_missing_cohort_folder(tmp_path):
    done = cpexplore("run", "--cohort", "nowhere", "--out", "out", cwd=tmp_path)
    sentence = "`--cohort` must be 'simulated' or an existing folder; got 'nowhere'."
    assert one_sentence(done) == sentence
    assert list(tmp_path.iterdir()) == []


def test_a_missing_run(tmp_path):
    done = cpexplore("explain", "sample:sports2d", "--run", "nowhere", cwd=tmp_path)
    assert one_sentence(done) == (
        "`--run` must be a run directory with a config.json; got 'nowhere'. Make one "
        "with `cpexplore run`."
    )


def test_an_explanation_goes_to_a_new_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    arguments = ("sample:sports2d", "--run", "nowhere", "--out", "mine")
    done = cpexplore("explain", *arguments, cwd=tmp_path)
    assert one_sentence(done, code=2) == (
        "`--out` must be a new or empty folder; 'mine' is not. Choose another one."
    )


def test_an_unknown_preset(tmp_path):
    done = cpexplore("run", "--preset", "fast", "--out", "out", cwd=tmp_path)
    assert "'fast' is not one of 'quick', 'paper'." in wrong_use(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("features", "a.csv", "--fps", "abc"), "'--fps'"),
        (("features", "a.csv", "--fps", -3), "'--fps'"),
        (("check", "a.csv", "--keypoint-set", "wrong"), "'halpe_26', 'blazepose_33'."),
        (("run", "--seed", -1), "'--seed'"),
        (("run", "--folds", 1), "'--folds'"),
        (("simulate", "--out", "c", "--patients", 0), "'--patients'"),
    ],
)
def test_an_option_that_does_not_parse_is_named(tmp_path, arguments, said):
    assert said in wrong_use(cpexplore(*arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_features_of_the_sample_walk(tmp_path):
    done = cpexplore("features", "sample:sports2d", "--out", "f.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "f.csv", index_col="walk_id")
    assert table.index.tolist() == ["sports2d"]
    assert 90 < table.loc["sports2d", "cadence_spm"] < 130
    assert (tmp_path / "f_reasons.csv").exists()
    again = cpexplore("features", "sample:sports2d", "--out", "f.csv", cwd=tmp_path)
    assert one_sentence(again, code=2) == (
        "`--out` must be a new file; 'f.csv' is a file already. Choose another name."
    )
    (tmp_path / "d").mkdir()
    folder = cpexplore("features", "sample:sports2d", "--out", "d", cwd=tmp_path)
    assert one_sentence(folder, code=2) == (
        "`--out` must be a new file; 'd' is a folder already. Choose another name."
    )


def test_a_bundled_walk_says_its_own_frame_rate(tmp_path):
    done = cpexplore("check", "sample:sports2d", "--fps", 25, cwd=tmp_path)
    assert one_sentence(done) == (
        "`--fps` must be left out for 'sample:sports2d', which says it itself; got "
        "25.0."
    )
    fine = cpexplore("check", "sample:sports2d", cwd=tmp_path)
    assert re.fullmatch(
        r"sample:sports2d: \d+ frames, \d+ per second \(\d+\.\d s\), keypoint set "
        r"blazepose_33, \d+ % of keypoints tracked; only the file was checked, not "
        r"whether its angles are plausible\.\nsample:sports2d: nothing wrong\.\n",
        fine.stdout,
    )


def _end_this_process(_):
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_worker_that_is_ended_is_told_in_one_sentence(tmp_path, monkeypatch, capsys):
    def audit_lines(*_args, **_options):
        return Parallel(n_jobs=2)(delayed(_end_this_process)(i) for i in range(2))

    monkeypatch.setattr("cpexplore.pipeline.audit_lines", audit_lines)
    write_json(tmp_path / "config.json", {})
    monkeypatch.setattr("sys.argv", ["cpexplore", "audit", "--run", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "cpexplore: A process at work was ended from outside, most often because "
        "memory ran out. Start again with fewer `--jobs`; what was finished is kept."
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run", "interrupted; the same command goes on where it stopped."),
        ("check", "interrupted."),
    ],
)
def test_an_interruption_is_told_without_a_traceback(
    monkeypatch, capsys, command, said
):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cpexplore.pipeline.load_cohort", interrupted)
    monkeypatch.setattr("cpexplore.datasets.inspect_source", interrupted)
    arguments = {"run": ["run", "--out", "new"], "check": ["check", "a.csv"]}
    monkeypatch.setattr("sys.argv", ["cpexplore", *arguments[command]])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err == f"cpexplore: {said}\n"


def test_a_run_with_other_settings_is_refused_before_the_cohort_is_read(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"preset": "quick", "folds": 5}')
    arguments = ("--cohort", "nowhere", "--out", "out", "--folds", 3, "--seed", 1)
    done = cpexplore("run", *arguments, cwd=tmp_path)
    assert done.stdout == ""
    assert one_sentence(done) == (
        "`--out` must be a new folder or hold the same study; 'out' holds one with "
        "another folds, seed. Choose another folder or delete it."
    )


def test_an_empty_folder_is_told_the_command(tmp_path):
    (tmp_path / "empty").mkdir()
    done = cpexplore("check", "empty", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.endswith("`cpexplore run --cohort DIR`.\n")


@pytest.mark.parametrize("layout", ["native", "gaitlab"])
def test_simulate_writes_a_cohort_that_check_likes(tmp_path, layout):
    arguments = ("--patients", 6, "--seed", 1, "--layout", layout)
    done = cpexplore("simulate", "--out", "c", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "simulator parameters" in done.stdout
    again = cpexplore("simulate", "--out", "c", *arguments, cwd=tmp_path)
    assert one_sentence(again, code=2) == (
        "`--out` must be a new or empty folder; 'c' is not. Choose another one."
    )
    checked = cpexplore("check", "c", cwd=tmp_path)
    assert checked.returncode == 0
    assert "simulated walks of 6 children; walks by level: I 6, II" in checked.stdout
    small = cpexplore("run", "--cohort", "c", "--folds", 9, cwd=tmp_path)
    assert "`--cohort` must have more walks" in small.stderr
    assert (small.stderr + small.stdout).count("Left out") == (layout == "gaitlab")
    inside = cpexplore("check", "c/processed", cwd=tmp_path)
    assert inside.returncode == 1
    assert layout == "native" or "Give the folder above it." in inside.stdout


def test_a_file_without_fps(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(["1.0"] * 75) + "\n")
    done = cpexplore("features", "a.csv", cwd=tmp_path)
    assert "`--fps` must be given" in one_sentence(done)
    assert not (tmp_path / "features.csv").exists()


def test_debug_shows_where(tmp_path):
    done = cpexplore("run", "--cohort", "nowhere", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr
