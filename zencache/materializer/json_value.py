"""JSON values and containers of them, with the built-in types that JSON lacks."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, TypeAlias

from zencache.digest import Digest, digest_bytes
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading, type_name

_FILE = "value.json"
_DEEPEST = 150  # levels; far from the interpreter's limit when saved and when loaded
_INLINE = 1 << 64  # a larger integer is written in hexadecimal: reading decimals is limited to 4,300 digits
_Place: TypeAlias = "tuple[_Place, Any] | None"  # the container's place and the key in it; None is the top
_TFX_VALUES = {bool: "Boolean", int: "Integer", float: "Float"}  # the names of TFX's value artifacts


class JsonMaterializer(BaseMaterializer):
    """Saves ``None``, ``bool``, ``int``, ``float``, ``list``, ``tuple``, ``dict``, ``set``, ``frozenset``.

    Containers may nest, and hold ``str`` and ``bytes`` as well. Everything comes back exactly: integers
    of any size, NaN, infinities and -0.0, keys that are no strings, the order of a dict. Only the
    built-in types themselves are taken: an ``OrderedDict`` or an array inside is an error that says where.

    A value that JSON lacks is an object with one name that begins with ``$``: ``{"$tuple": [1, 2]}``. A
    dict that looks like one is written as ``{"$dict": [[name, value]]}``.
    """

    types = (NoneType, bool, int, float, list, tuple, dict, set, frozenset)
    exact = True

    @classmethod
    def artifact_type_for(cls, python_type: type) -> ArtifactType:
        return ArtifactType(_TFX_VALUES.get(python_type, "JsonValue"))

    def save(self, value: Any, directory: Path) -> Mapping[str, Digest]:
        # The newline tells a whole file from one that was cut.
        payload = (dumps(value) + "\n").encode("utf-8", "surrogatepass")
        (directory / _FILE).write_bytes(payload)
        return {_FILE: digest_bytes(payload)}

    def load(self, directory: Path, type: type) -> Any:
        path = directory / _FILE
        with reading(path):
            text = path.read_bytes().decode("utf-8", "surrogatepass")
            if not text.endswith("\n"):
                raise ValueError("the file ends early")
            return loads(text)


def dumps(value: Any) -> str:
    """A value as one line of JSON from which :func:`loads` makes the same value.

    Raises:
        MaterializerError: the value holds something else than the built-in types, or itself.

    >>> dumps((1, {2: b"a"}))
    '{"$tuple":[1,{"$dict":[[2,{"$bytes":"YQ=="}]]}]}'
    """
    return _dumps(_encode(value, None, ()))


def loads(text: str) -> Any:
    """The value that :func:`dumps` wrote.

    Raises:
        ValueError, TypeError, RecursionError: the text is something else.
    """
    return json.loads(text, object_hook=_decode, parse_constant=_refuse_constant)


def _dumps(document: Any) -> str:
    # Surrogates stay characters: as \u escapes a pair of them would be read as one character.
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _encode(value: Any, at: _Place, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        return value if -_INLINE < value < _INLINE else {"$int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode()}
    if kind not in JsonMaterializer.types:
        raise MaterializerError(
            "A value holds something that JSON cannot.",
            facts={"at": _path(at), "type": type_name(kind)},
            hint="Return it as an output of its own, convert it to built-in types, "
            "or name a materializer: @step(materializers=PickleMaterializer).",
        )
    if id(value) in above:
        raise MaterializerError("A value contains itself.", facts={"at": _path(at)})
    if len(above) == _DEEPEST:
        raise MaterializerError(
            "A value is nested too deeply.", facts={"levels": f"more than {_DEEPEST}", "at": _path(at)}
        )
    above = (*above, id(value))
    if kind is dict:
        return _encode_dict(value, at, above)
    if kind is list:
        return [_encode(item, (at, i), above) for i, item in enumerate(value)]
    if kind is tuple:
        return {"$tuple": [_encode(item, (at, i), above) for i, item in enumerate(value)]}
    items = [_encode(item, (at, item), above) for item in value]
    return {f"${kind.__name__}": sorted(items, key=_dumps)}  # equal sets may be in different order


def _encode_dict(value: dict[Any, Any], at: _Place, above: tuple[int, ...]) -> Any:
    items = [_encode(item, (at, key), above) for key, item in value.items()]
    names = [key for key in value if type(key) is str]
    if len(names) == len(items) and not (len(names) == 1 and _is_tag(names[0])):
        return dict(zip(names, items, strict=True))
    keys = [_encode(key, (at, key), above) for key in value]
    return {"$dict": [list(pair) for pair in zip(keys, items, strict=True)]}


def _decode(document: dict[str, Any]) -> Any:
    if len(document) != 1:
        return document
    [(tag, content)] = document.items()
    if not _is_tag(tag):
        return document
    match tag:
        case "$tuple":
            return tuple(content)
        case "$set":
            return set(content)
        case "$frozenset":
            return frozenset(content)
        case "$dict":
            return dict(content)
        case "$bytes":
            return base64.b64decode(content, validate=True)
        case "$float":
            return float(content)
        case "$int":
            return int(content, 16)
    raise ValueError(f"unknown tag {tag}")


def _is_tag(name: str) -> bool:
    return name.startswith("$")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _path(at: _Place) -> str:
    steps = []
    while at is not None:
        at, step = at
        steps.append(f"[{repr(step)[:40]}]")
    return "value" + "".join(reversed(steps if len(steps) < 12 else [*steps[:6], "[…]", *steps[-4:]]))
