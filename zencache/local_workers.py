"""Worker processes on this machine, as an executor of which one process can die alone.

They are spawned, never forked: TensorFlow and an open metadata store do not survive a fork. They do not run
the main script once more, as ``multiprocessing`` would have it: what it defines travels by value. One that
dies is replaced, and only the step that it executed has lost anything.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.process
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import spawn
from typing import Any, TypeVar

T = TypeVar("T")
_NAME = "zencache-worker"
_starting = threading.Lock()


class LocalWorkers(Executor):
    """``count`` processes, each started when it is first needed.

    Each is a pool of its own, so that it is known what one that died was doing.
    """

    def __init__(self, count: int):
        self.count = count
        self._threads = ThreadPoolExecutor(count, "zencache-worker")
        self._mine = threading.local()
        self._pools: set[ProcessPoolExecutor] = set()
        self._lock = threading.Lock()
        self._is_canceled = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._threads.submit(self._in_process, fn, *args, **kwargs)

    def _in_process(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        pool = self._pool()
        try:
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenProcessPool:
            with self._lock:
                self._pools.discard(pool)
            self._mine.pool = None
            pool.shutdown(wait=False)
            raise

    def _pool(self) -> ProcessPoolExecutor:
        """The process of this thread."""
        pool: ProcessPoolExecutor | None = getattr(self._mine, "pool", None)
        if pool is None:
            with self._lock:
                if self._is_canceled:
                    raise BrokenProcessPool("The run was canceled.")
                pool = ProcessPoolExecutor(1, mp_context=_Context(), initializer=_begin)
                self._pools.add(pool)
            self._mine.pool = pool
        return pool

    def kill(self) -> None:
        """End the processes now, whatever they are doing."""
        with self._lock:
            self._is_canceled = True
            pools = list(self._pools)
        for pool in pools:
            for process in list((pool._processes or {}).values()):
                process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for pool in list(self._pools):
            pool.shutdown(wait=wait, cancel_futures=cancel_futures)


def _begin() -> None:
    """In a new process: end with the parent, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="zencache-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


class _Process(multiprocessing.context.SpawnProcess):
    """A spawned process that does not import the main script."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.name = _NAME

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - multiprocessing's own name
        with _starting:
            prepare = spawn.get_preparation_data

            def without_main(name: str) -> dict[str, Any]:
                data = prepare(name)
                if name == _NAME:
                    data.pop("init_main_from_name", None)
                    data.pop("init_main_from_path", None)
                return data

            spawn.get_preparation_data = without_main
            try:
                return multiprocessing.context.SpawnProcess._Popen(process_obj)
            finally:
                spawn.get_preparation_data = prepare


class _Context(multiprocessing.context.SpawnContext):
    Process = _Process
