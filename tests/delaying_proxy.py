"""A TCP proxy that lets everything pass later than it came, as a long wire does, or cuts it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """What stands between a client and a server; ``delay`` seconds to each side."""

    def __init__(self, port: int, delay: float):
        self._target, self._delay = port, delay
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        start = asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """End every connection now; how many there were."""

        async def end() -> int:
            cut = [writer for writer in self._writers if not writer.is_closing()]
            for writer in cut:
                writer.transport.abort()
            return len(cut) // 2

        return asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.cut()
        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, other_writer}
        await asyncio.gather(self._pass(reader, other_writer), self._pass(other_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        late: set[asyncio.TimerHandle] = set()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                # In order, since timers of one length fire as they were set.
                late.add(self._loop.call_later(self._delay, self._write, writer, data))
        self._loop.call_later(self._delay, writer.close)

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data)


@contextmanager
def delaying(port: int, delay: float) -> Iterator[Proxy]:
    """A proxy to a port of this machine."""
    proxy = Proxy(port, delay)
    try:
        yield proxy
    finally:
        proxy.close()
