"""What tells live code from any other code: digests over all that compiling it made."""

from __future__ import annotations

import marshal
from types import CodeType
from typing import Any

from blake3 import blake3

from zencache.digest import encode
from zencache.fingerprint.source import methods_of

# `marshal` is written byte for byte alike for equal values of these types, by its second version, which
# has no back references. Values of other types, which only a patched code object has, may look alike.
_FORMAT = 2
_PLAIN = frozenset({type(None), type(...), bool, int, float, complex, str, bytes})


def proof_of_code(code: CodeType) -> str | None:
    """Over a code object and those inside it, apart from the name of its file; None if nothing proves it."""
    parts = _parts(code)
    return None if parts is None else _digest(b"code", marshal.dumps(parts, _FORMAT))


def proof_of_class(kind: type) -> str | None:
    """Over what is left of a class statement in the live class; None if nothing proves it."""
    annotations = vars(kind).get("__annotations__")
    facts: list[Any] = [
        kind.__qualname__,
        None if annotations is None else sorted(map(str, annotations)),
        vars(kind).get("__firstlineno__"),
    ]
    for name, code in methods_of(kind):
        proof = proof_of_code(code)
        if proof is None:
            return None
        facts.append((name, proof))
    return _digest(b"class", encode(facts, default=id))


def _digest(kind: bytes, content: bytes) -> str:
    return blake3(kind + content).hexdigest(32 // 2)


def _parts(code: CodeType) -> tuple[Any, ...] | None:
    """A code object without its file, and what stands where its constants hold code or a set."""
    moved: list[tuple[int, Any]] = []
    constants = list(code.co_consts)
    for place, value in enumerate(constants):
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is tuple:
            if not _is_plain(value):
                return None
            continue
        if kind is CodeType:
            inner: Any = _parts(value)
            if inner is None:
                return None
        elif kind is frozenset and _is_plain(value):  # marshalled in an order of its own before Python 3.11
            inner = sorted(marshal.dumps(item, _FORMAT) for item in value)
        else:
            return None
        moved.append((place, inner))
        constants[place] = None
    return code.replace(co_filename="", co_consts=tuple(constants)), moved


def _is_plain(values: Any) -> bool:
    return all(type(value) in _PLAIN or (type(value) is tuple and _is_plain(value)) for value in values)
