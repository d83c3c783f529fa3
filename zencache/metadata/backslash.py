"""Texts without a backslash, for PostgreSQL.

MLMD 1.17 and 1.21 quote texts for PostgreSQL wrongly: a backslash breaks the statement, and what follows it
in the text is run as SQL. So each backslash becomes two characters that no JSON text, name or path has:
the control character ESC and ``1``; an ESC becomes ESC ``0``. Texts without either stay as they are, and
what comes back is as it was given. Only somebody who reads the database itself sees the difference.
"""

from __future__ import annotations

from typing import Any

from ml_metadata.metadata_store import metadata_store

_ESCAPE, _BACKSLASH = "\x1b", "\\"
_ESCAPE_BYTE, _BACKSLASH_BYTE = b"\x1b", b"\\"
# Kept by MLMD in a form without quoting.
_BINARY = ("google.protobuf.Struct", "google.protobuf.Any")


def escaped(text: str) -> str:
    """A text without a backslash, from which ``unescaped`` gives it back.

    >>> unescaped(escaped("C:\\\\temp")) == "C:\\\\temp"
    True
    """
    return text.replace(_ESCAPE, _ESCAPE + "0").replace(_BACKSLASH, _ESCAPE + "1")


def unescaped(text: str) -> str:
    """A text as it was before it was escaped."""
    return text.replace(_ESCAPE + "1", _BACKSLASH).replace(_ESCAPE + "0", _ESCAPE)


def escape_request(request: bytes, make: Any) -> bytes:
    """A serialized request with every text in it escaped.

    Args:
        make: the class of the request.
    """
    if _BACKSLASH_BYTE not in request and _ESCAPE_BYTE not in request:
        return request
    message = make.FromString(request)
    _change(message, escaped)
    return bytes(message.SerializeToString())


def unescape_response(response: Any, serialized: bytes) -> None:
    """Give the texts of a response back as they were."""
    if _ESCAPE_BYTE in serialized:
        _change(response, unescaped)


class EscapingStore(metadata_store.MetadataStore):  # type: ignore[misc]  # ml_metadata has no types
    """The stock client, for PostgreSQL."""

    def _pywrap_cc_call(self, method: Any, request: Any, response: Any) -> None:
        def escaping(store: Any, serialized: bytes) -> Any:
            answer = method(store, escape_request(serialized, type(request)))
            answers.append(answer[0])
            return answer

        answers: list[bytes] = []
        super()._pywrap_cc_call(escaping, request, response)
        unescape_response(response, answers[0])


def _change(message: Any, change: Any) -> None:
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        if field.type == field.TYPE_MESSAGE and field.message_type.full_name in _BINARY:
            continue
        if field.type == field.TYPE_MESSAGE and field.message_type.GetOptions().map_entry:
            _change_map(value, change)
        elif _is_repeated(field):
            if field.type == field.TYPE_STRING:
                value[:] = [change(text) for text in value]
            else:
                for one in value:
                    _change(one, change)
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, change(value))
        else:
            _change(value, change)


def _is_repeated(field: Any) -> bool:
    try:
        return bool(field.is_repeated)  # protobuf 6
    except AttributeError:
        return bool(field.label == field.LABEL_REPEATED)


def _change_map(entries: Any, change: Any) -> None:
    for key in list(entries):
        if isinstance(entries[key], str):
            text = change(entries.pop(key))
            entries[change(key)] = text
        elif hasattr(entries[key], "ListFields"):
            _change(entries[key], change)
            if change(key) != key:
                entries[change(key)].CopyFrom(entries[key])
                del entries[key]
        elif change(key) != key:
            entries[change(key)] = entries.pop(key)
