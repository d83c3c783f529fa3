"""Events: which artifact an execution took or made, and under which names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zencache.entity import Edge

# Event type -> whether the artifact was made. A pending output is none yet.
_EDGE_KINDS = dict.fromkeys(("INPUT", "DECLARED_INPUT", "INTERNAL_INPUT"), False) | dict.fromkeys(
    ("OUTPUT", "DECLARED_OUTPUT", "INTERNAL_OUTPUT"), True
)


def put_event(proto: Any, names: Iterable[str], kind: str, artifact_id: int | None = None) -> Any:
    """Fill an event as TFX writes it: ``key, index`` for each name under which the artifact is meant."""
    proto.type = proto.Type.Value(kind)
    if artifact_id is not None:
        proto.artifact_id = artifact_id
    for name in names:
        proto.path.steps.add().key = name
        proto.path.steps.add().index = 0
    return proto


def get_edge(proto: Any) -> Edge | None:
    """The edge of an event; None for one that tells of an artifact neither taken nor made."""
    kind = proto.Type.Name(proto.type)
    if kind not in _EDGE_KINDS:
        return None
    is_output = _EDGE_KINDS[kind]
    return Edge(proto.execution_id, proto.artifact_id, is_output, _names(proto.path.steps, is_output))


def _names(steps: Iterable[Any], is_output: bool) -> tuple[str, ...]:
    """``numbers``, and ``numbers[1]`` for the next of a list; a path without keys gets a name, too."""
    unnamed = "output" if is_output else "input"
    names: list[str] = []
    for step in steps:
        if step.WhichOneof("value") == "key":
            names.append(step.key or unnamed)
        elif step.index:
            names[-1:] = [f"{names[-1] if names else unnamed}[{step.index}]"]
    return tuple(names or [unnamed])
