"""Where the time of a call goes, by what the code is for: from a profile, without what the profiler adds.

What is written in C is timed as it is: MLMD's calls and the file system's. The profiler makes Python slower,
so the times of Python code are made shorter, all in the same proportion. Time in Python's own library counts
for who called it.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

Function = tuple[str, int, str]  # file, line, name; of what is written in C the file is "~"

_LEAST = 0.2  # of its time with the profiler is Python's own, whatever a busy machine says
_IN_C = {
    "MLMD: inserts": ("metadata_store.Put",),
    "MLMD: look-ups": ("metadata_store.Get",),
    "disk: fsync": ("posix.fsync", "posix.fdatasync"),
    "disk: other calls": ("posix.", "io.open", "_io.open", "fcntl."),
}
_IN_PYTHON = {
    "MLMD's client in Python": ("/ml_metadata/",),
    "keys and fingerprints": ("/zencache/key.py", "/zencache/fingerprint/", "/zencache/digest.py"),
    "records: as MLMD has them": ("/zencache/metadata/",),
    "values: saved, loaded, verified": (
        "/zencache/artifact_store/",
        "/zencache/artifact_value.py",
        "/zencache/materializer/",
        "/zencache/intake.py",
    ),
    "leases": ("/zencache/lease.py",),
    "log lines and events": ("/zencache/log.py", "/zencache/events.py", "/zencache/progress.py"),
    "decisions and the rest of our Python": ("/zencache/",),
}


def shares(call: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Seconds of each part of a call, without what the profiler adds.

    The processor's time with the profiler and without it, taken in turns, says what it adds.
    """
    profile = cProfile.Profile()
    plain = profiled = 0.0
    for _ in range(rounds):
        plain += _processor_seconds(call)
        profiled += _processor_seconds(lambda: profile.runcall(call))
    in_c, in_python = _parted(pstats.Stats(profile).stats)  # type: ignore[attr-defined]
    scale = max(1 - (profiled - plain) / sum(in_python.values()), _LEAST)
    found = {**in_c, **{part: seconds * scale for part, seconds in in_python.items()}}
    return {part: seconds / rounds for part, seconds in found.items()}


def _parted(stats: dict[Function, Any]) -> tuple[dict[str, float], dict[str, float]]:
    in_c: dict[str, float] = defaultdict(float)
    in_python: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in stats.items():
        if function[0] == "~" and (part := _part(function[2], _IN_C)):
            in_c[part] += own
        else:
            for part, seconds in _blamed(function, own, callers, stats, depth=12):
                in_python[part] += seconds
    return in_c, in_python


def _blamed(
    function: Function, seconds: float, callers: dict[Function, Any], stats: dict[Function, Any], depth: int
) -> Iterator[tuple[str, float]]:
    """The parts that a function's own time counts for: its own, or those of its callers."""
    part = _part(function[0], _IN_PYTHON)
    whole = sum(row[3] for row in callers.values())
    if part or not depth or not whole:
        yield part or "Python's own library", seconds
        return
    for caller, row in callers.items():
        if row[3]:
            above = stats[caller][4]
            yield from _blamed(caller, seconds * row[3] / whole, above, stats, depth - 1)


def _part(text: str, parts: dict[str, tuple[str, ...]]) -> str | None:
    return next((part for part, marks in parts.items() if any(mark in text for mark in marks)), None)


def _processor_seconds(call: Callable[[], Any]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started
