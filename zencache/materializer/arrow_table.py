"""pyarrow tables and record batches as Parquet, or as Arrow IPC where Parquet would change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading, writing

_PARQUET = "table.parquet"
_IPC = "table.arrow"


class ArrowMaterializer(BaseMaterializer):
    """Saves a pyarrow ``Table`` or ``RecordBatch`` with its schema and metadata.

    The file is Parquet if it keeps the schema, else Arrow IPC (unions, intervals, some dictionaries).
    How a table was cut into chunks is not kept.
    """

    types = (pa.Table, pa.RecordBatch)
    exact = True
    artifact_type = ArtifactType("Table", base="Dataset")

    def save(self, value: Any, directory: Path) -> None:
        table = value if isinstance(value, pa.Table) else pa.Table.from_batches([value])
        with writing(value):
            if not write_parquet(table, directory) or not _keeps_schema(table, directory / _PARQUET):
                write_ipc(table, directory)

    def load(self, directory: Path, type: type) -> Any:
        table = read_table(directory)
        return table if type is pa.Table else _one_batch(table)


def write_parquet(table: pa.Table, directory: Path) -> bool:
    """Write a table as Parquet; whether Parquet has its types."""
    try:
        # The names that Arrow gives to the items of a list, not Parquet's own: the schema is to come back.
        pq.write_table(table, directory / _PARQUET, use_compliant_nested_type=False)
    except pa.ArrowException:
        return False
    return True


def write_ipc(table: pa.Table, directory: Path) -> None:
    """Write a table as Arrow IPC, in place of a Parquet file."""
    (directory / _PARQUET).unlink(missing_ok=True)
    # In one chunk, so that equal tables have equal bytes.
    with pa.ipc.new_file(directory / _IPC, table.schema) as file:
        file.write_table(table.combine_chunks())


def read_table(directory: Path) -> pa.Table:
    """Read the table that one of the two functions above has written."""
    path = directory / _IPC
    if not path.exists():
        path = directory / _PARQUET
        # Not read_table: it refuses equal names and reads columns out of folder names.
        with reading(path), pq.ParquetFile(path) as file:
            return file.read()
    # Read, not mapped: what is loaded must not depend on the file staying as it is.
    with reading(path), path.open("rb") as stream:
        return pa.ipc.open_file(stream).read_all()


def _keeps_schema(table: pa.Table, path: Path) -> bool:
    return bool(pq.read_schema(path).equals(table.schema, check_metadata=True))


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
