"""What a live class is made of that its attributes do not show: fields of models, members of enums."""

from __future__ import annotations

import dataclasses
import enum
import functools
from abc import _get_dump  # type: ignore[attr-defined]
from collections.abc import Iterator, Mapping
from typing import Any

Named = Iterator[tuple[str, Any]]

# By name, since releases of pydantic and Python differ in what else they note.
_OF_A_MODEL_FIELD = (
    *("annotation", "default", "default_factory", "metadata", "alias", "alias_priority"),
    *("validation_alias", "serialization_alias", "title", "description", "examples", "exclude"),
    *("discriminator", "json_schema_extra", "frozen", "validate_default", "init", "init_var", "kw_only"),
)
_OF_A_DATACLASS_FIELD = (
    *("type", "default", "default_factory", "init", "repr", "hash", "compare", "kw_only"),
    "metadata",
)
# What a dataclass is told -> the usual.
_OF_A_DATACLASS = {
    "init": True,
    "repr": True,
    "eq": True,
    "order": False,
    "unsafe_hash": False,
    "frozen": False,
}


def is_local(kind: type) -> bool:
    """Whether a class was made inside a function: its body may have names from there."""
    return "<locals>" in kind.__qualname__


def fields_of(kind: type) -> Named:
    """The fields of a dataclass, a model or an attrs class, name by name and part by part."""
    contents = vars(kind)
    for name, field in _dict(contents, "__dataclass_fields__"):
        yield from _parts(name, field, _OF_A_DATACLASS_FIELD)
        yield f"{name}.kind", getattr(getattr(field, "_field_type", None), "name", None)
    yield from _parts("dataclass", contents.get("__dataclass_params__"), tuple(_OF_A_DATACLASS))
    for name, field in _dict(contents, "__pydantic_fields__") or _dict(contents, "model_fields"):
        yield from _parts(name, field, _OF_A_MODEL_FIELD)
    for name, attribute in _dict(contents, "__private_attributes__"):
        yield from _parts(name, attribute, ("default", "default_factory"))
    yield from _decorators(contents.get("__pydantic_decorators__"))
    generic = contents.get("__pydantic_generic_metadata__")
    if isinstance(generic, dict):
        yield "generic.args", generic.get("args")
    for attribute in contents.get("__attrs_attrs__") or ():
        yield f"{getattr(attribute, 'name', '')}.attribute", attribute


def defaults_of(kind: type) -> tuple[tuple[str, Any], ...]:
    """What fields were given when the class was made.

    Their expressions do not tell where a name in them is bound again later.
    """
    given = tuple((n, v) for n, v in fields_of(kind) if n.endswith(_GIVEN) and not _is_undefined(v))
    return given + tuple(_switches(kind)) + tuple(_dict(vars(kind), "_field_defaults"))


_GIVEN = (".default", ".default_factory", ".metadata", ".attribute")
_SWITCHES = {"init": True, "repr": True, "hash": None, "compare": True, "kw_only": False}


def _switches(kind: type) -> Named:
    """What a dataclass and its fields were told, where it is not the usual."""
    contents = vars(kind)
    for name, field in _dict(contents, "__dataclass_fields__"):
        for switch, usual in _SWITCHES.items():
            value = getattr(field, switch, usual)
            if value is not usual and value is not dataclasses.MISSING:
                yield f"{name}.{switch}", value
    parameters = contents.get("__dataclass_params__")
    for switch, usual in _OF_A_DATACLASS.items() if parameters is not None else ():
        if getattr(parameters, switch, usual) is not usual:
            yield f"dataclass.{switch}", getattr(parameters, switch)


def _is_undefined(value: Any) -> bool:
    return (
        value is None
        or value is dataclasses.MISSING
        or type(value).__name__ == "PydanticUndefinedType"
        or (isinstance(value, list | Mapping) and not value)
    )


def members_of(kind: type) -> dict[str, Any]:
    """The values of an enum's members, with other names of a member; nothing for any other class."""
    if not isinstance(kind, enum.EnumMeta):
        return {}
    return {name: _member(member) for name, member in kind._member_map_.items()}


def _member(member: Any) -> Any:
    """The value of a member, and the attributes that its class or somebody else gave it."""
    more = {
        name: value
        for name, value in sorted(vars(member).items())
        if name not in _OF_A_MEMBER
        and not isinstance(getattr(type(member), name, None), functools.cached_property)
    }
    return (member._value_, more) if more else member._value_


_OF_A_MEMBER = frozenset({"_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"})


def _dict(contents: Any, name: str) -> list[tuple[str, Any]]:
    found = contents.get(name)
    return list(found.items()) if isinstance(found, dict) else []


def _parts(name: str, holder: Any, parts: tuple[str, ...]) -> Named:
    if holder is not None:
        for part in parts:
            yield f"{name}.{part}", getattr(holder, part, None)


def registered_in(kind: type) -> Named:
    """The classes that were registered as subclasses of an abstract one, which holds them weakly."""
    if "_abc_impl" in vars(kind):
        registry = {reference() for reference in _get_dump(kind)[0]} - {None}
        if registry:
            yield "registered", registry


def decorated_in(kind: type) -> set[str]:
    """The validators and serializers of a model, which run in the order in which they were defined."""
    return {name.partition(".")[2] for name, _ in _decorators(vars(kind).get("__pydantic_decorators__"))}


def _decorators(decorators: Any) -> Named:
    """Which fields a model's validators and serializers are for; their functions are attributes."""
    for group in dataclasses.fields(decorators) if dataclasses.is_dataclass(decorators) else ():
        found = getattr(decorators, group.name)
        for name, decorator in found.items() if isinstance(found, dict) else ():
            yield f"{group.name}.{name}", getattr(decorator, "info", None)
