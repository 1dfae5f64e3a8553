import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cpexplore._validation import check_columns, check_dims, check_option, check_range


def test_check_option_names_every_option_and_the_close_match():
    sentence = (
        "`side` must be one of 'left', 'right'; got 'rigth'. Did you mean 'right'?"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_option("side", "rigth", ("left", "right"))


def test_check_option_says_nothing_about_a_far_value():
    sentence = "`side` must be one of 'left', 'right'; got 'up'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_option("side", "up", ("left", "right"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0])
def test_check_range_refuses_what_is_not_a_positive_number(value):
    sentence = f"`fps` must be a finite number and > 0; got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_range("fps", value, low=0, inclusive=False)


def test_check_range_takes_the_bounds_themselves():
    check_range("share", 0, low=0, high=1)
    check_range("share", 1, low=0, high=1)


def test_check_dims_lists_what_is_missing_and_what_is_there():
    array = xr.DataArray(np.zeros(2), dims="keypoint", coords={"keypoint": ["a", "b"]})
    sentence = "`position` lacks keypoints 'c', 'd'; it has 'a', 'b'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_dims(array, {"keypoint": ["a", "d", "c"]}, name="position")
    sentence = "`position` lacks the dimensions 'time'; it has 'keypoint'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_dims(array, {"time": []}, name="position")


def test_check_columns_lists_what_is_missing_and_what_is_there():
    sentence = "`oof` lacks the columns 'b'; it has 'a'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_columns(pd.DataFrame({"a": [1]}), ("a", "b"), name="oof")
