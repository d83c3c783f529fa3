"""Leases in the metadata store: one context for each generation, and nothing but uniqueness between two.

ML Metadata has no conditional update, and needs none here: the external id of a generation can be
inserted only once, within the transaction that it protects. So whoever inserts generation *n* holds the
key, whoever inserts *n + 1* ends that: the holder itself, together with its result, or the one who takes
over. Clocks decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from zencache.entity import Lease
from zencache.exceptions import ZencacheError
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection

_JUMPS = 20  # powers of two by which the newest of many generations is looked for


class LeaseTaken(Exception):
    """Somebody else was faster, or had the key before; ``lease`` is the generation that stood in the way."""

    def __init__(self, lease: Lease):
        super().__init__(lease.cache_key)
        self.lease = lease


class LeaseLost(ZencacheError):
    """The holder of a lease has been overtaken; what it made is refused. ``lease`` is the next generation."""

    lease: Lease

    def __init__(self, lease: Lease):
        super().__init__(
            "Another run has taken this step over while it ran, and its result came too late.",
            facts={"taken over by": lease.run or None, "owner": lease.owner or None},
        )
        self.lease = lease


class LeaseReader:
    """Who holds a key, and the heartbeats of those that this process holds."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def newest(self, cache_key: str, known: int = 1) -> Lease | None:
        """The newest generation of a key's lease: one call, or a few where there are many generations.

        Args:
            cache_key: the key.
            known: a generation that exists.
        """
        found = self._generations(cache_key, (known, known + 1))
        if known + 1 not in found:
            return found.get(known)
        newest = known + 1
        while True:  # whatever is missed between two jumps is found by the next ones, from the higher of them
            found = self._generations(cache_key, (newest, *(newest + 2**jump for jump in range(_JUMPS))))
            if max(found) == newest:
                return found[newest]
            newest = max(found)

    def beat(self, beats: Mapping[int, int]) -> None:
        """Record that the holders of some leases are alive: lease id -> how often they have said so."""
        contexts = [schema.new_context(self._connection, schema.LEASE, id=lease_id) for lease_id in beats]
        for context in contexts:
            context.custom_properties[schema.BEAT].int_value = beats[context.id]
        mask = [f"custom_properties.{schema.BEAT}"]
        self._connection.write(lambda store: store.put_contexts(contexts, field_mask_paths=mask))

    def held(self) -> list[Lease]:
        """The newest generation of every key that somebody holds; those that cannot be read are left out."""
        newest: dict[str, Lease] = {}
        for lease in map(codec.get_lease, filter(codec.is_lease, self._rows())):
            known = newest.get(lease.cache_key)
            if known is None or known.generation < lease.generation:
                newest[lease.cache_key] = lease
        return [lease for lease in newest.values() if not lease.is_released]

    def unreadable(self) -> list[Lease]:
        """Generations whose rows somebody has changed, as their external ids say."""
        rows = [row for row in self._rows() if not codec.is_lease(row)]
        return [
            Lease(key, int(number), "unreadable", id=row.id)
            for row in rows
            for key, number in [row.external_id.removeprefix("zencache:lease:").rpartition(":")[::2]]
            if number.isdecimal() and row.external_id == schema.lease_id(key, int(number))
        ]

    def release(self, lease: Lease) -> None:
        """Record the end of a lease, whose holder will not. If it does live, its result comes too late."""
        from ml_metadata import errors

        context = lease_context(self._connection, lease.ended)
        with suppress(errors.AlreadyExistsError):  # it has ended itself, or somebody has taken it over
            self._connection.write(lambda store: store.put_contexts([context]))

    def retire(self, lease: Lease) -> None:
        """Let the row of a generation that cannot be read say that nobody holds it."""
        context = codec.put_end(schema.new_context(self._connection, schema.LEASE, id=lease.id), lease)
        self._connection.write(lambda store: store.put_contexts([context], field_mask_paths=["name"]))

    def _rows(self) -> list[Any]:
        return list(self._connection.read(lambda store: store.get_contexts_by_type(schema.LEASE)))

    def _generations(self, cache_key: str, numbers: Iterable[int]) -> dict[int, Lease]:
        ids = {schema.lease_id(cache_key, number): number for number in numbers}
        found = self._connection.read(lambda store: find_contexts(store, ids))
        return {ids[external_id]: codec.get_lease(context) for external_id, context in found.items()}


def find_contexts(store: Any, external_ids: Iterable[str]) -> dict[str, Any]:
    """Those contexts that exist, by external id: one call, or none."""
    from ml_metadata import errors

    wanted = list(external_ids)
    try:
        found = store.get_contexts_by_external_ids(wanted) if wanted else []
    except errors.NotFoundError:
        return {}
    return {context.external_id: context for context in found}


def lease_context(connection: Connection, lease: Lease) -> Any:
    """The context of a new generation."""
    return codec.put_lease(schema.new_context(connection, schema.LEASE), lease)
