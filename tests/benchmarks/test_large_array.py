"""A 200 MB array costs what its bytes cost on disk, and nothing when its step is cached."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from pathlib import Path
from statistics import median
from typing import Any

import array_pipeline
import numpy as np
import pytest
from measure import in_process, interleaved, line, shown, title

from zencache import Repository

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SCRIPT = Path(array_pipeline.__file__)
NBYTES = 4 * array_pipeline.LENGTH


def bare_work() -> None:
    made = array_pipeline.make.entrypoint(array_pipeline.LENGTH)
    array_pipeline.reduce.entrypoint(array_pipeline.normalise.entrypoint(made))


def test_a_large_array_costs_its_bytes_once(tmp_path: Path) -> None:
    bound = array_pipeline.large_array()
    made = array_pipeline.make.entrypoint(array_pipeline.LENGTH)
    stored = [made, array_pipeline.normalise.entrypoint(made)]

    def cold_run() -> float:
        folder = tmp_path / "cold"
        folder.mkdir()
        started = time.perf_counter()
        run = bound.run(repository=Repository(folder))
        seconds = time.perf_counter() - started
        assert not any(step.is_cached for step in run.steps.values())
        shutil.rmtree(folder)
        return seconds

    def save() -> float:
        started = time.perf_counter()
        for index, array in enumerate(stored):
            with open(tmp_path / f"{index}.npy", "wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
        seconds = time.perf_counter() - started
        for index in range(len(stored)):
            (tmp_path / f"{index}.npy").unlink()
        return seconds

    cold = interleaved({"bare": bare_work, "cold": cold_run, "save": save}, rounds=9)
    stored.clear()
    del made

    project = tmp_path / "project"
    project.mkdir()
    bound.run(repository=Repository(project))
    os.sync()  # a disk that still writes what the cold runs left would be measured instead
    warm = interleaved({"opened": lambda: check(bound.run(repository=Repository(project)))}, rounds=15)
    kept = Repository(project)
    warm |= interleaved({"run": lambda: check(bound.run(repository=kept))}, rounds=25)
    alone = in_process(SCRIPT, "run", project)
    read = alone["run"]
    order = itertools.cycle(["load", "hash"])
    loads = [in_process(SCRIPT, "load", project, next(order)) for _ in range(10)]
    load = {name: median(found[name] for found in loads) for name in loads[0]}

    title(f"an array of {NBYTES / 1e6:.0f} MB through three steps")
    print(f"  cold run {shown(cold['cold'])}, bare work {shown(cold['bare'])}")
    added = line("added by a cold run", cold["cold"] - cold["bare"], "np.save + fsync", cold["save"], "<= 2")
    cached = line("cached run", warm["run"], "bare work", cold["bare"], "< 0.05")
    line("cached run, its stores opened for it", warm["opened"], "bare work", cold["bare"])
    line("cached run, first in its process", read["seconds"], "bare work", cold["bare"])
    print(
        f"  bytes read by a cached run: {read['asked']:,} asked for, {read['disk']:,} from disk"
        f"   goal: < {NBYTES // 100:,}   (loading one array: {alone['load']['disk']:,} from disk)"
    )
    loaded = line("load, verified", load["load"], "read + BLAKE3", load["hash"], "<= 1.3")
    line("load, verified, every page touched", load["load and touch"], "read + BLAKE3", load["hash"])
    assert added <= 2
    assert cached < 0.05
    assert alone["cached"] == 3
    assert max(read["asked"], read["disk"]) < NBYTES // 100
    assert loaded <= 1.3


def check(run: Any) -> None:
    assert run.status == "completed"
