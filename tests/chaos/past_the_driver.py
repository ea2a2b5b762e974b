"""Asks a real Toxiproxy past the driver, as anybody might, and looks at connections through it with a client's eyes."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from harness.probes.health import toxiproxy_health
from infra.ports import free_ports
from infra.processes import Program
from infra.toxiproxy.server import find_or_build, toxiproxy_program
from tests.chaos.conftest import Toxiproxy, free_port_beside, running

LIMIT_S = 5.0
SOON_S = 0.2


def call(server: Toxiproxy, method: str, path: str, body: object = None, *, limit_s: float = LIMIT_S) -> httpx.Response:
    return httpx.request(method, f"{server.url}{path}", json=body, trust_env=False, timeout=limit_s)


def add(server: Toxiproxy, kind: str, attributes: object, *, proxy: str = "redis", **more: object) -> httpx.Response:
    """Add a toxic past the driver, as anybody might; it is called as its kind."""
    body = {"name": kind, "type": kind, "attributes": attributes, **more}
    return call(server, "POST", f"/proxies/{proxy}/toxics", body)


def remove(server: Toxiproxy, name: str, *, limit_s: float = LIMIT_S) -> httpx.Response:
    return call(server, "DELETE", f"/proxies/redis/toxics/{name}", limit_s=limit_s)


def switch(server: Toxiproxy, *, enabled: bool, proxy: str = "redis") -> None:
    call(server, "POST", f"/proxies/{proxy}", {"enabled": enabled}).raise_for_status()


def connect(server: Toxiproxy, proxy: str = "redis") -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.doors[proxy]), timeout=LIMIT_S)


def take(connection: socket.socket, size_bytes: int) -> bytes:
    """Return so many bytes, or what came before the end: a socket with a limit returns whatever there is."""
    taken = b""
    while len(taken) < size_bytes and (piece := connection.recv(size_bytes - len(taken))):
        taken += piece
    return taken


def ping(connection: socket.socket) -> None:
    connection.sendall(b"PING\r\n")
    assert take(connection, 7) == b"+PONG\r\n"


def live(server: Toxiproxy) -> socket.socket:
    """Return a connection that has been served, and so is live on both sides of the proxy."""
    connection = connect(server)
    ping(connection)
    return connection


def pinged_s(server: Toxiproxy) -> float:
    """Return the shortest round trip of a few: a busy machine makes one longer, and nothing makes one shorter."""
    with connect(server) as connection:
        times_s = []
        for _ in range(3):
            began_s = time.perf_counter()
            ping(connection)
            times_s.append(time.perf_counter() - began_s)
        return min(times_s)


def is_silent(connection: socket.socket, for_s: float = SOON_S) -> bool:
    connection.settimeout(for_s)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        connection.settimeout(LIMIT_S)


@contextlib.contextmanager
def many(server: Toxiproxy, number: int) -> Iterator[Sequence[socket.socket]]:
    with contextlib.ExitStack() as after:
        yield [after.enter_context(live(server)) for _ in range(number)]


def answering(connections: Sequence[socket.socket]) -> frozenset[int]:
    """Ask all at once, and return the numbers of those that answer soon."""
    with selectors.DefaultSelector() as selector:
        for number, connection in enumerate(connections):
            connection.sendall(b"PING\r\n")
            selector.register(connection, selectors.EVENT_READ, number)
        answered: set[int] = set()
        ends_s = time.monotonic() + SOON_S
        while len(answered) < len(connections) and (left_s := ends_s - time.monotonic()) > 0:
            for key, _ in selector.select(left_s):
                selector.unregister(key.fileobj)
                if connections[key.data].recv(64):
                    answered.add(key.data)
        return frozenset(answered)


@contextlib.contextmanager
def server_with(folder: Path, proxies: object, *arguments: str, around: Sequence[str] = ()) -> Iterator[Toxiproxy]:
    """Start a server of the test's own with arguments, or by another program around it."""
    config = json.dumps(proxies)
    port = free_port_beside(config)
    place = folder / f"conformance-{port}"
    place.mkdir()
    file = place / "config.json"
    file.write_text(config, encoding="utf-8")
    plain = toxiproxy_program(find_or_build(), port=port, config=file, folder=place)
    program = Program(plain.service, (*around, *plain.command, *arguments), place, plain.environment)
    with running(program, lambda: toxiproxy_health(f"http://127.0.0.1:{port}")) as log:
        yield Toxiproxy(port, {}, log)


@contextlib.contextmanager
def proxy_to(server: Toxiproxy, listener: socket.socket) -> Iterator[int]:
    """Have a proxy called `own` before a listener of the test's own; yields its door."""
    (door,) = free_ports(1)
    upstream = f"127.0.0.1:{listener.getsockname()[1]}"
    body = {"name": "own", "listen": f"127.0.0.1:{door}", "upstream": upstream}
    call(server, "POST", "/proxies", body).raise_for_status()
    try:
        yield door
    finally:
        call(server, "DELETE", "/proxies/own")


@contextlib.contextmanager
def connected(listener: socket.socket, door: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection through a proxy: the caller's and the callee's."""
    with socket.create_connection(("127.0.0.1", door), timeout=LIMIT_S) as caller:
        listener.settimeout(LIMIT_S)
        callee, _ = listener.accept()
        with callee:
            callee.settimeout(LIMIT_S)
            yield caller, callee
