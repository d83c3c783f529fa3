"""Opening the stock client quietly: no handler on the root logger, no word of the C++ code on stderr."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zencache.exceptions import MetadataStoreError

if TYPE_CHECKING:
    from zencache.metadata.connection.contract import Connection

_LOUDNESS = "GLOG_minloglevel"
_FATAL = "3"


def open_stock_store(config: Any, connection: Connection, make: Callable[[Any], Any] | None = None) -> Any:
    """A stock client, or one that ``make`` derives from it.

    Raises:
        MetadataStoreError: it cannot be opened.
    """
    load_quietly()
    from ml_metadata import errors
    from ml_metadata.metadata_store import metadata_store

    try:
        with UntouchedRootLogger():
            return (make or metadata_store.MetadataStore)(config)
    except (RuntimeError, errors.StatusError) as error:
        raise MetadataStoreError(
            f"The metadata store cannot be opened: {connection._said(error)}.",
            facts={
                "metadata": connection.url,
                "expected": "a database with the schema of the installed ml-metadata",
            },
            hint="Give another database, or install the ml-metadata version that made this one.",
        ) from error


@functools.cache
def load_quietly() -> None:
    """Import ml_metadata so that its C++ code writes nothing but its last words to stderr.

    It tells there of every connection to PostgreSQL and of each statement that failed, with the user's
    values in it. It reads the variable when it is loaded; somebody's own setting holds.

    Raises:
        MetadataStoreError: it is not installed, or not for the protobuf that is.
    """
    logging.getLogger("absl").addFilter(_is_not_of_mlmd)
    is_ours = _LOUDNESS not in os.environ
    if is_ours:
        os.environ[_LOUDNESS] = _FATAL
    try:
        import ml_metadata.metadata_store.metadata_store  # noqa: F401
    except (ImportError, TypeError) as error:  # TypeError: protobuf, of what another protobuf has generated
        raise MetadataStoreError(
            f"ML Metadata cannot be imported: {error}.",
            facts={name: _version(name) for name in ("ml-metadata", "protobuf")},
            hint="`pip check` tells what does not fit. Install zencache into an environment of its own, "
            "with all extras in one call.",
        ) from error
    finally:
        if is_ours:
            del os.environ[_LOUDNESS]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _is_not_of_mlmd(record: logging.LogRecord) -> bool:
    """The stock client logs each error that it raises, with the user's values: whoever catches it decides."""
    return not str(record.msg).startswith(("mlmd client", "%s failed after retrying"))


class UntouchedRootLogger:
    """The stock client logs through absl, which gives a root logger without handlers one of its own.

    That would make a later ``logging.basicConfig`` of the application do nothing.
    """

    def __enter__(self) -> None:
        self._before = logging.root.handlers[:]

    def __exit__(self, *_: object) -> None:
        if logging.root.handlers != self._before:
            for handler in set(logging.root.handlers) - set(self._before):
                logging.root.removeHandler(handler)
