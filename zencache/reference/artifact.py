"""``Artifact``: a typed reference to files, with properties, as TFX components take and make them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, TypeGuard

from zencache.exceptions import DeclarationError, PropertyError, nearest
from zencache.reference.property import Property, PropertyType
from zencache.reference.system import SystemArtifact

_OWN = frozenset({"uri", "recorded", "_properties", "_custom"})


class Artifact:
    """Files below a ``uri``, and what is recorded about them.

    A subclass names its MLMD type and, if it has some, its properties, which are attributes of its
    instances. Properties are part of the content: a consumer of the artifact runs again when one changes.

    Attributes:
        TYPE_NAME: name of the MLMD artifact type.
        TYPE_ANNOTATION: a system type, such as :class:`zencache.tfx.dsl.standard_annotations.Dataset`.
        PROPERTIES: property name -> :class:`Property`.
        uri: the folder that the files lie in. That of an input is read-only and shared.

    Example::

        class Numbers(tfx.types.Artifact):
            TYPE_NAME = "Numbers"
            PROPERTIES = {"span": tfx.types.Property(type=tfx.types.PropertyType.INT)}
    """

    TYPE_NAME: ClassVar[str | None] = None
    TYPE_ANNOTATION: ClassVar[type[SystemArtifact] | None] = None
    PROPERTIES: ClassVar[Mapping[str, Property] | None] = None

    uri: str

    def __init__(self) -> None:
        check_class(type(self))
        self.uri = ""
        self.recorded: Any = None  # the entity behind it, for one that is recorded already
        self._properties: dict[str, Any] = {}
        self._custom: dict[str, Any] = {}

    # -- where its files lie

    @classmethod
    def uri_in(cls, directory: str) -> str:
        """The ``uri`` of an artifact of this class whose files lie in a folder."""
        return directory

    # -- properties

    def __getattr__(self, name: str) -> Any:
        declared = (type(self).PROPERTIES or {}).get(name)
        if declared is None:
            raise PropertyError(
                f"The artifact has no property `{name}`.",
                facts={"type": type(self).TYPE_NAME},
                hint=nearest(name, type(self).PROPERTIES or ()),
            )
        return self.__dict__.get("_properties", {}).get(name, declared.type.default)

    def __setattr__(self, name: str, value: Any) -> None:
        declared = (type(self).PROPERTIES or {}).get(name)
        if declared is None:
            if name not in _OWN and not hasattr(type(self), name):
                raise PropertyError(
                    f"A property cannot be set that the artifact does not declare: `{name}`.",
                    facts={"type": type(self).TYPE_NAME},
                    hint="Declare it in PROPERTIES, or use `set_string_custom_property` and the like.",
                )
            object.__setattr__(self, name, value)
        elif not declared.type.fits(value):
            raise _wrong_type(self, name, declared.type, value)
        else:
            self._properties[name] = value

    def has_property(self, key: str) -> bool:
        """Whether a declared property has been set."""
        return key in self._properties

    def has_custom_property(self, key: str) -> bool:
        return key in self._custom

    def set_string_custom_property(self, key: str, value: str) -> None:
        self._set_custom(key, PropertyType.STRING, value)

    def set_int_custom_property(self, key: str, value: int) -> None:
        self._set_custom(key, PropertyType.INT, int(value))

    def set_float_custom_property(self, key: str, value: float) -> None:
        self._set_custom(key, PropertyType.FLOAT, float(value))

    def set_bool_custom_property(self, key: str, value: bool) -> None:
        self._set_custom(key, PropertyType.BOOLEAN, value)

    def set_json_value_custom_property(self, key: str, value: Any) -> None:
        self._set_custom(key, PropertyType.JSON_VALUE, value)

    def get_string_custom_property(self, key: str) -> str:
        return str(self._custom_of(key, str, ""))

    def get_int_custom_property(self, key: str) -> int:
        return int(self._custom_of(key, int, 0))

    def get_float_custom_property(self, key: str) -> float:
        return float(self._custom_of(key, float, 0.0))

    def get_bool_custom_property(self, key: str) -> bool:
        return bool(self._custom_of(key, bool, False))

    def get_json_value_custom_property(self, key: str) -> Any:
        return self._custom.get(key)

    def get_custom_property(self, key: str) -> Any:
        """A custom property of any type; ``None`` if it has not been set."""
        return self._custom.get(key)

    def _set_custom(self, key: str, kind: PropertyType, value: Any) -> None:
        if key in (type(self).PROPERTIES or {}):
            raise PropertyError(
                f"A custom property has the name of a declared one: `{key}`.",
                facts={"type": type(self).TYPE_NAME},
                hint=f"Set the declared one: `artifact.{key} = ...`.",
            )
        if not isinstance(key, str) or not key or key.startswith("zencache_"):
            raise PropertyError("A custom property cannot have this name.", facts={"name": repr(key)})
        if not kind.fits(value):
            raise _wrong_type(self, key, kind, value)
        self._custom[key] = value

    def _custom_of(self, key: str, kind: type, default: Any) -> Any:
        value = self._custom.get(key, default)
        return value if type(value) is kind else default

    def properties(self) -> dict[str, Any]:
        """Every property that has been set, declared or not, by name."""
        return copy.deepcopy({**self._properties, **self._custom})

    def restore(self, properties: Mapping[str, Any]) -> None:
        """Set what :meth:`properties` gave."""
        declared = type(self).PROPERTIES or {}
        for name, value in copy.deepcopy(dict(properties)).items():
            (self._properties if name in declared else self._custom)[name] = value

    # -- what TFX calls by other names

    @property
    def type(self) -> type[Artifact]:
        return self.__class__

    @property
    def type_name(self) -> str:
        return str(self.__class__.TYPE_NAME)

    @property
    def id(self) -> int:
        """Its id in the metadata store; 0 for an output, which is recorded when its component ends."""
        return 0 if self.recorded is None else int(self.recorded.id)

    @property
    def is_external(self) -> bool:
        """Whether its files lie where nobody but their owner keeps them."""
        return self.get_int_custom_property("is_external") == 1

    @is_external.setter
    def is_external(self, value: bool) -> None:
        self.set_int_custom_property("is_external", int(value))

    def __repr__(self) -> str:
        return f"<{self.type_name} at {self.uri or 'no place yet'}: {self.properties()}>"


def is_reference(annotation: Any) -> TypeGuard[type[Artifact]]:
    """Whether an annotation is an artifact class."""
    return inspect.isclass(annotation) and issubclass(annotation, Artifact)


def check_class(kind: type[Artifact]) -> None:
    """Raise DeclarationError unless an artifact class says what it has to, in the right form."""
    if not (isinstance(kind.TYPE_NAME, str) and kind.TYPE_NAME):
        raise DeclarationError(
            "An artifact class has no TYPE_NAME.",
            facts={"class": f"{kind.__module__}.{kind.__qualname__}", "found": repr(kind.TYPE_NAME)},
            hint='Give it the name of its MLMD type: `TYPE_NAME = "Numbers"`.',
        )
    properties = kind.PROPERTIES
    if properties is not None and not (
        isinstance(properties, Mapping)
        and all(isinstance(k, str) and isinstance(v, Property) for k, v in properties.items())
    ):
        raise DeclarationError(
            "The PROPERTIES of an artifact class are not a dict of names and properties.",
            facts={"type": kind.TYPE_NAME, "found": repr(properties)},
            hint="For example `{'span': Property(type=PropertyType.INT)}`.",
        )
    annotation = kind.TYPE_ANNOTATION
    if annotation is not None and not (
        inspect.isclass(annotation) and issubclass(annotation, SystemArtifact)
    ):
        raise DeclarationError(
            "The TYPE_ANNOTATION of an artifact class is no system artifact type.",
            facts={"type": kind.TYPE_NAME, "found": repr(annotation)},
            hint="Take Dataset, Model, Statistics or Metrics of `tfx.dsl.standard_annotations`.",
        )


def _wrong_type(artifact: Artifact, name: str, kind: PropertyType, value: Any) -> PropertyError:
    expected = "what JSON can say" if kind is PropertyType.JSON_VALUE else kind.name.lower()
    return PropertyError(
        f"A property is given a value of the wrong type: `{name}`.",
        facts={
            "type": artifact.type_name,
            "expected": expected,
            "found": f"{type(value).__name__} {value!r:.80}",
        },
    )
