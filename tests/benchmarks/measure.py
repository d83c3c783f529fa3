"""Ratios between two things measured in the same run: interleaved, medians, one readable line each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

Call = Callable[[], float | None]


def interleaved(calls: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """The median seconds of each call, measured A B C A B C ... so that a slow minute hits all alike.

    A call that prepares something first returns the seconds that count; else its whole time does.
    One round before the measured ones warms what a process has to learn once.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            own = call()
            whole = time.perf_counter() - started
            if round_:
                seconds[name].append(whole if own is None else own)
    return {name: median(found) for name, found in seconds.items()}


def line(what: str, ours: float, than: str, theirs: float, goal: str = "") -> float:
    """Print two times in one line and return their ratio."""
    ratio = ours / theirs if theirs > 0 else float("inf")
    aim = f"   goal: {goal}" if goal else ""
    print(f"  {what}: {shown(ours)}  vs  {than}: {shown(theirs)}  ->  {ratio:.3f}{aim}")
    return ratio


def title(text: str) -> None:
    print(f"\n{text}")


def shown(seconds: float) -> str:
    if abs(seconds) >= 1:
        return f"{seconds:.2f} s"
    if abs(seconds) >= 1e-3:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds * 1e6:.1f} us"


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
