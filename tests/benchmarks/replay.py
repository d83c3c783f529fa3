"""The very requests that a run makes of ML Metadata, made once more by the stock client and nothing else."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto
from raw_mlmd import save_durably

_FILES = ("", "-wal", "-shm")


class Replay:
    """A recording of one run's requests, played to a copy of the database as it was before that run.

    So they find and make the same rows with the same ids, in a database of the same size: what is asked of
    one that has grown costs more.

    Args:
        database: the SQLite file that the run writes to.
        folder: where the copies lie.
    """

    def __init__(self, database: Path, folder: Path):
        self._database = database
        self._folder = folder
        self._before = folder
        self._requests: list[tuple[str, Any, type]] = []

    def record(self, run: Callable[[], float]) -> float:
        """Record what a run asks for from now on; what the run returns, its seconds."""
        self._before = self._new_folder()
        _copy(self._database, self._before / "copy.db")
        self._requests = []
        send = metadata_store.MetadataStore._call

        def recorded(store: Any, name: str, request: Any, response: Any) -> Any:
            kept = type(request)()
            kept.CopyFrom(request)
            self._requests.append((name, kept, type(response)))
            return send(store, name, request, response)

        with mock.patch.object(metadata_store.MetadataStore, "_call", recorded):
            return run()

    def play(self, *, values: bool = False) -> float:
        """The seconds that the requests take; with ``values`` each output is saved before it is recorded."""
        copy = self._new_folder()
        _copy(self._before / "copy.db", copy / "copy.db")
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = str(copy / "copy.db")
        store = metadata_store.MetadataStore(config)
        store.get_context_types()
        started = time.perf_counter()
        for index, (name, request, response) in enumerate(self._requests):
            if values and name == "PutLineageSubgraph" and request.artifacts:
                save_durably(copy / "values" / str(index), b"%d" % index)
            with suppress(errors.NotFoundError):  # an answer, too
                store._call(name, request, response())
        return time.perf_counter() - started

    def _new_folder(self) -> Path:
        """Nothing is deleted: ext4 avoids what was freed a moment ago, and then all who make files pay."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(dir=self._folder))


def _copy(database: Path, to: Path) -> None:
    """By a process of its own: to close a file drops every lock that a process has on it."""
    there = [f"{database}{end}" for end in _FILES if Path(f"{database}{end}").exists()]
    for file in there:
        subprocess.run(["cp", file, f"{to}{file.removeprefix(str(database))}"], check=True)
