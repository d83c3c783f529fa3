"""A metadata store with a long history, written through zencache's own writer.

Run as a script with a folder and a number it writes so many executions.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from zencache.digest import Digest, fingerprint
from zencache.entity import Artifact, Decision, Execution, Outcome, PipelineRun, Status
from zencache.materializer import ArtifactType
from zencache.policy import Level, Reason
from zencache.repository import Repository

_HIT = Decision(Outcome.HIT, Reason.SAME_KEY, Level.DEFAULT)
_MISS = Decision(Outcome.MISS, Reason.NO_ENTRY, Level.DEFAULT)


def write_history(folder: Path, *, executions: int, steps: int = 50, pipelines: int = 20) -> Repository:
    """Runs of chains of ``steps`` steps until there are ``executions``: each edits its pipeline's last fifth.

    Of each run four fifths are hits, as when a pipeline is being developed. No bytes are written: what is
    asked of a history is in the metadata store.
    """
    repository = Repository(folder, metadata=folder / "metadata.db", artifacts=folder / "artifacts")
    written = run = 0
    chains: dict[str, list[Execution]] = {}
    while written < executions:
        pipeline = f"pipeline_{run % pipelines:02}"
        chains[pipeline] = _run(repository, pipeline, f"{pipeline}-{run:06}", chains.get(pipeline, []), steps)
        written += steps
        run += 1
    return repository


def _run(
    repository: Repository, pipeline: str, name: str, before: Sequence[Execution], steps: int
) -> list[Execution]:
    names = [f"step_{index:03}" for index in range(steps)]
    rows = [
        {
            "name": node,
            "step": node,
            "source": f"history:{node}",
            "file": "history.py",
            "slot": node,
            "inputs": {"x": [names[index - 1], "output"]} if index else {},
            "after": [],
            "outputs": {"output": "builtins:int"},
        }
        for index, node in enumerate(names)
    ]
    started = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=os.getpid() % 7)
    run = PipelineRun(0, name, pipeline, Status.RUNNING, started, definition={"steps": rows})
    writer = repository.stores.metadata.begin_run(run, dict.fromkeys(names, "Process"))
    kept = list(before[: steps * 4 // 5])
    hits = [
        replace(
            e, id=0, run=name, status=Status.CACHED, decision=_HIT, source_id=e.id, key_parts={}, duration=0.0
        )
        for e in kept
    ]
    if hits:
        writer.hits(hits)
    chain = kept
    for index in range(len(kept), steps):
        inputs = {"x": chain[-1].outputs["output"]} if chain else {}
        chain.append(_executed(writer, names[index], name, inputs))
    writer.finish(
        replace(run, status=Status.COMPLETED, ended=started + timedelta(seconds=9), duration=9.0, saved=4.0)
    )
    return chain


def _executed(writer, node: str, run: str, inputs) -> Execution:  # type: ignore[no-untyped-def]
    digest = Digest("blake3:" + fingerprint((run, node)), 1000)
    key = fingerprint(("key", run, node))
    execution = Execution(
        0,
        node,
        node,
        run,
        Status.RUNNING,
        {"alpha": 1, "beta": "two"},
        key,
        {"step": node},
        _MISS,
        inputs=inputs,
    )
    execution = replace(
        writer.register(execution), status=Status.COMPLETED, duration=1.5, finished=time.time()
    )
    kind = "Model" if node.endswith("9") else "Dataset"
    output = Artifact(0, kind, f"/artifacts/{digest.hash}", digest.hash, digest, "m:M", "builtins:int")
    return writer.complete(execution, {"output": output}, {"output": ArtifactType(kind, kind)})


if __name__ == "__main__":
    write_history(Path(sys.argv[1]), executions=int(sys.argv[2]))
