"""An argument that a person types: a text becomes the value that an annotation asks for."""

from __future__ import annotations

import ast
import inspect
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zencache.binding import fits, type_text
from zencache.exceptions import ConfigurationError

_NOTHING = inspect.Parameter.empty


def typed_arguments(function: Callable[..., Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values that some texts mean to the parameters of a function.

    A text is read as JSON or as a Python literal, or stays a text, whichever fits the annotation; else as
    pydantic reads a text of that type, such as a date, a path or ``no`` for a ``bool``. Without an
    annotation the type of the default is one that need not fit.

    Args:
        texts: parameter -> what was typed. Names that the function does not have stay as they are read.

    Raises:
        ConfigurationError: a text is no value of the annotated type.

    >>> def pipeline(fast: bool, name: str, n=1): ...
    >>> typed_arguments(pipeline, {"fast": "no", "name": "2024", "n": "2"})
    {'fast': False, 'name': '2024', 'n': 2}
    """
    parameters = inspect.signature(function).parameters
    annotations = _annotations(function)
    read = {}
    for name, text in texts.items():
        default = parameters[name].default if name in parameters else _NOTHING
        if name in annotations:
            read[name] = _typed(text, annotations[name], name)
        elif default is not _NOTHING and default is not None:
            read[name] = _typed(text, type(default), name, is_needed=False)
        else:
            read[name] = next(_readings(text))
    return read


def _typed(text: str, annotation: Any, name: str, *, is_needed: bool = True) -> Any:
    readings = list(_readings(text))
    for value in readings:
        if fits(value, annotation):
            return value
    from pydantic import TypeAdapter

    for value in readings:
        try:
            return TypeAdapter(annotation).validate_python(value)
        except Exception:  # of validation, or of an annotation that pydantic has no reading for
            continue
    if not is_needed:
        return readings[0]
    raise ConfigurationError(
        "A value does not fit the annotation of its parameter.",
        facts={"parameter": name, "expected": type_text(annotation), "found": repr(text)},
        hint="Write it as JSON, such as 3, true, null or [1, 2], or as plain text.",
    )


def _readings(text: str) -> Iterator[Any]:
    """What a text may mean, the likeliest first."""
    for read in (json.loads, ast.literal_eval):
        try:
            yield read(text)
            break
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    yield text


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # a name in it is known to type checkers only
        return {}
