"""What steps and runs cost, and how much of it the cache saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from zencache.entity import Execution, PipelineRun, Status
from zencache.metadata import Reader


@dataclass(slots=True)
class Tally:
    """Counts over some executions.

    Args:
        name: of the step, or of the run.
        hits: how many were taken from the cache.
        misses: how many were executed and completed.
        failures: how many failed or were canceled.
        seconds: time that they took, hits included.
        saved: seconds that the hits took when they were executed.
        bytes: size of what the misses made.
    """

    name: str
    hits: int = 0
    misses: int = 0
    failures: int = 0
    seconds: float = 0.0
    saved: float = 0.0
    bytes: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of hits among hits and misses; 0.0 without either."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0

    def add(self, execution: Execution, saved: float, size: int) -> None:
        """Count one more execution."""
        self.hits += execution.status is Status.CACHED
        self.misses += execution.status is Status.COMPLETED
        self.failures += execution.status in (Status.FAILED, Status.CANCELED)
        self.seconds += execution.duration
        self.saved += saved
        self.bytes += size


@dataclass(frozen=True, slots=True)
class Statistics:
    """Tallies of steps, the most expensive first, and of runs, oldest first; and of all together."""

    steps: tuple[Tally, ...]
    runs: tuple[Tally, ...]
    total: Tally


def statistics(read: Reader, pipeline: str | None = None, last: int | None = None) -> Statistics:
    """Go through the history once, a page at a time.

    Args:
        pipeline: only the runs of this pipeline.
        last: only so many of the last runs.
    """
    chosen = None if pipeline is None and last is None else read.runs(pipeline, last)
    tallies = _Tallies(read)
    for page in read.oldest_executions() if chosen is None else _pages_of(read, chosen):
        tallies.add(page)
    return Statistics(
        steps=tuple(sorted(tallies.steps.values(), key=lambda tally: (-tally.seconds, tally.name))),
        runs=tuple(tallies.runs.values()),
        total=tallies.total,
    )


def _pages_of(read: Reader, runs: Iterable[PipelineRun]) -> Iterator[list[Execution]]:
    for run in runs:
        yield read.brief_executions_of_run(run.id)


class _Tallies:
    def __init__(self, read: Reader):
        self._read = read
        self._durations: dict[int, float] = {}  # of executions that others may be taken from
        self.steps: dict[str, Tally] = {}
        self.runs: dict[str, Tally] = {}
        self.total = Tally("total")

    def add(self, page: list[Execution]) -> None:
        made = [execution.id for execution in page if execution.status is Status.COMPLETED]
        self._durations |= {e.id: e.duration for e in page if e.status is Status.COMPLETED}
        unknown = {e.source_id for e in page if e.source_id is not None} - self._durations.keys()
        self._durations |= {e.id: e.duration for e in self._read.brief_executions(unknown)}
        sizes = self._sizes(made)
        for execution in page:
            saved = self._durations.get(execution.source_id or 0, 0.0)
            size = sizes.get(execution.id, 0)
            self.steps.setdefault(execution.step, Tally(execution.step)).add(execution, saved, size)
            self.runs.setdefault(execution.run, Tally(execution.run)).add(execution, saved, size)
            self.total.add(execution, saved, size)

    def _sizes(self, executions: list[int]) -> Mapping[int, int]:
        """Execution -> bytes of its outputs."""
        outputs = [edge for edge in self._read.edges_of_executions(executions) if edge.is_output]
        artifacts = self._read.artifacts_by_id(edge.artifact_id for edge in outputs)
        sizes: dict[int, int] = {}
        for edge in outputs:
            if edge.artifact_id in artifacts:
                size = artifacts[edge.artifact_id].size
                sizes[edge.execution_id] = sizes.get(edge.execution_id, 0) + size
        return sizes
