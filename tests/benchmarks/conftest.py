"""What all benchmarks share: the lines that a run logs cost what they cost a user, and are not shown."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[Any]:
    with _lines_are_written_but_not_shown():
        return (yield)


@contextlib.contextmanager
def _lines_are_written_but_not_shown() -> Iterator[None]:
    """A logger as an application finds it: pytest's handlers format and keep each line, or switch it off.

    A hook and not a fixture, because pytest adds its handlers anew before each test's own call.
    """
    logger = logging.getLogger("zencache")
    before = logger.handlers[:], logger.level, logger.propagate
    logger.handlers[:], logger.propagate = [], False
    logger.setLevel(logging.NOTSET)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
