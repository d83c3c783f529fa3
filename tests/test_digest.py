"""Digests of files, large ones a part at a time."""

import contextlib
import os
import threading

import pytest
from blake3 import blake3

from zencache import digest

PART = 4096


@pytest.fixture(params=["one after the other", "read ahead"])
def parts(request, monkeypatch):
    monkeypatch.setattr(digest, "_CHUNK", PART)
    monkeypatch.setattr(digest, "_AHEAD_FROM", 2 * PART if request.param == "read ahead" else 1 << 40)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7])
def test_the_digest_does_not_depend_on_the_parts(parts, tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    found = digest.digest_file(tmp_path / "file")
    assert (found.hex, found.size) == (blake3(content).hexdigest(), size)
    assert found == digest.digest_bytes(content)


def test_a_large_file_has_the_digest_of_its_bytes(tmp_path):
    content = os.urandom((9 << 20) + 5)
    (tmp_path / "file").write_bytes(content)
    assert digest.digest_file(tmp_path / "file") == digest.digest_bytes(content)


def test_a_file_that_becomes_shorter_meanwhile_is_an_error(parts, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(4 * PART))

    class Shrinking:
        def __init__(self, **options):
            self._hasher = blake3(**options)

        def update(self, chunk):
            os.truncate(file, PART)
            self._hasher.update(chunk)

    Shrinking.AUTO = blake3.AUTO
    monkeypatch.setattr(digest, "blake3", Shrinking)
    with pytest.raises(OSError, match="became shorter"):
        digest.digest_file(file)


def test_a_file_that_is_cut_again_and_again_does_not_kill_the_process(tmp_path):
    file = tmp_path / "file"
    content = os.urandom(16 << 20)
    done = threading.Event()

    def cut():
        while not done.is_set():
            file.write_bytes(content)
            os.truncate(file, 5000)

    file.write_bytes(content)
    thread = threading.Thread(target=cut)
    thread.start()
    found = []
    try:
        for _ in range(30):
            with contextlib.suppress(OSError):
                found.append(digest.digest_file(file).size)
    finally:
        done.set()
        thread.join()
    assert all(size <= len(content) for size in found)


@pytest.mark.timeout(20)
def test_a_pipe_is_an_error_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no file"):
        digest.digest_file(tmp_path / "pipe")


@pytest.mark.parametrize("parts", [[10], [10_000_000], [10, 9_000_000, 5, 8_500_000]])
def test_what_is_hashed_while_it_is_written_has_the_digest_of_the_file(tmp_path, parts):
    payload = os.urandom(sum(parts))
    with (tmp_path / "file").open("wb") as file:
        sink = digest.HashingFile(file)
        begin = 0
        for length in parts:
            assert sink.write(payload[begin : begin + length]) == length
            begin += length
    assert (tmp_path / "file").read_bytes() == payload
    assert sink.digest == digest.digest_file(tmp_path / "file") == digest.digest_bytes(payload)


def test_a_large_write_that_fails_says_so(tmp_path):
    with open("/dev/full", "wb") as full, pytest.raises(OSError, match="No space left"):
        digest.HashingFile(full).write(bytes(10_000_000))
