"""A parameter as text, from which another process makes the same value."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib
import json
import pathlib
import re
import types
import uuid
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from zencache.exceptions import MaterializerError, NotFoundError
from zencache.fingerprint import ExternalFile
from zencache.materializer import json_value
from zencache.origin import find, origin

_BEYOND_JSON = "!"  # begins the text of a value that is more than JSON; no JSON begins so
_CONTAINERS = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}
_PATHS = (pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath, pathlib.PureWindowsPath)

# Types whose values a text says completely, and how it is read.
_TEXTS: dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    complex: (repr, complex),
    decimal.Decimal: (str, decimal.Decimal),
    fractions.Fraction: (str, fractions.Fraction),
    uuid.UUID: (str, uuid.UUID),
    datetime.date: (datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: (datetime.time.isoformat, datetime.time.fromisoformat),
    datetime.datetime: (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    ExternalFile: (lambda file: file.url, ExternalFile),
    **{path: (str, path) for path in _PATHS},
}
_TEXT_NAMES = {kind.__name__: kind for kind in _TEXTS}


def write(value: Any) -> str | None:
    """The text of a value; None if it has none from which the same value could be made.

    Beside JSON and the containers of Python these have one: enums, dates and times, numbers, paths,
    functions, classes and modules by their name, pydantic models and dataclasses by their fields.

    >>> write({"epochs": 2}), read(write(datetime.timedelta(days=1)))
    ('{"epochs":2}', datetime.timedelta(days=1))
    """
    try:
        return json_value.dumps(value)
    except MaterializerError:
        pass
    try:
        return _BEYOND_JSON + json.dumps(_document(value), separators=(",", ":"))
    except (_NoNotation, RecursionError):
        return None


def read(text: str) -> Any:
    """The value that :func:`write` wrote.

    Raises:
        NotFoundError, ConfigurationError: a class or function that it names is gone.
        Exception: whatever such a class raises, if it does not take its fields any more.
    """
    return _value(json.loads(text[1:])) if text.startswith(_BEYOND_JSON) else json_value.loads(text)


class _NoNotation(Exception):
    """A value holds something that has no text."""


def _document(value: Any) -> list[Any]:
    """``[kind, ...]``, by which :func:`_value` knows what to make."""
    kind = type(value)
    if kind in _CONTAINERS.values():
        return [kind.__name__, [_document(item) for item in value]]
    if kind is dict:
        return ["dict", [[_document(key), _document(item)] for key, item in value.items()]]
    if kind in _TEXTS:
        zone = getattr(value, "tzinfo", None)
        if (zone is not None and type(zone) is not datetime.timezone) or getattr(value, "fold", False):
            raise _NoNotation  # a text keeps the offset of a zone, not its rules
        return ["text", kind.__name__, _TEXTS[kind][0](value)]
    if kind is range:
        return ["range", value.start, value.stop, value.step]
    if kind is datetime.timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if kind is re.Pattern:
        return ["pattern", _document(value.pattern), value.flags]
    if kind is types.ModuleType:
        return ["module", value.__name__]
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return ["name", *_name(value)]
    if isinstance(value, enum.Enum):
        if value.name not in kind.__members__:  # a combination of flags
            raise _NoNotation
        return ["enum", *_name(kind), value.name]
    if isinstance(value, BaseModel):
        if value.__pydantic_private__ or value.__pydantic_extra__:
            raise _NoNotation
        return ["object", *_name(kind), _fields({name: getattr(value, name) for name in kind.model_fields})]
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        if not all(field.init for field in fields):
            raise _NoNotation
        return ["object", *_name(kind), _fields({field.name: getattr(value, field.name) for field in fields})]
    try:
        return ["json", json_value.dumps(value)]
    except MaterializerError:
        raise _NoNotation from None


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _document(value) for name, value in values.items()}


def _name(thing: Any) -> tuple[str, str]:
    found = origin(thing)
    if found is None:
        raise _NoNotation
    return found


def _value(document: list[Any]) -> Any:
    kind, *rest = document
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](_value(item) for item in rest[0])
    match kind:
        case "dict":
            return {_value(key): _value(item) for key, item in rest[0]}
        case "text":
            return _TEXTS[_TEXT_NAMES[rest[0]]][1](rest[1])
        case "range":
            return range(*rest)
        case "timedelta":
            return datetime.timedelta(*rest)
        case "pattern":
            return re.compile(_value(rest[0]), rest[1])
        case "module":
            return _module(rest[0])
        case "name":
            return find(*rest)
        case "enum":
            return find(*rest[:2])[rest[2]]
        case "object":
            return find(*rest[:2])(**{name: _value(item) for name, item in rest[2].items()})
        case "json":
            return json_value.loads(rest[0])
    raise ValueError(f"unknown notation {kind}")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotFoundError(
            f"There is no module `{name}` any more.", facts={"because": str(error)}
        ) from error
