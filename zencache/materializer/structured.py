"""pydantic models and dataclasses as JSON that their own types validate."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pydantic

from zencache.digest import Digest, digest_bytes
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import BaseMaterializer, reading, type_name, writing

_FILE = "value.json"
_HINT = (
    "A field must hold what its annotation says, and of a type that pydantic writes as JSON; private "
    "attributes and excluded fields are not written. Else name a materializer: "
    "@step(materializers=PickleMaterializer)."
)


class PydanticMaterializer(BaseMaterializer):
    """Saves a pydantic model, with the models and dataclasses inside it.

    What has been written is loaded and compared. A value that would change, as when a field holds an
    instance of a subclass of its annotation, is an error.
    """

    types: ClassVar[tuple[type, ...]] = (pydantic.BaseModel,)
    artifact_type = "Record"

    def save(self, value: Any, directory: Path) -> Mapping[str, Digest]:
        kind = type(value)
        with writing(value, _HINT):
            payload = _to_json(value)
            loaded = _from_json(payload, kind)
        if not _same(value, loaded):
            raise MaterializerError(
                "The value would not come back from JSON as it is.",
                facts={"type": type_name(kind), "value": f"{value!r:.200}", "comes back": f"{loaded!r:.200}"},
                hint=_HINT,
            )
        (directory / _FILE).write_bytes(payload)
        return {_FILE: digest_bytes(payload)}

    def load(self, directory: Path, type: type) -> Any:
        path = directory / _FILE
        with reading(path):
            return _from_json(path.read_bytes(), type)


class DataclassMaterializer(PydanticMaterializer):
    """Saves a dataclass, with the models and dataclasses inside it, in the same way.

    It is for every dataclass that has no registered materializer.
    """

    types = ()


def _to_json(value: Any) -> bytes:
    adapter = pydantic.TypeAdapter(type(value))
    dump = functools.partial(adapter.dump_python, value, round_trip=True, by_alias=True, warnings="error")
    document = {
        "value": _sorted_sets(dump(mode="python"), dump(mode="json")),
        "fields_set": [sorted(model.model_fields_set) for model in _models(value)],
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _from_json(payload: bytes, kind: type) -> Any:
    document = json.loads(payload)
    value: Any = pydantic.TypeAdapter(kind).validate_json(json.dumps(document["value"]))
    # pydantic would call every field set, and `exclude_unset` would then mean something else.
    for model, names in zip(_models(value), document["fields_set"], strict=True):
        object.__setattr__(model, "__pydantic_fields_set__", set(names))
    return value


def _sorted_sets(plain: Any, dumped: Any) -> Any:
    """A dump for JSON with its sets, which only the plain dump still shows, in a fixed order."""
    if isinstance(plain, (set, frozenset)) and isinstance(dumped, list):
        return sorted(dumped, key=json.dumps)
    if isinstance(plain, (list, tuple)) and isinstance(dumped, list) and len(plain) == len(dumped):
        return list(map(_sorted_sets, plain, dumped))
    if isinstance(plain, dict) and isinstance(dumped, dict) and len(plain) == len(dumped):
        return dict(zip(dumped, map(_sorted_sets, plain.values(), dumped.values()), strict=True))
    return dumped


def _parts(value: Any) -> dict[Any, Any] | None:
    """What a container, model or dataclass holds, in a fixed order; ``None`` for anything else."""
    if isinstance(value, dict):
        return dict(enumerate([*value.keys(), *value.values()]))
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    is_model = isinstance(value, pydantic.BaseModel)
    if not is_model and (isinstance(value, type) or not dataclasses.is_dataclass(value)):
        return None
    parts = {
        name: part
        for name, part in getattr(value, "__dict__", {}).items()
        if not isinstance(getattr(type(value), name, None), functools.cached_property)
    }
    if is_model:
        return {**parts, **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    slots = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return {**slots, **parts}


def _models(value: Any) -> Iterator[pydantic.BaseModel]:
    if isinstance(value, pydantic.BaseModel):
        yield value
    for part in (_parts(value) or {}).values():
        yield from _models(part)


def _same(value: Any, loaded: Any) -> bool:
    """Equal in type and value all the way down; NaN is itself."""
    if type(value) is not type(loaded):
        return False
    mine, other = _parts(value), _parts(loaded)
    if mine is None or other is None:
        both_nan = value != value and loaded != loaded
        return both_nan or (bool(value == loaded) and _same_zone(value, loaded))
    return mine.keys() == other.keys() and all(_same(part, other[name]) for name, part in mine.items())


def _same_zone(value: Any, loaded: Any) -> bool:
    """Whether two equal times have one offset, and not by a zone's rules, which JSON does not carry."""
    if not isinstance(value, (datetime.datetime, datetime.time)) or value.tzinfo is None:
        return True
    return bool(value.tzinfo.utcoffset(None) == value.utcoffset() == loaded.utcoffset())
