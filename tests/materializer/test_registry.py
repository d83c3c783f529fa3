"""Which materializer a type or an annotation has."""

from __future__ import annotations

import abc
import collections
import collections.abc
import enum
import subprocess
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any, Literal, NamedTuple, Optional, Protocol, TypeVar, Union

import numpy as np
import numpy.typing as npt
import pytest
import typing_extensions

from zencache.exceptions import MaterializerError
from zencache.materializer import (
    ArtifactType,
    BaseMaterializer,
    PickleMaterializer,
    artifact_type_of,
    by_name,
    find,
    name_of,
    registry,
    require_type,
    require_value,
    type_by_name,
    type_name,
)
from zencache.materializer.contract import is_built_in, registered
from zencache.materializer.json_value import JsonMaterializer
from zencache.materializer.plain import TextMaterializer


class Colour(enum.IntEnum):
    RED = 1


class Pair(NamedTuple):
    a: int


class Options(typing_extensions.TypedDict):
    rate: float


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self) -> float: ...


class HasArea(Protocol):
    def area(self) -> float: ...


class Square:
    pass


UserId = typing.NewType("UserId", int)
Number = TypeVar("Number", int, float)
Anything = TypeVar("Anything")
Alias = typing_extensions.TypeAliasType("Alias", "list[int]")


@pytest.fixture(autouse=True)
def _registry_as_before():
    before = dict(registered)
    yield
    imported_meanwhile = {kind: m for kind, m in registered.items() if is_built_in(m)}
    registered.clear()
    registered.update(imported_meanwhile | before)


@pytest.mark.parametrize(
    "annotation",
    [
        None,
        int,
        bool,
        list[int],
        dict[str, Any],
        typing.Dict[str, int],  # noqa: UP006
        typing.List,  # noqa: UP006
        tuple[int, ...],
        set,
        Optional[int],  # noqa: UP045
        Union[int, list[float]],  # noqa: UP007
        int | None,
        UserId,
        Literal[1, None],
        Options,
        typing.Annotated[int, "unit"],
        Number,
        collections.abc.Mapping,
        collections.abc.Mapping[str, int],
        collections.abc.Sequence[int],
        typing.Sequence[int],
    ],
    ids=str,
)
def test_annotations_of_json_values_have_the_json_materializer(annotation):
    assert find(annotation) is JsonMaterializer
    assert require_type(annotation) is JsonMaterializer


def test_an_array_annotation_has_the_materializer_of_arrays():
    assert find(npt.NDArray[np.float64]) is find(np.ndarray)
    assert find(np.ndarray).__name__ == "ArrayMaterializer"


def test_a_numpy_scalar_is_no_float_although_it_inherits_from_it():
    assert find(np.float64) is find(np.generic)
    assert require_value(np.float64(1)) is not require_value(1.0)


@pytest.mark.parametrize(
    "annotation",
    [Any, object, int | str, np.ndarray | None, Anything, Shape, HasArea, Literal[1, "a"], "list[int]"],
    ids=str,
)
def test_only_the_value_decides_for_open_annotations(annotation):
    assert find(annotation) is None
    assert require_type(annotation, step="a", output="b") is None


@pytest.mark.parametrize(
    "annotation",
    [
        Square,
        Square | None,
        list[int] | Square,
        collections.OrderedDict,
        Colour,
        Pair,
        complex,
        type[int],
        range,
    ],
    ids=str,
)
def test_a_type_without_materializer_is_an_error_that_names_everything(annotation):
    with pytest.raises(MaterializerError) as caught:
        require_type(annotation, step="trainer", output="model")
    assert {"step", "output", "type"} <= caught.value.facts.keys()
    assert "step: trainer" in str(caught.value)
    assert "`types`" in caught.value.hint
    assert "materializers=PickleMaterializer" in caught.value.hint


def test_a_value_without_materializer_is_the_same_error():
    with pytest.raises(MaterializerError, match="no materializer for Square"):
        require_value(Square(), step="trainer", output="model")


def test_a_type_alias_stands_for_its_value():
    assert find(typing_extensions.TypeAliasType("Ids", list[int])) is JsonMaterializer


def test_defining_a_class_with_types_registers_it_and_the_most_specific_wins():
    class ForSquares(BaseMaterializer):
        types = (Square,)

    class SmallSquare(Square):
        pass

    assert find(SmallSquare) is ForSquares

    class ForSmallSquares(BaseMaterializer):
        types = (SmallSquare,)

    assert find(SmallSquare) is ForSmallSquares
    assert find(Square) is ForSquares
    assert require_value(SmallSquare()) is ForSmallSquares


def test_the_last_registered_wins_for_an_equal_type():
    class First(BaseMaterializer):
        types = (Square,)

    class Second(BaseMaterializer):
        types = (Square,)

    assert find(Square) is Second
    registry.register(First)
    assert find(Square) is First


def test_a_subclass_that_states_no_types_is_not_registered():
    class Mine(JsonMaterializer):
        pass

    assert find(int) is JsonMaterializer


def test_a_users_materializer_goes_before_a_built_in_one_that_is_imported_later():
    code = """
        import numpy as np, zencache.materializer as m
        class Mine(m.BaseMaterializer):
            types = (np.ndarray, str, int)
        assert m.find(np.ndarray) is m.find(str) is m.find(int) is Mine
        import zencache.materializer.numpy_array
        assert m.find(np.ndarray) is Mine
    """
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=root, check=True)


def test_a_materializer_for_object_is_for_everything_else():
    class Rest(BaseMaterializer):
        types = (object,)

    assert find(Square) is Rest
    assert find(int) is JsonMaterializer


@pytest.mark.parametrize(
    ("python_type", "expected"),
    [
        (int, ArtifactType("Integer")),
        (float, ArtifactType("Float")),
        (bool, ArtifactType("Boolean")),
        (str, ArtifactType("String")),
        (bytes, ArtifactType("Bytes")),
        (dict, ArtifactType("JsonValue")),
        (type(None), ArtifactType("JsonValue")),
        (np.ndarray, ArtifactType("Array", base="Dataset")),
        (Path, ArtifactType("Files")),
    ],
)
def test_the_artifact_type_of_a_value(python_type, expected):
    assert artifact_type_of(find(python_type), python_type) == expected


def test_a_users_artifact_type_is_a_str_and_the_system_types_are_known():
    class Scores(BaseMaterializer):
        artifact_type = "Metrics"

    class Weather(BaseMaterializer):
        artifact_type = "Weather"

    assert artifact_type_of(Scores, dict) == ArtifactType("Metrics", base="Metrics")
    assert artifact_type_of(Weather(), dict) == ArtifactType("Weather")


def test_names_lead_back_to_the_class():
    assert name_of(PickleMaterializer()) == "zencache.materializer.pickled:PickleMaterializer"
    assert by_name(name_of(TextMaterializer)) is TextMaterializer
    assert by_name("zencache.materializer.numpy_array:ScalarMaterializer") is find(np.float32)


@pytest.mark.parametrize(
    "name", ["gone_module:A", "json:Gone", "json", "", "a.b.c:d", "json:dumps", "os:path"]
)
def test_a_name_that_is_gone_is_an_error_of_ours(name):
    with pytest.raises(MaterializerError):
        type_by_name(name)


def test_a_name_of_something_else_is_no_materializer():
    with pytest.raises(MaterializerError, match="something else"):
        by_name("pathlib:Path")


def test_a_candidate_goes_before_an_import():
    class Moved:
        pass

    assert type_by_name(type_name(Moved), [int, Moved]) is Moved
    assert type_by_name("old.module:" + Moved.__qualname__, [Moved]) is Moved
    assert type_by_name("__main__:Square", [Square]) is Square
    assert type_by_name("builtins:int", [Square]) is int
    assert type_by_name("builtins:NoneType") is type(None)


def test_a_dataclass_that_inherits_a_registered_type_has_that_materializer():
    import dataclasses

    class ForSquares(BaseMaterializer):
        types = (Square,)

    @dataclasses.dataclass
    class Tile(Square):
        size: int

    assert find(Tile) is ForSquares


def test_every_built_in_materializer_is_known_by_name():
    import ast
    from pathlib import Path

    from zencache.materializer import registry

    found = {
        file.stem: tuple(
            node.name
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.ClassDef) and node.name.endswith("Materializer")
        )
        for file in Path(registry.__file__).parent.glob("*.py")
        if file.stem not in ("contract", "registry")
    }
    assert {leaf: names for leaf, names in found.items() if names} == registry.BUILT_IN
