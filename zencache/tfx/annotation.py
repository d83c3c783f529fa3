"""What a component's parameters are annotated with: ``InputArtifact[T]``, ``Parameter[int]`` and the like."""

from __future__ import annotations

import types
import typing
from typing import Any

from zencache import resource
from zencache.exceptions import DeclarationError
from zencache.reference import is_reference

PRIMITIVES = (int, float, str, bytes, bool)


class _Subscripted(type):
    """Classes whose subscription gives an instance, which says what it was subscripted with."""

    def __getitem__(cls, params: Any) -> Any:
        return cls(params)


class Annotation(metaclass=_Subscripted):
    """An annotation of TFX: ``.type`` is what stands between the brackets."""

    expected = ""

    def __init__(self, type: Any = None):
        if not self.takes(type):
            raise DeclarationError(
                f"`{self._name()}[T]` is given something that it cannot take.",
                facts={"expected": self.expected, "found": repr(type)},
                hint=self._hint(type),
            )
        self.type = type

    def takes(self, type: Any) -> bool:
        raise NotImplementedError

    def __call__(self) -> None:
        """Never called. Python 3.10's `typing` takes a quoted annotation only if what it names could be."""
        raise TypeError(f"{self!r} is an annotation.")

    def _hint(self, type: Any) -> str:
        if hasattr(type, "DESCRIPTOR"):
            return "A proto is no parameter: give its fields, or a dict, or its JSON as a text."
        return f"Write `{self._name()}[...]` with one of what is expected."

    @classmethod
    def _name(cls) -> str:
        return cls.__name__

    def __repr__(self) -> str:
        return f"{self._name()}[{getattr(self.type, '__name__', self.type)}]"


class InputArtifact(Annotation):
    """An artifact that a component reads: ``examples: InputArtifact[Examples]``."""

    expected = "an artifact class with a TYPE_NAME, or a list of one"

    def takes(self, type: Any) -> bool:
        members = typing.get_args(type)
        if typing.get_origin(type) is list and len(members) == 1:
            type = members[0]
        return is_reference(type) and bool(type.TYPE_NAME)


class OutputArtifact(Annotation):
    """An artifact that a component writes below its ``uri``: ``model: OutputArtifact[Model]``."""

    expected = "an artifact class with a TYPE_NAME"

    def takes(self, type: Any) -> bool:
        return is_reference(type) and bool(type.TYPE_NAME)


class Parameter(Annotation):
    """A value that is known when the pipeline is built: ``epochs: Parameter[int]``."""

    expected = "int, float, str, bool, or a list or dict of what JSON can say"

    def takes(self, type: Any) -> bool:
        return type in (int, float, str, bool) or is_json_annotation(type)


class BeamComponentParameter(Annotation):
    """A Beam pipeline that the run provides: ``pipeline: BeamComponentParameter[beam.Pipeline] = None``."""

    expected = "beam.Pipeline"

    def takes(self, type: Any) -> bool:
        return resource.find(type) is not None


class OutputDict:
    """The values that a component returns in a dict: ``-> OutputDict(loss=float, accuracy=float)``."""

    def __init__(self, **kwargs: Any):
        self.kwargs = kwargs


def is_json_annotation(annotation: Any, *, inner: bool = False) -> bool:
    """Whether an annotation is of a list or a dict of what JSON can say; ``inner``, of any part of one."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return all(is_json_annotation(m, inner=inner) or (m is types.NoneType and not inner) for m in members)
    if origin in (list, dict) and not members:  # `List` and `Dict` of the typing module, bare
        return False
    if origin is list:
        return is_json_annotation(members[0], inner=True)
    if origin is dict:
        return members[0] is str and is_json_annotation(members[1], inner=True)
    return inner and annotation in (int, float, str, bool, types.NoneType, Any)
