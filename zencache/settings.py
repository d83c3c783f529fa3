"""Where a project keeps its metadata and its artifacts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zencache.exceptions import ConfigurationError, nearest

FOLDER = ".zencache"
METADATA_VARIABLE = "ZENCACHE_METADATA"
ARTIFACTS_VARIABLE = "ZENCACHE_ARTIFACTS"
_MARKERS = (FOLDER, "pyproject.toml", ".git")
_KEYS = ("metadata", "artifacts")


@dataclass(frozen=True, slots=True)
class Settings:
    """The folder of a project and the URLs of its two stores."""

    root: Path
    metadata: str
    artifacts: str


def find_settings(
    path: str | os.PathLike[str] | None, metadata: str | None, artifacts: str | None
) -> Settings:
    """The settings of a project: what is given, else the environment, else ``[tool.zencache]`` of its
    ``pyproject.toml``, else the folder ``.zencache`` in it.

    Args:
        path: the project's folder; found above the working directory unless given.
        metadata: URL or path of the metadata store.
        artifacts: URL or path of the artifact store.

    Raises:
        ConfigurationError: ``path`` is not a folder, or the settings cannot be read.
    """
    root = _root() if path is None else Path(path).expanduser().absolute()
    if not root.is_dir():
        raise ConfigurationError("The project is not a folder.", facts={"path": root})
    written = _pyproject(root / "pyproject.toml")
    default = root / FOLDER
    return Settings(
        root,
        metadata
        or os.environ.get(METADATA_VARIABLE)
        or written.get("metadata")
        or str(default / "metadata.db"),
        artifacts
        or os.environ.get(ARTIFACTS_VARIABLE)
        or written.get("artifacts")
        or str(default / "artifacts"),
    )


def project_folder() -> Path:
    """The ``.zencache`` of the project around the working directory, be it there or not."""
    return _root() / FOLDER


def make_folder(root: Path) -> Path:
    """Make the ``.zencache`` folder of a project, which git is told to ignore.

    Raises:
        ConfigurationError: it cannot be made.
    """
    folder = root / FOLDER
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the project's cache cannot be made: {error.strerror}.",
            facts={"path": folder},
            hint=f"Set {METADATA_VARIABLE} and {ARTIFACTS_VARIABLE} to a place that can be written.",
        ) from error
    return folder


def _root() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if any((folder / marker).exists() for marker in _MARKERS):
            return folder
    return here


def _pyproject(file: Path) -> dict[str, str]:
    """``[tool.zencache]``; relative paths in it are relative to its folder."""
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    if "zencache" not in text:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tool: Any = tomllib.loads(text).get("tool", {})
        table: Any = tool.get("zencache", {}) if isinstance(tool, dict) else tool
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"pyproject.toml cannot be read: {error}.", facts={"file": file}) from error
    if not isinstance(table, dict):
        raise ConfigurationError(
            "[tool.zencache] is not a table.", facts={"file": file, "found": repr(table)}
        )
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, str):
            raise ConfigurationError(
                "A setting in [tool.zencache] is wrong.",
                facts={"file": file, "setting": f"{key} = {value!r}"},
                hint=nearest(key, _KEYS) if key not in _KEYS else "It is a text: a path or a URL.",
            )
    return {key: _beside(file.parent, value) for key, value in table.items()}


def _beside(folder: Path, url: str) -> str:
    if "://" not in url:
        return str(folder / Path(url).expanduser())
    scheme, _, rest = url.partition(":///")
    if scheme == "sqlite" and rest and not rest.startswith("/"):
        return f"sqlite:///{folder / rest}"
    return url
