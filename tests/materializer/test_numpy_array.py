"""numpy arrays: any other program reads the file, and what `.npy` would lose is refused."""

from __future__ import annotations

import numpy as np
import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer.numpy_array import ArrayMaterializer, ScalarMaterializer

BIG = 400_000  # elements of 8 bytes: large enough to be mapped


def roundtrip(array, directory):
    ArrayMaterializer().save(array, directory)
    return ArrayMaterializer().load(directory, np.ndarray)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(10)[::-3],
        np.broadcast_to(np.float32(1), (3, 4)),
        np.array(5),
        np.zeros((0, 2)),
        np.array(["", ""]),
        np.array(["a", "é"]),
        np.zeros(2, [("a", "i1"), ("b", "f8", (2,))]),
        np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"]}, align=True)),
        np.zeros(1, [(f"field {i}", "f8") for i in range(2000)]),
        np.array([1 + 2j, np.nan]),
        np.array([True]),
        np.array(["2020-01-01T00:00:00.000000001"], "M8[ns]"),
    ],
    ids=lambda a: f"{a.dtype}"[:20] + f"{a.shape}",
)
def test_numpy_itself_reads_the_file(array, tmp_path):
    loaded = roundtrip(array, tmp_path)
    for again in (loaded, np.load(tmp_path / "array.npy", max_header_size=10**6)):
        assert again.dtype == array.dtype
        assert again.shape == array.shape
        assert again.tobytes() == array.tobytes()


@pytest.mark.parametrize("size", [3, BIG], ids=["read", "mapped"])
def test_what_is_loaded_is_a_plain_array_that_a_step_may_change(size, tmp_path):
    loaded = roundtrip(np.arange(size), tmp_path)
    before = (tmp_path / "array.npy").read_bytes()
    assert type(loaded) is np.ndarray
    assert loaded.flags.writeable
    loaded *= 2
    assert (tmp_path / "array.npy").read_bytes() == before


def test_a_large_array_is_not_read_when_it_is_loaded(tmp_path):
    assert isinstance(roundtrip(np.arange(BIG), tmp_path).base, np.memmap)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("size", [4, 1000])
def test_the_order_in_memory_is_kept(order, size, tmp_path):
    array = np.asarray(np.arange(size * size).reshape(size, size), order=order)
    assert roundtrip(array, tmp_path).flags[f"{order}_CONTIGUOUS"]


def test_a_large_array_out_of_order_is_written_in_chunks(tmp_path):
    array = np.arange(4 * BIG).reshape(4, BIG)[:, ::2]
    assert np.array_equal(roundtrip(array, tmp_path), array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, 1]),
        np.zeros(1, [("a", object)]),
        np.ma.masked_array([1], [True]),
        np.array([[1]]).view(np.matrix),
        np.rec.array([(1,)], [("a", "i4")]),
    ],
    ids=["objects", "objects inside", "masked", "matrix", "records"],
)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_what_would_not_come_back_is_refused_with_a_remedy(array, tmp_path):
    with pytest.raises(MaterializerError) as caught:
        ArrayMaterializer().save(array, tmp_path)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_data_type_of_another_package_is_refused(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(MaterializerError, match="data type"):
        ArrayMaterializer().save(np.zeros(2, ml_dtypes.bfloat16), tmp_path)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 2 has it")
def test_strings_of_any_length_are_refused(tmp_path):
    with pytest.raises(MaterializerError, match="data type"):
        ArrayMaterializer().save(np.array(["a"], np.dtypes.StringDType()), tmp_path)


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64("nan"),
        np.float16(1),
        np.int8(-1),
        np.bool_(True),
        np.str_("é"),
        np.bytes_(b"a"),
        np.longdouble(1) / 3,
        np.complex64(1j),
        np.timedelta64(3, "h"),
        np.zeros(1, [("a", "i4")])[0],
    ],
    ids=lambda s: type(s).__name__,
)
def test_a_scalar_comes_back_as_its_own_type(scalar, tmp_path):
    ScalarMaterializer().save(scalar, tmp_path)
    loaded = ScalarMaterializer().load(tmp_path, type(scalar))
    assert type(loaded) is type(scalar)
    assert loaded.dtype == scalar.dtype
    if type(scalar) is np.longdouble:  # its last bytes are padding, which numpy 1 does not copy
        assert loaded == scalar
    else:
        assert loaded.tobytes() == scalar.tobytes()


class Metres(np.float64):
    pass


@pytest.mark.parametrize("scalar", [np.str_("a\0"), Metres(1)], ids=["NUL", "subclass"])
def test_a_scalar_that_would_change_is_refused(scalar, tmp_path):
    with pytest.raises(MaterializerError):
        ScalarMaterializer().save(scalar, tmp_path)


@pytest.mark.parametrize("size", [3, BIG], ids=["read", "mapped"])
@pytest.mark.parametrize("change", [lambda b: b[:-8], lambda b: b.replace(b"<i8", b"|O8"), lambda b: b[:20]])
def test_a_damaged_file_is_an_error_of_ours(size, change, tmp_path):
    ArrayMaterializer().save(np.arange(size), tmp_path)
    path = tmp_path / "array.npy"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(MaterializerError, match="cannot be read"):
        ArrayMaterializer().load(tmp_path, np.ndarray)


def test_a_file_that_claims_a_huge_array_is_an_error_of_ours(tmp_path):
    ArrayMaterializer().save(np.arange(3), tmp_path)
    path = tmp_path / "array.npy"
    path.write_bytes(path.read_bytes().replace(b"(3,), }        ", b"(3000000000000,)}"[:15] + b"}"))
    with pytest.raises(MaterializerError, match="cannot be read"):
        ArrayMaterializer().load(tmp_path, np.ndarray)
