"""Who executes the bodies of a run. This process does, unless the run is given an executor."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from zencache.artifact_store import ArtifactStore
from zencache.body import Body, Outcome
from zencache.declaration import Declaration
from zencache.policy import CachePolicy


class Workers(abc.ABC):
    """What a run submits bodies to. ``is_here``: they are executed at once, by the caller itself."""

    is_here = False

    @abc.abstractmethod
    def check(self, artifacts: ArtifactStore) -> None:
        """Raise ConfigurationError, before anything runs, unless bodies can be executed."""

    @abc.abstractmethod
    def prepare(self, steps: Iterable[tuple[Declaration, CachePolicy]]) -> None:
        """Read what has to be read of the steps before the first body runs."""

    @abc.abstractmethod
    def submit(self, body: Body, *, by_value: bool = False) -> Future[Any]:
        """Have a body executed. Never raises. ``by_value``: where it refused the code that it finds there."""

    @abc.abstractmethod
    def outcome(self, node: str, future: Future[Any]) -> Outcome:
        """What came of a body, whatever became of its worker. Never raises."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """What has been submitted is not wanted any more."""


class Here(Workers):
    """One body at a time, in this process."""

    is_here = True

    def check(self, artifacts: ArtifactStore) -> None:
        """It can always be used."""

    def prepare(self, steps: Iterable[tuple[Declaration, CachePolicy]]) -> None:
        """Nothing has to travel."""

    def submit(self, body: Body, *, by_value: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(body())
        return future

    def outcome(self, node: str, future: Future[Any]) -> Outcome:
        outcome: Outcome = future.result()
        return outcome

    def cancel(self) -> None:
        """Nothing is running."""
