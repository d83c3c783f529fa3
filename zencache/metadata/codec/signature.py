"""Who vouches for a record, and with what."""

from __future__ import annotations

from typing import Any

from zencache.entity import Signature
from zencache.metadata import schema
from zencache.metadata.codec.text import get_json, json_text


def signature_json(signature: Signature | None, **more: Any) -> dict[str, Any]:
    """A signature as JSON holds it; nothing if there is none."""
    return {} if signature is None else {"by": signature.by, "value": signature.value, **more}


def put_signature(properties: Any, signature: Signature | None, **more: Any) -> None:
    if signature is not None:
        properties[schema.SIGNATURE].string_value = json_text(signature_json(signature, **more))


def get_signature(properties: Any) -> Signature | None:
    return read_signature(get_json(properties, schema.SIGNATURE))


def read_signature(found: Any) -> Signature | None:
    """What :func:`signature_json` gave; None for anything else."""
    if not isinstance(found, dict):
        return None
    by, value = found.get("by"), found.get("value")
    return Signature(by, value) if isinstance(by, str) and isinstance(value, str) else None
