"""Digests of files, large ones a part at a time."""

import mmap
import os

import pytest
from blake3 import blake3

from zencache import digest

PART = mmap.ALLOCATIONGRANULARITY


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7])
def test_the_digest_does_not_depend_on_the_parts(tmp_path, monkeypatch, size):
    monkeypatch.setattr(digest, "_WINDOW", PART)
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    found = digest.digest_file(tmp_path / "file")
    assert (found.hex, found.size) == (blake3(content).hexdigest(), size)
    assert found == digest.digest_bytes(content)


def test_a_file_that_becomes_shorter_meanwhile_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "_WINDOW", PART)
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 * PART))
    real = digest.mmap

    def shrinking(*args, **kwargs):
        mapped = real(*args, **kwargs)
        os.truncate(file, PART)
        return mapped

    monkeypatch.setattr(digest, "mmap", shrinking)
    with pytest.raises(OSError, match="became shorter"):
        digest.digest_file(file)
