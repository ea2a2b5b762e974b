"""What is Redis' own about a claim: it expires by itself, is lost by a restart, and anything may stand in its place."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator

import psutil
import pytest
import redis

from chaos.guards.claim import Claim
from chaos.guards.claim_redis import KEY, RedisStore, connected
from harness.errors import NotReady, Refused
from harness.wait import wait_until

OURS = Claim("n1", "run-1", "1@2.00@here", 300.0)

Child = tuple[subprocess.Popen[bytes], int]


@pytest.fixture
def client(redis_child: Child) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_child[1], db=2) as found:
        yield found


def test_it_expires_with_its_lease(redis_child: Child, client: redis.Redis) -> None:
    store = RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2")
    store.lay(Claim("n1", "run-1", "1@2.00@here", 0.2), lambda _: False)
    assert 0 < int(client.pttl(KEY)) <= 1000
    wait_until("its end", lambda: None if store.read() is None else "there", limit_s=5.0, poll_s=0.05)


@pytest.mark.parametrize("value", ["", "x", "{}", "[1]", '{"nonce": 1}', b"\xff"])
def test_what_no_run_wrote_is_nobodys_and_does_not_expire(
    redis_child: Child, client: redis.Redis, value: str | bytes
) -> None:
    client.set(KEY, value)
    found = RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2").read()
    assert found == Claim("", "unknown", "", math.inf)


def test_a_key_of_another_kind_is_refused(redis_child: Child, client: redis.Redis) -> None:
    client.rpush(KEY, "x")
    with pytest.raises(Refused, match="WRONGTYPE"):
        RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2").read()


def test_a_change_between_the_look_and_the_write_is_looked_at_again(redis_child: Child, client: redis.Redis) -> None:
    store, seen = RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2"), list[str]()
    other = RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2")
    client.set(KEY, "a stranger's")

    def gives_way(held: Claim) -> bool:
        seen.append(held.run_id)
        if len(seen) == 1:
            client.delete(KEY)
            other.lay(Claim("n2", "run-2", "", 300.0), lambda _: False)
        return held.run_id == "unknown"

    held = store.lay(OURS, gives_way)
    assert held
    assert (held.nonce, seen) == ("n2", ["unknown", "run-2"])


def test_a_claim_that_never_holds_still_is_given_up(redis_child: Child, client: redis.Redis) -> None:
    def gives_way(held: Claim) -> bool:
        client.append(KEY, "x")
        return held.run_id == "unknown"

    client.set(KEY, "a stranger's")
    with pytest.raises(NotReady, match="changed whenever it was looked at"):
        RedisStore(f"redis://127.0.0.1:{redis_child[1]}/2").lay(OURS, gives_way)


def test_a_server_tells_itself_from_others(redis_child: Child) -> None:
    store = RedisStore(f"redis://127.0.0.1:{redis_child[1]}")
    assert store.server()
    assert store.server() == store.server()


def test_a_server_that_hangs_or_is_full_is_only_away(redis_child: Child, client: redis.Redis) -> None:
    child, port = redis_child
    store = RedisStore(f"redis://127.0.0.1:{port}/2", limit_s=0.5)
    psutil.Process(child.pid).suspend()
    try:
        with pytest.raises(NotReady, match="Timeout"):
            store.read()
    finally:
        psutil.Process(child.pid).resume()
    wait_until("its clients' end", lambda: None if client.info("clients")["connected_clients"] == 1 else "", limit_s=5)
    client.config_set("maxclients", 1)
    with pytest.raises(NotReady, match=r"max number of clients|reset|closed"):
        store.read()


def test_a_password_that_is_asked_for_is_refused_and_never_told(redis_child: Child, client: redis.Redis) -> None:
    client.config_set("requirepass", "s3cret")
    for account in ("", ":gu3ss@"):
        with pytest.raises(Refused) as caught:
            RedisStore(f"redis://{account}127.0.0.1:{redis_child[1]}/2").read()
        assert "gu3ss" not in str(caught.value)
    assert RedisStore(f"redis://:s3cret@127.0.0.1:{redis_child[1]}/2").read() is None


def test_keys_need_not_be_text(redis_child: Child, client: redis.Redis) -> None:
    client.set(b"\xff\xfe", "x")
    with connected(f"redis://127.0.0.1:{redis_child[1]}/2", 1.0, text=False) as found:
        (key,) = found.scan_iter()
        assert found.unlink(key) == 1
