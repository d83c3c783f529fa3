"""pydantic models and dataclasses: faithful, or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import math
import os
import subprocess
import sys
import uuid
import zoneinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pydantic
import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer import find
from zencache.materializer.structured import DataclassMaterializer, PydanticMaterializer

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Animal(pydantic.BaseModel):
    name: str


class Dog(Animal):
    tricks: frozenset[str] = frozenset()


class Everything(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    when: dt.datetime = dt.datetime(2024, 1, 1, 1, 2, 3, 456789, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    took: dt.timedelta = dt.timedelta(microseconds=1)
    money: Decimal = Decimal("1.10")
    key: uuid.UUID = uuid.UUID(int=1)
    colour: Colour = Colour.RED
    path: Path = Path("a/b")
    pair: tuple[int, str] = (1, "a")
    by_number: dict[int, float] = {1: 0.1}
    loss: float = math.inf
    animal: Animal = Animal(name="cat")
    alias: int = pydantic.Field(default=3, alias="Alias")


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True)
    when: dt.date
    numbers: tuple[int, ...]


class Holder(pydantic.BaseModel, Generic[T]):
    content: T


class Private(pydantic.BaseModel):
    x: int
    _seen: int = pydantic.PrivateAttr(default=0)


class Hidden(pydantic.BaseModel):
    x: int = pydantic.Field(default=0, exclude=True)


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    anything: Any


class Cached(pydantic.BaseModel):
    x: int

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.x


@dataclasses.dataclass(frozen=True)
class Tree:
    name: str
    children: list[Tree] = dataclasses.field(default_factory=list)
    animal: Dog | None = None
    length: int = dataclasses.field(init=False, default=0)


@dataclasses.dataclass(slots=True)
class Slotted:
    pairs: dict[str, tuple[int, ...]]


@dataclasses.dataclass
class WithArray:
    array: np.ndarray


class Plain:
    def __init__(self):
        self.x = 1


def roundtrip(value, directory):
    find(type(value))().save(value, directory)
    return find(type(value))().load(directory, type(value))


def cached():
    value = Cached(x=2)
    assert value.double == 4
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dog(name="Rex", tricks={"sit", "roll"}),
        lambda: Everything(more=[1]),
        lambda: Strict(when=dt.date(2024, 1, 1), numbers=(1, 2)),
        lambda: Holder[list[int]](content=[1]),
        lambda: Holder(content="a"),
        lambda: Private(x=1),
        lambda: Loose(anything={"a": [1, None, 2.5]}),
        cached,
        lambda: Tree("root", [Tree("leaf", animal=Dog(name="Rex"))]),
        lambda: Slotted({"a": (1, 2)}),
    ],
)
def test_a_value_comes_back_equal(make, tmp_path):
    value = make()
    loaded = roundtrip(value, tmp_path)
    assert type(loaded) is type(value)
    assert loaded == value


def test_nan_is_itself(tmp_path):
    assert math.isnan(roundtrip(Holder[float](content=math.nan), tmp_path).content)


def test_which_fields_were_set_is_kept(tmp_path):
    loaded = roundtrip(Everything(animal=Animal(name="a")), tmp_path)
    assert loaded.model_fields_set == {"animal"}
    assert loaded.animal.model_fields_set == {"name"}
    assert loaded.model_dump(exclude_unset=True) == {"animal": {"name": "a"}}


def private():
    value = Private(x=1)
    value._seen = 3
    return value


def unvalidated():
    value = Animal(name="a")
    value.name = 5
    return value


def with_more_than_fields():
    value = Tree("a")
    object.__setattr__(value, "extra", 1)
    return value


def computed_length():
    value = Tree("a")
    object.__setattr__(value, "length", 5)
    return value


@pytest.mark.parametrize(
    "make",
    [
        private,
        unvalidated,
        with_more_than_fields,
        computed_length,
        lambda: Hidden(x=1),
        lambda: Everything(animal=Dog(name="a", tricks={"sit"})),
        lambda: Loose(anything=(1, 2)),
        lambda: Loose(anything=dt.date(2024, 1, 1)),
        lambda: Loose(anything=Plain()),
        lambda: Loose(anything=np.zeros(2)),
        lambda: Holder(content={1, 2}),
        lambda: Everything(when=dt.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))),
        lambda: WithArray(np.zeros(2)),
        lambda: Slotted({"a": [1, 2]}),
        lambda: Animal(name="\ud800"),
    ],
)
def test_a_value_that_would_change_is_refused_with_a_remedy(make, tmp_path):
    value = make()
    with pytest.raises(MaterializerError) as caught:
        find(type(value))().save(value, tmp_path)
    assert "field" in caught.value.hint
    assert caught.value.facts["type"].endswith(type(value).__qualname__)
    assert list(tmp_path.iterdir()) == []


def test_equal_sets_inside_have_equal_bytes_in_every_process():
    code = (
        "import pathlib, tempfile; from tests.materializer.test_structured import *\n"
        "d = pathlib.Path(tempfile.mkdtemp())\n"
        "print(PydanticMaterializer().save(Dog(name='a', tricks={str(i) for i in range(99)}), d))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_file_of_another_type_is_an_error_of_ours(tmp_path):
    DataclassMaterializer().save(Slotted({"a": (1,)}), tmp_path)
    with pytest.raises(MaterializerError, match="cannot be read"):
        PydanticMaterializer().load(tmp_path, Dog)
