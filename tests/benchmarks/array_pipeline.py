"""A large array through three steps; run as a script, what a process that knows nothing yet pays for it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from measure import sized

from zencache import Repository, pipeline, step

LENGTH = sized(50_000_000, 5_000_000)  # float32: 200 MB


@step
def make(length: int) -> np.ndarray:
    return np.random.default_rng(0).random(length, dtype=np.float32)


@step
def normalise(array: np.ndarray) -> np.ndarray:
    return (array - array.mean()) / array.std()


@step
def reduce(array: np.ndarray) -> float:
    return float(array.max() - array.min())


@pipeline
def large_array(length: int = LENGTH):
    reduce(normalise(make(length=length)))


def bytes_read() -> dict[str, int]:
    """What this process has asked of ``read`` and the like, and what came from the disk for it."""
    rows = dict(row.split(": ") for row in Path("/proc/self/io").read_text().splitlines())
    return {"asked": int(rows["rchar"]), "disk": int(rows["read_bytes"])}


def evict(folder: Path) -> None:
    """Take the files of a folder out of the page cache, so that a read through a memory map shows too."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def counted(call: Callable[[], Any]) -> dict[str, float]:
    before, started = bytes_read(), time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, **{name: n - before[name] for name, n in bytes_read().items()}}


def cached_run(folder: Path) -> dict[str, Any]:
    """A cached run with the arrays out of the page cache; then, as a control, a load of one of them."""
    import ml_metadata.metadata_store  # noqa: F401 - its own files are not what is counted here

    repository = Repository(folder)
    bound = large_array()
    evict(folder / ".zencache" / "artifacts")
    runs: list[Any] = []
    found = {"run": counted(lambda: runs.append(bound.run(repository=repository)))}
    steps = runs[0].steps
    found["load"] = counted(lambda: touch(steps["normalise"].output.read()))
    return {**found, "cached": sum(step.is_cached for step in steps.values())}


def loads(folder: Path, first: str) -> dict[str, float]:
    """Seconds of loading an artifact, and of reading and hashing its file; ``first`` goes first."""
    artifact = Repository(folder).get_pipeline("large_array").runs[-1].steps["normalise"].output
    (file,) = Path(artifact.uri).rglob("*.npy")
    hasher = blake3(max_threads=blake3.AUTO)
    calls: dict[str, Callable[[], Any]] = {
        "load": artifact.read,
        "hash": lambda: hasher.update(file.read_bytes()).hexdigest(),
    }
    found = {}
    for name in sorted(calls, key=lambda name: name != first):
        started = time.perf_counter()
        made = calls[name]()
        found[name] = time.perf_counter() - started
        if name == "load":
            touch(made)
            found["load and touch"] = time.perf_counter() - started
        del made
    return found


def touch(array: Any) -> None:
    """Fetch every page of an array."""
    array.view(np.uint8)[::4096].sum()


if __name__ == "__main__":
    what, project, *rest = sys.argv[1:]
    print(json.dumps(cached_run(Path(project)) if what == "run" else loads(Path(project), *rest)))
