"""Bodies executed by an executor: in threads of this process, or in other processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from typing import Any

from zencache import travel
from zencache.artifact_store import ArtifactStore
from zencache.body import Body, Outcome
from zencache.declaration import Declaration
from zencache.exceptions import ConfigurationError, WorkerError, WorkerLost, error_text
from zencache.local_workers import LocalWorkers
from zencache.policy import CachePolicy
from zencache.workers import Workers

_HINT = "Give an open `concurrent.futures.Executor`, or the number of workers: `executor=4`."


class _Executor(Workers):
    """Bodies that an executor has, until they are done."""

    def __init__(self, executor: Executor):
        self._executor = executor
        self._futures: set[Future[Any]] = set()

    def check(self, artifacts: ArtifactStore) -> None:
        try:
            self._executor.submit(os.getpid).cancel()
        except Exception as error:
            raise ConfigurationError(
                f"The executor takes no work: {error_text(error)}.",
                facts={"executor": _name(self._executor)},
                hint=_HINT,
            ) from error

    def _submit(self, call: Any, *args: Any) -> Future[Any]:
        try:
            future: Future[Any] = self._executor.submit(call, *args)
        except Exception as error:
            future = Future()
            future.set_exception(error)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def outcome(self, node: str, future: Future[Any]) -> Outcome:
        try:
            error = future.exception()
        except CancelledError as canceled:
            error = canceled
        if error is not None:
            return Outcome(error=_lost(node, error))
        result = future.result()
        return result if isinstance(result, Outcome) else travel.unpack_outcome(result)

    def cancel(self) -> None:
        for future in list(self._futures):
            future.cancel()


class _Threads(_Executor):
    """They share this process: nothing has to travel."""

    def prepare(self, steps: Iterable[tuple[Declaration, CachePolicy]]) -> None:
        """Nothing has to be proved: the code is the same."""

    def submit(self, body: Body, *, by_value: bool = False) -> Future[Any]:
        return self._submit(body)


class _Elsewhere(_Executor):
    """Processes on this machine or others, as far as is known."""

    def __init__(self, executor: Executor):
        super().__init__(executor)
        self._proofs: dict[int, travel.Proof] = {}

    def check(self, artifacts: ArtifactStore) -> None:
        super().check(artifacts)
        if artifacts.url.startswith("memory://") and self._is_elsewhere():
            raise ConfigurationError(
                "Workers in other processes cannot see an artifact store in memory.",
                facts={"artifacts": artifacts.url, "executor": _name(self._executor)},
                hint="Use a folder or another URL for the artifacts, or threads.",
            )

    def _is_elsewhere(self) -> bool:
        if isinstance(self._executor, ProcessPoolExecutor | LocalWorkers):
            return True
        try:
            return self._executor.submit(os.getpid).result() != os.getpid()
        except Exception as error:
            raise ConfigurationError(
                f"The executor's workers do not work: {error_text(error)}.",
                facts={"executor": _name(self._executor)},
            ) from error

    def prepare(self, steps: Iterable[tuple[Declaration, CachePolicy]]) -> None:
        for step, policy in steps:
            if id(step) not in self._proofs:
                self._proofs[id(step)] = travel.proof_of(step, policy)

    def submit(self, body: Body, *, by_value: bool = False) -> Future[Any]:
        try:
            packed = travel.pack(body, self._proofs[id(body.step)], by_value=by_value)
        except WorkerError as error:
            future: Future[Any] = Future()
            future.set_result(Outcome(error=error))
            return future
        return self._submit(travel.execute, packed)


class _Local(_Elsewhere):
    """Processes of our own."""

    _executor: LocalWorkers

    def check(self, artifacts: ArtifactStore) -> None:
        if artifacts.url.startswith("memory://"):
            super().check(artifacts)

    def cancel(self) -> None:
        super().cancel()
        self._executor.kill()


@contextmanager
def opened(executor: Executor | int) -> Iterator[Workers]:
    """The workers that ``run(executor=...)`` means; those that are made of a number end with the block.

    Raises:
        ConfigurationError: it is neither an executor nor a number of workers.
    """
    if isinstance(executor, ThreadPoolExecutor):
        yield _Threads(executor)
    elif isinstance(executor, Executor):
        yield _Elsewhere(executor)
    elif isinstance(executor, int) and not isinstance(executor, bool) and executor > 0:
        with LocalWorkers(executor) as workers:
            yield _Local(workers)
    else:
        raise ConfigurationError(
            "`executor` takes an executor, or a number of workers.",
            facts={"found": f"{type(executor).__name__} {executor!r:.80}"},
            hint=_HINT,
        )


def _lost(node: str, error: BaseException) -> WorkerError:
    """What it means for a step that its worker, and not its function, gave an error."""
    if isinstance(error, ImportError | AttributeError):
        reason = WorkerError(
            f"A worker cannot execute steps: {error_text(error)}.",
            facts={"step": node},
            hint="Install zencache and what the steps need where the workers are, in the same versions.",
        )
    else:
        died = "It was killed, ran out of memory, or crashed in compiled code."
        reason = WorkerLost(
            f"The worker was lost before it gave a result: {error_text(error)}.",
            facts={"step": node},
            hint=f"{died if isinstance(error, BrokenExecutor) else 'See the log of the workers.'} "
            "`@step(retries=...)` tries again.",
        )
    reason.__cause__ = error
    return reason


def _name(executor: Executor) -> str:
    return f"{type(executor).__module__}.{type(executor).__qualname__}"
