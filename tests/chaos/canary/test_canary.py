"""The canary: each way a question can end, seen on real sockets and real servers."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chaos.canary.canary import Canary, Carried, Standing
from chaos.direction import Stream
from chaos.observed import Observed, State
from harness.errors import ChaosError
from harness.wait import wait_until
from infra.local.redis_server import find_redis, redis_program
from infra.ports import free_ports
from tests.chaos.conftest import Serve, running

# Far below the canary's own limit: nothing here waits for a limit unless that is what is tested.
SOON_S = 1.0
Ending = Callable[[socket.socket], None]
PROTOCOLS = ["redis", "postgres", "http"]


def ask(port: int, protocol: str = "redis", *, limit_s: float = 5.0) -> Observed:
    return Canary("127.0.0.1", port, protocol, limit_s).observe()


@pytest.fixture(scope="module")
def ports(redis_port: int, http_port: int, postgres_dsn: str) -> dict[str, int]:
    """Return where a service of each protocol listens, with nothing between."""
    return {"redis": redis_port, "http": http_port, "postgres": int(urlsplit(postgres_dsn).port or 0)}


def canary(protocol: str, ports: dict[str, int], *, limit_s: float = 5.0) -> Canary:
    return Canary("127.0.0.1", ports[protocol], protocol, limit_s)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_service_answers(protocol: str, ports: dict[str, int]) -> None:
    observed = canary(protocol, ports).observe()
    assert observed.state is State.ANSWERED
    assert 0 < observed.took_s < SOON_S


def test_the_question_of_another_protocol_is_not_answered_as_if_it_were_the_right_one(serve: Serve) -> None:
    heard: list[bytes] = []
    port = serve(lambda connection: heard.append(connection.recv(1024)))
    ask(port, "http")
    assert heard[0].startswith(b"GET /health HTTP/1.1\r\n")
    assert heard[0].endswith(b"\r\n\r\n")


def test_nobody_listening_is_refused() -> None:
    (port,) = free_ports(1)
    observed = ask(port)
    assert observed.state is State.REFUSED
    assert observed.took_s < SOON_S


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
    assert ask(serve(_read)).state is State.CLOSED


def test_a_reset_is_told_from_an_end(serve: Serve) -> None:
    assert ask(serve(_reset)).state is State.RESET


def test_silence_is_hung_and_ends_at_the_limit(serve: Serve) -> None:
    observed = ask(serve(_wait_for_the_end), limit_s=0.1)
    assert observed.state is State.HUNG
    assert 0.1 <= observed.took_s < 0.1 + SOON_S


def test_an_accept_alone_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ask(listener.getsockname()[1], limit_s=0.1).state is State.HUNG


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
    assert str(Observed(State.ANSWERED, 0.0421)) == "answered after 42 ms"


# A connection that stays


def stood(made: Standing | Observed) -> Standing:
    assert isinstance(made, Standing)
    return made


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_connection_that_stays_answers_again(protocol: str, ports: dict[str, int]) -> None:
    standing = stood(canary(protocol, ports).stand())
    assert standing.fate(0.05) is State.HUNG
    standing.ask()
    assert standing.fate(5.0) is State.ANSWERED
    standing.close()


def test_how_it_ended_is_kept(serve: Serve) -> None:
    for end, seen in ((_read, State.CLOSED), (_reset, State.RESET)):
        ended = threading.Event()

        def answer(connection: socket.socket, end: Ending = end, ended: threading.Event = ended) -> None:
            connection.recv(1024)
            connection.sendall(b"+PONG\r\n")
            end(connection)
            ended.set()

        standing = stood(Canary("127.0.0.1", serve(answer), "redis", 5.0).stand())
        assert standing.fate(0.05) is State.HUNG
        standing.ask()
        assert ended.wait(5.0)
        assert [standing.fate(5.0) for _ in range(2)] == [seen] * 2
        standing.ask()
        standing.close()
        assert standing.fate(5.0) is seen


def test_one_that_was_given_up_unasked_is_closed(serve: Serve) -> None:
    closed = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"+PONG\r\n")
        _wait_for_the_end(connection)
        closed.set()

    standing = stood(Canary("127.0.0.1", serve(answer), "redis", 5.0).stand())
    del standing
    assert closed.wait(5.0)


def test_an_attempt_at_one_ends_as_a_look_would(serve: Serve) -> None:
    (nobody,) = free_ports(1)
    cases = [
        (nobody, State.REFUSED),
        (serve(_read), State.CLOSED),
        (serve(_reset), State.RESET),
        (serve(_wait_for_the_end), State.HUNG),
    ]
    for port, seen in cases:
        made = Canary("127.0.0.1", port, "redis", 0.2).stand()
        assert isinstance(made, Observed)
        assert made.state is seen


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_end_of_a_connection_comes_at_once(protocol: str, ports: dict[str, int]) -> None:
    observed = canary(protocol, ports).end()
    assert observed.state is State.ANSWERED
    assert observed.took_s < SOON_S


def test_an_end_that_does_not_come_is_hung(serve: Serve) -> None:
    release = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"+PONG\r\n")
        release.wait(5.0)

    assert Canary("127.0.0.1", serve(answer), "redis", 0.2).end().state is State.HUNG
    release.set()


# Much data


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size_bytes", [1, 2000, 1 << 21])
def test_as_much_is_carried_as_was_asked_for(
    protocol: str, stream: Stream, size_bytes: int, ports: dict[str, int]
) -> None:
    asking = canary(protocol, ports)
    carried = asking.carry(stream, size_bytes)
    moved = carried.sent_bytes if stream == "upstream" else carried.came_bytes
    assert carried.state is State.ANSWERED
    assert moved >= min(size_bytes, asking.most_bytes(stream))
    assert carried.pieces >= 1
    assert carried.took_s < SOON_S


def test_a_redis_with_a_password_tells_as_much(folder: Path) -> None:
    (port,) = free_ports(1)
    place = folder / f"redis-{port}"
    place.mkdir()
    plain = redis_program(find_redis(), port=port, folder=place)
    guarded = dataclasses.replace(plain, command=(*plain.command, "--requirepass", "canary"))

    def not_yet() -> str | None:
        seen = ask(port).state
        return None if seen is State.ANSWERED else str(seen)

    with running(guarded, not_yet):
        wait_until("redis", not_yet, limit_s=5.0)
        for stream, least in (("upstream", 5000), ("downstream", 200)):
            carried = Canary("127.0.0.1", port, "redis").carry(stream, 5000)  # type: ignore[arg-type] # of the tuple
            assert carried.state is State.ANSWERED
            assert (carried.sent_bytes if stream == "upstream" else carried.came_bytes) >= least


def test_an_answer_that_is_cut_short_is_none(serve: Serve) -> None:
    assert _carry(serve, _read, b"+PONG\r\n").state is State.CLOSED
    assert _carry(serve, _reset, b"+PONG\r\n").state is State.RESET


def test_an_answer_that_was_whole_counts_however_it_ended(serve: Serve) -> None:
    assert _carry(serve, _reset_later, b"+PONG\r\n+OK\r\n").state is State.ANSWERED


def test_a_service_that_answers_nothing_has_no_most(serve: Serve) -> None:
    asking = Canary("127.0.0.1", serve(_read), "http", 5.0)
    assert asking.most_bytes("upstream") > 0
    with pytest.raises(ChaosError, match="/health does not answer: closed"):
        asking.most_bytes("downstream")


def _carry(serve: Serve, end: Ending, answer: bytes) -> Carried:
    """Ask a large question of a service that answers the small one well, and this one so."""
    doors = iter([serve(_pong), serve(lambda connection: _answer_and(connection, answer, end))])

    class Doors(Canary):
        def _connect(self) -> socket.socket:
            return socket.create_connection(("127.0.0.1", next(doors)), timeout=5.0)

    return Doors("127.0.0.1", 1, "redis", 5.0).carry("upstream", 10)


def _pong(connection: socket.socket) -> None:
    connection.recv(1024)
    connection.sendall(b"+PONG\r\n")


def _answer_and(connection: socket.socket, answer: bytes, end: Ending) -> None:
    connection.sendall(answer)
    end(connection)


def _reset_later(connection: socket.socket) -> None:
    # What is on its way when a reset comes is lost, so the answer must have been read.
    threading.Event().wait(0.1)
    _reset(connection)
