"""The operations against a real server whose replies are right, or wrong in one way.

That they are right on the real services is shown beside those, in tests/infra/services.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.load.call import Call
from harness.load.clients.clients import API, AUTH, Addresses, open_clients
from harness.load.operations.reference import CACHE_KEYS, ledger_key, operations
from harness.records import Mark, Outcome
from tests.harness.load import wire
from tests.harness.servers import serving

RUN = "run-7"
Ending = tuple[Outcome, str, str]
seen: list[tuple[str, str, Any]] = []


def honest(method: str, path: str, body: bytes) -> tuple[int, object]:
    """Answer as the reference API does; a write's key comes in a header, so its id is worked out from the amount."""
    sent: Any = json.loads(body) if body else None
    seen.append((method, path, sent))
    if path == "/rpc":
        return 200, {"jsonrpc": "2.0", "id": sent["id"], "result": sent["params"]}
    if path == "/ledger":
        return 201, {"id": f"{RUN}-{sent['amount']}"}
    if method == "PUT":
        return 200, {"stored": True}
    return 200, {"key": path.removeprefix("/cache/"), "value": "x"}


def perform(
    operation: str, number: int, answer: Callable[[str, str, bytes], tuple[int, object]], call: Call | None = None
) -> Ending:
    call = call or Call(operation, number)

    async def run(url: str) -> Outcome:
        async with asyncio.timeout(10), open_clients(Addresses(api=url, auth=url), [API, AUTH], run=RUN) as clients:
            return await operations[operation].operation(clients, call)

    seen.clear()
    with serving(answer) as server:
        return asyncio.run(run(server.url)), call.key, call.answer


def always(status: int, document: object) -> Callable[[str, str, bytes], tuple[int, object]]:
    return lambda _method, _path, _body: (status, document)


@pytest.mark.parametrize(
    ("operation", "ending"),
    [
        ("rpc_echo", (Outcome.OK, "echo-129", "echo-129")),
        ("ledger_write", (Outcome.OK, "run-7-129", "run-7-129")),
        ("ledger_retry", (Outcome.OK, "run-7-129", "run-7-129")),
        ("cache_put", (Outcome.OK, "key-1", "")),
        ("cache_get", (Outcome.OK, "key-7", "key-7")),
    ],
)
def test_an_honest_reply_is_ok_and_carries_what_was_asked(operation: str, ending: Ending) -> None:
    assert perform(operation, 129, honest) == ending


@pytest.mark.parametrize(
    ("operation", "document", "answer"),
    [
        ("rpc_echo", {"jsonrpc": "2.0", "id": 5, "result": 1}, "{'id': 5, 'jsonrpc': '2.0', 'result': 1}"),
        ("rpc_echo", {"jsonrpc": "2.0", "id": 129, "result": ["echo-5"]}, "['echo-5']"),
        ("rpc_echo", [], "[]"),
        ("rpc_small", {"jsonrpc": "2.0", "id": 129, "result": ["x"]}, "['x']"),
        ("rpc_error", {"jsonrpc": "2.0", "id": 129, "result": 5}, "5"),
        ("ledger_write", {"id": "run-7-128"}, "run-7-128"),
        ("ledger_retry", {"id": "run-7-128"}, "run-7-128"),
        ("ledger_write", {}, ""),
        ("cache_get", {"key": "key-8"}, "key-8"),
        ("cache_get", [], ""),
    ],
)
def test_a_reply_about_something_else_is_wrong_and_says_about_what(
    operation: str, document: object, answer: str
) -> None:
    outcome, key, answered = perform(operation, 129, always(200, document))
    assert outcome is Outcome.WRONG_REPLY
    assert sorted(answered) == sorted(answer), "whatever the order of its keys"
    assert key


@pytest.mark.parametrize("operation", ["rpc_echo", "rpc_batch", "rpc_stream", "rpc_error", "rpc_slow", "rpc_huge",
                                       "ledger_write", "ledger_retry", "cache_put", "cache_get", "login"])  # fmt: skip
@pytest.mark.parametrize(("status", "outcome"), [(503, Outcome.SHED), (500, Outcome.BAD_STATUS)])
def test_a_bad_status_is_what_it_is(operation: str, status: int, outcome: Outcome) -> None:
    assert perform(operation, 3, always(status, {"error": "no"}))[0] is outcome


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([201, 200], Outcome.OK),
        ([503, 201], Outcome.OK),
        ([500, 200], Outcome.OK),
        ([201, 503], Outcome.SHED),
        ([201, 409], Outcome.BAD_STATUS),
    ],
)
def test_a_retry_asks_again_under_the_same_key_whatever_came_and_ends_as_that_did(
    statuses: list[int], outcome: Outcome
) -> None:
    left = iter(statuses)

    def answer(method: str, path: str, body: bytes) -> tuple[int, object]:
        return next(left), honest(method, path, body)[1]

    assert perform("ledger_retry", 129, answer)[:2] == (outcome, "run-7-129")
    assert seen[0] == seen[1]
    assert not next(left, 0)


def test_what_a_value_says_of_itself_is_noted() -> None:
    def noted(operation: str, document: object) -> tuple[int, int, str]:
        call = Call(operation, 129)
        perform(operation, 129, always(200, document), call)
        return call.wrote, call.read, call.writer

    assert noted("cache_put", {}) == (129, -1, RUN)
    assert noted("cache_get", {"key": "key-7", "version": 65, "writer": "run-6"}) == (-1, 65, "run-6")
    for unfit in ({"version": True}, {"version": "65"}, {"version": -2}, {"version": 2**63}, {}):
        assert noted("cache_get", {"key": "key-7", "writer": "run-6", **unfit}) == (-1, -1, "")


TICKS = "".join(f"id: {n}\nevent: tick\ndata: {n}\n\n" for n in range(1, 11))
END = "event: end\ndata: 10\n\n"


@pytest.mark.parametrize(
    ("text", "outcome", "marks"),
    [
        (TICKS + END, Outcome.OK, ()),
        (TICKS, Outcome.WRONG_REPLY, ((Mark.NO_REPLY, 1),)),
        (TICKS + END + END + END, Outcome.WRONG_REPLY, ((Mark.SECOND_REPLY, 2),)),
        (TICKS.replace("id: 4\n", "id: 5\n") + END, Outcome.WRONG_REPLY, ()),
    ],
)
def test_a_stream_ends_once(text: str, outcome: Outcome, marks: tuple[tuple[Mark, int], ...]) -> None:
    call = Call("rpc_stream", 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    async def work() -> Outcome:
        async with (
            wire.serving(wire.answering(head + text.encode())) as url,
            open_clients(Addresses(api=url), [API], run=RUN) as clients,
        ):
            return await operations["rpc_stream"].operation(clients, call)

    assert wire.run(work) is outcome
    assert call.marks == marks


def test_a_write_that_failed_still_names_its_key_for_it_may_have_been_done() -> None:
    assert perform("ledger_write", 3, always(500, {"error": "no"}))[1] == ledger_key(RUN, 3)


def test_a_miss_is_an_answer_without_a_key() -> None:
    assert perform("cache_get", 3, always(404, {"error": "no such key"})) == (Outcome.OK, "key-21", "")


def test_reads_look_where_writes_wrote() -> None:
    numbers = range(CACHE_KEYS)
    assert {n % CACHE_KEYS for n in numbers} == {n * 7 % CACHE_KEYS for n in numbers}


def test_a_request_follows_from_the_number_alone() -> None:
    for operation in ("rpc_echo", "ledger_write", "cache_put", "cache_get"):
        requests = []
        for number in (41, 41, 42):
            perform(operation, number, honest)
            requests.append(list(seen))
        assert requests[0] == requests[1] != requests[2]
