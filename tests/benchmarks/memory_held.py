"""Run as a script: what a process holds at most that runs a chain twice, or hands an array to a step."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from graph_shapes import Kind, chain, write_graph
from measure import peak_memory

LENGTH = 1_000_000  # float32: 4 MB


def of_functions(kind: Kind, steps: int, folder: Path) -> None:
    module = write_graph(folder, kind, chain(steps))
    for _ in range(2):
        module.graph(0)


def of_steps(steps: int, folder: Path) -> None:
    from zencache import Repository

    module = write_graph(folder, "zencache", chain(steps))
    for _ in range(2):
        assert module.graph(0).run(repository=Repository(folder)).status == "completed"


def of_raw_calls(steps: int, folder: Path) -> None:
    from raw_mlmd import RawLoop

    RawLoop(folder / "raw.db", steps, wal=True).run()


def of_an_array(megabytes: int, folder: Path) -> None:
    from array_pipeline import large_array

    from zencache import Repository

    bound = large_array(length=megabytes * LENGTH // 4)
    for _ in range(2):
        assert bound.run(repository=Repository(folder)).status == "completed"


def of_a_bare_array(megabytes: int, _: Path) -> None:
    import array_pipeline as pipeline

    made = pipeline.make.entrypoint(megabytes * LENGTH // 4)
    pipeline.reduce.entrypoint(pipeline.normalise.entrypoint(made))


CALLS: dict[str, Any] = {
    "plain": lambda steps, folder: of_functions("plain", steps, folder),
    "joblib": lambda steps, folder: of_functions("joblib", steps, folder),
    "raw": of_raw_calls,
    "zencache": of_steps,
    "array": of_an_array,
    "bare array": of_a_bare_array,
}

if __name__ == "__main__":
    what, size = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        CALLS[what](int(size), Path(folder))
    print(json.dumps(peak_memory()))
