"""What a step's parameter receives for an artifact of files: its annotation decides."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zencache.declaration import Declaration
from zencache.exceptions import DeclarationError
from zencache.reference import Artifact, ValueArtifact, is_reference
from zencache.reference.standard import Examples
from zencache.resource import implied

# "module:qualname" of a type that files are read as -> the function of a leaf that reads them.
_READ_AS = {
    "apache_beam.pvalue:PCollection": "as_collection",
    "tensorflow.python.data.ops.dataset_ops:DatasetV2": "as_tf_dataset",
    "pyarrow._dataset:Dataset": "as_arrow_dataset",
}
_ARROW = "pyarrow._dataset:Dataset"


def taken(step: Declaration, arguments: Mapping[str, Any], provided: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are received as something else than they were loaded as.

    Args:
        step: the step that receives them.
        arguments: its inputs, loaded, and its parameters.
        provided: what its run provides, by the names of ``step.resources``.
    """
    received = {}
    for name, value in arguments.items():
        if not isinstance(value, Artifact) and not _is_arrow(type(value)):
            continue
        wanted = _single(step.arguments.get(name, Any))
        if _is_same(type(value), wanted):
            continue
        pipeline = next(
            (provided[n] for n, one in step.resources.items() if one is implied(_type(wanted))), None
        )
        received[name] = _received(value, wanted, name, pipeline)
    return received


def check(made: Any, wanted: Any, **facts: Any) -> None:
    """Raise unless an input of one annotation can be made of an output of another.

    Only artifacts of files are checked: what a plain value is shows when it is there.

    Raises:
        DeclarationError: it cannot; ``facts`` say where.
    """
    wanted = _single(wanted)
    if is_reference(made) or _is_arrow(made):
        is_fit = _is_same(made, wanted) or _fits(made, wanted)
    else:
        is_fit = made is Any or not (is_reference(wanted) or _reader(wanted) == "as_collection")
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


def _type(annotation: Any) -> Any:
    """The class of ``Annotated[PCollection, "train"]`` or ``PCollection[bytes]``."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return typing.get_origin(annotation) or annotation


def _split(annotation: Any) -> str | None:
    """The split that ``Annotated[PCollection, "train"]`` names."""
    return next((item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, str)), None)


def _reader(annotation: Any) -> str | None:
    kind = _type(annotation)
    return _READ_AS.get(f"{kind.__module__}:{kind.__qualname__}") if isinstance(kind, type) else None


def _is_arrow(kind: Any) -> bool:
    return isinstance(kind, type) and any(f"{b.__module__}:{b.__qualname__}" == _ARROW for b in kind.__mro__)


def _is_same(made: type, wanted: Any) -> bool:
    """Whether what was made is received as it is."""
    if wanted is Any or wanted is object:
        return True
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return any(_is_same(made, member) for member in typing.get_args(wanted))
    if not is_reference(made):
        return _is_arrow(_type(wanted))
    return is_reference(wanted) and (issubclass(made, wanted) or made.TYPE_NAME == wanted.TYPE_NAME)


def _fits(made: type, wanted: Any) -> bool:
    origin, members = _type(wanted), typing.get_args(wanted)
    if origin is list and members and is_reference(members[0]):
        return _is_same(made, members[0])
    if issubclass(made, ValueArtifact):
        kind = made.VALUE_TYPE
        return origin in (dict, list, typing.Union, types.UnionType) if kind is None else origin is kind
    if _reader(wanted) is not None:
        return issubclass(made, Examples) or _is_arrow(made)
    return origin is list and members in ((), (str,), (Path,))


def _received(value: Any, wanted: Any, name: str, pipeline: Any) -> Any:
    members = typing.get_args(wanted)
    if _type(wanted) is list and members and is_reference(members[0]):
        return [value]
    if isinstance(value, ValueArtifact):
        return value.value
    leaf = importlib.import_module(
        f"zencache.materializer.{'parquet' if _is_arrow(type(value)) else 'examples'}"
    )
    if _is_arrow(type(value)):
        shards = sorted(value.files)
    elif isinstance(value, Examples):
        shards = leaf.paths(value, _split(wanted))
    else:
        shards = sorted(str(path) for path in Path(value.uri).rglob("*") if path.is_file())
    reader = _reader(wanted)
    if reader == "as_collection":
        return leaf.as_collection(shards, pipeline, name)
    if reader is not None:
        return getattr(leaf, reader)(shards)
    return [Path(shard) for shard in shards] if members == (Path,) else shards


def _name(annotation: Any) -> str:
    return str(getattr(annotation, "TYPE_NAME", None) or getattr(annotation, "__name__", annotation))


def _hint(made: Any, wanted: Any) -> str:
    if is_reference(wanted) and not is_reference(made):
        return "The output is a plain value: annotate the parameter with its type."
    if is_reference(made) and issubclass(made, ValueArtifact) and made.VALUE_TYPE is not None:
        return f"Annotate the parameter `InputArtifact[{made.__name__}]` or `{made.VALUE_TYPE.__name__}`."
    return f"Give it an output of type {_name(wanted)}, or annotate it with the class of the output."
