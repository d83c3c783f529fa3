"""The canonical bytes of any live value, by what it holds: containers, instances and cycles alike."""

from __future__ import annotations

import array
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import pathlib
import re
import sys
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any

import typing_extensions

from zencache.digest import encode
from zencache.exceptions import UnfingerprintableError
from zencache.fingerprint.ownership import is_user_code
from zencache.fingerprint.scientific import scientific_parts

Parts = tuple[Any, ...]

ATOMS = frozenset({str, bytes, int, float, bool, complex, type(None)})


def _type_variable(value: typing.TypeVar) -> Parts:
    default = _evaluated(value, "__default__")
    told = () if default is None or default is _NO_DEFAULT else (default,)
    bound, constraints = _evaluated(value, "__bound__"), _evaluated(value, "__constraints__")
    return "type variable", value.__name__, bound, constraints, *told


def _type_alias(value: Any) -> Parts:
    return "type alias", value.__name__, value.__type_params__, _evaluated(value, "__value__")


def _evaluated(value: Any, name: str) -> Any:
    """What Python 3.12 evaluates when it is asked for; None if it names what only type checkers import."""
    try:
        return getattr(value, name, None)
    except NameError:
        return None


_NO_DEFAULT = getattr(typing_extensions, "NoDefault", None)  # None in what is older than 4.12
_PARTS: dict[type, Callable[[Any], Parts]] = {
    bytearray: lambda v: ("bytearray", bytes(v)),
    memoryview: lambda v: ("memoryview", v.format, v.shape, v.tobytes()),
    array.array: lambda v: ("array", v.typecode, v.tobytes()),
    types.EllipsisType: lambda v: ("...",),
    types.NotImplementedType: lambda v: ("NotImplemented",),
    types.UnionType: lambda v: ("union", v.__args__),
    types.MappingProxyType: lambda v: ("mappingproxy", dict(v)),
    range: lambda v: ("range", v.start, v.stop, v.step),
    slice: lambda v: ("slice", v.start, v.stop, v.step),
    decimal.Decimal: lambda v: ("decimal", str(v)),
    fractions.Fraction: lambda v: ("fraction", v.numerator, v.denominator),
    uuid.UUID: lambda v: ("uuid", v.int),
    datetime.date: lambda v: ("date", v.isoformat()),
    datetime.time: lambda v: ("time", v.replace(tzinfo=None).isoformat(), v.fold, v.tzinfo),
    datetime.datetime: lambda v: ("datetime", v.replace(tzinfo=None).isoformat(), v.fold, v.tzinfo),
    datetime.timedelta: lambda v: ("timedelta", v.days, v.seconds, v.microseconds),
    zoneinfo.ZoneInfo: lambda v: ("zone", v.key),
    re.Pattern: lambda v: ("pattern", v.pattern, v.flags),
    typing.TypeVar: _type_variable,
    typing_extensions.TypeAliasType: _type_alias,
    getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType): _type_alias,  # since Python 3.12
    typing.NewType: lambda v: ("new type", v.__name__, v.__supertype__),
    typing.ForwardRef: lambda v: ("forward", v.__forward_arg__),
}


class Attempt:
    """A value that counts by its type where it has no faithful encoding."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


class Encoder:
    """Encodes values, each object once.

    Equal content gives equal bytes, shared or not. A cycle is closed by the distance back to the
    object that it returns to, so that what is around a cycle does not change its encoding.

    Args:
        refer: says how code, and whatever else counts by name, is encoded: as bytes, as parts to
            encode in its place, or None for data.
        fail: makes the exception for a value that has no faithful encoding.
        note: is told of each :class:`Attempt` that counts by its type.
    """

    def __init__(
        self,
        refer: Callable[[Any], bytes | Parts | None],
        fail: Callable[[Any], UnfingerprintableError],
        note: Callable[[Any], None] = lambda _: None,
    ):
        self._refer = refer
        self._fail = fail
        self._note = note
        self._closed: dict[int, bytes] = {}
        self._open: dict[int, int] = {}  # in order of discovery: everything that a cycle may return to
        self._alive: list[Any] = []  # an id stands for its object only as long as that lives
        self._reached = 0

    def token(self, value: Any) -> bytes:
        """The encoding of a value: literal for atoms, a hash for everything else."""
        if type(value) in ATOMS:
            return encode(value)
        if type(value) is Attempt:
            return self._attempt(value.value)
        closed = self._closed.get(id(value))
        if closed is not None:
            return closed
        place = self._open.get(id(value))
        if place is None:
            return self._new(value)
        self._reached = min(self._reached, place)
        return b"^" + encode(len(self._open) - place)

    def _attempt(self, value: Any) -> bytes:
        place, reached = len(self._open), self._reached
        try:
            return self.token(value)
        except UnfingerprintableError:
            while len(self._open) > place:
                self._open.popitem()
            self._reached = reached
            self._note(value)
            return b"type" + self.token(type(value))

    def _new(self, value: Any) -> bytes:
        # Tarjan's strongly connected components: a component is closed when its first member is done.
        place = len(self._open)
        self._alive.append(value)
        self._open[id(value)] = place
        outer, self._reached = self._reached, place
        try:
            token = b"#" + hashlib.sha256(self._content(value)).digest()
        except RecursionError:
            raise self._fail(value) from None
        if self._reached < place:
            self._reached = min(self._reached, outer)
            return token
        self._reached = outer
        while len(self._open) > place:
            member, at = self._open.popitem()
            name = token if at == place else token + encode(at - place)
            self._closed[member] = b"#" + hashlib.sha256(name).digest() if at > place else name
        return token

    def _content(self, value: Any) -> bytes:
        kind = type(value)
        if kind is list or kind is tuple:
            return encode(kind.__name__) + b"".join([self.token(item) for item in value])
        if kind is dict:
            return b"dict" + self._pairs(value.items())
        if kind is set or kind is frozenset:
            return encode(kind.__name__) + self._members(value)
        referred = self._refer(value)
        if isinstance(referred, bytes):
            return referred
        return self._parts(referred or self._parts_of(value))

    def _parts(self, parts: Parts) -> bytes:
        return b"parts" + b"".join([self.token(part) for part in parts])

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> bytes:
        return b"".join([self.token(key) + self.token(value) for key, value in pairs])

    def _members(self, members: Iterable[Any]) -> bytes:
        # Visited in an order that does not depend on hashes, wherever discovery could matter.
        ordered = sorted(members, key=lambda member: (type(member).__qualname__, _sortable(member)))
        return b"".join(sorted([self.token(member) for member in ordered]))

    def _parts_of(self, value: Any) -> Parts:
        kind = type(value)
        known = _PARTS.get(kind)
        if known is not None:
            return known(value)
        if isinstance(value, enum.Enum):
            # Pythons differ in how they name a combination of flags.
            return "enum", kind, value._value_ if isinstance(value, enum.Flag) else value._name_
        if isinstance(value, pathlib.PurePath):
            return "path", kind if is_user_code(kind) else kind.__name__, str(value)
        if isinstance(value, set | frozenset):
            plain = set(value) if isinstance(value, set) else frozenset(value)
            return "set", kind, plain, state_of(value, getattr(value, "__dict__", None))
        parts = scientific_parts(value)
        return parts if parts is not None else self._reduced(value)

    def _reduced(self, value: Any) -> Parts:
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            reduced = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception as error:
            raise self._fail(value) from error
        if isinstance(reduced, str):
            if not reduced.replace(".", "").isidentifier():  # e.g. what `numpy.frompyfunc` makes
                raise self._fail(value)
            return "global", type(value), reduced, _hidden(value)
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        return (
            "object",
            maker,
            arguments,
            state_of(value, state),
            None if items is None else list(items),
            None if pairs is None else [tuple(pair) for pair in pairs],
            *(() if (hidden := _hidden(value)) is None else (hidden,)),
        )


def _hidden(value: Any) -> dict[str, Attempt] | None:
    """The attributes of an instance whose class says itself how it is pickled, and may leave some out."""
    kind = type(value)
    if not is_user_code(kind) or not any(_may_leave_out(kind, name) for name in _PICKLING):
        return None
    slots = [
        name
        for parent in kind.__mro__
        for name, member in vars(parent).items()
        if isinstance(member, types.MemberDescriptorType) and hasattr(value, name)
    ]
    attributes = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
    return {name: Attempt(part) for name, part in state_of(value, attributes).items()}


_PICKLING = ("__reduce__", "__reduce_ex__", "__getstate__")


def _may_leave_out(kind: type, name: str) -> bool:
    """Whether a method that pickles is the user's, or that of a class of Python's own that knows no subclass.

    Those of installed packages, such as pydantic's and sklearn's, take what their subclasses add.
    """
    owner = next((parent for parent in kind.__mro__ if name in vars(parent)), object)
    is_pythons = owner.__module__.partition(".")[0] in sys.stdlib_module_names
    return is_user_code(vars(owner).get(name)) or (owner is not object and is_pythons)


def state_of(value: Any, state: Any) -> Any:
    """An instance's state: the order in which attributes were set and cached properties do not count."""
    if isinstance(state, tuple) and len(state) == 2:
        return tuple(state_of(value, part) for part in state)
    if type(state) is not dict or not all(type(name) is str for name in state):
        return state
    kind = type(value)
    if "__pydantic_fields_set__" in state:  # 1 given and 1 by default are the same model
        state = {name: part for name, part in state.items() if name != "__pydantic_fields_set__"}
    return {
        name: state_of(value, state[name]) if name == "__dict__" else state[name]
        for name in sorted(state)
        if not isinstance(getattr(kind, name, None), functools.cached_property)
    }


def _sortable(value: Any, depth: int = 0) -> bytes:
    """Data by its encoding, code by its name and then its place: neither depends on an address."""
    if type(value) in ATOMS:
        return encode(value)
    if isinstance(value, types.FunctionType | type):
        code = getattr(value, "__code__", None)
        return encode((value.__qualname__, code.co_firstlineno if code else 0, code.co_code if code else b""))
    if depth > _SORTED_TO:
        return b""
    if isinstance(value, frozenset):
        return b"".join(sorted(_sortable(member, depth + 1) for member in value))
    if isinstance(value, functools.partial):
        held: Iterable[Any] = (value.func, *value.args, *sorted(value.keywords.items()))
    elif isinstance(value, tuple):
        held = value
    else:
        held = sorted(getattr(value, "__dict__", {}).items(), key=lambda item: str(item[0]))
    return b"".join(_sortable(member, depth + 1) for member in held)


_SORTED_TO = 5  # how deep members of a set are looked into for their order
