"""A component function's signature, read as TFX reads it, as the declaration of a step."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zencache import resource
from zencache.binding import fits, type_text
from zencache.class_annotation import is_class
from zencache.declaration import (
    Declaration,
    annotations_of,
    check_argument_names,
    check_ignored,
    check_name,
    check_policy,
    check_switch,
)
from zencache.exceptions import DeclarationError
from zencache.fingerprint import observe
from zencache.policy import CachePolicy
from zencache.reference import Artifact, is_reference
from zencache.reference import standard as standard_artifacts
from zencache.reference.system import SystemExecution
from zencache.resource import Resource
from zencache.tfx.annotation import (
    PRIMITIVES,
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    is_json_annotation,
)

_VALUE_ARTIFACTS: dict[Any, type[Artifact]] = {
    int: standard_artifacts.Integer,
    float: standard_artifacts.Float,
    str: standard_artifacts.String,
    bytes: standard_artifacts.Bytes,
    bool: standard_artifacts.Boolean,
}


@dataclass(slots=True)
class _Signature:
    """The parts of a declaration while they are read."""

    step: str
    arguments: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    references: dict[str, type[Artifact]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def refuse(self, message: str, hint: str, **facts: Any) -> DeclarationError:
        return DeclarationError(message, facts={"component": self.step, **facts}, hint=hint)


def declare_component(
    function: Callable[..., Any],
    *,
    component_annotation: type[SystemExecution] | None,
    use_beam: bool,
    enable_cache: bool | None,
    cache_version: str | None,
    cache_policy: CachePolicy | None,
    scope: Mapping[str, Any],
) -> Declaration:
    """The declaration of a component. ``scope`` holds the local names at the place of its definition.

    Raises:
        DeclarationError: the signature is none that a component can have.
    """
    observe()
    if not isinstance(function, types.FunctionType):
        raise DeclarationError(
            "`@component` decorates a function.",
            facts={"found": repr(function)},
            hint="Write `@component` above a `def` with annotated parameters.",
        )
    name = check_name("component", function.__name__)
    read = _Signature(name)
    hints = annotations_of(function, name, scope)
    for parameter in inspect.signature(function).parameters.values():
        _read_parameter(read, parameter, hints)
    _read_return(read, hints.get("return"))
    if use_beam and len(read.resources) != 1:
        raise read.refuse(
            "A component that uses Beam takes one pipeline.",
            "Add `pipeline: BeamComponentParameter[beam.Pipeline] = None`.",
            found=", ".join(read.resources) or "none",
        )
    check_argument_names([*read.arguments, *read.references, *read.values], name)
    outputs = {**read.references, **{n: _value_artifact(a) for n, a in read.values.items()}}
    declaration = Declaration(
        name=name,
        function=function,
        arguments=read.arguments,
        defaults=read.defaults,
        outputs=outputs,
        several=True,
        resources=read.resources,
        references=tuple(read.references),
        by_name=True,
        values=read.values,
        base=_base(read, component_annotation),
        enable_cache=check_switch(enable_cache, name),
        cache_version=None if cache_version is None else str(cache_version),
        cache_policy=check_policy(cache_policy),
    )
    check_ignored(declaration)
    return declaration


def _read_parameter(read: _Signature, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> None:
    name, default = parameter.name, parameter.default
    has_default = default is not parameter.empty
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise read.refuse(
            "A component's parameters have names: `*args`, `**kwargs` and positional-only ones cannot be.",
            "Write each out as a parameter.",
            parameter=str(parameter),
        )
    if name not in hints:
        raise read.refuse(
            "Every parameter of a component has an annotation.",
            "`InputArtifact[T]`, `OutputArtifact[T]`, `Parameter[T]`, or int, float, str, bytes, bool.",
            parameter=name,
        )
    annotation = hints[name]
    if isinstance(annotation, OutputArtifact):
        if has_default:
            raise read.refuse("An output artifact cannot be optional.", "Leave its default out.", output=name)
        read.references[name] = annotation.type
        return
    if isinstance(annotation, BeamComponentParameter):
        if has_default and default is not None:
            raise read.refuse(
                "The default of a Beam pipeline can only be None.",
                "The run provides it.",
                parameter=name,
                found=repr(default),
            )
        found = resource.find(annotation.type)
        assert found is not None  # or the annotation had been refused
        read.resources[name] = found
        return
    read.arguments[name] = _argument(read, name, annotation)
    if not has_default:
        return
    if isinstance(annotation, InputArtifact) and default is not None:
        raise read.refuse(
            "The default of an input artifact can only be None.",
            "None makes it optional.",
            input=name,
            found=repr(default),
        )
    if default is not None and not fits(default, read.arguments[name]):
        raise read.refuse(
            "A default is of another type than its parameter.",
            "Give a default of that type, or None.",
            parameter=name,
            expected=type_text(read.arguments[name]),
            found=repr(default),
        )
    read.defaults[name] = default
    if default is None and not isinstance(annotation, InputArtifact):
        read.arguments[name] = read.arguments[name] | None


def _argument(read: _Signature, name: str, annotation: Any) -> Any:
    """The annotation, as a step would write it, of an input or a parameter."""
    if isinstance(annotation, InputArtifact | Parameter):
        return annotation.type
    if _optional(annotation) in PRIMITIVES or is_json_annotation(annotation):
        return annotation
    if is_reference(annotation):
        raise read.refuse(
            "An artifact class alone does not say whether the component reads or writes it.",
            f"Write `InputArtifact[{annotation.__name__}]` or `OutputArtifact[{annotation.__name__}]`.",
            parameter=name,
        )
    raise read.refuse(
        "A component cannot have a parameter of this annotation.",
        "Use `InputArtifact[T]`, `OutputArtifact[T]`, `Parameter[T]`, or int, float, str, bytes, bool, "
        "or a list or dict of what JSON can say; or make it a `@step`.",
        parameter=name,
        found=type_text(annotation),
    )


def _read_return(read: _Signature, annotation: Any) -> None:
    if annotation is None or annotation is types.NoneType:
        return
    if isinstance(annotation, OutputDict):
        returned = annotation.kwargs
    elif typing.is_typeddict(annotation):
        returned = typing.get_type_hints(annotation)
    else:
        raise read.refuse(
            "A component returns nothing, or a dict of values.",
            "Annotate it `-> OutputDict(loss=float)` or with a TypedDict; artifacts are parameters.",
            found=type_text(annotation),
        )
    for name, kind in returned.items():
        if isinstance(kind, OutputArtifact) or is_reference(kind):
            raise read.refuse(
                "An output artifact is declared as a returned value.",
                f"Make it a parameter: `{name}: OutputArtifact[...]`.",
                output=name,
            )
        if _optional(kind) not in PRIMITIVES and not is_json_annotation(kind):
            raise read.refuse(
                "A component cannot return a value of this annotation.",
                "It returns int, float, str, bytes, bool, or a list or dict of what JSON can say.",
                output=name,
                found=type_text(kind),
            )
        if name in read.references or name in read.arguments:
            raise read.refuse(
                "A returned value has the name of a parameter.", "Rename one of them.", output=name
            )
        read.values[name] = kind


def _optional(annotation: Any) -> Any:
    """``T`` of ``Optional[T]``; any other annotation as it is."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _value_artifact(annotation: Any) -> type[Artifact]:
    return _VALUE_ARTIFACTS.get(_optional(annotation), standard_artifacts.JsonValue)


def _base(read: _Signature, annotation: Any) -> str | None:
    if annotation is None:
        return None
    if not (is_class(annotation) and issubclass(annotation, SystemExecution)):
        raise read.refuse(
            "`component_annotation` takes a system execution type.",
            "One of Train, Transform, Process, Evaluate and Deploy of `tfx.dsl.standard_annotations`.",
            found=repr(annotation),
        )
    return annotation.BASE_TYPE
