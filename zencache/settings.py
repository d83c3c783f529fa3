"""What a project is set to: where its metadata and artifacts lie, whose records it believes, and limits."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zencache import permission
from zencache.exceptions import ConfigurationError, nearest
from zencache.quantity import parse_bytes
from zencache.redaction import redacted

FOLDER = ".zencache"
METADATA_VARIABLE = "ZENCACHE_METADATA"
ARTIFACTS_VARIABLE = "ZENCACHE_ARTIFACTS"
LOCAL_CACHE_VARIABLE = "ZENCACHE_LOCAL_CACHE"
LOCAL_CACHE_SIZE_VARIABLE = "ZENCACHE_LOCAL_CACHE_SIZE"
SIGNING_KEY_VARIABLE = "ZENCACHE_SIGNING_KEY"
QUOTA_VARIABLE = "ZENCACHE_QUOTA"
LEASE_EXPIRY_VARIABLE = "ZENCACHE_LEASE_EXPIRY"
_MARKERS = (FOLDER, "pyproject.toml", ".git")
_LEAST_EXPIRY = 1.0  # seconds
_ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project.

    Args:
        root: its folder.
        metadata: URL or path of the metadata store.
        artifacts: URL or path of the artifact store.
        read_from: URLs of the metadata and the artifacts that others share and this project looks into.
        local_cache: where copies of remote objects are kept; None for nowhere.
        local_cache_size: bytes that they may have; None for any number.
        signing_key: path of the private key with which records are signed; None for none.
        require_signatures: public keys, or files of them, whose records are believed; None for all records.
        quota: bytes that may lie in the artifact store; None for any number.
        lease_expiry: seconds without a heartbeat after which another run may take over a step.
    """

    root: Path
    metadata: str
    artifacts: str
    read_from: tuple[str, str] | None = None
    local_cache: Path | None = None
    local_cache_size: int | None = None
    signing_key: str | None = None
    require_signatures: tuple[str, ...] | None = None
    quota: int | None = None
    lease_expiry: float = 60.0


def find_settings(path: str | os.PathLike[str] | None = None, **given: Any) -> Settings:
    """The settings of a project: what is given, else the environment, else ``[tool.zencache]`` of its
    ``pyproject.toml``, else the default, which for both stores lies in the folder ``.zencache`` in it.

    Args:
        path: the project's folder; found above the working directory unless given.
        given: settings by name, as in :class:`Settings`, or texts for them; None counts as not given.

    Raises:
        ConfigurationError: ``path`` is not a folder, or a setting cannot be read.
    """
    root = _root() if path is None else Path(path).expanduser().absolute()
    if not root.is_dir():
        raise ConfigurationError("The project is not a folder.", facts={"path": root})
    file = root / "pyproject.toml"
    written = _written(file)
    found: dict[str, Any] = {
        "metadata": str(root / FOLDER / "metadata.db"),
        "artifacts": str(root / FOLDER / "artifacts"),
    }
    for name, setting in _SETTINGS.items():
        if given.get(name) is not None:
            found[name] = _read(name, setting, given[name], None, {"given": f"{name}={given[name]!r}"})
        elif setting.variable and os.environ.get(setting.variable):
            text = os.environ[setting.variable]
            found[name] = _read(name, setting, text, None, {"environment": f"{setting.variable}={text}"})
        elif name in written:
            facts = {"file": file, "setting": f"{name} = {written[name]!r}"}
            found[name] = _read(name, setting, written[name], root, facts)
    _require_text({"project": str(root), "metadata": found["metadata"], "artifacts": found["artifacts"]})
    return Settings(root, **found)


def _require_text(places: Mapping[str, str]) -> None:
    """Paths are recorded, and ML Metadata takes text; in a locale without UTF-8 Python may not have it."""
    for label, place in places.items():
        try:
            place.encode()
        except UnicodeEncodeError as error:
            raise ConfigurationError(
                "A path has letters that Python cannot read in this locale.",
                facts={label: ascii(place), "encoding": sys.getfilesystemencoding()},
                hint="Set PYTHONUTF8=1, or LC_ALL=C.UTF-8. If it stays, the name is not UTF-8: rename it.",
            ) from error


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
        permission.make_folder(folder)
        if not ignore.exists():
            permission.make_file(ignore)
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


def _written(file: Path) -> Mapping[str, Any]:
    """``[tool.zencache]`` of a ``pyproject.toml``."""
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        because = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"pyproject.toml cannot be read: {because}.", facts={"file": file}
        ) from error
    if "zencache" not in text:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tool: Any = tomllib.loads(text).get("tool", {})
        table: Any = tool.get("zencache", {}) if isinstance(tool, dict) else tool
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"pyproject.toml cannot be read: {error}.", facts={"file": file}) from error
    if not isinstance(table, dict):
        raise ConfigurationError(
            "[tool.zencache] is not a table.", facts={"file": file, "found": repr(table)}
        )
    for name, value in table.items():
        if name not in _SETTINGS:
            raise ConfigurationError(
                "A setting in [tool.zencache] is wrong.",
                facts={"file": file, "setting": redacted(f"{name} = {value!r}")},
                hint=nearest(name, _SETTINGS),
            )
    return table


def _read(name: str, setting: _Setting, value: Any, folder: Path | None, facts: Mapping[str, Any]) -> Any:
    """The value of a setting. Relative paths in a file are relative to its ``folder``."""
    try:
        return setting.read(value, folder)
    except (ValueError, ConfigurationError):
        where = "A setting in [tool.zencache]" if "file" in facts else f"The setting `{name}`"
        raise ConfigurationError(
            f"{where} is wrong.", facts={**facts, "expected": setting.expected}
        ) from None


def _url(value: Any, folder: Path | None) -> str:
    if not isinstance(value, str) or _ONE_SLASH.match(value):  # which would be the path of a new folder `s3:`
        raise ValueError
    if folder is None:
        return value
    if "://" not in value:
        return str(folder / Path(value).expanduser())
    scheme, _, rest = value.partition(":///")
    if scheme == "sqlite" and rest and not rest.startswith("/"):
        return f"sqlite:///{folder / rest}"
    return value


def _path(value: Any, folder: Path | None) -> Path:
    if not isinstance(value, str):
        raise ValueError
    return (folder or Path()).joinpath(Path(value).expanduser()).absolute()


def _path_text(value: Any, folder: Path | None) -> str:
    return str(_path(value, folder))


def _keys(value: Any, folder: Path | None) -> tuple[str, ...]:
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        raise ValueError
    return tuple(key if key.startswith("ed25519:") else _path_text(key, folder) for key in keys)


def _pair(value: Any, folder: Path | None) -> tuple[str, str]:
    if not isinstance(value, dict) or set(value) != {"metadata", "artifacts"}:
        raise ValueError
    return _url(value["metadata"], folder), _url(value["artifacts"], folder)


def _bytes(value: Any, folder: Path | None) -> int:
    return parse_bytes("size", value)


def _some_bytes(value: Any, folder: Path | None) -> int:
    size = _bytes(value, folder)
    if size < 1:
        raise ValueError
    return size


def _seconds(value: Any, folder: Path | None) -> float:
    if isinstance(value, bool) or not _LEAST_EXPIRY <= (seconds := float(value)) < float("inf"):
        raise ValueError
    return seconds


class _Setting(NamedTuple):
    """How a setting is read, what it is, and which environment variable sets it."""

    read: Callable[[Any, Path | None], Any]
    expected: str
    variable: str = ""


_SIZE = 'a number of bytes, or a text such as "20 GB"'
_SETTINGS: Mapping[str, _Setting] = {
    "metadata": _Setting(_url, "a text: a path, or a URL with `://`", METADATA_VARIABLE),
    "artifacts": _Setting(_url, "a text: a path, or a URL with `://`", ARTIFACTS_VARIABLE),
    "read_from": _Setting(_pair, '{ metadata = "grpc://host:8080", artifacts = "s3://bucket/cache" }'),
    "local_cache": _Setting(_path, "a text: the path of a folder", LOCAL_CACHE_VARIABLE),
    "local_cache_size": _Setting(_some_bytes, _SIZE, LOCAL_CACHE_SIZE_VARIABLE),
    "signing_key": _Setting(_path_text, "a text: the path of a file", SIGNING_KEY_VARIABLE),
    "require_signatures": _Setting(_keys, "a list of texts: public keys, or paths of files of them"),
    "quota": _Setting(_bytes, _SIZE, QUOTA_VARIABLE),
    "lease_expiry": _Setting(
        _seconds, f"a number of seconds, {_LEAST_EXPIRY:.0f} or more", LEASE_EXPIRY_VARIABLE
    ),
}
