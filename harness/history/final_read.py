"""The final read: what the database holds once the load has ended and the faults are healed.

It goes straight to the database, past every proxy and service, because the
question is what was kept, not what a service reports. Rows come in
batches through a cursor, and their keys into bitmaps: 17 million entries are
read in 11 MB.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from harness.history.keys import KeySet, split
from harness.history.ledger_read import Effects, LedgerRead
from harness.history.tally import Tally

_BATCH = 10_000
# For what answers at once, and for one batch.
_LIMIT_S = 30.0
# For counting the effects of 48 h: the database groups them all before it answers.
_COUNT_LIMIT_S = 300.0

_HAS_AMOUNT = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('ledger') AND attname = 'amount')"
_HAS_EFFECTS = "SELECT to_regclass('effects') IS NOT NULL"
_EFFECTS = "SELECT count(*) FROM effects WHERE starts_with(ledger_id, $1)"
_DOUBLED = """
SELECT ledger_id, count(*) AS effects FROM effects WHERE starts_with(ledger_id, $1)
GROUP BY ledger_id HAVING count(*) > 1
"""


def read_ledger(dsn: str, *, prefix: str) -> LedgerRead:
    """Return what the ledger holds of the keys that begin with `prefix`. Raises OSError or asyncpg.PostgresError.

    An entry under `prefix` and a number must hold that number as its amount, if the ledger has amounts.
    """

    async def read() -> LedgerRead:
        async with asyncio.timeout(_LIMIT_S):
            connection = await asyncpg.connect(dsn)
        try:
            # One snapshot for all questions.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                keys, changed = await _entries(connection, prefix)
                return LedgerRead(keys, changed, await _effects(connection, prefix))
        finally:
            connection.terminate()

    return asyncio.run(read())


async def _entries(connection: Any, prefix: str) -> tuple[KeySet, Tally]:
    keys, changed = KeySet(), Tally()
    amount = "amount" if await connection.fetchval(_HAS_AMOUNT, timeout=_LIMIT_S) else "NULL"
    question = f"SELECT id, {amount} FROM ledger WHERE starts_with(id, $1)"  # noqa: S608 - one of two words of ours
    cursor = await connection.cursor(question, prefix, timeout=_LIMIT_S)
    while rows := await cursor.fetch(_BATCH, timeout=_LIMIT_S):
        for key, held in rows:
            keys.add(key)
            if held is not None and split(key)[1] not in {None, held}:
                changed.note(f"{key} holds {held}")
    return keys, changed


async def _effects(connection: Any, prefix: str) -> Effects | None:
    if not await connection.fetchval(_HAS_EFFECTS, timeout=_LIMIT_S):
        return None
    total = await connection.fetchval(_EFFECTS, prefix, timeout=_COUNT_LIMIT_S)
    doubled = Tally()
    cursor = await connection.cursor(_DOUBLED, prefix, timeout=_COUNT_LIMIT_S)
    while rows := await cursor.fetch(_BATCH, timeout=_COUNT_LIMIT_S):
        for key, effects in rows:
            doubled.note(f"{key} {effects} times")
    return Effects(total, doubled)
