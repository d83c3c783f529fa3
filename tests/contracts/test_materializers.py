"""What every built-in materializer keeps to; a new one, or a new kind of value, is one line in CASES."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import math
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from zencache.digest import digest_file
from zencache.exceptions import MaterializerError
from zencache.materializer import (
    BaseMaterializer,
    PickleMaterializer,
    by_name,
    find,
    name_of,
    require_value,
    type_by_name,
    type_name,
)

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pydantic = pytest.importorskip("pydantic")

T = TypeVar("T")


class Point(pydantic.BaseModel):
    x: float
    y: float = 2.0
    tags: set[str] = pydantic.Field(default_factory=set)


class Cloud(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    points: list[Point]
    made: dt.datetime


@dataclasses.dataclass
class Scores:
    accuracy: float
    by_class: dict[int, float]
    note: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Box(Generic[T]):
    content: T
    point: Point


class Unknown:
    def __init__(self, number: int):
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) and other.number == self.number

    __hash__ = None  # type: ignore[assignment]


def same(one: Any, other: Any) -> bool:
    """Equal in type and value, in the terms of the library that the value belongs to."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (pd.DataFrame, pd.Series, pd.Index)):
        axes = zip(getattr(one, "axes", [one]), getattr(other, "axes", [other]), strict=True)
        return bool(one.equals(other)) and all(mine.identical(theirs) for mine, theirs in axes)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if "keras" in sys.modules and isinstance(one, sys.modules["keras"].Model):
        weights, others = one.get_weights(), other.get_weights()
        return len(weights) == len(others) and all(map(same, weights, others))
    if isinstance(one, float):
        return repr(one) == repr(other)
    if isinstance(one, Path):
        return one.name == other.name and contents(one) == contents(other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    return bool(one == other)


def contents(path: Path) -> Any:
    if path.is_file():
        return path.read_bytes()
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def frame(**columns: Any) -> Any:
    return pd.DataFrame(columns or {"a": [1, 2], "b": ["x", None], "c": [0.5, math.nan]})


def series_by_day() -> Any:
    return pd.Series(
        [1.5, 2.5], index=pd.date_range("2024-03-30", periods=2, tz="Europe/Berlin"), name=("a", 1)
    )


def two_level_frame() -> Any:
    columns = pd.MultiIndex.from_tuples([("u", 1), ("v", 2)], names=["p", "q"])
    return pd.DataFrame([[1, 2.0]], columns=columns, index=pd.MultiIndex.from_tuples([("r", 0)]))


def trained(rate: float) -> Any:
    """A small functional model, trained with nothing left to chance."""
    keras = pytest.importorskip("keras")
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, "relu", kernel_initializer="ones")(inputs)
    outputs = keras.layers.Add()([hidden, keras.layers.Dense(3, kernel_initializer="ones")(hidden)])
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(rate, momentum=0.5), loss="mse", metrics=["mae"], run_eagerly=True)
    model.fit(np.eye(4), np.zeros((4, 3)), batch_size=4, shuffle=False, verbose=0)
    return model


ONES = [np.ones((4, 3)), np.ones(3)]


@dataclasses.dataclass
class Case:
    """A value, and one that differs; both made anew at every call."""

    make: Callable[[], Any]
    other: Callable[[], Any]
    mutate: Callable[[Any], Any] | None = None
    materializer: type[BaseMaterializer] | None = None  # None: the one that is found
    any_bytes: bool = False  # what is damaged is another value; the artifact store's digest shows it


def set_first(array: Any) -> None:
    array[(0,) * array.ndim] = 77


CASES = {
    "None": Case(lambda: None, lambda: False),
    "bool": Case(lambda: True, lambda: 1),
    "int": Case(lambda: 12345, lambda: 12346),
    "huge int": Case(lambda: -(10**6000), lambda: 10**6000),
    "float": Case(lambda: 0.1 + 0.2, lambda: 0.3),
    "negative zero": Case(lambda: -0.0, lambda: 0.0),
    "nan": Case(lambda: math.nan, lambda: math.inf),
    "list": Case(lambda: [1, 2.0, "é\ud83d\ude00", None, [b"\xff"]], lambda: [1], lambda v: v.append(3)),
    "tuple": Case(lambda: (1, (2,), []), lambda: [1, [2], []]),
    "dict": Case(lambda: {"b": 1, "a": {}}, lambda: {"a": {}, "b": 1}, lambda v: v.update(c=1)),
    "dict of any keys": Case(
        lambda: {1: "a", None: 2, (1, 2): {"$tuple": [1]}, "1": math.inf},
        lambda: {1: "a"},
        lambda v: v.clear(),
    ),
    "dict like a tag": Case(lambda: {"$set": [1]}, lambda: {1}),
    "set": Case(lambda: {"b", "a", 1, (2, 3)}, lambda: {"b"}, lambda v: v.add("c")),
    "frozenset": Case(lambda: frozenset({1, frozenset({2})}), lambda: frozenset({1})),
    "str": Case(lambda: "a\r\nb\0\ud800é", lambda: "a\nb", any_bytes=True),
    "bytes": Case(lambda: bytes(range(256)), lambda: b"", any_bytes=True),
    "bytearray": Case(
        lambda: bytearray(b"ab"), lambda: bytearray(b"c"), lambda v: v.append(1), any_bytes=True
    ),
    "array": Case(lambda: np.arange(6.0).reshape(2, 3), lambda: np.arange(6), set_first),
    "mapped array": Case(lambda: np.arange(1, 300_000), lambda: np.arange(300_000), set_first),
    "fortran array": Case(lambda: np.asfortranarray(np.eye(3)), lambda: np.zeros((3, 3)), set_first),
    "strided array": Case(lambda: np.arange(20.0).reshape(4, 5)[::2, 1::2], lambda: np.zeros(2), set_first),
    "big-endian array": Case(lambda: np.arange(3, dtype=">i4"), lambda: np.arange(3, dtype="<i4"), set_first),
    "dates": Case(lambda: np.array(["2020-01-01", "NaT"], "M8[D]"), lambda: np.array(["2020"], "M8[D]")),
    "structured array": Case(
        lambda: np.array([(1, "é")], [("a", "i4"), ("ключ", "U3")]), lambda: np.zeros(1, [("a", "i4")])
    ),
    "no elements": Case(lambda: np.empty((0, 3), "f2"), lambda: np.empty((3, 0), "f2")),
    "array without axes": Case(lambda: np.array(7), lambda: np.array(8), set_first),
    "numpy scalar": Case(lambda: np.float64(1.5), lambda: np.float32(1.5)),
    "numpy date": Case(lambda: np.datetime64("2020-01-01", "D"), lambda: np.datetime64("2020-01-01", "s")),
    "frame": Case(frame, lambda: frame(a=[1]), lambda v: v.insert(0, "new", 1)),
    "frame of numbers": Case(
        lambda: pd.DataFrame(np.eye(2)),
        lambda: pd.DataFrame(np.zeros((2, 2))),
        lambda v: v.iloc.__setitem__((0, 0), 9.0),
    ),
    "frame of categories": Case(
        lambda: frame(a=pd.Categorical(["x", "y"], ["y", "x"], ordered=True)), lambda: frame(a=["x", "y"])
    ),
    "frame with two levels": Case(two_level_frame, lambda: two_level_frame().iloc[:, :1]),
    "empty frame": Case(lambda: pd.DataFrame(index=range(3)), lambda: pd.DataFrame()),
    "series": Case(series_by_day, lambda: series_by_day().rename("b"), lambda v: v.iloc.__setitem__(0, 9.0)),
    "index": Case(lambda: pd.Index([3, 1], name="i"), lambda: pd.Index([3, 1])),
    "range index": Case(lambda: pd.RangeIndex(2, 8, 3), lambda: pd.RangeIndex(2, 8, 2)),
    "arrow table": Case(
        lambda: pa.table({"a": [1, None], "b": [["x"], []]}).replace_schema_metadata({"k": "v"}),
        lambda: pa.table({"a": [1, None]}),
    ),
    "arrow table in IPC": Case(
        lambda: pa.table(
            {"a": pa.array(["x"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))}
        ),
        lambda: pa.table({"a": ["x"]}),
    ),
    "record batch": Case(
        lambda: pa.RecordBatch.from_pydict({"a": [1, 2]}),
        lambda: pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())}),
    ),
    "pydantic model": Case(
        lambda: Point(x=math.pi, tags={"a", "b", "c"}), lambda: Point(x=1), lambda v: v.tags.add("d")
    ),
    "nested pydantic model": Case(
        lambda: Cloud(points=[Point(x=1)], made=dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)),
        lambda: Cloud(points=[], made=dt.datetime(2024, 1, 1)),
    ),
    "dataclass": Case(
        lambda: Scores(math.inf, {1: 0.5}), lambda: Scores(0.9, {}), lambda v: v.by_class.update({2: 1.0})
    ),
    "slotted dataclass": Case(lambda: Box([1], Point(x=1)), lambda: Box([2], Point(x=1))),
    "file": Case(lambda: Path(json.__file__), lambda: Path(dataclasses.__file__), any_bytes=True),
    "folder": Case(lambda: Path(json.__file__).parent, lambda: Path(json.__file__), any_bytes=True),
    "keras model": Case(lambda: trained(0.5), lambda: trained(0.25), lambda v: v.layers[1].set_weights(ONES)),
    "pickle": Case(lambda: Unknown(1), lambda: Unknown(2), materializer=PickleMaterializer),
    "pickled decimal": Case(lambda: Decimal("1.10"), lambda: Decimal("1.1"), materializer=PickleMaterializer),
}


@pytest.fixture(params=CASES, ids=[name.replace(" ", "-") for name in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def directories(tmp_path: Path) -> Iterator[Path]:
    """Fresh, empty directories, like the staging folders of a run."""

    def fresh() -> Iterator[Path]:
        for i in itertools.count():
            (directory := tmp_path / "staging" / str(i)).mkdir(parents=True)
            yield directory

    return fresh()


def materializer_of(case: Case, value: Any) -> BaseMaterializer:
    return (case.materializer or require_value(value))()


def files(directory: Path) -> dict[str, Path]:
    return {p.relative_to(directory).as_posix(): p for p in sorted(directory.rglob("*")) if p.is_file()}


def save(case: Case, value: Any, directory: Path) -> str:
    """Save a value, check the digests that were returned, and give its content digest."""
    materializer = materializer_of(case, value)
    returned = dict(materializer.save(value, directory) or {})
    digests = {name: digest_file(path) for name, path in files(directory).items()}
    assert returned == {name: digests[name] for name in returned}
    assert digests, "nothing was written"
    return materializer.digest(directory) or repr((type_name(type(value)), sorted(digests.items())))


def load(case: Case, value: Any, directory: Path) -> Any:
    return materializer_of(case, value).load(directory, type(value))


def test_what_is_loaded_is_what_was_saved(case, directories):
    directory, value = next(directories), case.make()
    save(case, value, directory)
    loaded = load(case, value, directory)
    assert same(loaded, value)
    assert type(loaded) is type(value)


def test_loading_needs_no_right_to_write(case, directories):
    directory, value = next(directories), case.make()
    save(case, value, directory)
    for path in files(directory).values():
        path.chmod(stat.S_IRUSR)
    before = contents(directory)
    assert same(load(case, value, directory), case.make())
    assert contents(directory) == before


def test_equal_values_have_one_digest_and_others_another(case, directories):
    digest = save(case, case.make(), next(directories))
    assert save(case, case.make(), next(directories)) == digest
    assert save(case, case.other(), next(directories)) != digest


def test_what_was_loaded_can_be_saved_again(case, directories):
    directory, value = next(directories), case.make()
    digest = save(case, value, directory)
    assert save(case, load(case, value, directory), next(directories)) == digest


def test_changing_what_was_loaded_leaves_the_files_alone(case, directories):
    if case.mutate is None:
        pytest.skip("cannot be changed in place")
    directory, value = next(directories), case.make()
    save(case, value, directory)
    before = contents(directory)
    changed = load(case, value, directory)
    case.mutate(changed)
    assert not same(changed, value)
    assert contents(directory) == before
    assert same(load(case, value, directory), value)


def test_nothing_is_written_outside_the_directory(case, directories, tmp_path, monkeypatch):
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    value = case.make()
    save(case, value, directory := next(directories))
    load(case, value, directory)
    assert list(elsewhere.iterdir()) == []
    assert list((tmp_path / "staging").iterdir()) == [directory]


def test_garbage_is_an_error_of_ours(case, directories):
    directory, value = next(directories), case.make()
    if case.any_bytes:
        pytest.skip("any bytes are such a value")
    save(case, value, directory)
    for path in files(directory).values():
        path.write_bytes(b"\xff\xfe garbage \0" * 100)
    with pytest.raises(MaterializerError, match="cannot be read") as caught:
        load(case, value, directory)
    assert caught.value.__cause__ is not None


def test_half_a_file_is_an_error_of_ours(case, directories):
    if case.any_bytes:
        pytest.skip("any bytes are such a value")
    directory, value = next(directories), case.make()
    save(case, value, directory)
    for path in files(directory).values():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MaterializerError, match="cannot be read"):
        load(case, value, directory)


def test_missing_files_are_an_error_of_ours(case, directories):
    with pytest.raises(MaterializerError, match="cannot be read"):
        load(case, case.make(), next(directories))


def test_it_is_found_by_type_and_by_name(case):
    value = case.make()
    materializer = type(materializer_of(case, value))
    assert find(type(value)) is (None if case.materializer else materializer)
    assert by_name(name_of(materializer)) is materializer
    assert type_by_name(type_name(type(value))) is type(value)


def test_importing_the_package_imports_no_data_library():
    code = (
        "import sys, zencache.materializer as m; m.find(list[int]); m.find(str); m.find(type(m))\n"
        "print(*sorted({n.partition('.')[0] for n in sys.modules}"
        " & {'numpy', 'pandas', 'pyarrow', 'keras', 'tensorflow', 'pydantic', 'h5py'}))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.split() == []
