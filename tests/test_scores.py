"""Scores: what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from tsclassify.errors import InputError
from tsclassify.scores import Scores


@pytest.mark.parametrize("value", [float("nan"), -0.001, 1.001, float("inf"), float("-inf")])
@pytest.mark.parametrize("row", [0, 2])
def test_scores_outside_zero_to_one_are_refused_wherever_they_stand(value: float, row: int) -> None:
    values = np.full((3, 2), 0.5, dtype=np.float32)
    values[row, 1] = value
    with pytest.raises(InputError, match=r"must lie in \[0, 1\] and not be NaN"):
        Scores(("a", "b"), values)


def test_bounds_and_no_rows_are_scores() -> None:
    assert len(Scores(("a", "b"), np.array([[0.0, 1.0]], dtype=np.float32))) == 1
    assert len(Scores(("a", "b"), np.empty((0, 2), dtype=np.float32))) == 0
