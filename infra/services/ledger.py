"""The ledger: writes that are acknowledged once, and only after PostgreSQL said COMMIT.

The caller's Idempotency-Key is the entry's primary key, so a repeated request
has one effect and one reply, whichever copy wins. A failure before the
acknowledgement is a 503 whose outcome is open: the caller repeats the request
with the same key and learns it. What an entry does once is a row of its own,
written with it and bound by no key, so that a double effect can be counted.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .defects import Planted
from .gate import Gate
from .pool import Pool
from .replies import Json, Refusal, Unavailable, check_text, read_record

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    id text PRIMARY KEY,
    account text NOT NULL,
    amount bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS effects (ledger_id text NOT NULL)
"""
_EFFECT = "INSERT INTO effects (ledger_id) VALUES ($1)"
# One statement, for each costs a round trip.
_INSERT = """
WITH entry AS (
    INSERT INTO ledger (id, account, amount) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id
), effect AS (
    INSERT INTO effects (ledger_id) SELECT id FROM entry
)
SELECT id FROM entry
"""
_SELECT = "SELECT account, amount, created_at FROM ledger WHERE id = $1"

_TEXT_LIMIT = 200
_BIGINT = 2**63


class Ledger:
    """The ledger's endpoints; `gate` is None in a stack without auth."""

    def __init__(self, pool: Pool, gate: Gate | None, planted: Planted) -> None:
        self._pool = pool
        self._gate = gate
        self._planted = planted

    def routes(self) -> list[Route]:
        """Return where the endpoints are."""
        return [
            Route("/ledger", self._post, methods=["POST"]),
            Route("/ledger/{id:path}", self._get, methods=["GET"]),
        ]

    async def _post(self, request: Request) -> Response:
        await self._admit(request)
        key = _idempotency_key(request)
        body = await read_record(request, account=str, amount=int)
        account = check_text("account", body["account"], _TEXT_LIMIT)
        amount = body["amount"]
        if not -_BIGINT <= amount < _BIGINT:
            raise Refusal(400, "amount must fit in 64 bits")
        status = await self._write(key, account, amount)
        return Json({"id": key}, status)

    async def _write(self, key: str, account: str, amount: int) -> int:
        """Return 201 for a new entry, 200 for a repeated one. Raises Refusal 409 when the key names another."""
        async with self._pool.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            new = await connection.fetchval(_INSERT, key, account, amount) is not None
            earlier = None if new else await connection.fetchrow(_SELECT, key)
            if new and self._planted.strikes("double_effect"):
                await connection.execute(_EFFECT, key)
            if new and self._planted.strikes("lost_write"):
                await transaction.rollback()
            else:
                await transaction.commit()
        if new:
            return 201
        if earlier is None:
            raise Unavailable("postgres", "the entry is being removed, try again")
        if (earlier["account"], earlier["amount"]) != (account, amount):
            raise Refusal(409, "this Idempotency-Key was used with another body")
        return 200

    async def _get(self, request: Request) -> Response:
        await self._admit(request)
        key = check_text("id", request.path_params["id"], _TEXT_LIMIT)
        async with self._pool.connection() as connection:
            row: Any = await connection.fetchrow(_SELECT, key)
        if row is None:
            raise Refusal(404, "no such entry")
        created_at = row["created_at"].isoformat()
        return Json({"id": key, "account": row["account"], "amount": row["amount"], "created_at": created_at})

    async def _admit(self, request: Request) -> None:
        if self._gate is not None:
            await self._gate.admit(request)
        if self._planted.strikes("leak_connection"):
            await self._pool.acquire()


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not (1 <= len(key) <= _TEXT_LIMIT and key.isascii() and key.isprintable()):
        raise Refusal(400, f"header Idempotency-Key must be 1 to {_TEXT_LIMIT} printable ASCII characters")
    return key
