"""What people say of artifacts and edits: acceptances, quarantines and pins, each told by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from zencache.entity import Acceptance, Artifact, Pin, Quarantine
from zencache.metadata import codec, schema
from zencache.metadata.connection import Connection


def put_acceptance(connection: Connection, acceptance: Acceptance) -> None:
    """Record an acceptance, or change the one of the same step and code."""
    _put_context(connection, schema.ACCEPTANCE, lambda context: codec.put_acceptance(context, acceptance))


def put_quarantine(connection: Connection, quarantine: Quarantine) -> Quarantine:
    """Record a quarantine, or change the one of the same content."""
    id_ = _put_context(
        connection, schema.QUARANTINE, lambda context: codec.put_quarantine(context, quarantine)
    )
    return replace(quarantine, id=id_)


def put_pin(connection: Connection, pin: Pin) -> None:
    """Record a pin, or change the one of the same target."""
    _put_context(connection, schema.PIN, lambda context: codec.put_pin(context, pin))


def put_in_quarantine(connection: Connection, quarantine: Quarantine, artifact: Artifact) -> None:
    """Record that an artifact has the content of a quarantine."""
    from ml_metadata.proto import metadata_store_pb2 as proto

    attribution = proto.Attribution(artifact_id=artifact.id, context_id=quarantine.id)
    connection.write(lambda store: store.put_attributions_and_associations([attribution], []))


def _put_context(connection: Connection, type_name: str, fill: Callable[[Any], Any]) -> int:
    """Record a context that is told by its name, or replace the one of that name; its id."""

    def put(store: Any) -> int:
        context = fill(schema.new_context(connection, type_name))
        known = store.get_context_by_type_and_name(type_name, context.name)
        if known is not None:
            context.id = known.id  # put with its id and without a mask, it is replaced
        return int(store.put_contexts([context])[0])

    return connection.write(put)
