"""For tests of pipelines: a repository of their own, and the events of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zencache.events import Event, listening
from zencache.repository import Repository


@contextmanager
def temporary_repository() -> Iterator[Repository]:
    """A repository on disk that is gone when the block ends.

    >>> with temporary_repository() as repository:
    ...     repository.get_runs()
    []
    """
    with tempfile.TemporaryDirectory(prefix="zencache-") as folder:
        yield Repository(folder, str(Path(folder) / "metadata.db"), str(Path(folder) / "artifacts"))


@contextmanager
def capture_events() -> Iterator[list[Event]]:
    """Everything that happens in the runs inside the block, in order.

    Example::

        with capture_events() as happened:
            my_pipeline().run()
        assert [e.step for e in happened if isinstance(e, WillExecute)] == ["trainer"]
    """
    happened: list[Event] = []
    with listening(happened.append):
        yield happened
