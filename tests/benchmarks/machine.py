"""Where something was measured: the machine, and the versions of what took part."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("zencache", "ml-metadata", "protobuf", "blake3", "numpy", "joblib", "apache-beam", "pyarrow")


def machine() -> dict[str, str]:
    """Processor, cores, memory, system, disk, and how busy it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {'-'.join(platform.libc_ver())}",
        "file system": _file_system(),
        "load average of the last five minutes": f"{os.getloadavg()[1]:.1f}",
    }


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    rows = Path("/proc/cpuinfo").read_text().splitlines()
    names = [row.partition(":")[2].strip() for row in rows if row.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system() -> str:
    """The kind of the file system that temporary files lie on."""
    command = ["stat", "--file-system", "--format=%T", tempfile.gettempdir()]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
