"""pandas: faithful, or refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from zencache.exceptions import MaterializerError

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pq = pytest.importorskip("pyarrow.parquet")

from zencache.materializer.tabular import PandasMaterializer  # noqa: E402  (needs pandas)


def objects(*items):
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return pd.Series(column, dtype=object)


def roundtrip(value, directory):
    PandasMaterializer().save(value, directory)
    return PandasMaterializer().load(directory, type(value))


COLUMNS = {
    "int8": pd.Series([1, 2], dtype="int8"),
    "uint64": pd.Series([2**64 - 1, 0], dtype="uint64"),
    "float16": pd.Series([1, np.nan], dtype="float16"),
    "bool": pd.Series([True, False]),
    "text": pd.Series(["a", None, "é"]),
    "text as objects": objects("a", None, "b"),
    "text and nan": objects("a", float("nan"), "b"),
    "integers as objects": objects(1, None, 3),
    "floats as objects": objects(1.5, 2.5),
    "bytes": objects(b"a", None),
    "dates": objects(dt.date(2024, 1, 1), None),
    "decimals": objects(Decimal("1.25"), Decimal("3.00")),
    "lists": objects([1, 2], [], None),
    "no objects": objects(),
    "only None": objects(None, None),
    "ordered categories": pd.Series(pd.Categorical(["b", None], ["b", "a"], ordered=True)),
    "number categories": pd.Series(pd.Categorical([3, 1])),
    "timestamps": pd.Series(pd.to_datetime(["2024-01-01 00:00:00.123456789", None])),
    "seconds": pd.Series(np.array(["2024-01-01", "NaT"], "M8[s]")),
    "time zone": pd.Series(pd.date_range("2024", periods=2, tz="America/New_York")),
    "durations": pd.Series(pd.to_timedelta([1, None], unit="h")),
    "periods": pd.Series(pd.period_range("2024", periods=2, freq="Q")),
    "intervals": pd.Series(pd.interval_range(0, 2)),
    "nullable": pd.Series([1, None], dtype="Int32"),
    "nullable bool": pd.Series([True, None], dtype="boolean"),
    "arrow": pd.Series([1, None], dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_in_a_series_and_in_a_frame(name, tmp_path):
    column = COLUMNS[name]
    for i, value in enumerate((column, column.to_frame("a"), column.rename(("a", 1)))):
        (directory := tmp_path / str(i)).mkdir()
        loaded = roundtrip(value, directory)
        (pd.testing.assert_frame_equal if i == 1 else pd.testing.assert_series_equal)(loaded, value)
        items, expected = (list(v["a"] if i == 1 else v) for v in (loaded, value))
        assert list(map(type, items)) == list(map(type, expected))


INDEXES = {
    "range": pd.RangeIndex(3, 9, 2, name="r"),
    "empty": pd.Index([], dtype="int64"),
    "text": pd.Index(["a", "b"], name="t"),
    "days": pd.date_range("2024", periods=3, freq="2D", tz="UTC", name="d"),
    "hours without frequency": pd.DatetimeIndex(["2024-01-01", "2024-01-05"]),
    "durations": pd.timedelta_range("1h", periods=2, freq="h"),
    "periods": pd.period_range("2024", periods=2, freq="M"),
    "categories": pd.CategoricalIndex(["a", "b"]),
    "two levels": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
    "duplicates": pd.Index([1, 1]),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_comes_back_alone_and_with_a_frame(name, tmp_path):
    index = INDEXES[name]
    for i, value in enumerate(
        (index, pd.DataFrame({"a": range(len(index))}, index=index), pd.DataFrame(index=index))
    ):
        (directory := tmp_path / str(i)).mkdir()
        loaded = roundtrip(value, directory)
        again = loaded if i == 0 else loaded.index
        assert type(again) is type(index)
        assert again.identical(index)
        assert getattr(again, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize(
    "columns",
    [
        pd.RangeIndex(2),
        pd.Index([5, 3], name="c"),
        pd.Index([0.5, 1.5]),
        pd.date_range("2024", periods=2, freq="D"),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["p", None]),
        pd.Index(["index", "level_0"]),
        pd.Index(["__index_level_0__", "a"]),
    ],
    ids=lambda c: type(c).__name__,
)
def test_columns_come_back(columns, tmp_path):
    value = pd.DataFrame([[1, 2.5]], columns=columns)
    loaded = roundtrip(value, tmp_path)
    pd.testing.assert_frame_equal(loaded, value, check_column_type=True)
    assert type(loaded.columns) is type(columns)


def test_attributes_come_back(tmp_path):
    value = pd.DataFrame({"a": [1]})
    value.attrs = {"unit": ("m", 1), 3: None}
    assert roundtrip(value, tmp_path).attrs == value.attrs


def test_other_programs_read_the_names_of_the_columns(tmp_path):
    PandasMaterializer().save(pd.DataFrame({"a": [1], "b": [2.0]}), tmp_path)
    assert pq.read_table(tmp_path / "table.parquet").column_names == ["a", "b"]


def with_attributes(attributes):
    value = pd.DataFrame({"a": [1]})
    value.attrs = attributes
    return value


class Frame(pd.DataFrame):
    @property
    def _constructor(self):
        return Frame


@pytest.mark.parametrize(
    "make",
    [
        lambda: objects((1, 2)).to_frame("a"),
        lambda: objects(1, "a"),
        lambda: objects(1, True),
        lambda: objects("a", None, float("nan")),
        lambda: objects(object()),
        lambda: objects({"a": 1}, {"b": 2}),
        lambda: objects(Decimal("1.0"), Decimal("1.00")),
        lambda: pd.Series([1j]),
        lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        lambda: pd.DataFrame([[1, 2]], columns=["a", 1]),
        lambda: pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
        lambda: with_attributes({"x": object()}),
        lambda: pd.Series([1], name=object()),
        lambda: pd.Index([1, "a"]),
        lambda: Frame({"a": [1]}),
    ],
)
def test_what_would_not_come_back_is_refused_with_a_remedy(make, tmp_path):
    with pytest.raises(MaterializerError) as caught:
        PandasMaterializer().save(make(), tmp_path)
    assert caught.value.hint


def test_the_value_itself_stays_as_it_was(tmp_path):
    value = with_attributes({"k": 1})
    before = value.copy()
    PandasMaterializer().save(value, tmp_path)
    pd.testing.assert_frame_equal(value, before)
    assert value.attrs == {"k": 1}


def test_a_parquet_file_of_another_program_is_an_error_of_ours(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(MaterializerError, match="cannot be read"):
        PandasMaterializer().load(tmp_path, pd.DataFrame)
