"""The head of a table: its columns with their types, and its first rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_ROWS = 20
_COLUMNS = 40
_CELL = 80  # characters


def table_preview(directory: Path) -> dict[str, Any]:
    """The preview of a stored pandas or pyarrow table: only its first rows are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ipc = directory / "table.arrow"
    if ipc.exists():
        with pa.memory_map(str(ipc)) as stream:
            table = pa.ipc.open_file(stream).read_all()
            return _told(table.schema, table.num_rows, table.slice(0, _ROWS).to_batches())
    with pq.ParquetFile(directory / "table.parquet") as file:
        batches = list(_first(file.iter_batches(batch_size=_ROWS)))
        return _told(file.schema_arrow, file.metadata.num_rows, batches)


def _first(batches: Any) -> Any:
    for batch in batches:
        yield batch
        return


def _told(schema: Any, rows: int, batches: list[Any]) -> dict[str, Any]:
    # By position: names may be there twice.
    columns = [
        [_cell(item) for batch in batches for item in batch.column(place).to_pylist()][:_ROWS]
        for place in range(min(len(schema), _COLUMNS))
    ]
    return {
        "kind": "table",
        "rows": rows,
        "columns": [
            {"name": field.name[:_CELL], "type": str(field.type)[:_CELL]} for field in list(schema)[:_COLUMNS]
        ],
        "more_columns": max(0, len(schema) - _COLUMNS),
        "head": [list(row) for row in zip(*columns, strict=True)],
    }


def _cell(item: Any) -> str:
    text = "" if item is None else str(item)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
