"""Rows of the metadata store by their ids, many in a call, and what executions took and made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from zencache.entity import Artifact, Edge
from zencache.metadata import codec
from zencache.metadata.codec import Records
from zencache.metadata.connection import Connection

_CHUNK = 5_000  # ids asked for in one call


class RowReader:
    """Artifacts and edges by ids, and contexts by their names and external ids."""

    def __init__(self, connection: Connection, records: Records):
        self._connection = connection
        self._records = records

    def artifacts_by_id(self, artifact_ids: Iterable[int]) -> dict[int, Artifact]:
        protos = self._in_chunks(artifact_ids, lambda store, ids: store.get_artifacts_by_id(ids))
        return {proto.id: codec.get_artifact(proto) for proto in protos}

    def edges_of_artifacts(self, artifact_ids: Iterable[int]) -> list[Edge]:
        """Every execution that took or made one of some artifacts."""
        return _as_edges(self._in_chunks(artifact_ids, lambda s, ids: s.get_events_by_artifact_ids(ids)))

    def edges_of_executions(self, execution_ids: Iterable[int]) -> list[Edge]:
        """Every artifact that one of some executions took or made."""
        return _as_edges(self._in_chunks(execution_ids, lambda s, ids: s.get_events_by_execution_ids(ids)))

    def _in_chunks(self, ids: Iterable[int], call: Callable[..., Any]) -> Iterator[Any]:
        """Rows by id, in ascending order of the ids, some thousands in a call."""
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            yield from self._call(functools.partial(call, ids=chunk))

    def _edges(
        self, execution_ids: Sequence[int]
    ) -> dict[int, tuple[dict[str, Artifact], dict[str, Artifact]]]:
        """``(inputs, outputs)`` by name for each execution: two calls for any number of them."""
        edges: dict[int, tuple[dict[str, Artifact], dict[str, Artifact]]] = {
            id_: ({}, {}) for id_ in execution_ids
        }
        if not execution_ids:
            return edges
        found = self.edges_of_executions(execution_ids)
        artifacts = self.artifacts_by_id(edge.artifact_id for edge in found)
        for edge in found:
            artifact = artifacts.get(edge.artifact_id)
            if artifact is not None:
                side = edges[edge.execution_id][edge.is_output]
                for name in edge.names:
                    side[_free_name(side, name, artifact)] = artifact
        return edges

    def _context(self, type_name: str, name: str) -> Any:
        return self._call(lambda store: store.get_context_by_type_and_name(type_name, name))

    def _contexts_by_external_ids(self, external_ids: Sequence[str]) -> list[Any]:
        from ml_metadata import errors

        if not external_ids:
            return []
        try:
            return list(self._call(lambda store: store.get_contexts_by_external_ids(list(external_ids))))
        except errors.NotFoundError:
            return []

    def _call(self, call: Callable[[Any], Any]) -> Any:
        return self._connection.read(call)


def _as_edges(events: Iterable[Any]) -> list[Edge]:
    return [edge for event in events if (edge := codec.get_edge(event)) is not None]


def _free_name(side: Mapping[str, Artifact], name: str, artifact: Artifact) -> str:
    """The name, with a number behind it where another tool gave the same one to several artifacts."""
    free, count = name, 1
    while free in side and side[free].id != artifact.id:
        count += 1
        free = f"{name}_{count}"
    return free
