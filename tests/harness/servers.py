"""Small real servers: connections handled as a test wishes, and HTTP in a thread that can be made to stall."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Self

LIMIT_S = 10.0
# Gets method, path and body; returns status and document.
Answer = Callable[[str, str, bytes], tuple[int, object]]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    """Return one whole request's method, path and body. Raises IncompleteReadError or OSError when none comes."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    method, path, _ = head.split(" ", 2)
    lengths = [int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length:")]
    return method, path, await reader.readexactly(lengths[0] if lengths else 0)


def reply(status: int, body: bytes = b"{}", *, length: int | None = None) -> bytes:
    """Return one HTTP reply; `length` lies about the body's."""
    length = len(body) if length is None else length
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, length, body)


class Connections:
    """Runs a handler for each connection, and ends whatever of them is left."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        # The other side may go at any moment; so may we, at the end.
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            await self._handler(reader, writer)

    async def end(self) -> None:
        # One by one: another that was accepted before may come while one is waited for.
        while self._open:
            task, writer = self._open.popitem()
            task.cancel()
            writer.transport.abort()
            await asyncio.gather(task)
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Server:
    """Answers on 127.0.0.1; while `stalled` it takes requests and lets them wait."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._open = asyncio.Event()
        self._connections = Connections(self._handle)
        self.requests: list[tuple[str, str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stall(self) -> None:
        self._call(self._open.clear)

    def go_on(self) -> None:
        self._call(self._open.set)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._connections.serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(LIMIT_S)
        self.port = self._server.sockets[0].getsockname()[1]
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(LIMIT_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(LIMIT_S)
            self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        await self._connections.end()

    def _call(self, change: Callable[[], object]) -> None:
        async def call() -> None:
            change()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(LIMIT_S)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            method, path, body = await read_request(reader)
            self.requests.append((method, path))
            await self._open.wait()
            status, document = self._answer(method, path, body)
            writer.write(reply(status, json.dumps(document).encode()))
            await writer.drain()


@contextmanager
def serving(answer: Answer = lambda _method, path, _body: (200, {"path": path})) -> Iterator[Server]:
    """Run a server for the time of a test."""
    with Server(answer) as server:
        yield server
