"""What decides, while a pipeline runs, whether a step runs: a predicate over outputs of steps above it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zencache.class_annotation import is_class
from zencache.entity import Artifact
from zencache.exceptions import DeclarationError
from zencache.reference import Artifact as Reference
from zencache.reference import ValueArtifact

# An expression is JSON, so that a recorded pipeline has it: ["==", ["value", node, output], ["constant", 1]].
Expression = list[Any]

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_READINGS = ("value", "uri", "property")
_LOGIC = ("and", "or", "not")


@dataclass(frozen=True)
class Condition:
    """A predicate. ``str`` of it reads as Python.

    >>> str(Condition(["<", ["value", "Evaluate", "loss"], ["constant", 0.5]]))
    'Evaluate.loss.value < 0.5'
    """

    expression: Expression

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """The nodes, with their outputs, that it reads."""
        return tuple(dict.fromkeys((one[1], one[2]) for one in _readings(self.expression)))

    def on(self, place: Callable[[str, str], tuple[str, str]]) -> Condition:
        """The same over other nodes: ``place`` gives those of a node and an output."""
        return Condition(_replaced(self.expression, place))

    def holds(
        self,
        artifact_of: Callable[[str, str], Artifact | None],
        value_of: Callable[[str, str, Artifact], Any],
    ) -> bool:
        """Whether it is true of what the steps above have made.

        Args:
            artifact_of: node, output -> the artifact; None if the node has made none.
            value_of: node, output, artifact -> the value, or the artifact by reference.

        Raises:
            DeclarationError: what it reads is not there, or cannot be compared.
            Exception: whatever ``value_of`` raises.
        """

        def read(reading: Expression) -> Any:
            kind, node, output, *key = reading
            artifact = artifact_of(node, output)
            if artifact is None:
                return None
            if kind == "property":
                return artifact.content_properties.get(key[0], key[1])
            value = value_of(node, output, artifact)
            if kind == "uri":
                return getattr(value, "uri", artifact.uri)
            return value.value if isinstance(value, ValueArtifact) else value

        try:
            return bool(_evaluated(self.expression, read))
        except (TypeError, KeyError, IndexError) as error:
            raise DeclarationError(
                "A condition cannot be evaluated.",
                facts={"condition": self, "because": f"{type(error).__name__}: {error}"},
                hint="Correct it, or what the component above gives.",
            ) from error

    def __str__(self) -> str:
        return _text(self.expression)


def _readings(expression: Any) -> Iterator[Expression]:
    if not isinstance(expression, list) or not expression or expression[0] == "constant":
        return
    if expression[0] in _READINGS:
        yield expression
        return
    for part in expression[1:]:
        yield from _readings(part)


def _replaced(expression: Any, place: Callable[[str, str], tuple[str, str]]) -> Any:
    if not isinstance(expression, list) or not expression or expression[0] == "constant":
        return expression
    if expression[0] in _READINGS:
        return [expression[0], *place(expression[1], expression[2]), *expression[3:]]
    return [expression[0], *(_replaced(part, place) for part in expression[1:])]


def _evaluated(expression: Expression, read: Callable[[Expression], Any]) -> Any:
    kind, *parts = expression
    if kind in _READINGS:
        return read(expression)
    if kind == "constant":
        return parts[0]
    if kind == "item":
        return _evaluated(parts[0], read)[parts[1]]
    if kind == "and":
        return all(_evaluated(part, read) for part in parts)
    if kind == "or":
        return any(_evaluated(part, read) for part in parts)
    if kind == "not":
        return not _evaluated(parts[0], read)
    return COMPARISONS[kind](_evaluated(parts[0], read), _evaluated(parts[1], read))


def _text(expression: Expression, *, inner: bool = False) -> str:
    kind, *parts = expression
    if kind in ("value", "uri"):
        return f"{parts[0]}.{parts[1]}.{kind}"
    if kind == "property":
        return f"{parts[0]}.{parts[1]}.{parts[2]}"
    if kind == "constant":
        return repr(parts[0])
    if kind == "item":
        return f"{_text(parts[0])}[{parts[1]!r}]"
    if kind == "not":
        return f"not {_text(parts[0], inner=True)}"
    word = f" {kind} "
    text = word.join(_text(part, inner=True) for part in parts)
    return f"({text})" if inner and kind in _LOGIC else text


def default_of(annotation: Any, name: str) -> Any:
    """What a property of an artifact class is while it is not set: ``None`` if it is not declared."""
    declared = getattr(annotation, "PROPERTIES", None) or {}
    return declared[name].type.default if name in declared else None


def is_value(annotation: Any) -> bool:
    """Whether an output of an annotation has a value, beside files and properties."""
    is_reference = is_class(annotation) and issubclass(annotation, Reference)
    return not is_reference or issubclass(annotation, ValueArtifact)
