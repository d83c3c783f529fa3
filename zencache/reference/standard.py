"""TFX's standard artifact types, with its type names, properties and system base types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zencache.exceptions import PropertyError
from zencache.reference.artifact import Artifact
from zencache.reference.property import Property, PropertyType
from zencache.reference.system import Dataset, Statistics
from zencache.reference.system import Model as SystemModel
from zencache.reference.value import ValueArtifact

_SPAN = Property(type=PropertyType.INT)
_VERSION = Property(type=PropertyType.INT)
_SPLIT_NAMES = Property(type=PropertyType.STRING)
_SPLIT_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)?")


def encode_split_names(splits: Sequence[str]) -> str:
    """Names of splits as the property ``split_names`` holds them.

    >>> encode_split_names(["train", "eval"])
    '["train", "eval"]'
    """
    for split in splits:
        if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
            raise PropertyError(
                "A split cannot have this name.",
                facts={"name": repr(split)},
                hint="It has letters, digits, dashes and underscores, and does not begin with the last two.",
            )
    return json.dumps(list(splits))


def decode_split_names(split_names: str) -> list[str]:
    return list(json.loads(split_names)) if split_names else []


class _WithSplits(Artifact):
    @property
    def splits(self) -> list[str]:
        """The names of its splits."""
        return decode_split_names(self.split_names)

    @splits.setter
    def splits(self, splits: Sequence[str]) -> None:
        if isinstance(splits, str | bytes) or not isinstance(splits, Sequence):
            raise PropertyError(
                "`splits` takes a list of names.", facts={"found": repr(splits)}, hint='["train", "eval"]'
            )
        self.split_names = encode_split_names(splits)


class Examples(_WithSplits):
    """Data for training, each split in a folder of its own: ``<uri>/Split-<name>/``."""

    TYPE_NAME = "Examples"
    TYPE_ANNOTATION = Dataset
    PROPERTIES: ClassVar[Mapping[str, Property] | None] = {
        "span": _SPAN,
        "version": _VERSION,
        "split_names": _SPLIT_NAMES,
    }

    def path(self, *, split: str) -> str:
        """The folder of a split. It is not made: whoever writes makes it."""
        if split not in self.splits:
            raise PropertyError(
                f"There is no split `{split}`.",
                facts={"splits": ", ".join(self.splits) or "none"},
                hint="Set `.splits` before writing.",
            )
        return f"{self.uri}/Split-{split}"


class ExampleAnomalies(_WithSplits):
    TYPE_NAME = "ExampleAnomalies"
    PROPERTIES: ClassVar[Mapping[str, Property] | None] = {"span": _SPAN, "split_names": _SPLIT_NAMES}


class ExampleValidationMetrics(_WithSplits):
    TYPE_NAME = "ExampleValidationMetrics"
    PROPERTIES: ClassVar[Mapping[str, Property] | None] = {"span": _SPAN, "split_names": _SPLIT_NAMES}


class ExampleStatistics(_WithSplits):
    TYPE_NAME = "ExampleStatistics"
    TYPE_ANNOTATION = Statistics
    PROPERTIES: ClassVar[Mapping[str, Property] | None] = {"span": _SPAN, "split_names": _SPLIT_NAMES}


class ExamplesDiff(Artifact):
    TYPE_NAME = "ExamplesDiff"


class ExternalArtifact(Artifact):
    TYPE_NAME = "ExternalArtifact"


class InferenceResult(Artifact):
    TYPE_NAME = "InferenceResult"


class InfraBlessing(Artifact):
    TYPE_NAME = "InfraBlessing"


class Model(Artifact):
    TYPE_NAME = "Model"
    TYPE_ANNOTATION = SystemModel


class ModelRun(Artifact):
    TYPE_NAME = "ModelRun"


class ModelBlessing(Artifact):
    TYPE_NAME = "ModelBlessing"


class ModelEvaluation(Artifact):
    TYPE_NAME = "ModelEvaluation"


class PushedModel(Artifact):
    TYPE_NAME = "PushedModel"
    TYPE_ANNOTATION = SystemModel


class Schema(Artifact):
    TYPE_NAME = "Schema"


class TransformCache(Artifact):
    TYPE_NAME = "TransformCache"


class TransformGraph(Artifact):
    TYPE_NAME = "TransformGraph"


class HyperParameters(Artifact):
    TYPE_NAME = "HyperParameters"


class TunerResults(Artifact):
    TYPE_NAME = "TunerResults"


class DataView(Artifact):
    TYPE_NAME = "DataView"


class Config(Artifact):
    TYPE_NAME = "Config"


class _Scalar(ValueArtifact):
    """A value of exactly one Python type."""

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, self.VALUE_TYPE) or (type(value) is bool) is not (self.VALUE_TYPE is bool):
            raise PropertyError(
                "The value of an artifact is of the wrong type.",
                facts={
                    "type": self.type_name,
                    "expected": self.VALUE_TYPE.__name__,
                    "found": f"{type(value).__name__} {value!r:.80}",
                },
            )
        return self._encoded(value)

    def _encoded(self, value: Any) -> bytes:
        return str(value).encode()


class Bytes(_Scalar):
    TYPE_NAME = "Bytes"
    VALUE_TYPE = bytes

    def _encoded(self, value: bytes) -> bytes:
        return value

    def decode(self, serialized_value: bytes) -> bytes:
        return serialized_value


class String(_Scalar):
    TYPE_NAME = "String"
    VALUE_TYPE = str

    def decode(self, serialized_value: bytes) -> str:
        return serialized_value.decode()


class Boolean(_Scalar):
    TYPE_NAME = "Boolean"
    VALUE_TYPE = bool

    def _encoded(self, value: bool) -> bytes:
        return b"1" if value else b"0"

    def decode(self, serialized_value: bytes) -> bool:
        return int(serialized_value) != 0


class Integer(_Scalar):
    TYPE_NAME = "Integer"
    VALUE_TYPE = int

    def decode(self, serialized_value: bytes) -> int:
        return int(serialized_value)


class Float(_Scalar):
    TYPE_NAME = "Float"
    VALUE_TYPE = float

    def _encoded(self, value: float) -> bytes:
        if math.isnan(value):
            return b"NaN"
        if math.isinf(value):
            return b"Infinity" if value > 0 else b"-Infinity"
        return str(value).encode()

    def decode(self, serialized_value: bytes) -> float:
        return float(serialized_value)


class JsonValue(ValueArtifact):
    TYPE_NAME = "JsonValue"

    def encode(self, value: Any) -> bytes:
        try:
            return json.dumps(value).encode()
        except (TypeError, ValueError) as error:
            raise PropertyError(f"JSON cannot say the value of an artifact: {error}.") from error

    def decode(self, serialized_value: bytes) -> Any:
        return json.loads(serialized_value)
