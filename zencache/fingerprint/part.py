"""Parts of code that count only where something reads them: docstrings, annotations and the like."""

from __future__ import annotations

import ast
import inspect
from contextlib import suppress
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from zencache.fingerprint.decorator import OTHER
from zencache.fingerprint.normal_form import Writer
from zencache.fingerprint.scope import READ_ATTRIBUTES, Reference


class Part(str, Enum):
    ANNOTATIONS = "annotations"
    DOCSTRING = "docstring"
    SOURCE = "source"
    ORDER = "order"
    SUBCLASSES = "subclasses"

    def __str__(self) -> str:
        return self.value


class CodePart(NamedTuple):
    """One such part of a function, class or module."""

    kind: Part
    target: Any


_ANNOTATIONS = frozenset({Part.ANNOTATIONS})
_DOCSTRING = frozenset({Part.DOCSTRING})
_SOURCE = frozenset({Part.SOURCE, Part.DOCSTRING, Part.ANNOTATIONS})

# Installed functions that read a part of what they are given, by module and name.
READERS = {
    "inspect:signature": _ANNOTATIONS,
    "inspect:Signature": _ANNOTATIONS,
    "inspect:Signature.from_callable": _ANNOTATIONS,
    "inspect:get_annotations": _ANNOTATIONS,
    "inspect:getfullargspec": _ANNOTATIONS,
    "typing:get_type_hints": _ANNOTATIONS,
    "typing_extensions:get_type_hints": _ANNOTATIONS,
    "pydantic:validate_call": _ANNOTATIONS,
    "pydantic.validate_call_decorator:validate_call": _ANNOTATIONS,
    "pydantic:TypeAdapter": _ANNOTATIONS,
    "pydantic.type_adapter:TypeAdapter": _ANNOTATIONS,
    "inspect:getdoc": _DOCSTRING,
    "inspect:getsource": _SOURCE,
    "inspect:getsourcelines": _SOURCE,
    "inspect:getcomments": _SOURCE,
}
PART_OF_ATTRIBUTE = {
    "__annotations__": Part.ANNOTATIONS,
    "__doc__": Part.DOCSTRING,
    "__dict__": Part.ORDER,
    "__subclasses__": Part.SUBCLASSES,
}
PART_OF_ROOT = {root: PART_OF_ATTRIBUTE[attribute] for attribute, root in READ_ATTRIBUTES.items()}
PART_OF_ROOT |= dict.fromkeys(("vars", "globals", "locals"), Part.ORDER)


def has_part(target: Any, kind: Part) -> bool:
    """Whether code has such a part that does not count anyway, as the annotations of a class do."""
    if kind is Part.ANNOTATIONS:
        return isinstance(target, FunctionType) and bool(target.__annotations__)
    if kind is Part.DOCSTRING:
        return bool(target.__doc__)
    if kind is Part.SUBCLASSES:
        return isinstance(target, type) and bool(type.__subclasses__(target))
    if kind is Part.ORDER:
        return isinstance(target, type | ModuleType)
    return True


def text_of(part: CodePart) -> str:
    """A docstring, the names that are defined or the source, as code would read them."""
    if part.kind is Part.ORDER:
        return " ".join(name for name in vars(part.target) if not name.startswith("__"))
    if part.kind is Part.DOCSTRING:
        return str(part.target.__doc__)
    with suppress(OSError, TypeError):
        return inspect.getsource(part.target)
    return ""


def quoted_names(annotation: Any) -> tuple[Reference, ...]:
    """What an annotation refers to that was left as text."""
    if not isinstance(annotation, str):
        return ()
    writer = Writer(lambda root, chain: OTHER)
    with suppress(SyntaxError, ValueError):
        writer.node(ast.parse(annotation.strip(), mode="eval").body)
    return writer.finish().references
