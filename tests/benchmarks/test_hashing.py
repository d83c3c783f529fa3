"""Bytes are hashed as quickly as the memory and the disk give them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from array_pipeline import evict
from blake3 import blake3
from measure import interleaved, line, sized, title
from result import Goal

from zencache.digest import digest_bytes, digest_file

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

NBYTES = sized(400_000_000, 40_000_000)
CHUNK = 1 << 20
AS_QUICK = Goal(1.25)  # 80% of the speed


def test_hashing_is_as_quick_as_disk_and_memory(tmp_path: Path) -> None:
    payload = np.random.default_rng(0).bytes(NBYTES)
    target = memoryview(bytearray(NBYTES))
    path = tmp_path / "cached" / "bytes"
    apart = tmp_path / "evicted" / "bytes"
    for file in (path, apart):
        file.parent.mkdir()
        file.write_bytes(payload)

    def copied() -> None:
        target[:] = payload

    def from_disk(call: Callable[[Path], object]) -> float:
        evict(apart.parent)
        started = time.perf_counter()
        call(apart)
        return time.perf_counter() - started

    seconds = interleaved(
        {
            "ours, memory": lambda: digest_bytes(payload),
            "ours, page cache": lambda: digest_file(path),
            "ours, disk": lambda: from_disk(digest_file),
            "copied in memory": copied,
            "reading, page cache": lambda: read(path),
            "reading, disk": lambda: from_disk(read),
            "BLAKE3, one core": lambda: blake3(payload, max_threads=1).digest(),
            "SHA-256, one core": lambda: hashlib.sha256(payload).digest(),
        },
        rounds=15,
    )
    title(f"hashing {NBYTES / 1e6:.0f} MB")
    one_core = seconds["BLAKE3, one core"]
    line("bytes in memory", seconds["ours, memory"], "copying them", seconds["copied in memory"])
    line("bytes in memory", seconds["ours, memory"], "BLAKE3 on one core", one_core, AS_QUICK)
    line("bytes in memory", seconds["ours, memory"], "SHA-256 on one core", seconds["SHA-256, one core"])
    for where in ("page cache", "disk"):
        ours, reading = seconds[f"ours, {where}"], seconds[f"reading, {where}"]
        slower = max(reading, one_core)
        line(f"a file, {where}", ours, "reading it", reading)
        line(f"a file, {where}", ours, "the slower of reading it and BLAKE3 on one core", slower, AS_QUICK)


def read(path: Path) -> None:
    """Read a file as one reads what one does not keep."""
    buffer = bytearray(CHUNK)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
