"""Artifacts, and the tombstones of those whose bytes were removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zencache.digest import Digest
from zencache.entity import Artifact, Tombstone
from zencache.materializer import json_value
from zencache.metadata import schema
from zencache.metadata.codec.signature import get_signature, put_signature
from zencache.metadata.codec.text import get_text, parse_time, put_text
from zencache.metadata.codec.value import put_value, value_of


def put_artifact(proto: Any, artifact: Artifact, type_id: int, declared: Iterable[str]) -> Any:
    """Fill an artifact. Its content's properties are typed as TFX types them, and kept exactly as JSON."""
    proto.type_id = type_id
    proto.uri = artifact.uri
    proto.state = proto.State.Value(artifact.state)
    properties = proto.custom_properties
    properties[schema.DIGEST].string_value = artifact.digest
    properties[schema.SIZE].string_value = str(artifact.object.size)
    properties[schema.MATERIALIZER].string_value = artifact.materializer
    properties[schema.PYTHON_TYPE].string_value = artifact.python_type
    if artifact.configuration:
        put_text(properties, schema.CONFIGURATION, artifact.configuration)
    if artifact.object.hash != artifact.digest:
        properties[schema.OBJECT].string_value = artifact.object.hash
    for name, value in {**artifact.properties, **artifact.content_properties}.items():
        put_value(proto.properties if name in declared else properties, name, value)
    put_signature(properties, artifact.signature)
    if artifact.content_properties:
        properties[schema.PROPERTIES].string_value = json_value.dumps(dict(artifact.content_properties))
    return proto


def get_artifact(proto: Any) -> Artifact:
    """The artifact of a row. One whose content's properties cannot be read has no digest, and so no use."""
    properties = proto.custom_properties
    content_properties = _get_content_properties(properties)
    digest = get_text(properties, schema.DIGEST) if content_properties is not None else ""
    size = get_text(properties, schema.SIZE)
    state = proto.State.Name(proto.state)
    is_lost = schema.LOST in properties and bool(properties[schema.LOST].bool_value)
    return Artifact(
        id=proto.id,
        type=proto.type,
        uri=proto.uri,
        digest=digest,
        object=Digest(get_text(properties, schema.OBJECT) or digest if digest else "", _recorded_size(size)),
        materializer=get_text(properties, schema.MATERIALIZER),
        python_type=get_text(properties, schema.PYTHON_TYPE),
        configuration=get_text(properties, schema.CONFIGURATION),
        content_properties=content_properties or {},
        state=state,
        is_lost=is_lost,
        properties=_artifact_properties(proto),
        signature=get_signature(properties) if schema.SIGNATURE in properties else None,
        tombstone=None if state == "LIVE" or is_lost else _get_tombstone(properties),
    )


def put_tombstone(proto: Any, tombstone: Tombstone) -> Any:
    """Set who removes an artifact's bytes, why and when; the state is another matter."""
    properties = proto.custom_properties
    put_text(properties, schema.REMOVED_WHY, tombstone.why)
    put_text(properties, schema.REMOVED_BY, tombstone.by)
    properties[schema.REMOVED_WHEN].string_value = tombstone.when.isoformat()
    properties[schema.REMOVED_OWNER].string_value = tombstone.owner
    return proto


def _get_tombstone(properties: Any) -> Tombstone | None:
    when = parse_time(get_text(properties, schema.REMOVED_WHEN))
    if when is None:
        return None
    return Tombstone(
        why=get_text(properties, schema.REMOVED_WHY),
        by=get_text(properties, schema.REMOVED_BY),
        when=when,
        owner=get_text(properties, schema.REMOVED_OWNER),
    )


def _recorded_size(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _artifact_properties(proto: Any) -> dict[str, Any]:
    """What is recorded of an artifact besides zencache's own facts: declared, custom, and its name."""
    found = {"name": proto.name} if proto.name else {}
    for properties in (proto.properties, proto.custom_properties):
        found.update({n: value_of(v) for n, v in properties.items() if not n.startswith(schema.PREFIX)})
    return dict(sorted(found.items())) if len(found) > 1 else found


def _get_content_properties(properties: Any) -> dict[str, Any] | None:
    exact = get_text(properties, schema.PROPERTIES)
    if not exact:
        return {}
    try:
        found = json_value.loads(exact)
    except (ValueError, TypeError, RecursionError):
        return None
    is_right = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    return found if is_right else None
