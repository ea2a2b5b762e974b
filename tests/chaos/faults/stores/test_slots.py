"""Slots of real servers: taken until refused in the server's words, counted there, and free again when given back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest
import redis

from chaos.faults.stores import slots as module
from chaos.faults.stores.slots import PostgresSlots, RedisSlots, Slots, affordable
from harness.errors import NotReady
from harness.probes.health import ask_postgres, postgres_health
from harness.wait import wait_until
from infra.ports import free_ports

LIMIT_S = 20.0
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'heavyweather' AND pid <> pg_backend_pid()"


def test_every_login_is_taken_and_given_back(postgres_child: tuple[subprocess.Popen[bytes], str]) -> None:
    server, dsn = postgres_child

    def clients() -> str | None:
        # Its processes, for one that is ending holds its slot until after it is gone from the server's own list.
        there = [p.info["cmdline"] for p in psutil.process_iter(["ppid", "cmdline"]) if p.info["ppid"] == server.pid]
        return f"clients: {there}" if any("127.0.0.1(" in " ".join(words or []) for words in there) else None

    wait_until("the last client's end", clients, limit_s=5.0)
    slots = PostgresSlots(dsn)
    assert "too many clients" in str(slots.take(1000, limit_s=LIMIT_S))
    assert len(slots) == 100
    assert "TooManyConnections" in str(postgres_health(dsn))
    slots.give_back(10)
    assert len(slots) == 90
    wait_until("a slot", lambda: postgres_health(dsn), limit_s=5.0)
    wait_until("the others", lambda: None if ask_postgres(dsn, OURS) == 90 else "not yet", limit_s=5.0)
    slots.close()
    slots.close()
    wait_until("the end", lambda: None if ask_postgres(dsn, OURS) == 0 else "not yet", limit_s=5.0)


def test_slots_go_with_the_process_that_holds_them(postgres_dsn: str) -> None:
    code = (
        "import sys\nfrom chaos.faults.stores.slots import PostgresSlots\n"
        "slots = PostgresSlots(sys.argv[1])\nslots.take(5, limit_s=20)\nprint(len(slots), flush=True)\ninput()"
    )
    command = [sys.executable, "-c", code, postgres_dsn]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == b"5\n"
        assert ask_postgres(postgres_dsn, OURS) == 5
        child.kill()
    wait_until("their end", lambda: None if ask_postgres(postgres_dsn, OURS) == 0 else "not yet", limit_s=5.0)


def test_every_client_of_a_redis_is_taken_and_given_back(redis_child: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = redis_child
    with redis.Redis(port=port) as client:
        client.config_set("maxclients", 50)
        slots = RedisSlots(f"redis://127.0.0.1:{port}/0")
        assert slots.take(1000, limit_s=LIMIT_S) == "max number of clients reached"
        assert len(slots) == 49
        slots.give_back(9)
        assert len(slots) == 40
        wait_until("40", lambda: None if client.info("clients")["connected_clients"] == 41 else "more", limit_s=5.0)
        slots.close()
        slots.close()
        wait_until("none", lambda: None if client.info("clients")["connected_clients"] == 1 else "more", limit_s=5.0)


def test_a_redis_that_wants_a_password_counts_us_all_the_same(
    redis_child: tuple[subprocess.Popen[bytes], int],
) -> None:
    _, port = redis_child
    with redis.Redis(port=port) as client:
        client.config_set("requirepass", "s3cret")
        client.config_set("maxclients", 10)
        slots = RedisSlots(f"redis://:s3cret@127.0.0.1:{port}")
        assert slots.take(100, limit_s=LIMIT_S) == "max number of clients reached"
        assert len(slots) == 9
        slots.close()


def test_so_many_are_taken_and_no_more(postgres_dsn: str, redis_child: tuple[subprocess.Popen[bytes], int]) -> None:
    every: list[Slots] = [PostgresSlots(postgres_dsn), RedisSlots(f"redis://127.0.0.1:{redis_child[1]}")]
    for slots in every:
        assert slots.take(3, limit_s=LIMIT_S) is None
        assert len(slots) == 3
        assert slots.take(3, limit_s=LIMIT_S) is None
        assert len(slots) == 3
        slots.give_back(99)
        assert len(slots) == 0
        slots.close()


@pytest.mark.parametrize(("kind", "scheme"), [(PostgresSlots, "postgresql"), (RedisSlots, "redis")])
def test_a_server_that_is_away_takes_nobody_and_its_password_is_not_told(
    kind: Callable[[str], Slots], scheme: str
) -> None:
    (port,) = free_ports(1)
    slots = kind(f"{scheme}://me:s3cret@127.0.0.1:{port}/0")
    with pytest.raises(NotReady, match="ConnectionRefused") as caught:
        slots.take(1, limit_s=1.0)
    assert "s3cret" not in str(caught.value)
    slots.close()


def test_a_server_that_hangs_is_waited_for_only_so_long(
    redis_child: tuple[subprocess.Popen[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, port = redis_child
    monkeypatch.setattr(module, "_ONE_S", 0.3)
    psutil.Process(child.pid).suspend()
    slots = RedisSlots(f"redis://127.0.0.1:{port}")
    try:
        with pytest.raises(NotReady, match="TimeoutError"):
            slots.take(5, limit_s=0.3)
    finally:
        psutil.Process(child.pid).resume()
        slots.close()


def test_what_a_process_may_open_is_raised_as_far_as_it_may_be() -> None:
    code = (
        "import resource, sys\nfrom chaos.faults.stores.slots import affordable\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))\n"
        "print(affordable(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )

    def told(soft: int, hard: int) -> tuple[int, int]:
        done = subprocess.run([sys.executable, "-c", code, str(soft), str(hard)], capture_output=True, check=True)
        count, limit = done.stdout.split()
        return int(count), int(limit)

    assert told(4096, 4096) == (1000, 4096)
    count, limit = told(256, 4096)
    assert count == 1000
    assert 1512 < limit < 1600
    count, limit = told(256, 1024)
    assert (400 < count < 512, limit) == (True, 1024)
    assert told(128, 256) == (0, 256)
    assert affordable(1) == 1
