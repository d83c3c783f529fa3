"""What all benchmarks share: log lines cost what they cost a user, a missed goal fails, results are kept."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import measure
import pytest
from machine import machine, versions
from result import Benchmark, Result

_results: dict[str, list[Result]] = defaultdict(list)
_seconds: dict[str, float] = defaultdict(float)
_failed: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[Any]:
    name = pyfuncitem.path.stem.removeprefix("test_")
    measure.found.clear()
    measure.forget_peak()
    started = time.perf_counter()
    try:
        with _lines_are_written_but_not_shown():
            returned = yield
        missed = [str(result) for result in measure.found if result.is_missed]
        if missed and not measure.QUICK:  # goals are for full sizes
            pytest.fail("missed goals:\n" + "\n".join(missed), pytrace=False)
        return returned
    except BaseException:
        _failed.add(name)
        raise
    finally:
        _seconds[name] += time.perf_counter() - started
        measure.title("peak memory")
        measure.line(f"{name}: {pyfuncitem.name}", measure.peak_memory(), unit="B")
        _results[name] += measure.found


def pytest_sessionfinish() -> None:
    """A file for each module of benchmarks, in the folder that ``ZENCACHE_BENCHMARK_RESULTS`` names."""
    folder = os.environ.get("ZENCACHE_BENCHMARK_RESULTS")
    if not folder:
        return
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    for name, results in _results.items():
        outcome = "failed" if name in _failed else "passed"
        Benchmark(name, outcome, _seconds[name], now, machine(), versions(), results).save(Path(folder))


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
