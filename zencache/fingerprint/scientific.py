"""What numpy, pandas and pyarrow values hold, apart from how their memory is laid out."""

from __future__ import annotations

import hashlib
import io
import sys
from typing import Any

from zencache.fingerprint.ownership import added_by_user

Parts = tuple[Any, ...]


def scientific_parts(value: Any) -> Parts | None:
    """The parts that say all of an array, frame or table; None for anything else."""
    package = type(value).__module__.partition(".")[0]
    packages = {package} | {base.__module__.partition(".")[0] for base in type(value).__mro__}
    for name, parts in (("numpy", _numpy), ("pandas", _pandas), ("pyarrow", _pyarrow)):
        if name in packages and name in sys.modules:
            found = parts(value, sys.modules[name])
            if found is not None:
                return found
    return None


def _numpy(value: Any, numpy: Any) -> Parts | None:
    if isinstance(value, numpy.ndarray):
        return _array(value, numpy)
    if isinstance(value, numpy.generic):
        return ("numpy scalar", *_array(numpy.asarray(value), numpy), *added_by_user(value))
    if isinstance(value, numpy.dtype):
        return ("dtype", *_dtype(value))
    if isinstance(value, numpy.random.Generator):
        return "generator", value.bit_generator.state, *added_by_user(value)
    if isinstance(value, numpy.random.RandomState):
        return "generator", value.get_state(legacy=False), *added_by_user(value)
    return None


def _array(value: Any, numpy: Any) -> Parts:
    if isinstance(value, numpy.ma.MaskedArray):
        users = added_by_user(value)[:1]
        return "masked", numpy.ma.getmaskarray(value), numpy.asarray(value.filled()), value.fill_value, *users
    kind = () if isinstance(value, numpy.memmap) else _subclass(value, numpy.ndarray)
    plain = value.view(numpy.ndarray)
    if value.dtype.hasobject or value.dtype.kind == "T":
        return ("array", *kind, *_dtype(value.dtype), plain.shape, plain.ravel().tolist())
    flat = numpy.ascontiguousarray(plain).reshape(-1)
    payload = flat.view(numpy.uint8) if flat.nbytes else b""
    # Hashed where it lies: an array may be too large for copies.
    return ("array", *kind, *_dtype(value.dtype), plain.shape, hashlib.sha256(payload).digest())


def _subclass(value: Any, base: type) -> Parts:
    """The type and the extra attributes of an instance of a subclass."""
    return () if type(value) is base else (type(value), dict(sorted(getattr(value, "__dict__", {}).items())))


def _dtype(dtype: Any) -> Parts:
    noted = () if dtype.metadata is None else (dict(dtype.metadata),)
    return dtype.str, dtype.name, None if dtype.fields is None else dtype.descr, *noted


def _pandas(value: Any, pandas: Any) -> Parts | None:
    if isinstance(value, pandas.DataFrame):
        columns = [_column(value.iloc[:, place].array) for place in range(value.shape[1])]
        return "frame", type(value), value.index, value.columns, columns, value.attrs, *_metadata(value)
    if isinstance(value, pandas.Series):
        held = value.name, value.index, _column(value.array), value.attrs
        return "series", type(value), *held, *_metadata(value)
    if isinstance(value, pandas.MultiIndex):
        levels = [value.get_level_values(place) for place in range(value.nlevels)]
        return "index", list(value.names), levels
    if isinstance(value, pandas.Index):
        frequency = getattr(value, "freq", None)  # of dates, which moves them
        return "index", value.name, _column(value.array), *(() if frequency is None else (str(frequency),))
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return ("column", *_column(value))
    if value is pandas.NA or value is pandas.NaT:
        return "missing", str(value)
    return None


def _metadata(value: Any) -> Parts:
    """The attributes that a subclass of a frame or series says are its own."""
    names = [name for name in type(value)._metadata if name != "_name"]
    return ({name: getattr(value, name, None) for name in names},) if names else ()


def _column(column: Any) -> Parts:
    """One column: as numpy has it, else item by item, since extension arrays keep rubbish under masks."""
    numpy, pandas = sys.modules["numpy"], sys.modules["pandas"]
    dtype = column.dtype
    if isinstance(column, pandas.arrays.NumpyExtensionArray) or isinstance(dtype, numpy.dtype):
        return (numpy.asarray(column),)
    if hasattr(column, "categories"):
        return str(dtype), column.ordered, column.categories, numpy.asarray(column.codes)
    return str(dtype), numpy.asarray(column, dtype=object).tolist()


def _pyarrow(value: Any, pyarrow: Any) -> Parts | None:
    if isinstance(value, pyarrow.RecordBatch):
        table = pyarrow.Table.from_batches([value])
    elif isinstance(value, pyarrow.Array | pyarrow.ChunkedArray):
        table = pyarrow.table({"": value})
    elif isinstance(value, pyarrow.Table):
        table = value
    else:
        return None
    sink = io.BytesIO()
    whole = table.combine_chunks()
    with pyarrow.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole)
    return "arrow", type(value).__name__, sink.getvalue()
