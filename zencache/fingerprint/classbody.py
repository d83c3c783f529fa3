"""A live class beside its statement: live values where there are some, else what the statement says."""

from __future__ import annotations

import abc
import enum
import functools
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from zencache.fingerprint.definition import class_syntaxes
from zencache.fingerprint.encoder import ATOMS
from zencache.fingerprint.fields import decorated_in, is_local, members_of
from zencache.fingerprint.namespace import MISSING, decorators_of
from zencache.fingerprint.ownership import is_user_code
from zencache.fingerprint.source import Memo, plain_functions
from zencache.fingerprint.syntax import ClassSyntax


class ClassBody:
    """One statement of a class, and what its names are bound to in the live class."""

    def __init__(self, kind: type, syntax: ClassSyntax, module_globals: dict[str, Any]):
        self._contents = vars(kind)
        self._members = members_of(kind)
        self._is_local = is_local(kind)
        self._kind = kind
        self.syntax = syntax
        self.module_globals = module_globals

    def names(self) -> tuple[str, ...]:
        """What the body defines: in its order, but for methods whose order nothing has noted."""
        free = {name for name in self.syntax.names if self._is_free(name)} if self._is_ordinary() else set()
        return (*[name for name in self.syntax.names if name not in free], *sorted(free))

    def _is_ordinary(self) -> bool:
        """Whether all that had a hand in making the class is known to leave the order of methods alone."""
        return all(
            type(parent).__module__ in _ORDINARY
            and not is_user_code(getattr(vars(parent).get("__init_subclass__"), "__func__", None))
            for parent in self._kind.__mro__
        )

    def _is_free(self, name: str) -> bool:
        functions = plain_functions(self._contents.get(name))
        return (
            bool(functions)
            and all(function.__code__.co_name == name for function in functions)
            and name not in decorated_in(self._kind)
        )

    def live(self, name: str) -> Any:
        """The value of an attribute; MISSING where only the statement says it.

        Dataclasses and models take defaults away from the class, slots and other descriptors cover them.
        """
        if name in self._members:
            return self._members[name]
        value = self._contents.get(name, MISSING)
        return MISSING if _hides(value) else value

    def hidden(self, name: str) -> Any:
        """The descriptor that an attribute is, to count beside its expression; MISSING as a rule.

        Another one may have been set since, and a function around the class is not in its text.
        """
        value = self._contents.get(name, MISSING)
        if name in self._members or value is MISSING or not _hides(value) or _is_storage(value):
            return MISSING
        return value if self._is_local or _is_users_descriptor(value) else MISSING


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
    members = members_of(kind)
    yield from ((name, value) for name, value in members.items() if name not in written)
    for name, value in sorted(vars(kind).items()):
        if name in written or name in members or (name == "__new__" and "_fields" in vars(kind)):
            continue
        functions = [function for function in plain_functions(value) if is_user_code(function)]
        if functions:
            if not (bodies and _is_special(name) and any(map(generated, functions))):
                yield name, value
        elif is_user_code(value) or _is_told(kind, name, value, bodies):
            yield name, value


# What Python and the makers of classes note of a class, and what `fields_of` has.
_NOTES = frozenset(
    {"__module__", "__qualname__", "__doc__", "__annotations__", "__dict__", "__weakref__", "__hash__"}
    | {"__firstlineno__", "__static_attributes__", "__match_args__", "__slots__", "__orig_bases__"}
    | {"__parameters__", "__type_params__", "__abstractmethods__", "__signature__", "__class_vars__"}
    | {"__private_attributes__", "__dataclass_fields__", "__final__", "__required_keys__"}
    | {"__optional_keys__", "__readonly_keys__", "__mutable_keys__", "__closed__", "__extra_items__"}
    | {"_is_protocol", "_is_runtime_protocol", "__protocol_attrs__", "__callable_proto_members_only__"}
    | {"__non_callable_proto_members__", "_abc_impl", "model_fields", "model_computed_fields"}
    | {"_beam_schema_id", "_beam_schema_proto"}  # Beam gives each class of rows a random id
    | {"_type_hints"}  # and notes at a class's first use what its decorators, which count themselves, said
    | {"__slotnames__"}  # copyreg, when an instance is first pickled
)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_DESCRIPTORS = (functools.cached_property, functools.partialmethod, functools.singledispatchmethod)


def _is_told(kind: type, name: str, value: Any, bodies: list[ClassBody]) -> bool:
    """Whether the value of an attribute counts, which no statement defines and which is no user code."""
    if name in _NOTES or name.startswith(("__pydantic_", "__attrs_")) or _is_storage(value):
        return False
    if name == "model_config" and bodies:
        return False  # merged from the bases and the statement
    ours = type(value) in ATOMS or isinstance(value, _CONTAINERS) or is_user_code(type(value))
    if isinstance(kind, enum.EnumMeta) and _is_special(name):
        return name == "_boundary_" and not bodies
    if _is_special(name):
        return ours
    plain = type(kind) in (type, abc.ABCMeta) or is_user_code(type(kind))
    return plain or ours or isinstance(value, _DESCRIPTORS)


def _is_special(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _is_storage(value: Any) -> bool:
    """Descriptors that are the places of slots, and those of named tuples."""
    return isinstance(value, GetSetDescriptorType | MemberDescriptorType) or (
        type(value).__name__ == "_tuplegetter"
    )


def _is_users_descriptor(value: Any) -> bool:
    return is_user_code(type(value)) or isinstance(value, _DESCRIPTORS)


def _hides(value: Any) -> bool:
    """Descriptors other than functions: what they do is what their expression says."""
    if isinstance(value, type) or plain_functions(value):
        return False
    return hasattr(type(value), "__get__")


_ORDINARY = frozenset(
    {"builtins", "abc", "enum", "typing", "typing_extensions", "pydantic._internal._model_construction"}
)
_known: Memo[list[ClassSyntax]] = Memo()


def _syntaxes(kind: type, module_globals: dict[str, Any]) -> list[ClassSyntax]:
    known = _known.get(kind)
    if known is None:
        known = _known.put(kind, class_syntaxes(kind, decorators_of(module_globals)))
    return known


def _globals_of(kind: type) -> dict[str, Any]:
    """The globals that a class body ran in: its module's, or for a module that is gone its methods'."""
    module = sys.modules.get(kind.__module__)
    if module is not None:
        return vars(module)
    functions = (function for value in vars(kind).values() for function in plain_functions(value))
    return next((f.__globals__ for f in functions if f.__module__ == kind.__module__), {})
