"""pyarrow: Parquet where it is faithful, Arrow IPC elsewhere."""

from __future__ import annotations

import pytest

pa = pytest.importorskip("pyarrow")

from zencache.materializer.arrow_table import ArrowMaterializer  # noqa: E402  (needs pyarrow)

PARQUET, IPC = ["table.parquet"], ["table.arrow"]


def roundtrip(value, directory):
    ArrowMaterializer().save(value, directory)
    return ArrowMaterializer().load(directory, type(value))


@pytest.mark.parametrize(
    ("table", "written"),
    [
        (pa.table({"a": [1, None, 3], "b": ["x", "y", None]}), PARQUET),
        (pa.table({"a": pa.array([1], pa.uint8())}).replace_schema_metadata({"k": "v"}), PARQUET),
        (pa.table({"a": [{"x": [1]}]}), PARQUET),
        (pa.table({"a": pa.array([1], pa.timestamp("ns", "UTC"))}), PARQUET),
        (pa.table({"a": pa.array([1], pa.duration("us"))}), PARQUET),
        (pa.table({"a": pa.nulls(2)}), PARQUET),
        (pa.table({}), None),
        (pa.table({"a": pa.array([], pa.float64())}), PARQUET),
        (pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), PARQUET),
        (pa.table({"a": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])}), IPC),
        (pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}), IPC),
        (pa.table({"a": pa.chunked_array([["x"], ["y", "x"]]).dictionary_encode()}), None),
    ],
    ids=lambda v: str(v.schema).replace("\n", " ")[:40] if isinstance(v, pa.Table) else "",
)
def test_a_table_comes_back_with_its_schema(table, written, tmp_path):
    loaded = roundtrip(table, tmp_path)
    assert loaded.schema.equals(table.schema, check_metadata=True)
    assert (
        loaded.to_pylist() == table.to_pylist() if table.column_names != ["a", "a"] else loaded.equals(table)
    )
    assert loaded.num_rows == table.num_rows
    assert written in (None, [path.name for path in tmp_path.iterdir()])


def test_chunks_do_not_count(tmp_path):
    digests = set()
    for i, chunks in enumerate(([[1, 2], [3]], [[1, 2, 3]])):
        (directory := tmp_path / str(i)).mkdir()
        ArrowMaterializer().save(pa.table({"a": pa.chunked_array(chunks)}), directory)
        digests.add((directory / "table.parquet").read_bytes())
    assert len(digests) == 1


@pytest.mark.parametrize("items", [[], [1, None]])
def test_a_record_batch_comes_back_as_one(items, tmp_path):
    batch = pa.record_batch([pa.array(items, pa.int64())], ["a"])
    assert roundtrip(batch, tmp_path).equals(batch)
