"""What is recorded about where a run happened: host, user, versions and the commit of the code."""

from __future__ import annotations

import functools
import getpass
import importlib.metadata
import os
import platform
import socket
import subprocess
from pathlib import Path


def environment_facts(directory: Path) -> dict[str, str]:
    """Label -> text. ``commit`` is that of the git work tree around ``directory``, if there is one."""
    facts = dict(_process_facts())
    git_folder = next((p / ".git" for p in (directory, *directory.parents) if (p / ".git").is_dir()), None)
    if git_folder is not None:
        facts["commit"] = _commit(
            git_folder, _modified(git_folder / "HEAD"), _modified(git_folder / "logs/HEAD")
        )
    return facts


@functools.cache
def _process_facts() -> tuple[tuple[str, str], ...]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in a container, no variable either
        user = str(os.getuid())
    return (
        ("host", socket.gethostname()),
        ("user", user),
        ("python", platform.python_version()),
        ("zencache", importlib.metadata.version("zencache")),
        ("ml-metadata", importlib.metadata.version("ml-metadata")),
    )


@functools.lru_cache(maxsize=16)
def _commit(git_folder: Path, *changed: int) -> str:
    """The commit that is checked out; asked anew only when HEAD or its log has changed."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(git_folder.parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return asked.stdout.strip() if asked.returncode == 0 else "none yet"


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
