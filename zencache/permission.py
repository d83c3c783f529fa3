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
_TRIES = 3  # somebody may remove a folder while one is made in it


def folder_mode(*folders: str | os.PathLike[str]) -> int:
    """The mode of folders below the first of some that is there; 0700 if none is."""
    for folder in folders:
        with contextlib.suppress(OSError):
            mode = os.stat(folder).st_mode
            return 0o700 | (mode & 0o2070 if mode & stat.S_ISGID else 0)
    return 0o700


def file_mode(folder: str | os.PathLike[str]) -> int:
    """The mode of files below a folder."""
    return folder_mode(folder) & 0o660


def sealed_mode(mode: int) -> int:
    """The mode of files that nobody shall write any more, in folders of this mode."""
    return mode & _READ_ONLY


def make_folder(path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None) -> None:
    """Make a folder, and those above it that are missing, with the rights of ``root``, which is above it too.

    Where that is missing as well, they have those of the nearest folder that is there.

    Raises:
        OSError: it cannot be made.
    """
    above = os.path.dirname(path) or "."
    for _ in range(_TRIES):
        # Asked before the folder is there: it may be the root itself, which inherits a part of its mode.
        mode = folder_mode(above if root is None else root, above)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return
        except FileNotFoundError as error:
            problem = error
            make_folder(above, root)
        else:
            os.chmod(path, mode)
            return
    raise problem


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
