"""Text, JSON and times in properties: what is too long lies in the artifact store as a record."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Protocol

from zencache.exceptions import ArtifactUnusable
from zencache.metadata import schema


class Records(Protocol):
    """Where text lies that is too long for the metadata store."""

    def write_record(self, text: str) -> str: ...

    def read_record(self, reference: str) -> str: ...


def put_text(properties: Any, name: str, text: str, records: Records | None = None) -> None:
    """Set a string property; a text that is too long becomes a record, or is cut where there are none."""
    text = text.replace("\0", "\\0").encode("utf-8", "replace").decode()
    if size_of(text) > schema.MAX_TEXT:
        if records is not None:
            text = schema.TEXT_OF_RECORD + records.write_record(text)
        else:
            text = text.encode()[: schema.MAX_TEXT - 3].decode("utf-8", "ignore") + "…"
    properties[name].string_value = text


def size_of(text: str) -> int:
    """The bytes of a text in the database; on PostgreSQL each backslash is two."""
    return len(text.encode("utf-8", "replace")) + text.count("\\")


def get_text(properties: Any, name: str, records: Records | None = None) -> str:
    """A string property, or the record that it refers to; empty if there is none."""
    if name not in properties:
        return ""
    return resolved(str(properties[name].string_value), records)


def resolved(text: str, records: Records | None) -> str:
    """A text, or that of the record that it refers to; empty if the record is gone or damaged."""
    if text.startswith(schema.TEXT_OF_RECORD) and records is not None:
        try:
            return records.read_record(text.removeprefix(schema.TEXT_OF_RECORD))
        except ArtifactUnusable:
            return ""
    return text


def get_json(properties: Any, name: str, records: Records | None = None) -> dict[str, Any]:
    """A JSON object; empty if there is none, or it cannot be read."""
    return parse(get_text(properties, name, records))


def get_list(properties: Any, name: str) -> tuple[str, ...]:
    """A list of texts; empty if there is none, or it cannot be read."""
    try:
        found = json.loads(get_text(properties, name) or "[]")
    except (ValueError, RecursionError):
        return ()
    return tuple(str(item) for item in found) if isinstance(found, list) else ()


def parse(text: str) -> dict[str, Any]:
    """The JSON object of a text; empty for anything else."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def json_text(value: Any) -> str:
    """Compact JSON; what has no JSON form is kept as its ``repr``, keys of dicts among it."""
    try:
        return json.dumps(value, default=repr, separators=(",", ":"))
    except TypeError:  # a key that JSON does not have
        return json.dumps(_with_text_keys(value), default=repr, separators=(",", ":"))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key if isinstance(key, _JSON_KEYS) else repr(key): _with_text_keys(item)
            for key, item in value.items()
        }
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


_JSON_KEYS = (str, int, float, bool, type(None))


def time_of(milliseconds: int) -> datetime:
    """The moment that MLMD recorded, in UTC."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):  # of a row that somebody else has changed
        return datetime.fromtimestamp(0, timezone.utc)


def parse_time(text: str) -> datetime | None:
    """A moment in ISO 8601, in UTC unless it says otherwise; None if it cannot be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
