"""Which materializer a Python type has, and the names by which both are recorded."""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import typing_extensions

from zencache.class_annotation import module_of
from zencache.exceptions import MaterializerError
from zencache.fingerprint.namespace import has_source, is_installed
from zencache.materializer.contract import (
    ArtifactType,
    BaseMaterializer,
    is_built_in,
    register,
    registered,
    type_name,
)

__all__ = [
    "artifact_type_of",
    "by_name",
    "find",
    "has_materializer",
    "is_there",
    "name_of",
    "recorded_name",
    "register",
    "registered",
    "require_type",
    "require_value",
    "type_by_name",
    "type_name",
    "user_materializers",
]

# Top-level module of a class -> leaves to import before it is looked up: numpy, pandas, keras and the
# like are imported only by a program that has such a value anyway.
_LEAVES = {
    "builtins": ("json_value", "plain"),
    "keras": ("keras_model",),
    "numpy": ("numpy_array",),
    "pandas": ("tabular",),
    "pathlib": ("folder",),
    "pyarrow": ("arrow_table", "parquet"),
    "pydantic": ("structured",),
    "zencache": ("reference", "examples"),
}
# What to install where a leaf cannot be imported.
_INSTALLS = {
    "numpy_array": "numpy",
    "keras_model": "zencache[tensorflow]",
    "tabular": "zencache[tables]",
    "arrow_table": "zencache[tables]",
    "parquet": "zencache[tables]",
}

# Leaf -> its materializers, which are known to be there without importing what they need.
BUILT_IN = {
    "arrow_table": ("ArrowMaterializer",),
    "examples": ("ExamplesMaterializer",),
    "folder": ("FolderMaterializer",),
    "json_value": ("JsonMaterializer",),
    "keras_model": ("KerasMaterializer",),
    "numpy_array": ("ArrayMaterializer", "ScalarMaterializer"),
    "parquet": ("ParquetMaterializer",),
    "pickled": ("PickleMaterializer",),
    "plain": ("TextMaterializer", "BytesMaterializer"),
    "reference": ("ReferenceMaterializer",),
    "structured": ("PydanticMaterializer", "DataclassMaterializer"),
    "tabular": ("PandasMaterializer",),
}
_BUILT_IN_NAMES = frozenset(
    f"zencache.materializer.{leaf}:{name}" for leaf, names in BUILT_IN.items() for name in names
)

# What an abstract annotation stands for.
_CONCRETE: dict[Any, type] = {
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}


def find(python_type: Any) -> type[BaseMaterializer] | None:
    """The materializer of a type or annotation: that of the most specific registered type.

    Returns:
        ``None`` if there is none, or if only the value can decide, as for ``Any`` and for a union
        whose members have different ones.

    >>> find(dict[str, int]).__name__, find(int | None).__name__, find(int | str)
    ('JsonMaterializer', 'JsonMaterializer', None)
    """
    candidates = {_find_class(member) for member in _members(python_type)}
    return candidates.pop() if len(candidates) == 1 else None


def require_type(python_type: Any, **facts: Any) -> type[BaseMaterializer] | None:
    """The materializer of a declared type; ``None`` if only the value can decide.

    Args:
        python_type: a type or annotation.
        facts: what the error is to name: ``step="trainer", output="model"``.

    Raises:
        MaterializerError: a value of that type, or of a member of that union, could not be saved.
    """
    for member in _members(python_type):
        if member is not object and _find_class(member) is None:
            raise _unknown(member, facts)
    return find(python_type)


def require_value(value: Any, **facts: Any) -> type[BaseMaterializer]:
    """The materializer of a value, by its own type.

    Raises:
        MaterializerError: there is none. It names ``facts``, the type and what to do.
    """
    materializer = _find_class(type(value))
    if materializer is None:
        raise _unknown(type(value), facts)
    return materializer


def user_materializers() -> list[type[BaseMaterializer]]:
    """The registered materializers that are not of this package, by name."""
    return sorted({kind for kind in registered.values() if not is_built_in(kind)}, key=name_of)


def artifact_type_of(
    materializer: BaseMaterializer | type[BaseMaterializer], python_type: type
) -> ArtifactType:
    """The MLMD artifact type of a value of a Python type that this materializer saves."""
    return materializer.artifact_type_for(python_type)


def name_of(materializer: BaseMaterializer | type[BaseMaterializer]) -> str:
    """``"module:qualname"``, by which a materializer is recorded."""
    return recorded_name(materializer if isinstance(materializer, type) else type(materializer))


def recorded_name(kind: type) -> str:
    """As :func:`type_name`; what is defined in a function is found by it for as long as this program runs."""
    name = type_name(kind)
    if "<locals>" in name:
        _declared[name] = kind
    return name


def by_name(name: str) -> type[BaseMaterializer]:
    """The materializer that was recorded under a name.

    One that this program has registered is taken for it where only the module has another name, as when a
    module runs as a script.

    Raises:
        MaterializerError: its module or its name is gone, or is something else now.
    """
    known = () if name.partition(":")[0] in sys.modules else user_materializers()
    found = type_by_name(name, known)
    if not issubclass(found, BaseMaterializer):
        raise MaterializerError("A recorded materializer is something else now.", facts={"name": name})
    return found


def has_materializer(name: str, candidates: Iterable[type] = ()) -> bool:
    """Whether :func:`by_name` would find a materializer; a built-in one is not imported for it."""
    if name in _BUILT_IN_NAMES:
        return True
    module_name, _, qualname = name.partition(":")
    if module_name not in sys.modules and name not in _declared:
        return any(candidate.__qualname__ == qualname for candidate in candidates)
    try:
        by_name(name)
    except MaterializerError:
        return name.startswith("__main__:") and is_there(name, candidates)
    return True


def type_by_name(name: str, candidates: Iterable[type] = ()) -> type:
    """The type that was recorded under a name.

    Args:
        name: what :func:`type_name` gave.
        candidates: types preferred if they have the same qualified name, so that a class is found
            after it moved to another module, or when it lived in ``__main__``.

    Raises:
        MaterializerError: the module is not imported, or the name is gone, or is no type now.
    """
    module_name, _, qualname = name.partition(":")
    same = [candidate for candidate in candidates if candidate.__qualname__ == qualname]
    for candidate in same:
        if module_of(candidate) == module_name:
            return candidate
    if same:
        return same[0]
    if name in _declared and module_name not in sys.modules:
        return _declared[name]
    try:
        found = _attribute(_module(module_name), qualname)
    except MaterializerError:
        raise
    except Exception as error:  # importing a module may raise anything
        if name in _declared:
            return _declared[name]
        raise MaterializerError(
            "A recorded type cannot be found.",
            facts={"name": name, "because": f"{type(error).__name__}: {error}"},
            hint=(isinstance(error, ImportError) and _to_install(module_name))
            or "It was renamed, moved or removed, or its package is not installed here.",
        ) from error
    if not isinstance(found, type):
        raise MaterializerError("A recorded type is something else now.", facts={"name": name})
    return found


def _module(name: str) -> types.ModuleType:
    """A module that a record names: it is not imported for that alone, unless zencache itself knows it.

    An import runs the code of a module, and whoever can write a record could choose which.
    """
    module = sys.modules.get(name)
    if module is not None:
        return module
    top = name.partition(".")[0]
    if "__main__" not in name.split(".") and (
        top in _LEAVES or (top in sys.modules and is_installed(name) and name.isascii())
    ):
        return importlib.import_module(name)
    raise MaterializerError(
        "A record names a module that this program has not imported, and a record alone is no reason to.",
        facts={"module": f"{name:.200}"},
        hint="If you know it, import it before you read; else somebody may have changed the record.",
    )


def is_there(name: str, candidates: Iterable[type] = ()) -> bool:
    """Whether :func:`type_by_name` would find a type, as far as that is known without a slow import.

    Nothing is imported for it: a run that is all cached needs no TensorFlow. What a
    script recorded as its own is found among the candidates when the script is imported instead, and
    from then on without them.
    """
    module_name, _, qualname = name.partition(":")
    same = [candidate for candidate in candidates if candidate.__qualname__ == qualname]
    if same and module_name == "__main__":
        _declared[name] = same[0]
    if module_name not in sys.modules and (is_installed(module_name) or has_source(module_name)):
        if same:  # the module runs as a script
            _declared[name] = same[0]
        return True
    try:
        type_by_name(name)
    except MaterializerError:
        return name in _declared or any(type_name(candidate) == name for candidate in same)
    return True


_declared: dict[str, type] = {}  # what a script called `__main__:Name`, and a module that is imported has


def _attribute(module: types.ModuleType, qualname: str) -> Any:
    if module.__name__ == "builtins" and qualname == "NoneType":
        return types.NoneType  # says that it lives in builtins, and does not
    if hasattr(module, qualname):  # a pydantic generic is called "Box[some.Type]"
        return getattr(module, qualname)
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _members(annotation: Any) -> Iterator[type]:
    """The classes that a value of an annotation may have; ``object`` where anything may come."""
    if type(annotation) is type and annotation in registered:  # the usual one, and no interface
        yield annotation
        return
    origin = typing_extensions.get_origin(annotation)
    if annotation is None:
        yield types.NoneType
    elif origin in (typing.Union, types.UnionType):
        for member in typing_extensions.get_args(annotation):
            yield from _members(member)
    elif origin in (typing.Literal, typing_extensions.Literal):
        yield from map(type, typing_extensions.get_args(annotation))
    elif origin is typing.Annotated:
        yield from _members(annotation.__origin__)
    elif isinstance(annotation, typing.TypeVar):
        for member in annotation.__constraints__ or (annotation.__bound__ or object,):
            yield from _members(member)
    elif hasattr(annotation, "__supertype__"):  # NewType
        yield from _members(annotation.__supertype__)
    elif hasattr(annotation, "__value__"):  # a type alias, of typing or of typing_extensions
        yield from _members(annotation.__value__)
    elif origin is not None:
        yield from _members(origin)
    elif typing_extensions.is_typeddict(annotation):
        yield dict
    elif annotation is Any or not isinstance(annotation, type):
        yield object
    elif annotation in _CONCRETE:
        yield _CONCRETE[annotation]
    elif _is_interface(annotation):
        yield object
    else:
        yield annotation


def _is_interface(python_type: type) -> bool:
    return inspect.isabstract(python_type) or getattr(python_type, "_is_protocol", False)


def _find_class(python_type: type) -> type[BaseMaterializer] | None:
    for base in python_type.__mro__[:-1]:
        if base not in registered:
            for leaf in _LEAVES.get(base.__module__.partition(".")[0], ()):
                _import_leaf(leaf)
        materializer = registered.get(base)
        if materializer is not None and (base is python_type or not materializer.exact):
            return materializer
    if dataclasses.is_dataclass(python_type):
        return typing.cast("type[BaseMaterializer]", _import_leaf("structured").DataclassMaterializer)
    return registered.get(object)


def _import_leaf(leaf: str) -> Any:
    try:
        return importlib.import_module(f"zencache.materializer.{leaf}")
    except ImportError as error:
        raise MaterializerError(
            "A package that is needed to save values of this type is not installed.",
            facts={"missing": error.name},
            hint=_to_install(f"zencache.materializer.{leaf}"),
        ) from error


def _to_install(module_name: str) -> str | None:
    """The hint for a module of a leaf, or of a class that a leaf saves, whose package is not installed."""
    package, _, leaf = module_name.rpartition(".")
    if package != "zencache.materializer":
        leaf = _LEAVES.get(module_name.partition(".")[0], ("",))[0]
    return f'pip install "{_INSTALLS[leaf]}"' if leaf in _INSTALLS else None


def _unknown(python_type: type, facts: dict[str, Any]) -> MaterializerError:
    return MaterializerError(
        f"There is no materializer for {python_type.__qualname__}.",
        facts={**facts, "type": type_name(python_type)},
        hint="Define a BaseMaterializer whose `types` name it, or pickle it: "
        "@step(materializers=PickleMaterializer).",
    )
