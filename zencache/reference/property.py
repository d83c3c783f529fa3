"""What an artifact class declares about a property, and what a value of it may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class PropertyType(Enum):
    """The type of a property; its value is the name of MLMD's type."""

    INT = "INT"
    FLOAT = "DOUBLE"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    JSON_VALUE = "STRUCT"

    @property
    def default(self) -> Any:
        """What a property reads as while nobody has set it."""
        return _DEFAULTS[self]

    def fits(self, value: Any) -> bool:
        """Whether a value is of this type. A bool is no integer, and an integer is no float."""
        if self is PropertyType.JSON_VALUE:
            return is_json(value)
        return type(value) is _TYPES[self]


_TYPES: dict[PropertyType, type] = {
    PropertyType.INT: int,
    PropertyType.FLOAT: float,
    PropertyType.STRING: str,
    PropertyType.BOOLEAN: bool,
}
_DEFAULTS: dict[PropertyType, Any] = {
    PropertyType.INT: 0,
    PropertyType.FLOAT: 0.0,
    PropertyType.STRING: "",
    PropertyType.BOOLEAN: False,
    PropertyType.JSON_VALUE: None,
}


@dataclass(frozen=True, slots=True)
class Property:
    """A property that artifacts of a class have: ``PROPERTIES = {"span": Property(PropertyType.INT)}``."""

    type: PropertyType


def is_json(value: Any) -> bool:
    """Whether a value is what JSON can say, exactly."""
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    if isinstance(value, dict):
        return all(type(key) is str and is_json(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)
