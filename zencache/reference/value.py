"""Artifacts of small values: a file that a component sets and reads by ``.value``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from zencache.class_annotation import is_class
from zencache.exceptions import DeclarationError, PropertyError
from zencache.reference.artifact import Artifact
from zencache.reference.system import SystemArtifact

_FILE = "value"
_IS_NULL = "__is_null__"  # TFX's custom property of a value artifact that holds None


class ValueArtifact(Artifact):
    """One value in one file, which is the ``uri`` itself.

    A subclass says with ``encode`` and ``decode`` how the value becomes bytes.
    """

    VALUE_TYPE: ClassVar[Any] = None  # the Python type of the value, for parameters annotated with it

    @classmethod
    def uri_in(cls, directory: str) -> str:
        return os.path.join(directory, _FILE)

    @property
    def value(self) -> Any:
        """The value: read when it is asked for, written when it is set."""
        return self.read()

    @value.setter
    def value(self, value: Any) -> None:
        self.write(value)

    def read(self) -> Any:
        if self.get_int_custom_property(_IS_NULL):
            return None
        path = Path(self.uri)
        if not path.is_file():
            raise PropertyError(
                "The value of an artifact has not been set.",
                facts={"type": self.type_name, "uri": self.uri or None},
                hint="The component that makes it sets `.value`.",
            )
        return self.decode(path.read_bytes())

    def write(self, value: Any) -> None:
        self.set_int_custom_property(_IS_NULL, int(value is None))
        Path(self.uri).write_bytes(b"" if value is None else self.encode(value))

    def encode(self, value: Any) -> bytes:
        raise NotImplementedError

    def decode(self, serialized_value: bytes) -> Any:
        raise NotImplementedError

    @classmethod
    def annotate_as(cls, type_annotation: type[SystemArtifact] | None = None) -> type[ValueArtifact]:
        """This class as one of a system type: ``Float.annotate_as(Metrics)`` is of type ``Float_Metrics``."""
        if type_annotation is None:
            return cls
        if not (is_class(type_annotation) and issubclass(type_annotation, SystemArtifact)):
            raise DeclarationError(
                "`annotate_as` takes a system artifact type.", facts={"found": repr(type_annotation)}
            )
        suffix = f"_{type_annotation.__name__}"
        names = {
            "TYPE_NAME": f"{cls.TYPE_NAME}{suffix}",
            "TYPE_ANNOTATION": type_annotation,
            "__module__": cls.__module__,
            "__qualname__": f"{cls.__qualname__}{suffix}",
        }
        # One class for one pair, so that it is found again by its name.
        home = vars(sys.modules[cls.__module__])
        kind: type[ValueArtifact] = home.setdefault(
            f"{cls.__name__}{suffix}", type(cls.__name__ + suffix, (cls,), names)
        )
        return kind
