"""The files at an fsspec URL: written whole or not at all, opened again after a fork, one form of error."""

from __future__ import annotations

import inspect
import math
import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zencache.exceptions import ArtifactStoreError, ArtifactStoreUnreachable, ConfigurationError
from zencache.visible import without_password

# Object stores have no folders, a file appears in them when its upload is complete, and they can be told to
# refuse one that is there already. Elsewhere a half-written file can be seen.
_S3 = ("s3", "s3a")
_AZURE = ("az", "abfs", "abfss")
_GOOGLE = ("gs", "gcs")
_WEBDAV = ("webdav", "dav")
_OBJECT_STORES = (*_S3, *_AZURE, *_GOOGLE)
# What to install where fsspec does not find the package of a protocol.
_INSTALLS = {
    **dict.fromkeys(_S3, "zencache[s3]"),
    **dict.fromkeys(_AZURE, "zencache[azure]"),
    **dict.fromkeys(_GOOGLE, "zencache[gcs]"),
    **dict.fromkeys(_WEBDAV, "webdav4"),
    **dict.fromkeys(("sftp", "ssh"), "sshfs"),
}
_PART = 8 << 20  # bytes of an upload that are in memory at once, times the uploads at a time
_MOST_PARTS = 9_000  # S3 takes 10,000
_AT_A_TIME = 4
# fsspec's file system in memory goes over its files while other threads add some.
_in_memory = threading.RLock()


def _forget_threads() -> None:
    """A forked child does not have the thread that may hold the lock."""
    global _in_memory
    _in_memory = threading.RLock()


os.register_at_fork(after_in_child=_forget_threads)


class RemoteFiles:
    """What an artifact store needs of a file system, by path below the URL.

    ``FileNotFoundError`` and ``FileExistsError`` mean what they say. Whatever else a file system raises
    becomes an ArtifactStoreUnreachable.

    Args:
        url: any fsspec URL. A user and a password in it are used and not shown.

    Raises:
        ConfigurationError: no file system has that protocol, or its package is not installed.
    """

    def __init__(self, url: str):
        self._address = url
        self.url = without_password(url).rstrip("/")
        self.protocol = url.partition("://")[0].rpartition("::")[2]
        self.is_object_store = self.protocol in _OBJECT_STORES
        self._secrets = _secrets(url)
        self._container_is_there = False
        self._pid = os.getpid()
        self._filesystem, self._root = self._connect()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._address,)

    def read(self, path: str) -> bytes:
        with self._asking("read", path):
            return bytes(self._connected.cat_file(self._path(path)))

    def size(self, path: str) -> int:
        with self._asking("read", path):
            size = self._connected.info(self._path(path))["size"]
            return -1 if size is None else int(size)

    def fetch(self, path: str, destination: Path) -> None:
        """Copy a file here, streaming."""
        with self._asking("read", path):
            if self.protocol == "memory":  # threads that read one file there share its position
                destination.write_bytes(self._connected.cat_file(self._path(path)))
                return
            self._connected.get_file(self._path(path), str(destination), **self._download_options())

    def names(self, path: str) -> list[str]:
        """The names in a folder; none if there is no such folder. Object stores may be late to tell."""
        target = self._path(path)
        try:
            with self._asking("listed", path):
                self._connected.invalidate_cache()
                rows = self._connected.ls(target, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (row.rstrip("/").rpartition("/")[2] for row in rows if row.strip("/") != target.strip("/"))
        return sorted(names)

    def sizes(self, path: str) -> dict[str, int]:
        """The sizes of all files below a folder; none if there is no such folder."""
        try:
            with self._asking("listed", path):
                self._connected.invalidate_cache()
                found = self._connected.find(self._path(path), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {name: int(info["size"] or 0) for name, info in found.items()}

    def changed(self, path: str) -> float:
        """When a file was written, seconds since the epoch; 0.0 without one, and now where nobody tells.

        A folder is as new as the newest file below it where folders have no times.
        """
        changed = self._changed(path)
        if changed:
            return changed
        root = self._root.strip("/")
        inside = [name.strip("/").removeprefix(root).strip("/") for name in self.sizes(path)]
        return max((self._changed(one) for one in inside), default=0.0)

    def _changed(self, path: str) -> float:
        target = self._path(path)
        for call in ("modified", "created"):
            try:
                with self._asking("read", path):
                    self._connected.invalidate_cache()
                    when = getattr(self._connected, call)(target)
                return float(when.replace(tzinfo=when.tzinfo or timezone.utc).timestamp())
            except (FileNotFoundError, NotADirectoryError):
                return 0.0
            except ArtifactStoreUnreachable as error:
                if isinstance(error.__cause__, IsADirectoryError):
                    return 0.0
                if not isinstance(error.__cause__, NotImplementedError | AttributeError | KeyError):
                    raise
        return time.time()

    def write(self, path: str, payload: bytes, *, create: bool = False) -> None:
        """Write a small file, whole or not at all.

        Args:
            create: only if there is none, where the file system can tell.

        Raises:
            FileExistsError: there is one.
        """
        self._write(path, lambda target, how: self._connected.pipe_file(target, payload, **how), create)

    def put(self, source: Path, path: str, *, create: bool = False) -> None:
        """As :meth:`write`, from a local file, streaming."""
        options = self._upload_options(source)
        self._write(
            path, lambda target, how: self._connected.put_file(str(source), target, **options, **how), create
        )

    def move(self, source: str, target: str) -> None:
        """Move the files of a folder; nothing happens if there is none."""
        with self._asking("written", target), suppress(FileNotFoundError):
            self._connected.invalidate_cache()
            before, after = self._path(source), self._path(target)
            for path in self._connected.find(before):  # one by one: what moves a folder differs too much
                moved = after + path[path.index(before.strip("/")) + len(before.strip("/")) :]
                self._make_parent(moved)
                self._replace(path, moved)
            self._remove(before)

    def remove(self, path: str) -> None:
        """Remove a file or a folder; nothing happens if there is none."""
        with self._asking("written", path), suppress(FileNotFoundError):
            self._connected.invalidate_cache()
            self._remove(self._path(path))

    def _remove(self, target: str) -> None:
        if self.protocol in _WEBDAV and self._connected.isdir(target):
            # nginx wants the slash, which webdav4 leaves out.
            self._connected.client.request("DELETE", target, add_trailing_slash=True)
        else:
            self._connected.rm(target, recursive=True)

    def _write(self, path: str, write: Callable[[str, dict[str, str]], None], create: bool) -> None:
        target = self._path(path)
        with self._asking("written", path):
            if self.is_object_store:
                write(target, {"mode": "create"} if create else {})
                return
            parent, _, name = target.rpartition("/")
            self._make_parent(target)
            partial = f"{parent}/.{name}.{uuid.uuid4().hex[:8]}"
            try:
                write(partial, {})
                self._replace(partial, target)
            except BaseException:
                with suppress(Exception):  # what broke the writing is what shall be told
                    self._connected.rm_file(partial)
                raise

    def _make_parent(self, target: str) -> None:
        # Never in an object store: s3fs would make the bucket that a mistyped URL names.
        if not self.is_object_store:
            self._connected.makedirs(target.rpartition("/")[0], exist_ok=True)

    def _replace(self, source: str, target: str) -> None:
        if self.protocol in _WEBDAV:  # webdav4's own mv copies, then removes
            self._connected.client.move(source, target, overwrite=True)
        elif self.is_object_store or self.protocol == "memory":  # no renaming there
            self._connected.cp_file(source, target)
            self._connected.rm_file(source)
        else:
            self._connected.mv(source, target)

    def _upload_options(self, source: Path) -> dict[str, Any]:
        """So that a large file is in memory a few parts at a time."""
        part = max(_PART, math.ceil(source.stat().st_size / _MOST_PARTS))
        if self.protocol in _S3:
            return {"chunksize": part, "max_concurrency": _AT_A_TIME}
        if self.protocol in _AZURE:
            return {"max_concurrency": _AT_A_TIME}
        if self.protocol in _GOOGLE:
            return {"chunksize": part}
        return {}

    def _download_options(self) -> dict[str, Any]:
        """The same for a download: s3fs would have ten parts of 50 MB in memory."""
        if self.protocol not in _S3:
            return {}
        known = inspect.signature(self._connected._get_file).parameters
        return {"chunksize": _PART, "max_concurrency": _AT_A_TIME} if "max_concurrency" in known else {}

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    @property
    def _connected(self) -> Any:
        if self._pid != os.getpid():  # fsspec's event loop and its connections stay behind in the parent
            self._filesystem, self._root = self._connect()
            self._pid = os.getpid()
        return self._filesystem

    def _connect(self) -> tuple[Any, str]:
        import fsspec

        url = self._address
        if self.is_object_store and not url.partition("://")[2].strip("/"):
            raise self._no_bucket()  # before somebody looks for credentials, which may take a while
        # Not one that another part of the process opened, perhaps with credentials that have changed since.
        options: dict[str, Any] = {"skip_instance_cache": True}
        if self.is_object_store:
            options["use_listings_cache"] = False  # what another process wrote is there, too
        if self.protocol in _S3 and self._secrets:
            url, (options["key"], options["secret"]) = self.url, self._secrets
        try:
            filesystem, root = fsspec.core.url_to_fs(url, **options)
            if type(filesystem).__module__ == "fsspec.implementations.sftp":
                raise ImportError("for SFTP install sshfs; paramiko's file system may hang")
        except Exception as error:
            package = _INSTALLS.get(self.protocol) if isinstance(error, ImportError) else None
            hint = f'pip install "{package}"' if package else None
            raise ConfigurationError(
                f"The artifact store cannot be opened: {self._told(error)}.",
                facts={"artifacts": self.url},
                hint=hint or "Use a path or a URL that fsspec knows; docs/artifact-stores.md says which.",
            ) from self._cause(error)
        if self.protocol in _WEBDAV:  # webdav4 leaves its connections open
            weakref.finalize(filesystem, filesystem.client.http.close)
        root = str(root).rstrip("/")
        if self.is_object_store and not root.strip("/"):
            raise self._no_bucket()
        return filesystem, root

    def _no_bucket(self) -> ConfigurationError:
        return ConfigurationError(
            "The URL of the artifact store names no bucket.",
            facts={"artifacts": without_password(self._address)},
            hint=f"For example {self.protocol}://bucket/cache.",
        )

    @contextmanager
    def _asking(self, verb: str, path: str) -> Iterator[None]:
        try:
            with _in_memory if self.protocol == "memory" else nullcontext():
                yield
        except FileNotFoundError:
            self._check_container()
            raise
        except (FileExistsError, NotADirectoryError, ArtifactStoreError):
            raise
        except Exception as error:
            raise self._unreachable(f"could not be {verb}", error, path) from self._cause(error)

    def _check_container(self) -> None:
        """A bucket that is not there is no missing object: without this, every step would run again."""
        if self._container_is_there:
            return
        container = self._root.lstrip("/").partition("/")[0] if self.is_object_store else "/"
        try:
            self._connected.info(container)
        except FileNotFoundError as error:
            what = f"has no bucket `{container}`" if self.is_object_store else "is not at this address"
            raise ArtifactStoreUnreachable(
                f"The artifact store {what}.",
                facts={"store": self.url},
                hint="Check the URL, or make it first: zencache makes none." if container != "/" else None,
            ) from error
        except Exception as error:
            if not isinstance(error, PermissionError):  # who may not ask for it may still use it
                raise self._unreachable("could not be read", error, container) from self._cause(error)
        self._container_is_there = True

    def _unreachable(self, what: str, error: Exception, path: str) -> ArtifactStoreUnreachable:
        hint = "Check the URL, the network and the server; what had finished is reused when you run again."
        if isinstance(error, PermissionError) or "redential" in str(error):
            hint = (
                "Check the credentials and what they allow: reading, writing and listing. A store that may "
                "not be listed says that a missing object is forbidden."
            )
        return ArtifactStoreUnreachable(
            f"The artifact store {what}: {self._told(error)}.",
            facts={"store": self.url, "path": path or None},
            hint=hint,
        )

    def _told(self, error: Exception) -> str:
        text = next(iter(str(error).strip().splitlines()), type(error).__name__).strip().rstrip(".")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:500]

    def _cause(self, error: Exception) -> Exception | None:
        """What a traceback may show below ours: nothing that says the password."""
        return None if any(secret in str(error) for secret in self._secrets) else error


def _secrets(url: str) -> tuple[str, ...]:
    """User and password of a URL that has both."""
    userinfo, separator, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    user, colon, password = userinfo.partition(":")
    return (unquote(user), unquote(password)) if separator and colon and password else ()
