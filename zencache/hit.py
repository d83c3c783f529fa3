"""The hits of one run: recorded together, and looked up once more if their bytes are being removed."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping

from zencache.cache import Cache
from zencache.entity import Artifact, Execution
from zencache.metadata import MetadataStore, RunWriter


class Hits:
    """The cached executions of one run.

    Args:
        executions: node -> its execution; what is recorded of a hit is put there.
    """

    def __init__(
        self,
        metadata: MetadataStore,
        writer: RunWriter,
        cache: Cache,
        executions: MutableMapping[str, Execution],
    ):
        self._metadata = metadata
        self._writer = writer
        self._cache = cache
        self._executions = executions
        self._unrecorded: list[Execution] = []
        self._lost: set[str] = set()

    @property
    def are_recorded(self) -> bool:
        return not self._unrecorded

    @property
    def lost(self) -> Collection[str]:
        """The nodes whose hits are being removed, as was seen after they were recorded."""
        return self._lost

    def add(self, execution: Execution) -> None:
        """A hit, which is recorded later, together with others."""
        self._unrecorded.append(execution)

    def record(self) -> None:
        """Record the hits since the last time, all in one batch."""
        if self._unrecorded:
            hits = self._writer.hits(self._unrecorded)
            self._unrecorded = []
            for execution in hits:
                self._executions[execution.node] = execution
            # Who removes bytes marks them first, and then looks who uses them; a run records that it does,
            # and then looks whether they are marked. So at least one of the two sees the other.
            doomed = self._metadata.read.doomed({a.id for e in hits for a in e.outputs.values()})
            self._lost |= {e.node for e in hits if any(a.id in doomed for a in e.outputs.values())}

    def discard(self, node: str, artifact: Artifact, error: Exception) -> None:
        """A hit could not be read: the next look-up does not find the entry that lied."""
        if node in self._lost:
            self._forget(node)
        else:
            self._cache.invalidate(artifact, error)
        self._unrecorded = [execution for execution in self._unrecorded if execution.node != node]

    def take_lost(self) -> list[str]:
        """The nodes to visit again, which are not lost any more."""
        lost = [name for name in self._executions if name in self._lost]
        if lost:
            self._writer.reopen()
        for name in lost:
            self._forget(name)
        return lost

    def _forget(self, node: str) -> None:
        """A hit that is being removed is looked up anew: perhaps it was spared."""
        self._lost.discard(node)
        self._cache.forget([artifact.id for artifact in self._executions[node].outputs.values()])
