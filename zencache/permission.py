"""What zencache makes on disk is for its owner only, whatever the umask, unless its folder is shared.

A folder with the set-group-ID bit (``chmod 2770``) is shared with its group on purpose: what is made below
it has the group's rights that it has. Without that bit, the modes are 0700 and 0600.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_READ_ONLY = 0o440


def folder_mode(folder: str | os.PathLike[str]) -> int:
    """The mode of folders below one that is there; 0700 if it is not."""
    try:
        mode = os.stat(folder).st_mode
    except OSError:
        return 0o700
    return 0o700 | (mode & 0o2070 if mode & stat.S_ISGID else 0)


def file_mode(folder: str | os.PathLike[str]) -> int:
    """The mode of files below a folder."""
    return folder_mode(folder) & 0o660


def sealed_mode(folder: str | os.PathLike[str]) -> int:
    """The mode of files below a folder that nobody shall write any more."""
    return folder_mode(folder) & _READ_ONLY


def make_folder(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> None:
    """Make a folder, and those above it that are missing, with the rights of ``root``, which is above it too.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    there = os.fspath(path)
    while not os.path.exists(there):
        missing.append(there)
        there = os.path.dirname(there) or "."
    if not missing:
        return
    mode = folder_mode(root or there)
    for folder in (there, *reversed(missing)):  # somebody may have removed it meanwhile
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
            os.chmod(folder, mode)


def make_file(path: Path) -> None:
    """Make an empty file with the rights of its folder, if there is none.

    Raises:
        OSError: it cannot be made.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(handle, file_mode(path.parent))
    finally:
        os.close(handle)
