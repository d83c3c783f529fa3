"""The first fingerprint of a step that reaches 200 functions in 50 modules: read, recalled, known."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import mkdtemp

import pytest
from measure import in_process, line, sized, title
from package import FUNCTIONS, write_package
from result import Goal

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

ROUNDS = sized(9, 2)
RECALLED = Goal(0.02, of="ours")
# Seconds of the first and the second call of a process; the first with reading the memory, if there is one.
SCRIPT = """
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import many.steps
from zencache.fingerprint import code_of, load_memory, save_memory

def seconds(call):
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu

def first():
    load_memory(Path(sys.argv[2]))
    code_of(many.steps.make.entrypoint)

times = [seconds(first), seconds(lambda: code_of(many.steps.make.entrypoint))]
times.append(seconds(lambda: save_memory(Path(sys.argv[2]))))
units = code_of(many.steps.make.entrypoint).units
functions = sum(unit.label.rpartition(".")[2].islower() for unit in units)
print(json.dumps([*times, functions]))
"""


def test_the_first_fingerprint_of_a_process(tmp_path: Path) -> None:
    write_package(tmp_path)
    script = tmp_path / "fingerprint.py"
    script.write_text(SCRIPT)
    remembered = tmp_path / "remembered"
    remembered.mkdir()
    in_process(script, tmp_path, remembered)
    found: dict[str, list[list[float]]] = {"read": [], "recalled": [], "known": [], "saved": []}
    for _ in range(ROUNDS):
        reading, known, saved, functions = in_process(script, tmp_path, mkdtemp(dir=tmp_path))
        recalling, *_ = in_process(script, tmp_path, remembered)
        for name, times in zip(found, (reading, recalling, known, saved), strict=True):
            found[name].append(times)
        assert functions >= FUNCTIONS

    for place, clock in enumerate(("wall", "CPU")):
        took = {name: median(times[place] for times in all_times) for name, all_times in found.items()}
        title(f"fingerprint of a step that reaches {FUNCTIONS} functions in 50 modules, {clock} time")
        line("first process, no memory", took["read"], "second call", took["known"])
        line("later process, memory", took["recalled"], "no memory", took["read"], RECALLED)
        line("later process, memory", took["recalled"], "second call", took["known"])
        line("second call in the process", took["known"], "no memory", took["read"])
        line("writing the memory, once", took["saved"], "no memory", took["read"])
