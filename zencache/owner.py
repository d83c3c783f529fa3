"""Which process owns something on disk, and whether it is still alive."""

from __future__ import annotations

import functools
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

_UNKNOWN = "0"  # when a process started, where nobody tells


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
        if not self.is_here:
            return False
        started = _started(self.pid)
        return started is None or (_UNKNOWN not in (started, self.started) and started != self.started)

    @property
    def is_here(self) -> bool:
        """Whether its process id means something here: the same boot, and not another container."""
        return self.host == _host()


def this_process() -> Owner:
    return _process(_host(), os.getpid())


@functools.lru_cache(maxsize=8)
def _process(host: str, pid: int) -> Owner:
    return Owner(host, pid, _started(pid) or _UNKNOWN)


@functools.cache
def _host() -> str:
    """This machine's name, boot and pid namespace: two containers may have the first two in common."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        boot, namespace = "0", 0
    return re.sub(r"[^\w.-]", "_", f"{socket.gethostname()}.{boot}-{namespace}")


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot (proc(5), field 22); None if it is gone.

    Processes of other users may be hidden (hidepid): then one that is alive is not known.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _UNKNOWN if _exists(pid) else None
    except OSError:
        return _UNKNOWN
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
