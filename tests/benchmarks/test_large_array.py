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
from blake3 import blake3
from measure import Call, in_process, interleaved, line, title
from result import Goal

from zencache import Repository, artifact_value
from zencache.artifact_store.local import LocalArtifactStore
from zencache.materializer.numpy_array import ArrayMaterializer

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SCRIPT = Path(array_pipeline.__file__)
LENGTH = array_pipeline.LENGTH
NBYTES = 4 * LENGTH
QUICK_ENOUGH = Goal(1.25)  # 80% of the speed


def bare_work() -> None:
    made = array_pipeline.make.entrypoint(LENGTH)
    array_pipeline.reduce.entrypoint(array_pipeline.normalise.entrypoint(made))


def test_a_large_array_costs_its_bytes_once(tmp_path: Path) -> None:
    bound = array_pipeline.large_array(length=LENGTH)
    made = array_pipeline.make.entrypoint(LENGTH)
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
    line("executed run", cold["cold"], "the bare functions", cold["bare"])
    line("added by an executed run", cold["cold"] - cold["bare"], "np.save + fsync", cold["save"], Goal(2))
    line("cached run", warm["run"], "the bare functions", cold["bare"], Goal(0.05))
    line("cached run, its stores opened for it", warm["opened"], "the bare functions", cold["bare"])
    line("cached run, first in its process", read["seconds"], "the bare functions", cold["bare"])
    asked, from_disk = "read by a cached run, asked for", "read by a cached run, from disk"
    line(asked, read["asked"], "the array", NBYTES, Goal(0.01), unit="B")
    line(from_disk, read["disk"], "loading the array", alone["load"]["disk"], Goal(0.01), unit="B")
    line("load, verified", load["load"], "read + BLAKE3", load["hash"], Goal(1.3))
    line("load, verified, every page touched", load["load and touch"], "read + BLAKE3", load["hash"])
    assert alone["cached"] == 3


def test_saving_and_hashing_is_as_quick_as_the_slower_of_both(tmp_path: Path) -> None:
    array = array_pipeline.make.entrypoint(LENGTH)
    store, materializer = LocalArtifactStore(tmp_path / "artifacts"), ArrayMaterializer()
    counts = itertools.count(1)
    read: list[int] = []

    def publish() -> float:
        array[0] = next(counts)  # bytes of its own, so that they are not there already
        before, started = array_pipeline.bytes_read()["asked"], time.perf_counter()
        artifact_value.save(store, array, materializer)
        seconds = time.perf_counter() - started
        read.append(array_pipeline.bytes_read()["asked"] - before)
        shutil.rmtree(tmp_path / "artifacts")
        return seconds

    def save() -> float:
        started = time.perf_counter()
        with open(tmp_path / "array.npy", "wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        seconds = time.perf_counter() - started
        (tmp_path / "array.npy").unlink()
        return seconds

    calls: dict[str, Call] = {
        "ours": publish,
        "np.save + fsync": save,
        "BLAKE3 on one core": lambda: blake3(array.view(np.uint8), max_threads=1).digest(),
    }
    seconds = interleaved(calls, rounds=11)
    slower = max(("np.save + fsync", "BLAKE3 on one core"), key=lambda what: seconds[what])
    title(f"saving and hashing an array of {NBYTES / 1e6:.0f} MB")
    for than in ("np.save + fsync", "BLAKE3 on one core"):
        goal = QUICK_ENOUGH if than == slower else None
        line("saved, hashed, durable", seconds["ours"], than, seconds[than], goal)
    line("read while it is saved", max(read), "the array", NBYTES, Goal(0.01), unit="B")


def check(run: Any) -> None:
    assert run.status == "completed"
