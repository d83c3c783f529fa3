"""Which process owns something on disk, and whether it is still alive."""

from __future__ import annotations

import functools
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: host, process id, and when it started, since ids are given out again.

    >>> Owner.parse(str(Owner("lab-1", 42, "777")))
    Owner(host='lab-1', pid=42, started='777')
    """

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}~{self.pid}~{self.started}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        match = re.fullmatch(r"(.+)~(\d+)~(\w+)", text)
        return cls(match[1], int(match[2]), match[3]) if match else None

    @property
    def is_dead(self) -> bool:
        """True only if that is certain: the same host, and no such process any more."""
        return self.host == _host() and _started(self.pid) != self.started


def this_process() -> Owner:
    return _process(_host(), os.getpid())


@functools.lru_cache(maxsize=8)
def _process(host: str, pid: int) -> Owner:
    return Owner(host, pid, _started(pid) or "0")


@functools.cache
def _host() -> str:
    """This machine's name and boot, so that two containers or two boots are never taken for one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        boot = "0"
    return re.sub(r"[^\w.-]", "_", f"{socket.gethostname()}.{boot}")


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None
    except OSError:
        return "0"
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
