import re

import pandas as pd
import pytest

from cpexplore.io.files import write_atomic
from cpexplore.runs import load_run, write_json, write_table


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
