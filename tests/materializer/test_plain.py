"""Text and bytes."""

from __future__ import annotations

import pytest

from zencache.exceptions import MaterializerError
from zencache.materializer.plain import BytesMaterializer, TextMaterializer


def test_text_is_a_file_that_any_program_reads(tmp_path):
    TextMaterializer().save("é\r\n\n", tmp_path)
    assert (tmp_path / "value.txt").read_bytes() == b"\xc3\xa9\r\n\n"


def test_a_file_that_is_no_text_is_an_error_of_ours(tmp_path):
    (tmp_path / "value.txt").write_bytes(b"\xff")
    with pytest.raises(MaterializerError, match="cannot be read"):
        TextMaterializer().load(tmp_path, str)


def test_bytes_are_themselves(tmp_path):
    BytesMaterializer().save(b"\0\xff", tmp_path)
    assert (tmp_path / "value.bin").read_bytes() == b"\0\xff"
    assert BytesMaterializer().load(tmp_path, bytearray) == bytearray(b"\0\xff")
