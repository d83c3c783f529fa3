"""Two things measured in the same run: interleaved, medians, one readable line for each pair."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from result import Goal, Result, Unit

Call = Callable[[], Any]  # a float that it returns is the seconds that count
T = TypeVar("T")

QUICK = bool(os.environ.get("ZENCACHE_BENCHMARK_QUICK"))
_titles = [""]
found: list[Result] = []


def sized(full: T, quick: T) -> T:
    """How much is measured: ``quick`` is for trying whether a benchmark works."""
    return quick if QUICK else full


def interleaved(calls: Mapping[str, Call], rounds: int, *, warm: bool = True) -> dict[str, float]:
    """The median seconds of each call, measured A B C A B C ... so that a slow minute hits all alike.

    A call that prepares something first returns the seconds that count; else its whole time does.
    One round before the measured ones warms what a process has to learn once.

    Args:
        warm: whether there is such a round; not where a round takes a minute and is warm by itself.
    """
    rounds = sized(rounds, min(rounds, 3))
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(0 if warm else 1, rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            own = call()
            whole = time.perf_counter() - started
            if round_:
                seconds[name].append(own if isinstance(own, float) else whole)
    return {name: median(found) for name, found in seconds.items()}


def title(text: str) -> None:
    """Begin a table of results."""
    _titles.append(text)
    print(f"\n{text}")


def line(
    what: str,
    ours: float,
    than: str = "",
    theirs: float = 0.0,
    goal: Goal | None = None,
    *,
    unit: Unit = "s",
    at: int | None = None,
) -> Result:
    """Print a result in one line and keep it; one that misses its goal fails its benchmark at the end."""
    result = Result(_titles[-1], what, ours, than, theirs, unit, goal, at)
    found.append(result)
    print(f"  {result}")
    return result


def in_process(script: Path, *arguments: object) -> Any:
    """What a script prints as JSON on its last line, run by a process of its own."""
    command = [sys.executable, str(script), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def process_seconds(*arguments: object) -> float:
    """The whole time of a Python process, from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, check=True)
    return time.perf_counter() - started


def peak_memory() -> int:
    """The most bytes of memory that this process has held.

    Not ``ru_maxrss``, which begins with what the parent of a process held when it started it.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM")) * 1024


def forget_peak() -> None:
    """Let :func:`peak_memory` begin anew with what is held now; where that is forbidden, it goes on."""
    with contextlib.suppress(PermissionError):
        Path("/proc/self/clear_refs").write_text("5")
