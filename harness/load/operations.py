"""The four operations of the reference API, by name.

Each builds its request from the arrival's number alone, so that a run's
sequence repeats with its seed, and names what a checker needs: the key it
asked for and the key the reply spoke of.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.load.http import HttpClient
from harness.load.mix import Ending, Operation
from harness.records import Outcome

# Few enough that reads find what writes left, many enough that neighbours differ.
CACHE_KEYS = 64


def ledger_key(run: str, number: int) -> str:
    """Return the idempotency key of a run's arrival; all of a run's keys share the prefix `RUN-`."""
    return f"{run}-{number}"


def reference_operations(run: str) -> Mapping[str, Operation]:
    """Return the operations for one run; `run` keeps its ledger keys apart from every other run's."""

    async def rpc_echo(client: HttpClient, number: int) -> Ending:
        said = f"echo-{number}"
        call = {"jsonrpc": "2.0", "id": number, "method": "echo", "params": [said]}
        reply = await client.send("POST", "/rpc", document=call)
        if reply.outcome is not Outcome.OK:
            return Ending(reply.outcome, said)
        right = reply.get("id") == number and reply.get("result") == [said]
        return Ending(Outcome.OK if right else Outcome.WRONG_REPLY, said, said if right else str(reply.document)[:80])

    async def ledger_write(client: HttpClient, number: int) -> Ending:
        key = ledger_key(run, number)
        entry = {"account": f"account-{number % 100}", "amount": number}
        reply = await client.send("POST", "/ledger", document=entry, headers={"Idempotency-Key": key})
        answer = str(reply.get("id") or "")
        outcome = Outcome.WRONG_REPLY if reply.outcome is Outcome.OK and answer != key else reply.outcome
        return Ending(outcome, key, answer)

    async def cache_put(client: HttpClient, number: int) -> Ending:
        value = {"version": number, "writer": run, "value": "x" * 256}
        key = f"key-{number % CACHE_KEYS}"
        reply = await client.send("PUT", f"/cache/{key}", document=value)
        return Ending(reply.outcome, key)

    async def cache_get(client: HttpClient, number: int) -> Ending:
        key = f"key-{number * 7 % CACHE_KEYS}"
        reply = await client.send("GET", f"/cache/{key}")
        if reply.status == 404:  # a miss is an answer: nothing was put under this key yet
            return Ending(Outcome.OK, key, "")
        answer = str(reply.get("key") or "")
        outcome = Outcome.WRONG_REPLY if reply.outcome is Outcome.OK and answer != key else reply.outcome
        return Ending(outcome, key, answer)

    return {"rpc_echo": rpc_echo, "ledger_write": ledger_write, "cache_put": cache_put, "cache_get": cache_get}
