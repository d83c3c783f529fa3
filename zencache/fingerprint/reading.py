"""What a function says: its source in normal form, or its compiled code where no source is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from zencache.digest import encode
from zencache.fingerprint import compiled
from zencache.fingerprint.definition import function_syntaxes
from zencache.fingerprint.namespace import decorators_of
from zencache.fingerprint.normal_form import Syntax
from zencache.fingerprint.source import Memo


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a code object for as long as it lives."""

    syntax: Syntax
    has_source: bool


_known: Memo[Reading] = Memo()


def read_function(function: FunctionType) -> Reading:
    """What a function says."""
    code = function.__code__
    return _known.get(code) or _known.put(code, _read(function, code))


def is_generated(function: FunctionType) -> bool:
    """Whether code was made from no source, or from text that attrs made for debuggers to show."""
    is_by_attrs = function.__code__.co_filename.startswith("<attrs generated")
    return is_by_attrs or not read_function(function).has_source


def checked_by_beartype(function: FunctionType) -> tuple[Any, str] | None:
    """The function that a wrapper of beartype checks, and how it is configured; None for any other function.

    The wrapper is made from text that names objects by their addresses.
    """
    wrapped = function.__dict__.get("__wrapped__")
    if wrapped is None or not function.__code__.co_filename.startswith("<@beartype("):
        return None
    return wrapped, repr((function.__kwdefaults__ or {}).get("__beartype_conf"))


def _read(function: FunctionType, code: CodeType) -> Reading:
    candidates = function_syntaxes(function, decorators_of(function.__globals__))
    if not candidates:
        digest = hashlib.sha256(encode(compiled.content_with_version(code))).digest()
        return Reading(Syntax(digest, compiled.references(code)), has_source=False)
    syntax = candidates[0] if len(candidates) == 1 else _joined(candidates, code)
    return Reading(syntax, has_source=True)


def _joined(candidates: list[Syntax], code: CodeType) -> Syntax:
    """All of several definitions that cannot be told apart, and what this one compiled to.

    Before Python 3.11 lambdas on one line have no columns, and equal ones are one code object.
    """

    def every(parts: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(part for found in parts for part in found))

    return Syntax(
        hashlib.sha256(
            b"".join([*(syntax.digest for syntax in candidates), encode(compiled.content_with_version(code))])
        ).digest(),
        every(syntax.references for syntax in candidates),
        every(syntax.dynamic for syntax in candidates),
    )
