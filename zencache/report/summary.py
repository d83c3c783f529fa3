"""What is kept of a finished run, so that a history over many runs reads each of them once."""

from __future__ import annotations

import collections
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from zencache.entity import Artifact
from zencache.repository import Repository
from zencache.view import Run

_KEPT = 500  # runs
_STEPS = 6_000  # steps of earlier runs that are read at most for one history
_FEWEST, _MOST = 12, 60  # runs of one history


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How many steps of a run had which status, and the small outputs that may be metrics."""

    counts: Mapping[str, int]
    metrics: Mapping[tuple[str, str], Artifact]


class Summaries:
    """Summaries of runs; those of finished runs are remembered, since nothing changes them any more."""

    def __init__(self, repository: Repository):
        self._repository = repository
        self._kept: collections.OrderedDict[str, RunSummary] = collections.OrderedDict()
        self._guard = threading.Lock()

    def of(self, run: Run) -> RunSummary:
        with self._guard:
            if run.name in self._kept:
                self._kept.move_to_end(run.name)
                return self._kept[run.name]
        found = self._read(run)
        if run.status != "running":
            with self._guard:
                self._kept[run.name] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _read(self, run: Run) -> RunSummary:
        executions = self._repository.stores.metadata.read.executions_of_run(run.record.id)
        latest = {execution.node: execution for execution in executions}
        counts = collections.Counter(execution.status.value for execution in latest.values())
        if run.status != "running":
            wired = {row["name"] for row in run.record.definition.get("steps", [])}
            counts["skipped"] += len(wired - latest.keys())
        metrics = {
            (node, name): artifact
            for node, execution in latest.items()
            for name, artifact in execution.outputs.items()
            if is_metric(artifact)
        }
        return RunSummary(dict(counts), metrics)


def is_metric(artifact: Artifact) -> bool:
    """Whether an artifact may be one number."""
    return artifact.python_type in ("builtins:float", "builtins:int") and artifact.size < 100


def history_length(steps: int) -> int:
    """Over how many runs of so many steps a history goes back."""
    return max(_FEWEST, min(_MOST, _STEPS // max(1, steps)))
