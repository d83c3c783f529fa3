"""A project: its folder, its two stores, and what it remembers of its files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from zencache.exceptions import ConfigurationError, nearest
from zencache.fingerprint import FileFingerprints, load_memory, save_memory
from zencache.settings import FOLDER, Settings, find_settings, make_folder
from zencache.signing import SigningKey, Trust, public_keys
from zencache.stores import Stores, open_stores

if TYPE_CHECKING:
    from typing_extensions import Self

_MODES = ("rw", "r")
_MODES_SAY = '"rw" reads and writes, "r" only reads.'


class Project:
    """Where a pipeline runs: what :class:`zencache.Repository` asks its questions of.

    Args:
        path: the project's folder; found above the working directory unless given.
        metadata: URL or path of the metadata store.
        artifacts: path or fsspec URL of the artifact store.
        mode: ``"r"`` to write to neither store.
        local_cache: a folder in which copies of remote objects are kept.
        local_cache_size: bytes that they may have, or a text such as ``"20 GB"``.
        read_from: a repository that others share; what this one does not have is looked for there.
        require_signatures: public keys (``ed25519:...``), or files of them: only what their owners have
            signed is believed. Without it, every record is.
        signing_key: file of the private key with which what is recorded is signed.

    Raises:
        ConfigurationError: a setting is wrong.
        MetadataStoreError: the metadata store cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        metadata: str | os.PathLike[str] | None = None,
        artifacts: str | os.PathLike[str] | None = None,
        *,
        mode: str = "rw",
        local_cache: str | os.PathLike[str] | None = None,
        local_cache_size: int | str | None = None,
        read_from: Project | None = None,
        require_signatures: Iterable[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
        signing_key: str | os.PathLike[str] | None = None,
        **unknown: NoReturn,
    ):
        for name in unknown:
            known = [one for one in inspect.signature(Project).parameters if one != "unknown"]
            raise ConfigurationError(f"`Repository` has no option `{name}`.", hint=nearest(name, known))
        if mode not in _MODES:
            raise ConfigurationError(
                'The mode of a repository is "rw" or "r".', facts={"found": repr(mode)}, hint=_MODES_SAY
            )
        settings = find_settings(
            path,
            metadata=_text(metadata),
            artifacts=_text(artifacts),
            local_cache=_text(local_cache),
            local_cache_size=local_cache_size,
            require_signatures=_texts(require_signatures),
            signing_key=_text(signing_key),
        )
        if mode == "rw" and (settings.root / FOLDER).is_file():
            make_folder(settings.root)  # raises, and says so
        shared: Stores | None = None
        if mode == "rw" and read_from is not None:
            if not isinstance(read_from, Project):
                raise ConfigurationError(
                    "`read_from` is a Repository.",
                    facts={"found": type(read_from).__name__},
                    hint='For example Repository(metadata=..., artifacts=..., mode="r").',
                )
            shared = read_from.stores
        elif mode == "rw" and settings.read_from is not None:
            shared = _opened(settings, *settings.read_from, read_only=True)
        stores = _opened(
            settings, settings.metadata, settings.artifacts, read_only=mode == "r", read_from=shared
        )
        self._settle(settings, stores)

    def _settle(self, settings: Settings, stores: Stores) -> None:
        self.root: Path = settings.root
        self._settings = settings
        self.stores: Stores = stores
        self.files = FileFingerprints(settings.root / FOLDER / "files.json")
        load_memory(settings.root / FOLDER)

    @classmethod
    def of(cls, stores: Stores) -> Self:
        """The project around the working directory, with stores that are open already."""
        project = cls.__new__(cls)
        settings = find_settings(metadata=stores.metadata.url, artifacts=stores.artifacts.url)
        project._settle(settings, stores)
        return project

    @property
    def mode(self) -> str:
        """``"rw"``, or ``"r"`` if neither store is written."""
        return "r" if self.stores.is_read_only else "rw"

    @property
    def shared_urls(self) -> tuple[str, str] | None:
        """The metadata and the artifacts that ``read_from`` in ``[tool.zencache]`` names, if it does."""
        return self._settings.read_from

    def prepare(self) -> None:
        """Make the project's folder, if one of the stores lies in it, with what makes git ignore it."""
        folder = self.root / FOLDER
        urls = (self._settings.metadata, self._settings.artifacts)
        if any(Path(_path(url)).is_relative_to(folder) for url in urls):
            make_folder(self.root)

    def remember(self) -> None:
        """Keep what has been read of files and of code for other processes, if the folder is there."""
        if self.stores.is_read_only:
            return
        self.files.save()
        save_memory(self.root / FOLDER)

    @property
    def lease_expiry(self) -> float:
        """Seconds without a heartbeat after which another run may take over a step that this one executes."""
        return self._settings.lease_expiry

    @property
    def metadata_url(self) -> str:
        """Where the metadata lies, for example ``sqlite:////home/me/project/.zencache/metadata.db``."""
        return self.stores.metadata.url

    @property
    def artifacts_url(self) -> str:
        """Where the bytes lie: a path or an fsspec URL."""
        return self.stores.artifacts.url

    @property
    def store(self) -> Any:
        """The stock ``ml_metadata.MetadataStore``: ask MLMD anything."""
        return self.stores.metadata.stock


def _trust(settings: Settings) -> Trust:
    required = settings.require_signatures
    return Trust(
        SigningKey.load(settings.signing_key) if settings.signing_key else None,
        public_keys(required) if required is not None else None,
    )


def _opened(
    settings: Settings, metadata: str, artifacts: str, *, read_only: bool, read_from: Stores | None = None
) -> Stores:
    return open_stores(
        metadata,
        artifacts,
        trust=_trust(settings),
        read_only=read_only,
        local_cache=settings.local_cache,
        local_cache_size=settings.local_cache_size,
        read_from=read_from,
        quota=settings.quota,
    )


def _path(url: str) -> str:
    """The local path of a URL or path; that of a remote URL is none."""
    scheme, separator, rest = url.partition("://")
    return rest.removeprefix("/") if scheme == "sqlite" and separator else url


def _text(url: str | os.PathLike[str] | None) -> str | None:
    return os.fspath(url) if isinstance(url, os.PathLike) else url


def _texts(keys: Iterable[str | os.PathLike[str]] | str | os.PathLike[str] | None) -> list[str] | None:
    if keys is None:
        return None
    return [os.fspath(key) for key in ([keys] if isinstance(keys, str | os.PathLike) else keys)]
