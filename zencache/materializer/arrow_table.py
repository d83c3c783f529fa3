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

    The file is Parquet if it keeps the schema, else Arrow IPC (unions, extension types, dictionaries
    with small indexes). How a table was cut into chunks is not kept.
    """

    types = (pa.Table, pa.RecordBatch)
    exact = True
    artifact_type = ArtifactType("Table", base="Dataset")

    def save(self, value: Any, directory: Path) -> None:
        table = value if isinstance(value, pa.Table) else pa.Table.from_batches([value])
        with writing(value):
            if not _fits_parquet(table, directory / _PARQUET):
                (directory / _PARQUET).unlink(missing_ok=True)
                # In one chunk, so that equal tables have equal bytes.
                with pa.ipc.new_file(directory / _IPC, table.schema) as file:
                    file.write_table(table.combine_chunks())

    def load(self, directory: Path, type: type) -> Any:
        path = directory / _PARQUET if (directory / _PARQUET).exists() else directory / _IPC
        with reading(path):
            if path.name == _PARQUET:
                table = pq.read_table(path)
            else:
                # Read, not mapped: what is loaded must not depend on the file staying as it is.
                with path.open("rb") as file:
                    table = pa.ipc.open_file(file).read_all()
            return table if type is pa.Table else _one_batch(table)


def _fits_parquet(table: pa.Table, path: Path) -> bool:
    try:
        pq.write_table(table, path)
        return bool(pq.read_schema(path).equals(table.schema, check_metadata=True))
    except pa.ArrowException:
        return False


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
