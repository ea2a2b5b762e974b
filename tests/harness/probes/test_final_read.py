import asyncio

import asyncpg
import pytest

from harness.probes.final_read import read_ledger_keys


def execute(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def test_only_the_runs_own_keys_are_read(postgres_dsn: str) -> None:
    execute(
        postgres_dsn,
        "CREATE TABLE ledger (id text PRIMARY KEY)",
        # A prefix is text, not a pattern: `_` and `%` stand for themselves.
        "INSERT INTO ledger VALUES ('a_b-1'), ('a_b-2'), ('axb-3'), ('a%b-4'), ('other-a_b-5')",
    )
    try:
        assert read_ledger_keys(postgres_dsn, prefix="a_b-") == {"a_b-1", "a_b-2"}
        assert read_ledger_keys(postgres_dsn, prefix="a%b-") == {"a%b-4"}
        assert read_ledger_keys(postgres_dsn, prefix="nobody-") == frozenset()
    finally:
        execute(postgres_dsn, "DROP TABLE ledger")


def test_a_ledger_that_is_not_there_is_an_error_not_an_empty_one(postgres_dsn: str) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        read_ledger_keys(postgres_dsn, prefix="a-")
