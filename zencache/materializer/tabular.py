"""pandas frames, series and indexes as Parquet, or as Arrow IPC where Parquet would change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from zencache.exceptions import MaterializerError
from zencache.materializer import arrow_table, json_value
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading, type_name, writing

_FACTS = b"zencache"  # key, in the file's metadata, of what Arrow's own pandas metadata do not keep
_HINT = (
    "Convert the column or index that is named here to a plain dtype, "
    "or name a materializer: @step(materializers=PickleMaterializer)."
)


class PandasMaterializer(BaseMaterializer):
    """Saves a ``DataFrame``, ``Series`` or ``Index`` as a Parquet file, or as Arrow IPC.

    Index, names, dtypes, categories, time zones, frequencies and ``attrs`` are kept. What has been
    written is read back and compared, so that a value that Arrow would change (a column of tuples or
    of mixed objects, complex numbers, duplicate column names) is an error and never a silent change.
    """

    types = (pd.DataFrame, pd.Series, pd.Index)
    artifact_type = ArtifactType("Table", base="Dataset")

    def save(self, value: Any, directory: Path) -> None:
        with writing(value, _HINT):
            frame, facts = _as_frame(value)
            table = pa.Table.from_pandas(frame)
            metadata = {**table.schema.metadata, _FACTS: json_value.dumps(facts).encode()}
            table = table.replace_schema_metadata(metadata)
            if arrow_table.write_parquet(table, directory) and not self._difference(value, directory):
                return
            arrow_table.write_ipc(table, directory)
        difference = self._difference(value, directory)
        if difference:
            raise MaterializerError(
                "The value would not come back as it is.",
                facts={"type": type_name(type(value)), "difference": difference},
                hint=_HINT,
            )

    def _difference(self, value: Any, directory: Path) -> str | None:
        try:
            _require_same(value, self.load(directory, type(value)))
        except (AssertionError, MaterializerError) as error:  # Parquet may write what it cannot read
            return " ".join(str(error).split())[:300]
        return None

    def load(self, directory: Path, type: type) -> Any:
        table = arrow_table.read_table(directory)
        with reading(directory):
            return _from_frame(table, json_value.loads(table.schema.metadata[_FACTS].decode()))


def _as_frame(value: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A value as a frame with default attributes, and the facts that make it the value again."""
    facts: dict[str, Any] = {"kind": "frame"}
    if isinstance(value, pd.Index):
        frame, facts["kind"] = pd.DataFrame(index=value), "index"
    elif isinstance(value, pd.Series):
        frame = pd.DataFrame({"value": value})
        facts.update(kind="series", name=value.name, attrs=value.attrs)
    else:
        frame = value.copy(deep=False)
        facts["attrs"] = value.attrs
    frame.attrs = {}
    facts["index"], facts["columns"] = _axis_facts(frame.index), _axis_facts(frame.columns)
    facts["objects"] = {
        i: _missing_marker(frame.iloc[:, i]) for i, dtype in enumerate(frame.dtypes) if _holds_objects(dtype)
    }
    return frame, facts


def _from_frame(table: pa.Table, facts: dict[str, Any]) -> Any:
    frame = table.to_pandas()
    for position, missing in facts["objects"].items():
        items = [missing if item is None else item for item in table.column(position).to_pylist()]
        frame.isetitem(position, pd.Series(items, index=frame.index, dtype=object))
    frame.index = _restore_axis(frame.index, facts["index"])
    frame.columns = _restore_axis(frame.columns, facts["columns"])
    if facts["kind"] == "index":
        return frame.index
    value = frame["value"].rename(facts["name"]) if facts["kind"] == "series" else frame
    value.attrs = facts["attrs"]
    return value


def _axis_facts(index: pd.Index) -> dict[str, Any]:
    facts: dict[str, Any] = {"names": list(index.names)}
    if isinstance(index, pd.RangeIndex):
        facts["range"] = [index.start, index.stop, index.step]
    elif isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) and index.freq is not None:
        facts["freq"] = index.freqstr
    return facts


def _restore_axis(index: Any, facts: dict[str, Any]) -> Any:
    if "range" in facts:
        index = pd.RangeIndex(*facts["range"])
    elif "freq" in facts:
        index = type(index)(index, freq=facts["freq"])
    index.names = facts["names"]
    return index


def _holds_objects(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.hasobject


def _missing_marker(column: pd.Series) -> float | None:
    """What stands for a missing object; Arrow has one null for ``None`` and NaN."""
    return float("nan") if any(type(item) is float and item != item for item in column) else None


def _require_same(value: Any, loaded: Any) -> None:
    """Raise what pandas raises in its own tests, on more than pandas itself calls different."""
    if type(value) is not type(loaded):
        raise AssertionError(f"type {type(loaded).__name__} instead of {type(value).__name__}")
    if isinstance(value, pd.Index):
        pd.testing.assert_index_equal(value, loaded, exact=True)
        if _axis_facts(value) != _axis_facts(loaded):
            raise AssertionError("frequency")
        _require_same_objects(value, loaded)
        return
    for axis, other in zip(value.axes, loaded.axes, strict=True):
        _require_same(axis, other)
    # What costs time is compared at once, and what says most on no rows.
    if isinstance(value, pd.Series):
        pd.testing.assert_series_equal(value.iloc[:0], loaded.iloc[:0])
        _require_same_objects(value, loaded)
    else:
        pd.testing.assert_frame_equal(value.iloc[:0], loaded.iloc[:0])
        for i in range(value.shape[1]):
            _require_same_objects(value.iloc[:, i], loaded.iloc[:, i])
    if not value.equals(loaded):
        raise AssertionError("values")
    if value.flags != loaded.flags:
        raise AssertionError("flags")


def _require_same_objects(column: Any, loaded: Any) -> None:
    if not _holds_objects(column.dtype):
        return
    for item, other in zip(column, loaded, strict=True):
        # By repr, which tells [1] from [True] and Decimal("1.0") from Decimal("1.00").
        if item is not other and (type(item) is not type(other) or repr(item) != repr(other)):
            kinds = type(item).__name__, type(other).__name__
            raise AssertionError(f"{kinds[0]} {item!r:.40} comes back as {kinds[1]} {other!r:.40}")
