import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from harness.history import final_read
from harness.history.final_read import read_ledger


def execute(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


@contextmanager
def ledger(dsn: str, *statements: str) -> Iterator[None]:
    execute(dsn, *statements)
    try:
        yield
    finally:
        execute(dsn, "DROP TABLE IF EXISTS ledger", "DROP TABLE IF EXISTS effects")


WITH_AMOUNTS = "CREATE TABLE ledger (id text PRIMARY KEY, amount bigint)"
WITH_EFFECTS = "CREATE TABLE effects (ledger_id text NOT NULL)"


def test_only_the_runs_own_keys_are_read(postgres_dsn: str) -> None:
    # A prefix is text, not a pattern: `_` and `%` stand for themselves.
    rows = "INSERT INTO ledger VALUES ('a_b-1'), ('a_b-2'), ('axb-3'), ('a%b-4'), ('other-a_b-5')"
    with ledger(postgres_dsn, "CREATE TABLE ledger (id text PRIMARY KEY)", rows):
        assert set(read_ledger(postgres_dsn, prefix="a_b-").keys) == {"a_b-1", "a_b-2"}
        assert set(read_ledger(postgres_dsn, prefix="a%b-").keys) == {"a%b-4"}
        nobody = read_ledger(postgres_dsn, prefix="nobody-")
        assert (len(nobody.keys), nobody.changed.count, nobody.effects) == (0, 0, None)


def test_what_comes_in_many_batches_is_all_read(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final_read, "_BATCH", 7)
    many = "INSERT INTO ledger SELECT 'r-' || n, n FROM generate_series(1, 100) n"
    twice = "INSERT INTO effects SELECT 'r-' || n FROM generate_series(1, 100) n, generate_series(1, 2)"
    with ledger(postgres_dsn, WITH_AMOUNTS, WITH_EFFECTS, many, twice):
        read = read_ledger(postgres_dsn, prefix="r-")
    assert set(read.keys) == {f"r-{n}" for n in range(1, 101)}
    assert read.changed.count == 0
    assert read.effects is not None
    assert (read.effects.total, read.effects.doubled.count, len(read.effects.doubled.examples)) == (200, 100, 5)


def test_an_amount_that_is_not_the_key_s_number_is_told(postgres_dsn: str) -> None:
    rows = "INSERT INTO ledger VALUES ('r-1', 1), ('r-2', 7), ('r-odd', 7), ('r-3', NULL), ('other-4', 9)"
    with ledger(postgres_dsn, WITH_AMOUNTS, rows):
        assert str(read_ledger(postgres_dsn, prefix="r-").changed) == "r-2 holds 7"


def test_effects_are_counted_by_key(postgres_dsn: str) -> None:
    rows = "INSERT INTO effects VALUES ('r-1'), ('r-2'), ('r-2'), ('r-3'), ('r-2'), ('other-1'), ('other-1')"
    with ledger(postgres_dsn, WITH_AMOUNTS, WITH_EFFECTS, rows):
        effects = read_ledger(postgres_dsn, prefix="r-").effects
    assert effects is not None
    assert (effects.total, str(effects.doubled)) == (5, "r-2 3 times")


def test_a_ledger_that_is_not_there_is_an_error_not_an_empty_one(postgres_dsn: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        read_ledger(postgres_dsn, prefix="a-")
