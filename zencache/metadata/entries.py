"""Cache entries by key: the newest of many keys in two calls, or every one of a single key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from zencache.entity import Artifact, CacheEntry
from zencache.metadata import codec, schema
from zencache.metadata.codec import Pointer
from zencache.metadata.rows import RowReader


class EntryReader(RowReader):
    """What was recorded under cache keys."""

    def entries(self, cache_keys: Sequence[str], *, nodes: Iterable[str] = ()) -> dict[str, CacheEntry]:
        """The newest entry of each key that has one: two calls for any number of keys.

        Args:
            nodes: names of node contexts whose ids are found, and remembered, in the same call.
        """
        known = self._connection.type_ids
        unknown = [schema.node_id(name) for name in nodes if (schema.NODE, name) not in known]
        contexts = self._contexts_by_external_ids([*map(schema.entry_id, cache_keys), *unknown])
        known.update({(schema.NODE, c.name): c.id for c in contexts if c.type == schema.NODE})
        pointers = {c.name: codec.get_pointer(c) for c in contexts if c.type == schema.EXECUTION_CACHE}
        found = {key: pointer for key, pointer in pointers.items() if pointer is not None}
        edges = self._edges_of(found.values())
        return {
            key: CacheEntry(
                key,
                one.execution_id,
                one.duration,
                one.finished,
                edges[one.execution_id][1],
                one.node,
                edges[one.execution_id][0],
                one.signature,
            )
            for key, one in found.items()
        }

    def _edges_of(
        self, pointers: Collection[Pointer]
    ) -> dict[int, tuple[Mapping[str, Artifact], Mapping[str, Artifact]]]:
        """Inputs and outputs of executions by name: outputs alone by their external ids, if these tell.

        Inputs are only read of an entry that is signed: its signature is over them as well.
        """
        from ml_metadata import errors

        named = {
            schema.output_id(one.execution_id, name): (one.execution_id, name)
            for one in pointers
            if one.signature is None
            for name in one.outputs or ()
        }
        outputs: dict[int, dict[str, Artifact]] = {one.execution_id: {} for one in pointers}
        try:
            protos = (
                self._call(lambda store: store.get_artifacts_by_external_ids(list(named))) if named else []
            )
        except errors.NotFoundError:
            protos = []
        for proto in protos:
            execution_id, name = named[proto.external_id]
            outputs[execution_id][name] = codec.get_artifact(proto)
        rest = [
            one.execution_id
            for one in pointers
            if one.outputs is None or one.signature or outputs[one.execution_id].keys() != set(one.outputs)
        ]
        found: dict[int, tuple[Mapping[str, Artifact], Mapping[str, Artifact]]] = {
            id_: ({}, made) for id_, made in outputs.items()
        }
        return found | self._edges(rest)

    def all_entries(self, cache_key: str) -> list[CacheEntry]:
        """Every entry of one key, newest first; for when the newest turns out to be unusable."""
        contexts = self._contexts_by_external_ids([schema.entry_id(cache_key)])
        if not contexts:
            return []
        executions = self._call(lambda store: store.get_executions_by_context(contexts[0].id))
        complete = [e for e in executions if e.last_known_state == e.State.Value("COMPLETE")]
        complete.sort(key=lambda e: (codec.finished_of(e), e.id), reverse=True)
        edges = self._edges([e.id for e in complete])
        return [
            CacheEntry(
                cache_key,
                e.id,
                e.custom_properties[schema.DURATION].double_value,
                codec.finished_of(e),
                edges[e.id][1],
                inputs=edges[e.id][0],
                signature=codec.get_signature(e.custom_properties),
            )
            for e in complete
        ]
