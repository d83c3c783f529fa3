"""numpy arrays and scalars as `.npy` files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zencache.digest import Digest, HashingFile
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading, type_name, writing

_npy: Any = np.lib.format  # whose functions have no annotations
_FILE = "array.npy"
_CHUNK = 1 << 22  # bytes copied at a time from an array whose elements do not lie in order
_MAPPED_FROM = 1 << 20  # bytes; a smaller file is read faster than it is mapped
_LONGEST_HEADER = 1 << 20  # bytes; numpy's own limit of 10,000 refuses tables of some hundred fields


class ArrayMaterializer(BaseMaterializer):
    """Saves an ``ndarray`` without pickle, in one pass over its own memory.

    Data type, shape, byte order and Fortran order are kept. A large array is loaded as a copy-on-write
    memory map: a step may change it, the file stays. Arrays of objects and subclasses of ``ndarray``
    (masked arrays, matrices, memory maps) are refused.
    """

    types = (np.ndarray,)
    exact = True
    artifact_type = ArtifactType("Array", base="Dataset")

    def save(self, value: npt.NDArray[Any], directory: Path) -> Mapping[str, Digest]:
        _require_plain(value)
        with (directory / _FILE).open("wb") as file:
            sink = HashingFile(file)
            header = io.BytesIO()
            try:
                _npy.write_array_header_1_0(header, _npy.header_data_from_array_1_0(value))
            except ValueError:  # many fields, or names outside latin-1, need format 3
                _npy.write_array(sink, value, version=(3, 0), allow_pickle=False)
            else:
                sink.write(header.getvalue())
                if value.flags.c_contiguous or value.flags.f_contiguous:
                    sink.write(_memory(value))
                else:
                    for chunk in _chunks(value):
                        sink.write(chunk)
        return {_FILE: sink.digest}

    def load(self, directory: Path, type: type) -> npt.NDArray[Any]:
        path = directory / _FILE
        with reading(path):
            if path.stat().st_size >= _MAPPED_FROM:
                mapped = _npy.open_memmap(path, mode="c", max_header_size=_LONGEST_HEADER)
                return np.asarray(mapped)
            with path.open("rb") as file:
                array: npt.NDArray[Any] = _npy.read_array(
                    file, allow_pickle=False, max_header_size=_LONGEST_HEADER
                )
                if file.read(1):
                    raise ValueError("the file is longer than its header says")
                return array


class ScalarMaterializer(BaseMaterializer):
    """Saves a numpy scalar, which comes back as exactly its own type."""

    types = (np.generic,)
    artifact_type = ArtifactType("Scalar")

    def save(self, value: np.generic, directory: Path) -> Mapping[str, Digest]:
        with writing(value):
            array = np.asarray(value)
        again: Any = array[()]
        if type(again) is not type(value) or not _is_same(again, value):
            raise MaterializerError(  # a subclass, or text that ends in NUL
                "A numpy scalar would not come back as it is.", facts={"type": type_name(type(value))}
            )
        return ArrayMaterializer().save(array, directory)

    def load(self, directory: Path, type: type) -> Any:
        return ArrayMaterializer().load(directory, np.ndarray)[()]


def _is_same(again: Any, value: Any) -> bool:
    """Whether two scalars are equal to the bit; those of a long double have padding, which says nothing."""
    if again.tobytes() == value.tobytes():
        return True
    return again.dtype.char in "gG" and bool(again == value or (again != again and value != value))


def _require_plain(value: Any) -> None:
    if type(value) is not np.ndarray:
        raise MaterializerError(
            "A subclass of numpy.ndarray would come back as a plain array.",
            facts={"type": type_name(type(value))},
            hint="Return numpy.asarray(value) (for a masked array: its data and its mask), "
            "or name a materializer: @step(materializers=PickleMaterializer).",
        )
    dtype = value.dtype
    if dtype.hasobject or _npy.descr_to_dtype(_npy.dtype_to_descr(dtype)) != dtype:
        raise MaterializerError(
            "An array of this data type cannot be saved without pickle.",
            facts={"dtype": dtype},
            hint="Convert it (value.astype(...), value.tolist()), "
            "or name a materializer: @step(materializers=PickleMaterializer).",
        )


def _memory(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The bytes of a contiguous array as they lie in memory, which is the order of its file."""
    if array.nbytes == 0:
        return np.empty(0, np.uint8)
    return (array if array.flags.c_contiguous else array.T).reshape(-1).view(np.uint8)


def _chunks(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.uint8]]:
    """The bytes of any array in C order, copied a few at a time."""
    size = max(1, _CHUNK // array.itemsize)
    for chunk in np.nditer(array, flags=["external_loop", "buffered"], buffersize=size, order="C"):
        yield _memory(np.ascontiguousarray(chunk))  # a chunk may lie in the array, with its strides
