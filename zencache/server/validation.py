"""What a request must be before MLMD's C++ code sees it, which ends the process over some of them.

An empty ``Value`` aborts it, a NUL cuts a text in two that then counts as another one, and a deep query
overflows its stack. Everything else that is wrong MLMD answers with an error.
"""

from __future__ import annotations

from typing import Any

MAX_QUERY = 4_000  # bytes of a filter
MAX_DEPTH = 40  # messages in messages; types and structs may hold themselves
_VALUE = "ml_metadata.Value"
_FREE = ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue")


class InvalidRequestError(ValueError):
    """A request that the store must not see; the text says why."""


def parse(kind: Any, serialized: bytes) -> Any:
    """A request from its bytes, checked.

    Raises:
        InvalidRequestError: it is none, or one that must not reach the store.
    """
    from google.protobuf.message import DecodeError

    try:
        request = kind.FromString(serialized)
        _check(request, 0)
    except (DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequestError(f"It is no {kind.DESCRIPTOR.name}.") from error
    return request


def _check(message: Any, depth: int) -> None:
    descriptor = message.DESCRIPTOR
    if depth > MAX_DEPTH:
        raise InvalidRequestError(f"Messages lie in messages more than {MAX_DEPTH} deep.")
    if descriptor.full_name == _VALUE and message.WhichOneof("value") is None:
        raise InvalidRequestError("A property has no value: set one, or leave the property out.")
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            for text in [value] if isinstance(value, str | bytes) else value:
                _check_text(field, text)
        elif field.type == field.TYPE_MESSAGE:
            for one in _messages(field, value):
                _check(one, depth + 1)


def _messages(field: Any, value: Any) -> list[Any]:
    if not field.message_type.GetOptions().map_entry:
        return [value] if hasattr(value, "ListFields") else list(value)
    values = []
    for key in value:
        if isinstance(key, str | bytes):
            _check_text(field, key)
        if isinstance(value[key], str | bytes):
            _check_text(field, value[key])
        elif hasattr(value[key], "ListFields"):
            values.append(value[key])
    return values


def _check_text(field: Any, text: str | bytes) -> None:
    if isinstance(text, bytes):  # as protobuf gives a text that is none
        raise InvalidRequestError(f"The text `{field.name}` is not UTF-8.")
    if "\0" in text and field.containing_type.full_name not in _FREE:
        raise InvalidRequestError(f"The text `{field.name}` has a NUL in it, at which MLMD would cut it.")
    if field.name == "filter_query" and len(text.encode("utf-8", "replace")) > MAX_QUERY:
        raise InvalidRequestError(f"A filter has more than {MAX_QUERY} bytes.")
