"""How a value that is no data counts: the user's code by what it says, everything else by its name."""

from __future__ import annotations

import _thread
import contextvars
import functools
import logging
import sys
import typing
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

from zencache.class_annotation import module_of
from zencache.digest import encode
from zencache.fingerprint.encoder import Attempt, Parts
from zencache.fingerprint.ownership import added_by_user, is_user_code, is_zencache
from zencache.fingerprint.part import CodePart, Part, has_part

_LOCKS = (_thread.LockType, _thread.RLock)
_BLIND_WRAPPERS = ("functools", "contextlib")  # modules whose wrappers leave annotations unread


_NAMED = (FunctionType, type, ModuleType, BuiltinFunctionType, typing._SpecialForm)


def is_named(value: Any) -> bool:
    """Whether a value is linked to, or counts by name, where it is referred to: no constant of its own."""
    return type(value) is not GenericAlias and isinstance(value, _NAMED)


def refer(value: Any, link: Callable[[Any], bytes]) -> bytes | Parts | None:
    """How ``value`` counts if it is code: by ``link``, by parts to be encoded, by name; None for data."""
    if type(value) is GenericAlias:  # before types: `list[int]` poses as one
        return "generic", value.__origin__, value.__args__
    if isinstance(value, FunctionType):
        return link(value) if is_user_code(value) else _installed_function(value)
    if type(value) is _Annotations:
        return link(value.part)
    if isinstance(value, type | ModuleType):
        return link(value) if is_user_code(value) else by_name(value)
    if isinstance(value, typing._SpecialForm):
        return by_name(value)
    if isinstance(value, MethodType):
        return "method", value.__func__, value.__self__
    if isinstance(value, classmethod | staticmethod):
        return type(value).__name__, value.__func__, *map(Attempt, added_by_user(value))
    if isinstance(value, property):
        return "property", value.fget, value.fset, value.fdel, *map(Attempt, added_by_user(value))
    if type(value) is functools.cached_property:  # apart from its docstring and its lock
        return "cached property", value.func, value.attrname
    if type(value) is functools.partialmethod:
        return "partial method", value.func, value.args, value.keywords
    if type(value) is functools.singledispatchmethod:
        return "dispatched method", value.dispatcher, value.func
    if isinstance(value, BuiltinFunctionType | MethodWrapperType):
        return _builtin(value)
    if is_zencache(type(value)):
        if type(value).__name__ == "ExternalFile":
            return "external file", value.url
        entrypoint = undecorated(value)
        return by_name(type(value)) if entrypoint is value else ("step", entrypoint)
    if isinstance(value, logging.Logger):
        return "logger", value.name
    return _wrapper(value)


def refer_from_code(value: Any, link: Callable[[Any], bytes]) -> bytes | Parts | None:
    """As :func:`refer`, for what code keeps in its globals and closures.

    A lock is there to be held, not to be read. A logger's name is as a rule its module's, which is
    ``__main__`` on one occasion and not on another, and changes no result.
    """
    if isinstance(value, _LOCKS):
        return by_name(type(value))
    if isinstance(value, logging.Logger):
        return b"logger"
    if isinstance(value, _thread._local):
        kept = {name: Attempt(part) for name, part in sorted(vars(value).items())}
        return "thread local", type(value), kept
    if isinstance(value, contextvars.ContextVar):
        return "context variable", value.name, Attempt(_held_by(value))
    return refer(value, link)


def _held_by(context_variable: contextvars.ContextVar[Any]) -> Any:
    try:
        return context_variable.get()
    except LookupError:
        return None


def undecorated(value: Any) -> Any:
    """The function that a zencache step was made from; anything else as it is."""
    if type(value).__name__ in ("Step", "ComponentFactory") and is_zencache(type(value)):
        return getattr(value, "entrypoint", value)
    return value


def by_name(value: Any) -> bytes:
    """Installed code, which counts by nothing but where it is found."""
    if isinstance(value, ModuleType):
        return encode(("name", value.__name__))
    return encode(("name", f"{module_of(value)}:{value.__qualname__}"))


_PLAIN = frozenset({bool, int, float, complex, str, bytes})


def _installed_function(function: FunctionType) -> bytes | Parts:
    """A function that installed code made leads to the user's functions and the plain data that it holds."""
    held = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    wrapped = getattr(function, "__wrapped__", None)
    registry = function.__dict__.get("registry")  # of a `functools.singledispatch`
    registered = [
        part for pair in (registry.items() if isinstance(registry, MappingProxyType) else ()) for part in pair
    ]
    users: list[Any] = [
        inner if is_named(inner) else Attempt(inner)
        for inner in (wrapped, *held, *registered)
        if _leads_to_user_code(inner)
    ]
    users += [inner for inner in held if type(inner) in _PLAIN]
    if not users:
        return by_name(function)
    code = function.__code__
    module = str(function.__globals__.get("__name__"))
    read = [] if module in _BLIND_WRAPPERS else [_Annotations(inner) for inner in users if _annotated(inner)]
    return "wrapper", f"{module}:{code.co_name}", *users, *read


def _leads_to_user_code(value: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a value is the user's code, or wraps it however often."""
    if is_user_code(value):
        return True
    if id(value) in seen:
        return False
    seen |= {id(value)}
    inner: list[Any] = []
    if isinstance(value, FunctionType):
        inner = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        registry = value.__dict__.get("registry")
        inner += registry.values() if isinstance(registry, MappingProxyType) else ()
        inner.append(value.__dict__.get("__wrapped__"))
    elif isinstance(value, functools.partial):
        inner = [value.func]
    elif isinstance(value, MethodType):
        inner = [value.__func__, value.__self__]
    elif isinstance(value, functools._lru_cache_wrapper):
        inner = [value.__wrapped__]
    elif not isinstance(value, type | ModuleType) and callable(value):
        return is_user_code(type(value))
    return any(_leads_to_user_code(one, seen) for one in inner)


class _Annotations:
    """The annotations of a function that an installed wrapper may read."""

    def __init__(self, function: FunctionType):
        self.part = CodePart(Part.ANNOTATIONS, function)


def _annotated(value: Any) -> bool:
    return isinstance(value, FunctionType) and has_part(value, Part.ANNOTATIONS)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # the only way to ask
    except ValueError:
        return False
    return True


def _builtin(value: Any) -> bytes | Parts:
    """A function by its name; a method by its name and the value that it is bound to."""
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, ModuleType) or type(owner).__name__ == "PyCapsule":
        return by_name(value)
    if _is_installed_attribute(value, owner):
        # E.g. `random.random`, which is a method of a generator that every call changes.
        return "method", value.__name__, type(owner)
    return "method", value.__name__, Attempt(owner)


def _is_installed_attribute(value: Any, owner: Any) -> bool:
    """Whether a method is what an installed module has under its name."""
    module = sys.modules.get(type(owner).__module__)
    if isinstance(owner, type) or module is None or is_user_code(module):
        return False
    held = vars(module).get(value.__name__)
    return type(held) is type(value) and getattr(held, "__self__", None) is owner


def _wrapper(value: Any) -> bytes | Parts | None:
    """Callables written in C: wrappers such as :func:`functools.lru_cache`, and plain functions."""
    kind = type(value)
    if kind.__name__ == "cython_function_or_method":
        return by_name(value)
    if is_user_code(kind) or isinstance(value, functools.partial):
        return None
    wrapped = getattr(value, "__wrapped__", None) if callable(value) else None
    if wrapped is not None:
        return "wrapper", kind, wrapped
    return None
