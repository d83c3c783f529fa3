"""Values of any JSON type in typed properties, and parameters, which are kept exactly.

MLMD keeps six digits of a double and none behind the sixth decimal place, 32 bits of an integer on some
databases, and strings up to the first NUL. So whatever a typed property cannot hold exactly is kept as JSON
in ``zencache_parameters`` too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zencache.exceptions import MaterializerError
from zencache.materializer import json_value
from zencache.metadata import schema
from zencache.metadata.codec.text import Records, get_json, json_text, put_text, size_of
from zencache.redaction import redacted

_INT32 = 2**31
_STRUCT_VALUE = "__value__"  # TFX's name, in a struct, for a value that is no dict


def value_of(value: Any) -> Any:
    """The Python value of an MLMD ``Value``."""
    kind = value.WhichOneof("value")
    if kind in ("struct_value", "proto_value"):
        return _plain(getattr(value, kind))
    return getattr(value, kind) if kind else None


def _plain(message: Any) -> Any:
    """A protobuf message as Python values; the name of its type where that is not known here."""
    from google.protobuf import json_format

    try:
        found = json_format.MessageToDict(message)
        return found.get(_STRUCT_VALUE, found)
    except (TypeError, ValueError, RecursionError, json_format.Error):
        return str(getattr(message, "type_url", ""))


def put_value(properties: Any, name: str, value: Any) -> None:
    """Set a property of any JSON value. A list or a dict is a struct, which TFX writes in this form."""
    if type(value) is bool:
        properties[name].bool_value = value
    elif type(value) is int and -_INT32 <= value < _INT32:
        properties[name].int_value = value
    elif type(value) is float:
        properties[name].double_value = value
    elif isinstance(value, list | dict):
        from google.protobuf import json_format

        struct = value if isinstance(value, dict) else {_STRUCT_VALUE: value}
        json_format.ParseDict(struct, properties[name].struct_value)
    elif value is not None:
        put_text(properties, name, str(value))


def put_parameters(properties: Any, parameters: Mapping[str, Any], records: Records) -> None:
    """Set each parameter as a typed property, and those that this cannot hold exactly as JSON as well."""
    inexact = {}
    for name, value in parameters.items():
        if type(value) is str:
            value = redacted(value)
        if type(value) is bool:
            properties[name].bool_value = value
        elif type(value) is int and -_INT32 <= value < _INT32:
            properties[name].int_value = value
        elif type(value) is float and math.isfinite(value) and _is_exact(value):
            properties[name].double_value = value
        elif type(value) is float and math.isfinite(value):
            properties[name].double_value = value
            inexact[name] = value
        elif type(value) is str and "\0" not in value and size_of(value) <= schema.MAX_TEXT:
            put_text(properties, name, value)
        else:
            put_text(properties, name, value if isinstance(value, str) else json_text(value))
            inexact[name] = value
    if inexact:
        exact = {name: _exact_json(value) for name, value in inexact.items()}
        put_text(properties, schema.PARAMETERS, json_text(exact), records)


def _is_exact(value: float) -> bool:
    """Whether MLMD gives back the same double."""
    return float(f"{value:.6g}") == float(f"{value:.6f}") == value


def as_kept(value: float) -> float:
    """The nearest double that MLMD gives back as it was given."""
    return float(f"{float(f'{value:.6g}'):.6f}")


def get_parameters(properties: Any, records: Records) -> dict[str, Any]:
    exact = get_json(properties, schema.PARAMETERS, records)
    names = [name for name in properties if not name.startswith((schema.PREFIX, "__"))]
    return {name: _parameter(exact.get(name), properties[name]) for name in sorted(names)}


def _parameter(exact: Any, rounded: Any) -> Any:
    if exact:
        try:
            return json_value.loads(exact)
        except (ValueError, TypeError, RecursionError):  # changed by somebody else
            pass
    return value_of(rounded)


def _exact_json(value: Any) -> str | None:
    """A value in the exact form of the JSON materializer; None if it has none, and is kept as text only."""
    try:
        return json_value.dumps(value)
    except MaterializerError:
        return None
