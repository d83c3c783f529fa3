"""What is a class is answered alike by all versions of Python."""

import numpy as np
import pytest

from zencache import step
from zencache.class_annotation import is_class


@pytest.mark.parametrize("annotation", [int, list, np.ndarray])
def test_a_class_is_one(annotation):
    assert is_class(annotation)


@pytest.mark.parametrize("annotation", [list[int], np.ndarray[int, int], int | str, "int", None])
def test_a_class_with_something_in_brackets_is_none(annotation):
    assert not is_class(annotation)


def test_a_step_takes_a_list_of_something():
    @step
    def total(X: list[int]) -> dict[str, int]:
        return {"sum": sum(X)}

    assert total.entrypoint([1, 2]) == {"sum": 3}
