"""What is given to a step, held against what it declares."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import fractions
import functools
import re
import types
import typing
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from zencache.class_annotation import is_class
from zencache.declaration import Declaration
from zencache.exceptions import DeclarationError, MaterializerError, nearest
from zencache.fingerprint import ExternalFile
from zencache.materializer import require_type, require_value

# Types whose values are parameters: part of the key by value and recorded as text. Every other value
# that is given to a step is data, and becomes an artifact by content.
_PARAMETER_TYPES: tuple[type, ...] = (
    type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range,
    enum.Enum, decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, PurePath,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
    type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial,
)  # fmt: skip

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})
_LISTS = (list, Sequence, Collection, Iterable)


def place(function: Any) -> str:
    """Where a function stands, for error messages."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def bind(
    declaration: Declaration, args: tuple[Any, ...], kwargs: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """Argument or config field -> what was given for it.

    Raises:
        DeclarationError: too many, unknown, or twice.
    """
    positions = list(declaration.arguments)
    if declaration.config is not None:
        config_name, config_class = declaration.config
        configs = [value for value in args if isinstance(value, config_class)]
        args = tuple(value for value in args if not isinstance(value, config_class))
        kwargs = dict(kwargs)
        if config_name in kwargs:
            configs.append(kwargs.pop(config_name))
        kwargs = {**config_values(configs, config_class, name), **kwargs}
    if len(args) > len(positions):
        raise DeclarationError(
            f"The step takes {len(positions)} inputs, {len(args)} were given.",
            facts={"step": name, "inputs": ", ".join(positions)},
            hint="Leave out what is too many, or name what is meant.",
        )
    given = dict(zip(positions, args, strict=False))
    for argument, value in kwargs.items():
        if argument in given:
            raise DeclarationError(
                "An input is given twice.",
                facts={"step": name, "input": argument},
                hint="Give it by position or by name, not both.",
            )
        if argument not in declaration.arguments and argument not in declaration.config_fields:
            raise unknown_argument(declaration, name, argument)
        given[argument] = value
    return given


def complete(
    declaration: Declaration, name: str, given: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Every parameter of one use of a step: what was given or is a default, and the config's fields.

    Raises:
        DeclarationError: an input is missing, or the config is not valid.
    """
    filled = dict(parameters)
    if declaration.config is not None:
        filled.update(_config_fields(declaration, name, filled))
    missing = [a for a in declaration.arguments if a not in given and a not in filled]
    if missing:
        raise DeclarationError(
            "An input is missing.",
            facts={"step": name, "missing": ", ".join(missing), "place": place(declaration.function)},
            hint="Give it in the pipeline, or a default in the step.",
        )
    return filled


def copied(value: Any, step: str, argument: str) -> Any:
    """A parameter of the pipeline's own, which nobody changes from outside."""
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise DeclarationError(
            f"The value of a parameter cannot be copied: {type(error).__name__}: {error}.",
            facts={"step": step, "parameter": argument, "found": type(value).__name__},
            hint="Make it inside the step, or pass what it is made from.",
        ) from error


def is_parameter(annotation: Any, value: Any) -> bool:
    """Whether a value given for an argument is a parameter, or data that becomes an artifact."""
    if isinstance(value, Path | ExternalFile):
        return False
    if isinstance(value, _PARAMETER_TYPES):
        return True
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    return any(is_class(m) and issubclass(m, _PARAMETER_TYPES) for m in members)


def check_members(value: Any, step: str, argument: str, *, outputs: tuple[type, ...]) -> None:
    """Raise for what nobody would follow inside of a container: an external file, the output of a step.

    Args:
        outputs: the classes of what stands for outputs of steps while a pipeline is wired.
    """
    for member in _members(value, step, argument):
        if isinstance(member, ExternalFile):
            raise DeclarationError(
                "An external file is given inside of a container.",
                facts={"step": step, "parameter": argument, "found": f"{value!r:.80}"},
                hint="Give one ExternalFile with a glob, or a parameter for each file.",
            )
        if isinstance(member, outputs):
            raise DeclarationError(
                "The output of a step is given inside of a container.",
                facts={"step": step, "parameter": argument, "found": type(value).__name__},
                hint="Give each output to a parameter of its own; what holds them is made in a step.",
            )


def _members(value: Any, step: str, argument: str) -> Iterator[Any]:
    """What a container, dataclass or model holds, and what that holds."""
    path = [(id(value), iter(_held(value)))]
    while path:
        member = next(path[-1][1], path)
        if member is path:
            path.pop()
            continue
        yield member
        held = _held(member)
        if held and any(id(member) == outer for outer, _ in path):
            raise DeclarationError(
                "A value holds itself.",
                facts={"step": step, "parameter": argument, "found": type(value).__name__},
                hint="Make it inside the step.",
            )
        if held:
            path.append((id(member), iter(held)))


def _held(value: Any) -> list[Any]:
    """What a value holds at once, without plain numbers and texts."""
    kind = type(value)
    held: Iterable[Any] = ()
    if isinstance(value, dict):
        held = (*value.keys(), *value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        held = value
    elif hasattr(kind, "__dataclass_fields__") or hasattr(kind, "model_fields"):
        held = getattr(value, "__dict__", {}).values()
    return [member for member in held if type(member) not in _PLAIN]


def check_value(value: Any, step: str, argument: str) -> None:
    """Raise unless a value that is given as data can become an artifact."""
    try:
        require_value(value, step=step, input=argument)
    except MaterializerError as error:
        raise DeclarationError(error.message, facts=error.facts, hint=error.hint) from error
    if isinstance(value, Path) and not value.exists():
        raise DeclarationError(
            "A path that is given to a step does not exist.",
            facts={"step": step, "input": argument, "path": value},
            hint="Correct it. A path that a step shall write to is a parameter: annotate it `str`.",
        )


def check_parameter(declaration: Declaration, name: str, argument: str, value: Any) -> None:
    """Raise unless a value fits the annotation of its argument."""
    annotation = declaration.arguments.get(argument, Any)
    if isinstance(value, ExternalFile):
        is_fit = bool(path_forms(annotation))
        expected = "str, Path, list, list[str] or list[Path], or one of them or None"
    else:
        is_fit, expected = fits(value, annotation), type_text(annotation)
    if not is_fit:
        raise DeclarationError(
            "A value does not fit the annotation of its parameter.",
            facts={
                "step": name,
                "parameter": argument,
                "expected": expected,
                "found": f"{type(value).__name__} {value!r:.80}",
            },
            hint="Give a value of that type, or correct the annotation.",
        )


@dataclass(frozen=True, slots=True)
class PathForm:
    """How a parameter takes external files: as ``str`` or ``Path``, one or a list of them."""

    kind: type
    several: bool


def path_forms(annotation: Any) -> tuple[PathForm, ...]:
    """The forms in which an annotation takes external files, in the order in which it names them.

    >>> path_forms(str | None)
    (PathForm(kind=<class 'str'>, several=False),)
    """
    if annotation is Any:
        return (PathForm(str, several=True),)
    if annotation in (str, Path):
        return (PathForm(annotation, several=False),)
    origin, members = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is typing.Annotated:
        return path_forms(members[0])
    if _is_union(annotation):
        return tuple(form for member in members for form in path_forms(member))
    if origin in _LISTS and members in ((), (str,), (Path,)):
        return (PathForm(members[0] if members else str, several=True),)
    return ()


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type, members of containers included."""
    if annotation is Any or annotation is object:
        return True
    if type(value) is annotation:
        return True
    import typeguard  # not at the top: only values that are not exactly of a plain type need it

    try:
        typeguard.check_type(
            value,
            annotation,
            forward_ref_policy=typeguard.ForwardRefPolicy.IGNORE,
            collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS,
        )
    except typeguard.TypeCheckError:
        return False
    return True


def type_text(annotation: Any) -> str:
    """An annotation as a person would write it."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        module = annotation.__module__
        return annotation.__qualname__ if module == "builtins" else f"{module}.{annotation.__qualname__}"
    return str(annotation)


def check_outputs(declaration: Declaration, name: str) -> None:
    """Raise unless every declared output type has a materializer, or the step names one."""
    for output, annotation in declaration.outputs.items():
        if output not in declaration.materializers:
            try:
                require_type(annotation, step=name, output=output)
            except MaterializerError as error:
                raise DeclarationError(error.message, facts=error.facts, hint=error.hint) from error


def unknown_argument(declaration: Declaration, name: str, argument: str) -> DeclarationError:
    known = [*declaration.arguments, *declaration.config_fields]
    return DeclarationError(
        f"The step has no input or parameter `{argument}`.",
        facts={"step": name, "place": place(declaration.function)},
        hint=nearest(argument, known) or "It takes no arguments.",
    )


def config_values(configs: list[Any], config_class: type[Any], name: str) -> dict[str, Any]:
    """The fields of the config that a step is given, if it is given one.

    Raises:
        DeclarationError: it is given several, or one of another class.
    """
    if len(configs) > 1:
        raise DeclarationError("The config is given twice.", facts={"step": name}, hint="Give it once.")
    for config in configs:
        if type(config) is not config_class:  # one that is derived from it would lose what it adds
            raise DeclarationError(
                "The config is of another class.",
                facts={"step": name, "expected": config_class.__name__, "found": type(config).__name__},
                hint=f"Give a {config_class.__name__}, which the step is annotated with.",
            )
        return {field_name: getattr(config, field_name) for field_name in config_class.model_fields}
    return {}


def _config_fields(declaration: Declaration, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of the config, validated by its class."""
    assert declaration.config is not None
    fields = {f: given[f] for f in declaration.config_fields if f in given}
    try:
        config = declaration.config[1](**fields)
    except ValueError as error:
        raise DeclarationError(
            f"The config is not valid: {error}.",
            facts={"step": name, "config": declaration.config[1].__name__},
            hint="Correct the fields that are named.",
        ) from error
    return {f: getattr(config, f) for f in declaration.config_fields}


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)
