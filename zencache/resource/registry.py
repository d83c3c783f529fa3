"""Which resource an annotation asks for. A leaf is imported only for a class of its package."""

from __future__ import annotations

import importlib
import types
import typing
from typing import Any

from zencache.exceptions import ConfigurationError
from zencache.resource.contract import Resource

# "module:qualname" of an annotation -> the leaf that provides it.
_PROVIDED = {"apache_beam.pipeline:Pipeline": "beam_pipeline"}
# Annotations of inputs that can only be read with a resource.
_IMPLIED = {"apache_beam.pvalue:PCollection": "beam_pipeline"}
_EXTRAS = {"beam_pipeline": "beam"}


def find(annotation: Any) -> Resource | None:
    """The resource that a parameter of this annotation is provided with; ``None`` for any other one.

    Raises:
        ConfigurationError: a package that it needs is not installed.
    """
    return _resource(_PROVIDED, annotation)


def implied(annotation: Any) -> Resource | None:
    """The resource without which an input of this annotation cannot be read."""
    return _resource(_IMPLIED, annotation)


def _resource(leaves: dict[str, str], annotation: Any) -> Resource | None:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        annotation = members[0] if len(members) == 1 else None
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    annotation = typing.get_origin(annotation) or annotation
    if not isinstance(annotation, type):
        return None
    leaf = leaves.get(f"{annotation.__module__}:{annotation.__qualname__}")
    return None if leaf is None else typing.cast("Resource", _leaf(leaf).RESOURCE)


def _leaf(name: str) -> Any:
    try:
        return importlib.import_module(f"zencache.resource.{name}")
    except ImportError as error:
        extra = _EXTRAS.get(name)
        raise ConfigurationError(
            "A package that a step needs is not installed.",
            facts={"missing": error.name},
            hint=f'pip install "zencache[{extra}]"' if extra else None,
        ) from error
