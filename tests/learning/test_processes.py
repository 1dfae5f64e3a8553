"""One study in two processes."""

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cpexplore.learning import cross_validate
from cpexplore.learning.processes import Team
from cpexplore.runs import load_run

SCRIPT = Path(__file__).with_name("accelerated_study.py")


def test_a_process_on_its_own_does_everything():
    team = Team.join()
    assert team.is_first
    assert team.share([1, 2, 3]) == [1, 2, 3]
    team.wait()


@pytest.mark.slow
def test_two_processes_share_the_folds_of_one_study(study, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ("-m", "torch.distributed.run", "--nproc-per-node", "2")
    where = ("--master-addr", "127.0.0.1", "--master-port", str(port))
    out = tmp_path / "two"
    done = subprocess.run(
        [sys.executable, *launch, *where, str(SCRIPT), str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = re.findall(r"(?:first|other):[0-9,]+", done.stdout)  # lines may run together
    assert sorted(said) == ["first:0,2", "other:1"]
    one = cross_validate(
        study.cohort,
        replace(study.spec, models=("features_logit", "skeleton", "fusion_concat")),
        folds=3,
        features=study.features,
        windows=study.windows,
        out=tmp_path / "one",
    )
    pd.testing.assert_frame_equal(load_run(out).oof, one.oof)
    clock = ["seconds_per_epoch"]
    pd.testing.assert_frame_equal(
        load_run(out).metrics.drop(columns=clock), one.metrics.drop(columns=clock)
    )
