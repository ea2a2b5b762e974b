"""The canary: each way a question can end, seen on real sockets and real servers."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.canary import Canary, Seen, Sight
from harness.errors import ChaosError
from harness.probes.health import postgres_health
from infra.ports import free_ports
from infra.postgres_server import DATABASE, SUPERUSER, find_postgres, postgres_program
from tests.chaos.conftest import Serve, running

# Far below the canary's own limit: nothing here waits for a limit unless that is what is tested.
SOON_S = 1.0


def ask(port: int, protocol: str = "redis", *, limit_s: float = 5.0) -> Sight:
    return Canary("127.0.0.1", port, protocol, limit_s).look()


@pytest.fixture
def http_port() -> Iterator[int]:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def postgres_port(folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    place = folder / "postgres"
    place.mkdir()
    program = postgres_program(find_postgres(), port=port, folder=place, password="canary")  # noqa: S106 - ends with the test
    dsn = f"postgresql://{SUPERUSER}:canary@127.0.0.1:{port}/{DATABASE}"
    with running(program, lambda: postgres_health(dsn)):
        yield port


def test_redis_answers(redis_port: int) -> None:
    sight = ask(redis_port)
    assert sight.seen is Seen.ANSWERED
    assert 0 < sight.took_s < SOON_S


def test_postgres_answers(postgres_port: int) -> None:
    sight = ask(postgres_port, "postgres")
    assert sight.seen is Seen.ANSWERED
    assert sight.took_s < SOON_S


def test_http_answers(http_port: int) -> None:
    assert ask(http_port, "http").seen is Seen.ANSWERED


def test_the_question_of_another_protocol_is_not_answered_as_if_it_were_the_right_one(serve: Serve) -> None:
    heard: list[bytes] = []
    port = serve(lambda connection: heard.append(connection.recv(1024)))
    ask(port, "http")
    assert heard[0].startswith(b"GET /health HTTP/1.1\r\n")
    assert heard[0].endswith(b"\r\n\r\n")


def test_nobody_listening_is_refused() -> None:
    (port,) = free_ports(1)
    sight = ask(port)
    assert sight.seen is Seen.REFUSED
    assert sight.took_s < SOON_S


def _read(connection: socket.socket) -> None:
    connection.recv(1024)


def _reset(connection: socket.socket) -> None:
    connection.recv(1024)
    # To linger for no time is to close with a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wait_for_the_end(connection: socket.socket) -> None:
    while connection.recv(1024):
        pass


def test_an_end_without_an_answer_is_closed(serve: Serve) -> None:
    # The server reads first: closing with unread bytes would send a reset.
    assert ask(serve(_read)).seen is Seen.CLOSED


def test_a_reset_is_told_from_an_end(serve: Serve) -> None:
    assert ask(serve(_reset)).seen is Seen.RESET


def test_silence_is_hung_and_ends_at_the_limit(serve: Serve) -> None:
    sight = ask(serve(_wait_for_the_end), limit_s=0.1)
    assert sight.seen is Seen.HUNG
    assert 0.1 <= sight.took_s < 0.1 + SOON_S


def test_an_accept_alone_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ask(listener.getsockname()[1], limit_s=0.1).seen is Seen.HUNG


def test_a_shortage_of_this_machine_is_no_sight_of_the_link(redis_port: int) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        lowest_free = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(ChaosError, match=f"the canary to 127.0.0.1:{redis_port} could not ask"):
            ask(redis_port)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_sight_reads_as_a_sentence_would() -> None:
    assert str(Sight(Seen.ANSWERED, 0.0421)) == "answered after 42 ms"
