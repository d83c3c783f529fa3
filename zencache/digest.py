"""Digests of bytes and fingerprints of values: what equality means here.

A *digest* is over bytes: BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs) and a size, because a
size can be checked without reading. A *fingerprint* is SHA-256 over the canonical encoding of a value:
every value is written with its type and its length, so that no two different values share an encoding.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from typing import Any, BinaryIO

from blake3 import blake3

ALGORITHM = "blake3"
_PARALLEL_FROM = 1 << 20  # bytes; below this a second thread costs more than it saves
_CHUNK = 1 << 20  # bytes read at once
_AHEAD_FROM = 1 << 23  # bytes; of less, nothing is read ahead or hashed beside the writing


@dataclass(frozen=True, slots=True)
class Digest:
    """Hash and size of some bytes.

    Args:
        hash: ``"blake3:<64 hex digits>"``.
        size: number of bytes.
    """

    hash: str
    size: int

    @property
    def hex(self) -> str:
        return self.hash.partition(":")[2]

    def __str__(self) -> str:
        return self.hash


def digest_bytes(payload: bytes | bytearray | memoryview) -> Digest:
    """The digest of bytes in memory.

    >>> digest_bytes(b"").hash
    'blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
    """
    view = memoryview(payload)
    threads = blake3.AUTO if view.nbytes >= _PARALLEL_FROM else 1
    return Digest(f"{ALGORITHM}:{blake3(payload, max_threads=threads).hexdigest()}", view.nbytes)


def digest_file(path: str | os.PathLike[str]) -> Digest:
    """The digest of a local file, read once, a part at a time.

    It is read and not mapped: the kernel kills a process that touches a mapped page of a file that somebody
    has made shorter.

    Raises:
        OSError: it cannot be read, is a pipe or a device, or became shorter while it was read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        left = size = status.st_size
        hasher = blake3(max_threads=blake3.AUTO if size >= _PARALLEL_FROM else 1)
        for chunk in _read_ahead(file) if size >= _AHEAD_FROM else _read(file, min(size + 1, _CHUNK)):
            hasher.update(chunk[:left])
            left -= min(left, len(chunk))
            if not left:
                break
    if left:
        raise OSError(errno.EIO, "it became shorter while it was read", str(path))
    return Digest(f"{ALGORITHM}:{hasher.hexdigest()}", size)


def _read(file: FileIO, length: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(length))
    while count := file.readinto(buffer):
        yield buffer[:count]


def _read_ahead(file: FileIO) -> Iterator[memoryview]:
    """The parts of a file, the next of which is read while one is hashed."""
    buffers = [memoryview(bytearray(_CHUNK)) for _ in range(2)]
    with ThreadPoolExecutor(1, "zencache-read") as reader:
        coming = reader.submit(file.readinto, buffers[0])
        while count := coming.result():
            buffers.reverse()
            coming = reader.submit(file.readinto, buffers[0])
            yield buffers[1][:count]


def digest_tree(files: Mapping[str, Digest]) -> Digest:
    """The digest of a folder: over its sorted relative paths, sizes and file digests."""
    rows = [(path, digest.size, digest.hash) for path, digest in sorted(files.items())]
    return Digest(digest_bytes(encode(rows)).hash, sum(size for _, size, _ in rows))


class HashingFile:
    """A binary file that is hashed while it is written, so that no byte is read a second time.

    >>> import io
    >>> sink = HashingFile(io.BytesIO())
    >>> _ = sink.write(b"ab")
    >>> sink.digest.size
    2
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._hasher = blake3(max_threads=blake3.AUTO)
        self._size = 0

    def write(self, payload: Any) -> int:
        view = memoryview(payload).cast("B")
        if view.nbytes >= _AHEAD_FROM:
            with ThreadPoolExecutor(1, "zencache-hash") as hasher:  # the disk does not wait for it
                hashed = hasher.submit(self._hasher.update, view)
                self._file.write(view)
                hashed.result()
        else:
            self._hasher.update(view)
            self._file.write(view)
        self._size += view.nbytes
        return view.nbytes

    @property
    def digest(self) -> Digest:
        return Digest(f"{ALGORITHM}:{self._hasher.hexdigest()}", self._size)


_HEAD = struct.Struct(">cQ").pack  # type and length


def _no_default(value: Any) -> Any:
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no canonical encoding")


def encode(value: Any, default: Callable[[Any], Any] = _no_default) -> bytes:
    """The canonical encoding: one type byte, eight bytes of length, then the payload, recursively.

    Only exact built-in types are known. Anything else is given to ``default``, which returns a value
    to encode in its place (as in :func:`json.dumps`) or raises. The order of a dict counts, that of a
    set does not.

    >>> encode([1]) == encode((1,)), encode(1) == encode(True), encode("a") == encode(b"a")
    (False, False, False)
    """
    kind = type(value)
    payload: bytes
    if kind is str:
        tag, payload = b"s", value.encode() if value.isascii() else value.encode("utf-8", "surrogatepass")
    elif kind is tuple or kind is list:
        tag = b"t" if kind is tuple else b"l"
        payload = b"".join([encode(item, default) for item in value])
    elif value is None:
        tag, payload = b"n", b""
    elif kind is bool:
        tag, payload = b"b", b"1" if value else b"0"
    elif kind is int:
        tag, payload = b"i", b"%d" % value if abs(value) < 1 << 64 else hex(value).encode()
    elif kind is float:
        tag, payload = b"f", b"nan" if math.isnan(value) else struct.pack(">d", value)
    elif kind is bytes:
        tag, payload = b"y", value
    elif kind is complex:
        tag, payload = b"c", encode(value.real) + encode(value.imag)
    elif kind is dict:
        tag = b"d"
        payload = b"".join([encode(k, default) + encode(v, default) for k, v in value.items()])
    elif kind is set or kind is frozenset:
        tag = b"S" if kind is set else b"F"
        payload = b"".join(sorted(encode(item, default) for item in value))
    else:
        tag, payload = b"o", encode(default(value), default)
    return _HEAD(tag, len(payload)) + payload


def fingerprint(value: Any, default: Callable[[Any], Any] = _no_default) -> str:
    """SHA-256, as 64 hex digits, over :func:`encode` of a value."""
    return hashlib.sha256(encode(value, default)).hexdigest()
