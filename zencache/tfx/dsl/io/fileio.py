"""Files by path or by any fsspec URL, with the functions that TFX's components use."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from typing import Any

import fsspec

PathType = str | bytes | os.PathLike[str]
NotFoundError = FileNotFoundError


def open(path: PathType, mode: str = "r") -> Any:
    """A file, opened."""
    text = _text(path)
    return fsspec.open(text, mode).open() if "://" in text else builtins.open(text, mode)


def copy(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Copy one file.

    Raises:
        OSError: ``dst`` is there, and is not to be overwritten.
    """
    _check_free(dst, overwrite)
    with open(src, "rb") as source, open(dst, "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)


def exists(path: PathType) -> bool:
    return bool(_at(path)[0].exists(_at(path)[1]))


def glob(pattern: PathType) -> list[str]:
    """The paths that fit a pattern."""
    files, path = _at(pattern)
    return [_named(files, found, pattern) for found in files.glob(path)]


def isdir(path: PathType) -> bool:
    return bool(_at(path)[0].isdir(_at(path)[1]))


def listdir(path: PathType) -> list[str]:
    """The names of what lies in a folder."""
    files, place = _at(path)
    return [os.path.basename(found.rstrip("/")) for found in files.ls(place, detail=False)]


def makedirs(path: PathType) -> None:
    """Make a folder, and those above it; it may be there."""
    files, place = _at(path)
    files.makedirs(place, exist_ok=True)


def mkdir(path: PathType) -> None:
    files, place = _at(path)
    files.mkdir(place, create_parents=False)


def remove(path: PathType) -> None:
    """Remove one file."""
    files, place = _at(path)
    files.rm_file(place)


def rename(src: PathType, dst: PathType, overwrite: bool = False) -> None:
    """Rename a file or a folder.

    Raises:
        OSError: ``dst`` is there, and is not to be overwritten.
    """
    _check_free(dst, overwrite)
    files, place = _at(src)
    files.mv(place, _at(dst)[1], recursive=files.isdir(place))


def rmtree(path: PathType) -> None:
    """Remove a folder with all that it holds."""
    files, place = _at(path)
    files.rm(place, recursive=True)


def stat(path: PathType) -> Any:
    """What the file system says of a file: an ``os.stat_result``, or the facts of a remote one."""
    text = _text(path)
    return _at(path)[0].info(_at(path)[1]) if "://" in text else os.stat(text)


def walk(top: PathType) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder below another one: its path, the folders and the files in it, by name."""
    files, place = _at(top)
    for folder, folders, names in files.walk(place):
        yield _named(files, folder, top), list(folders), list(names)


def _text(path: PathType) -> str:
    return os.fsdecode(path)


def _at(path: PathType) -> tuple[Any, str]:
    files, place = fsspec.core.url_to_fs(_text(path))
    return files, place


def _named(files: Any, found: str, asked: PathType) -> str:
    """A path as the user would write it: with the scheme that was asked with."""
    return str(files.unstrip_protocol(found)) if "://" in _text(asked) else found


def _check_free(path: PathType, overwrite: bool) -> None:
    if not overwrite and exists(path):
        raise FileExistsError(f"{_text(path)} is there already; give overwrite=True to replace it")
