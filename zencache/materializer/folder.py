"""Files and folders, given as a `pathlib.Path`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

from zencache.digest import Digest, HashingFile
from zencache.exceptions import MaterializerError
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading

_CHUNK = 1 << 20


class FolderMaterializer(BaseMaterializer):
    """Copies the file or folder that a ``pathlib.Path`` names; a later step gets a path to the copy.

    The copy is read-only and has the name of the original. Links inside a folder are followed as long
    as they stay inside. Not kept: the executable bit, times, and, unless the artifact store can hold
    them, empty folders inside a folder.
    """

    types = (Path,)
    artifact_type = ArtifactType("Files")

    def save(self, value: Path, directory: Path) -> Mapping[str, Digest]:
        if not value.exists():
            raise MaterializerError(
                "A path that a step returned does not exist.",
                facts={"path": value},
                hint="Return the path of a file or folder that the step has written.",
            )
        source = value.resolve()
        name = value.name if value.name not in ("", "..") else source.name
        if value.is_file():
            return _copy([(value, f"file/{name}")], directory)
        if directory.resolve().is_relative_to(source):
            raise MaterializerError(
                "A folder cannot be saved into itself.",
                facts={"path": value},
                hint="Return a folder that does not contain the artifact store.",
            )
        files = list(_walk(value, source, f"folder/{name}", ()))
        if not any(path.is_file() for path, _ in files):
            raise MaterializerError("A folder that a step returned holds no file.", facts={"path": value})
        return _copy(files, directory)

    def load(self, directory: Path, type: type) -> Path:
        with reading(directory):
            [kind] = directory.iterdir()
            if kind.name not in ("file", "folder"):
                raise ValueError(f"unexpected {kind.name}")
            [path] = kind.iterdir()
            if path.is_file() is not (kind.name == "file"):
                raise ValueError(f"{path.name} is not a {kind.name}")
            return path


def _walk(path: Path, root: Path, target: str, above: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    """Everything below a folder in sorted order, with the place it is copied to."""
    real = path.resolve()
    outside = not real.is_relative_to(root)
    if outside or real in above or not (path.is_file() or path.is_dir()):
        raise MaterializerError(
            "A folder holds something that cannot be saved.",
            facts={"path": path, "link to": real if path.is_symlink() else None},
            hint="A link must lead to an existing file or folder inside the folder, and not to one that "
            "it lies in; devices and pipes cannot be saved.",
        )
    yield path, target
    if path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _walk(child, root, f"{target}/{child.name}", (*above, real))


def _copy(files: list[tuple[Path, str]], directory: Path) -> dict[str, Digest]:
    digests = {}
    for path, target in files:
        place = directory / target
        if path.is_dir():
            place.mkdir(parents=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, place.open("wb") as file:
            sink = HashingFile(file)
            shutil.copyfileobj(source, cast("BinaryIO", sink), _CHUNK)
        digests[target] = sink.digest
    return digests
