"""What a code object does, apart from where it stands: for comparing it, and for code without source."""

from __future__ import annotations
import __future__

import dis
import sys
from collections.abc import Iterator
from functools import reduce
from operator import or_
from types import CodeType
from typing import Any

from zencache.digest import encode
from zencache.fingerprint.scope import Reference

# What a flag says beside what the instructions say: that there is a docstring, or which future
# statements the surroundings (a notebook's earlier cells) had.
_HAS_DOCSTRING = 0x4000000
_FUTURES = (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_IGNORED_FLAGS = reduce(or_, _FUTURES, _HAS_DOCSTRING)
_LOADS_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_LOADS_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def content(code: CodeType) -> tuple[Any, ...]:
    """Instructions, names and constants, without lines, file, qualified name and docstring."""
    constants = [_constant(value) for value in code.co_consts]
    if code.co_consts and isinstance(code.co_consts[0], str):
        constants[0] = _docstring_or(code)
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_flags & ~_IGNORED_FLAGS,
        constants,
    )


def comparable(code: CodeType) -> bytes:
    """What equal code has equal: also the types of constants, and which instructions a ``try`` is around."""
    parts = [
        (getattr(part, "co_exceptiontable", b""), [_ellipses(value) for value in part.co_consts])
        for part in nested(code)
    ]
    return encode((content(code), parts), default=id)


def content_with_version(code: CodeType) -> tuple[Any, ...]:
    """As :func:`content`; the same source compiles to other instructions on another Python."""
    tries = tuple(getattr(part, "co_exceptiontable", b"") for part in nested(code))
    return (tuple(sys.version_info[:2]), tries, *content(code))


def references(code: CodeType) -> tuple[Reference, ...]:
    """The globals that a code object loads, with the attributes taken from them at once; and its cells."""
    cells = [Reference(name) for name in code.co_freevars if name != "__class__"]
    return tuple(dict.fromkeys([*_references(code), *cells]))


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it, outermost first."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return content(value)
    if isinstance(value, tuple):
        return tuple(_constant(item) for item in value)
    return "..." if value is ... else value


def _ellipses(value: Any) -> Any:
    """Where a constant has ``...``, which :func:`content` does not tell from its spelling."""
    return [_ellipses(item) for item in value] if isinstance(value, tuple) else value is ...


def _docstring_or(code: CodeType) -> Any:
    """The first constant, unless it can only be the docstring: one that no instruction loads."""
    loads = (step for step in dis.get_instructions(code) if step.opcode in dis.hasconst)
    return code.co_consts[0] if any(step.arg == 0 for step in loads) else None


def _references(code: CodeType) -> Iterator[Reference]:
    for part in nested(code):
        root: str | None = None
        chain: tuple[str, ...] = ()
        for step in dis.get_instructions(part):
            if root is not None and step.opname in _LOADS_ATTRIBUTE:
                chain += (step.argval,)
                continue
            if root is not None and step.opname != "CACHE":
                yield Reference(root, chain)
                root, chain = None, ()
            if step.opname in _LOADS_GLOBAL:
                root = step.argval
            elif step.opname == "IMPORT_NAME":
                yield Reference(step.argval, (), 0)
        if root is not None:
            yield Reference(root, chain)
