"""The reference system's operations, by name.

Each builds its request from the call's number alone, so that a run's sequence
repeats with its seed, and notes what a checker needs: the key it asked for and
the key the reply spoke of. Where nothing but a wrong reply is of interest, the
key is noted only then, so that a long run keeps nothing of the good ones.
"""

from __future__ import annotations

from harness.load.call import Call, Operation
from harness.load.clients.clients import AUTH, POSTGRES, REDIS, Clients
from harness.load.clients.jsonrpc import JsonRpc
from harness.load.operations.registry import Operations
from harness.load.operations.sizes import SizeClass, text
from harness.records import UNVERSIONED, Mark, Outcome

# Few enough that reads find what writes left, many enough that neighbours differ.
CACHE_KEYS = 64
_ACCOUNTS = 100
_BATCH = 5
_STREAM_EVENTS = 10
_END = "end"
_SLOW_S = 0.2
# What fits in 64 bits; a reply may hold anything.
_VERSIONS = 2**63
_DIGITS = 18
# The reference's code for a method that failed as it was asked to.
_FAILED = -32000

operations = Operations()


def ledger_key(run: str, number: int) -> str:
    """Return the idempotency key of a run's arrival; all of a run's keys share the prefix `RUN-`."""
    return f"{run}-{number}"


def _wrong(call: Call, key: str, answer: object) -> Outcome:
    call.key, call.answer = key, str(answer)[:80] or "nothing"
    return call.fail(Outcome.WRONG_REPLY, "another answer than was asked for")


@operations.register("rpc_echo")
async def rpc_echo(clients: Clients, call: Call) -> Outcome:
    """Call one method with a word of its own, which must come back."""
    call.key = said = f"echo-{call.number}"
    reply = await JsonRpc(clients.api).single(call, "echo", [said])
    if reply.outcome is not Outcome.OK:
        return reply.outcome
    if reply.result != [said]:
        return _wrong(call, said, reply.result)
    call.answer = said
    return Outcome.OK


@operations.register("rpc_batch")
async def rpc_batch(clients: Clients, call: Call) -> Outcome:
    """Call several methods in one request; every reply must be there, with its own result."""
    numbers = [call.number + n for n in range(_BATCH)]
    outcome, replies = await JsonRpc(clients.api).batch(call, [("sum", [number, 1]) for number in numbers])
    results = [reply.result for reply in replies]
    if outcome is Outcome.OK and results != [number + 1 for number in numbers]:
        return _wrong(call, f"batch-{call.number}", results)
    return outcome


@operations.register("rpc_stream")
async def rpc_stream(clients: Clients, call: Call) -> Outcome:
    """Read a stream of server-sent events: its numbers all there, in order, and then one end."""
    reply = await clients.api.stream(call, "GET", f"/stream?events={_STREAM_EVENTS}")
    if reply.outcome is not Outcome.OK:
        return reply.outcome
    ends = sum(event.event == _END for event in reply.document)
    if ends != 1:
        call.mark(Mark.SECOND_REPLY, ends - 1) if ends else call.mark(Mark.NO_REPLY)
        return call.fail(Outcome.WRONG_REPLY, "not one end")
    seen = [event.id for event in reply.document if event.event != _END]
    if seen != [str(n) for n in range(1, _STREAM_EVENTS + 1)]:
        return _wrong(call, f"stream-{call.number}", ",".join(seen))
    return Outcome.OK


@operations.register("rpc_error")
async def rpc_error(clients: Clients, call: Call) -> Outcome:
    """Call a method that must answer with an error object; anything else is wrong."""
    reply = await JsonRpc(clients.api).single(call, "fail", [call.number])
    if reply.outcome is Outcome.BAD_STATUS and reply.code == _FAILED:
        call.error = ""
        return Outcome.OK
    return _wrong(call, f"error-{call.number}", reply.result) if reply.outcome is Outcome.OK else reply.outcome


@operations.register("rpc_slow")
async def rpc_slow(clients: Clients, call: Call) -> Outcome:
    """Call a method that takes its time."""
    return (await JsonRpc(clients.api).single(call, "slow", {"seconds": _SLOW_S})).outcome


def _sized(size: SizeClass) -> Operation[Clients]:
    async def echo(clients: Clients, call: Call) -> Outcome:
        said = text(size, call.number)
        reply = await JsonRpc(clients.api).single(call, "echo", [said])
        if reply.outcome is Outcome.OK and reply.result != [said]:
            return _wrong(call, f"{size}-{call.number}", reply.result)
        return reply.outcome

    echo.__doc__ = f"Echo a {size} message, which must come back whole."
    return echo


for _size in SizeClass:
    operations.register(f"rpc_{_size}")(_sized(_size))


@operations.register("ledger_write")
async def ledger_write(clients: Clients, call: Call) -> Outcome:
    """Write an entry under an idempotency key of its own; the reply must name it."""
    call.key = key = ledger_key(clients.run, call.number)
    entry = {"account": f"account-{call.number % _ACCOUNTS}", "amount": call.number}
    reply = await clients.api.send(call, "POST", "/ledger", document=entry, headers={"Idempotency-Key": key})
    call.answer = str(reply.get("id") or "")
    return _about(call, reply.outcome)


@operations.register("ledger_retry")
async def ledger_retry(clients: Clients, call: Call) -> Outcome:
    """Write an entry and, however that ended, ask again under the same key, as a client that lost the reply would."""
    if await ledger_write(clients, call) is Outcome.WRONG_REPLY:
        return Outcome.WRONG_REPLY
    call.error = ""
    return await ledger_write(clients, call)


@operations.register("cache_put")
async def cache_put(clients: Clients, call: Call) -> Outcome:
    """Put a value under one of a few keys."""
    call.key = f"key-{call.number % CACHE_KEYS}"
    call.wrote, call.writer = call.number, clients.run
    value = {"version": call.number, "writer": clients.run, "value": "x" * 256}
    return (await clients.api.send(call, "PUT", f"/cache/{call.key}", document=value)).outcome


@operations.register("cache_get")
async def cache_get(clients: Clients, call: Call) -> Outcome:
    """Read one of those keys; the value must be that key's own, with its writer and version; a miss is an answer."""
    call.key = f"key-{call.number * 7 % CACHE_KEYS}"
    reply = await clients.api.send(call, "GET", f"/cache/{call.key}")
    if reply.status == 404:  # nothing was put under this key yet
        call.error = ""
        return Outcome.OK
    call.answer = str(reply.get("key") or "")
    _hold(call, reply.get("version"), reply.get("writer"))
    return _about(call, reply.outcome)


def _hold(call: Call, version: object, writer: object) -> None:
    """Record which version a reply held, and its writer, where it has them."""
    if type(version) is int and UNVERSIONED < version < _VERSIONS and isinstance(writer, str):
        call.read, call.writer = version, writer


def _about(call: Call, outcome: Outcome) -> Outcome:
    """Return the outcome, or WRONG_REPLY for a success about another key."""
    if outcome is Outcome.OK and call.answer != call.key:
        return call.fail(Outcome.WRONG_REPLY, "another key than was asked for")
    return outcome


@operations.register("login", needs=(AUTH,))
async def login(clients: Clients, call: Call) -> Outcome:
    """Log a user in; the reply must hold a token."""
    user = f"user-{call.number}"
    credentials = {"user": user, "password": f"password-of-{user}"}
    reply = await clients.auth.send(call, "POST", "/login", document=credentials)
    return reply.outcome if reply.get("token") or reply.outcome is not Outcome.OK else _wrong(call, user, "no token")


_INSERT = "INSERT INTO ledger (id, account, amount) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id"
_SELECT = "SELECT amount FROM ledger WHERE id = $1"


@operations.register("pg_write", needs=(POSTGRES,))
async def pg_write(clients: Clients, call: Call) -> Outcome:
    """Insert an entry of its own into the ledger, past the api."""
    call.key = key = ledger_key(clients.run, call.number)
    account = f"account-{call.number % _ACCOUNTS}"
    reply = await clients.postgres.fetch(call, _INSERT, key, account, call.number)
    call.answer = str(reply.value[0]["id"]) if reply.value else ""
    return _about(call, reply.outcome)


@operations.register("pg_read", needs=(POSTGRES,))
async def pg_read(clients: Clients, call: Call) -> Outcome:
    """Look an earlier entry up in the ledger, past the api; where there is none, that is an answer."""
    number = call.number // 2
    reply = await clients.postgres.fetch(call, _SELECT, ledger_key(clients.run, number))
    if reply.value and reply.value[0]["amount"] != number:
        return _wrong(call, ledger_key(clients.run, number), reply.value[0]["amount"])
    return reply.outcome


@operations.register("redis_set", needs=(REDIS,))
async def redis_set(clients: Clients, call: Call) -> Outcome:
    """Put a value that names its key into Redis itself."""
    call.key = key = f"load:{call.number % CACHE_KEYS}"
    call.wrote, call.writer = call.number, clients.run
    reply = await clients.redis.execute(call, "SET", key, f"{key} {clients.run} {call.number}")
    return _wrong(call, key, reply.value) if reply.outcome is Outcome.OK and reply.value != b"OK" else reply.outcome


@operations.register("redis_get", needs=(REDIS,))
async def redis_get(clients: Clients, call: Call) -> Outcome:
    """Read one of those keys; the value must name it, a miss is an answer."""
    call.key = key = f"load:{call.number * 7 % CACHE_KEYS}"
    reply = await clients.redis.execute(call, "GET", key)
    if reply.outcome is not Outcome.OK or reply.value is None:
        return reply.outcome
    call.answer, writer, version = [*reply.value.decode("utf-8", "replace").split(" "), "", ""][:3]
    numeric = version.isascii() and version.isdigit() and len(version) <= _DIGITS
    _hold(call, int(version) if numeric else None, writer)
    return _about(call, reply.outcome)
