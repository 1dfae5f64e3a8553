import re

import numpy as np
import pandas as pd
import pytest

from cpexplore import gmfcs


def test_levels_are_ordered_whatever_their_spelling():
    levels = gmfcs.as_levels([4, "I", 2.0, None, float("nan"), pd.NA])
    assert list(levels[:3]) == ["IV", "I", "II"]
    assert levels[3:].isna().all()
    assert levels.ordered
    assert levels.min() == "I"


def test_encode_and_decode_are_inverse():
    codes = np.array([0, 1, 2, 3, -1])
    np.testing.assert_array_equal(gmfcs.encode(gmfcs.decode(codes)), codes)


def test_a_level_that_is_none_says_so():
    sentence = "`gmfcs` must be one of 'I', 'II', 'III', 'IV'; got 'V'."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        gmfcs.as_levels(["V"])
    sentence = "`gmfcs` must be one of 1, 2, 3, 4; got 6."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        gmfcs.as_levels([6])
