"""A project: its folder, its two stores, and what it remembers of its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from zencache.fingerprint import FileFingerprints, load_memory, save_memory
from zencache.settings import FOLDER, find_settings, make_folder
from zencache.stores import Stores, open_stores


class Project:
    """Where a pipeline runs: what :class:`zencache.Repository` asks its questions of.

    Args:
        path: the project's folder; found above the working directory unless given.
        metadata: URL or path of the metadata store.
        artifacts: path or fsspec URL of the artifact store.

    Raises:
        ConfigurationError: a setting is wrong.
        MetadataStoreError: the metadata store cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        metadata: str | os.PathLike[str] | None = None,
        artifacts: str | os.PathLike[str] | None = None,
    ):
        settings = find_settings(path, _text(metadata), _text(artifacts))
        self.root: Path = settings.root
        self._settings = settings
        if (settings.root / FOLDER).is_file():
            make_folder(settings.root)  # raises, and says so
        self.stores: Stores = open_stores(settings.metadata, settings.artifacts)
        self.files = FileFingerprints(settings.root / FOLDER / "files.json")
        load_memory(settings.root / FOLDER)

    def prepare(self) -> None:
        """Make the project's folder, if one of the stores lies in it, with what makes git ignore it."""
        folder = self.root / FOLDER
        urls = (self._settings.metadata, self._settings.artifacts)
        if any(Path(_path(url)).is_relative_to(folder) for url in urls):
            make_folder(self.root)

    def remember(self) -> None:
        """Keep what has been read of files and of code for other processes, if the folder is there."""
        self.files.save()
        save_memory(self.root / FOLDER)

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


def _path(url: str) -> str:
    """The local path of a URL or path; that of a remote URL is none."""
    scheme, separator, rest = url.partition("://")
    return rest.removeprefix("/") if scheme == "sqlite" and separator else url


def _text(url: str | os.PathLike[str] | None) -> str | None:
    return None if url is None else os.fspath(url)
