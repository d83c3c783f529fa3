"""A live class beside its statement: live values where there are some, else what the statement says."""

from __future__ import annotations

import abc
import enum
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from zencache.fingerprint.namespace import MISSING, is_zencache_decorator
from zencache.fingerprint.ownership import is_user_code
from zencache.fingerprint.source import Memo, classes_of, plain_functions
from zencache.fingerprint.syntax import ClassSyntax


class ClassBody:
    """One statement of a class, and what its names are bound to in the live class."""

    def __init__(self, kind: type, syntax: ClassSyntax, module_globals: dict[str, Any]):
        self._contents = vars(kind)
        self._members: dict[str, Any] = {}
        if isinstance(kind, enum.EnumMeta):
            self._members = kind._member_map_
        self.syntax = syntax
        self.module_globals = module_globals

    def live(self, name: str) -> Any:
        """The value of an attribute; MISSING where only the statement says it.

        Dataclasses and models take defaults away from the class, slots and other descriptors cover them.
        """
        if name in self._members:
            return self._members[name]._value_
        value = self._contents.get(name, MISSING)
        return MISSING if _hides(value) else value


def class_bodies(kind: type) -> list[ClassBody]:
    """The statements of a class: none without source, several if they cannot be told apart."""
    module_globals = _globals_of(kind)
    return [ClassBody(kind, syntax, module_globals) for syntax in _syntaxes(kind, module_globals)]


def annotations_of(kind: type) -> list[tuple[str, Any]]:
    """What a class without source has annotated."""
    annotations = vars(kind).get("__annotations__")
    return list(annotations.items()) if isinstance(annotations, dict) else []


def live_extras(
    kind: type, bodies: list[ClassBody], *, generated: Callable[[FunctionType], bool]
) -> Iterator[tuple[str, Any]]:
    """What a class holds beside what its statements define: set later, or all of it without source.

    Methods that a class decorator or a metaclass generates say nothing that the statement does not.
    """
    written = {name for body in bodies for name in body.syntax.names}
    plain = type(kind) in (type, abc.ABCMeta) or is_user_code(type(kind))
    for name, value in sorted(vars(kind).items()):
        if name in written or name == "_abc_impl" or (name == "__new__" and "_fields" in vars(kind)):
            continue
        functions = [function for function in plain_functions(value) if is_user_code(function)]
        if functions:
            if not (bodies and _is_special(name) and any(map(generated, functions))):
                yield name, value
        elif is_user_code(value) or (plain and not _is_special(name) and not _hides(value)):
            yield name, value


def _is_special(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _hides(value: Any) -> bool:
    """Descriptors other than functions: what they do is what their expression says."""
    if isinstance(value, type) or plain_functions(value):
        return False
    return hasattr(type(value), "__get__")


_known: Memo[list[ClassSyntax]] = Memo()


def _syntaxes(kind: type, module_globals: dict[str, Any]) -> list[ClassSyntax]:
    known = _known.get(kind)
    if known is None:
        drop = is_zencache_decorator(module_globals)
        known = _known.put(kind, [ClassSyntax(node, drop) for node in classes_of(kind)])
    return known


def _globals_of(kind: type) -> dict[str, Any]:
    """The globals that a class body ran in: its module's, or for a module that is gone its methods'."""
    module = sys.modules.get(kind.__module__)
    if module is not None:
        return vars(module)
    functions = (function for value in vars(kind).values() for function in plain_functions(value))
    return next((f.__globals__ for f in functions if f.__module__ == kind.__module__), {})
