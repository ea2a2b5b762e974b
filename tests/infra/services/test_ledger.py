from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from harness.wait import wait_until
from tests.infra.services.rig import MakeApi, Program, Service

BODY = {"account": "ada", "amount": 5}


def query(dsn: str, *statements: str) -> list[Any]:
    """Run the statements and return the rows of the last."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(dsn)
        try:
            return list([await connection.fetch(statement) for statement in statements][-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def test_an_entry_is_kept_and_a_repeat_changes_nothing(api: Service) -> None:
    with api.client() as client:
        header = {"Idempotency-Key": "once/and again"}
        first = client.post("/ledger", json=BODY, headers=header)
        again = client.post("/ledger", json=BODY, headers=header)
        other = client.post("/ledger", json=BODY | {"amount": 6}, headers=header)
        entry = client.get("/ledger/once%2Fand%20again").json()
        assert client.get("/ledger/never").status_code == 404
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json() == again.json() == {"id": "once/and again"}
    assert {key: entry[key] for key in BODY} == BODY


def test_duplicates_at_once_have_one_effect(api: Service, postgres: tuple[Program, str]) -> None:
    barrier = threading.Barrier(12)

    def post(_: int) -> int:
        with api.client() as client:
            client.get("/health")
            barrier.wait(10)
            return int(client.post("/ledger", json=BODY, headers={"Idempotency-Key": "twins"}).status_code)

    with ThreadPoolExecutor(12) as threads:
        statuses = Counter(threads.map(post, range(12)))
    assert statuses == {201: 1, 200: 11}
    assert len(query(postgres[1], "SELECT id FROM ledger WHERE id = 'twins'")) == 1
    assert len(query(postgres[1], "SELECT FROM effects WHERE ledger_id = 'twins'")) == 1


@contextmanager
def at_commit(dsn: str, action: str) -> Iterator[None]:
    """Have PostgreSQL do something inside COMMIT itself, for the key `slow commit`."""
    query(
        dsn,
        "CREATE OR REPLACE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF NEW.id = 'slow commit' THEN {action}; END IF; RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION at_commit()",
    )
    try:
        yield
    finally:
        query(dsn, "DROP TRIGGER at_commit ON ledger", "DELETE FROM ledger WHERE id = 'slow commit'")


def test_nothing_is_acknowledged_before_commit_returns(api: Service, postgres: tuple[Program, str]) -> None:
    dsn = postgres[1]

    def in_commit() -> str | None:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COMMIT%' AND wait_event = 'advisory'"
        return None if query(dsn, waiting) else "not in COMMIT"

    async def post_while_commit_waits() -> tuple[bool, int]:
        lock = await asyncpg.connect(dsn)
        await lock.execute("SELECT pg_advisory_lock(7)")
        posting = asyncio.create_task(asyncio.to_thread(post))
        await asyncio.to_thread(wait_until, "COMMIT", in_commit, limit_s=4)
        acknowledged_early = posting.done()
        await lock.close()
        return acknowledged_early, await posting

    def post() -> int:
        with api.client() as client:
            return int(client.post("/ledger", json=BODY, headers={"Idempotency-Key": "slow commit"}).status_code)

    with at_commit(dsn, "PERFORM pg_advisory_xact_lock(7)"):
        assert asyncio.run(post_while_commit_waits()) == (False, 201)


def test_a_commit_that_fails_is_no_acknowledgement(api: Service, postgres: tuple[Program, str]) -> None:
    with at_commit(postgres[1], "RAISE EXCEPTION 'not today'"), api.client() as client:
        reply = client.post("/ledger", json=BODY, headers={"Idempotency-Key": "slow commit"})
        assert reply.status_code == 503
        assert client.get("/ledger/slow%20commit").status_code == 404


def test_a_full_pool_sheds_in_time_and_returns_to_size(make_api: MakeApi, postgres: tuple[Program, str]) -> None:
    api = make_api(HW_POOL_MIN="1", HW_POOL_MAX="2")
    size, idle, waiting = (f'hw_pool_{what}{{pool="postgres"}}' for what in ("size", "idle", "waiting"))

    async def hold_table() -> list[int]:
        lock = await asyncpg.connect(postgres[1])
        transaction = lock.transaction()
        await transaction.start()
        await lock.execute("LOCK TABLE ledger")
        posting = [asyncio.create_task(asyncio.to_thread(get)) for _ in range(5)]
        done, _ = await asyncio.wait(posting, timeout=3, return_when=asyncio.FIRST_COMPLETED)
        early = [task.result() for task in done]
        await transaction.rollback()
        await lock.close()
        return early + [await task for task in posting if task not in done]

    def get() -> int:
        with api.client() as client:
            return int(client.get("/ledger/nothing").status_code)

    statuses = asyncio.run(hold_table())
    assert statuses[0] == 503, "shed while the table was still held"
    assert Counter(statuses)[404] >= 2
    wait_until("idle", lambda: None if api.metric(idle) == api.metric(size) else "busy", limit_s=5)
    assert api.metric(waiting) == 0


def test_connections_cut_in_the_middle_of_work_are_503s_and_replaced(
    api: Service, postgres: tuple[Program, str]
) -> None:
    """A pool whose every connection the server ends under a waiting call serves the next call."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'heavyweather-api'"

    async def cut_while_locked() -> list[int]:
        lock = await asyncpg.connect(postgres[1])
        transaction = lock.transaction()
        await transaction.start()
        await lock.execute("LOCK TABLE ledger")
        reading = asyncio.create_task(asyncio.to_thread(api.at_once, ["/ledger/cut"] * 5))
        blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await asyncio.to_thread(
            wait_until, "blocked", lambda: told(fine=query(postgres[1], blocked)[0][0] == 5), limit_s=4
        )
        await asyncio.to_thread(query, postgres[1], cut)
        replies = await reading
        await transaction.rollback()
        await lock.close()
        return [reply.status_code for reply in replies]

    assert asyncio.run(cut_while_locked()) == [503] * 5
    with api.client() as client:
        assert client.get("/ledger/cut").status_code == 404
    wait_until("floor", lambda: told(fine=api.metric('hw_pool_idle{pool="postgres"}') >= 5), limit_s=5)
    assert "Traceback" not in api.log.read_text()


def told(*, fine: bool) -> str | None:
    return None if fine else "not yet"


@pytest.mark.parametrize("value", ["", "\x7f", "x" * 201])
def test_the_key_is_needed(api: Service, value: str) -> None:
    with api.client() as client:
        assert client.post("/ledger", json=BODY, headers={"Idempotency-Key": value}).status_code == 400
