"""What a step's parameter receives for an artifact: its annotation decides."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zencache.exceptions import DeclarationError
from zencache.reference import Artifact, ValueArtifact, is_reference


def taken(
    annotations: Mapping[str, Any], arguments: Mapping[str, Any], resources: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments that are received as something else than an artifact by reference."""
    return {
        name: _as(value, annotations[name], resources)
        for name, value in arguments.items()
        if isinstance(value, Artifact) and not is_reference(_single(annotations.get(name)))
    }


def check(made: Any, wanted: Any, **facts: Any) -> None:
    """Raise unless an input of one annotation can be made of an output of another.

    Only artifacts by reference are checked: what a plain value is shows when it is there.

    Raises:
        DeclarationError: it cannot; ``facts`` say where.
    """
    wanted = _single(wanted)
    if is_reference(made):
        is_fit = wanted is Any or _is_same(made, wanted) or _fits(made, wanted)
    else:
        is_fit = not is_reference(wanted) or made is Any
    if not is_fit:
        raise DeclarationError(
            "An input is of another artifact type than the output that it is given.",
            facts={**facts, "expected": _name(wanted), "found": _name(made)},
            hint=_hint(made, wanted),
        )


def _single(annotation: Any) -> Any:
    """What an annotation means beside None."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _is_same(made: type[Artifact], wanted: Any) -> bool:
    return is_reference(wanted) and (issubclass(made, wanted) or made.TYPE_NAME == wanted.TYPE_NAME)


def _fits(made: type[Artifact], wanted: Any) -> bool:
    origin, members = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin is list and members and is_reference(members[0]):
        return _is_same(made, members[0])
    if issubclass(made, ValueArtifact):
        kind = made.VALUE_TYPE
        return origin in (dict, list, typing.Union, types.UnionType) if kind is None else origin is kind
    return origin is list and members in ((), (str,), (Path,))


def _as(reference: Artifact, annotation: Any, resources: Mapping[str, Any]) -> Any:
    wanted = _single(annotation)
    origin, members = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if wanted is Any:
        return reference
    if origin is list and members and is_reference(members[0]):
        return [reference]
    if isinstance(reference, ValueArtifact):
        return reference.value
    paths = sorted(path for path in Path(reference.uri).rglob("*") if path.is_file())
    return paths if members == (Path,) else list(map(str, paths))


def _name(annotation: Any) -> str:
    return str(getattr(annotation, "TYPE_NAME", None) or getattr(annotation, "__name__", annotation))


def _hint(made: Any, wanted: Any) -> str:
    if is_reference(wanted) and not is_reference(made):
        return "The output is a plain value: annotate the parameter with its type."
    if is_reference(made) and issubclass(made, ValueArtifact) and made.VALUE_TYPE is not None:
        return f"Annotate the parameter `InputArtifact[{made.__name__}]` or `{made.VALUE_TYPE.__name__}`."
    return f"Give it an output of type {_name(wanted)}, or annotate it with the class of the output."
