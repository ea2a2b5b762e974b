"""JSON-RPC against a real server whose replies are right, or wrong in one way."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.load.clients.jsonrpc import JsonRpc, RpcReply
from harness.records import Mark, Outcome
from tests.harness.servers import serving

Answer = Callable[[Any], tuple[int, object]]


def result(sent: Any, **changes: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": sent["id"], "result": sent["params"], **changes}


def perform(answer: Answer, *, batch: int = 0) -> tuple[Any, Call]:
    call = Call("rpc", 129)

    async def work(url: str) -> Any:
        async with asyncio.timeout(10), HttpClient(url) as http:
            rpc = JsonRpc(http)
            if batch:
                return await rpc.batch(call, [("echo", [n]) for n in range(batch)])
            return await rpc.single(call, "echo", ["x"])

    with serving(lambda _method, _path, body: answer(json.loads(body))) as server:
        return asyncio.run(work(server.url)), call


def test_a_call_gets_its_own_result() -> None:
    seen: list[Any] = []

    def answer(sent: Any) -> tuple[int, object]:
        seen.append(sent)
        return 200, result(sent)

    reply, _ = perform(answer)
    assert seen == [{"jsonrpc": "2.0", "id": 129, "method": "echo", "params": ["x"]}]
    assert reply == RpcReply(Outcome.OK, ["x"])


def test_an_error_object_is_an_answer_with_a_code() -> None:
    document = {"jsonrpc": "2.0", "id": 129, "error": {"code": -32601, "message": "no"}}
    reply, call = perform(lambda _: (200, document))
    assert reply == RpcReply(Outcome.BAD_STATUS, None, -32601)
    assert call.error == "rpc error -32601"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"jsonrpc": "2.0", "id": 128, "result": 1},
        {"jsonrpc": "1.0", "id": 129, "result": 1},
        {"jsonrpc": "2.0", "id": 129},
        {"jsonrpc": "2.0", "id": 129, "result": 1, "error": {"code": 1}},
        {"jsonrpc": "2.0", "id": 129, "error": "no"},
        {"jsonrpc": "2.0", "id": 129, "error": {"message": "no"}},
    ],
)
def test_a_reply_that_is_none_to_this_call_is_wrong(document: object) -> None:
    reply, call = perform(lambda _: (200, document))
    assert reply.outcome is Outcome.WRONG_REPLY
    assert call.error


@pytest.mark.parametrize(("status", "outcome"), [(503, Outcome.SHED), (500, Outcome.BAD_STATUS)])
def test_a_status_comes_before_the_reply(status: int, outcome: Outcome) -> None:
    assert perform(lambda sent: (status, result(sent)))[0].outcome is outcome
    assert perform(lambda _: (status, []), batch=3)[0] == (outcome, [])


def test_a_batch_s_replies_are_put_into_order() -> None:
    (outcome, replies), _ = perform(lambda sent: (200, [result(one) for one in reversed(sent)]), batch=4)
    assert outcome is Outcome.OK
    assert replies == [RpcReply(Outcome.OK, [n]) for n in range(4)]


def test_an_error_within_a_batch_leaves_the_batch_good() -> None:
    def answer(sent: Any) -> tuple[int, object]:
        return 200, [{"jsonrpc": "2.0", "id": 0, "error": {"code": -1}}, *(result(one) for one in sent[1:])]

    (outcome, replies), _ = perform(answer, batch=3)
    assert outcome is Outcome.OK
    assert [one.outcome for one in replies] == [Outcome.BAD_STATUS, Outcome.OK, Outcome.OK]


SECOND, NONE = (Mark.SECOND_REPLY, 1), (Mark.NO_REPLY, 1)


@pytest.mark.parametrize(
    ("change", "marks"),
    [
        pytest.param(lambda replies: replies[:-1], (NONE,), id="one is missing"),
        pytest.param(lambda replies: [*replies, replies[0]], (SECOND,), id="one came twice"),
        pytest.param(lambda replies: [*replies[:-1], replies[0]], (SECOND, NONE), id="one came in another's place"),
        pytest.param(
            lambda replies: [*replies[:-1], {**replies[-1], "id": 99}], (SECOND, NONE), id="one is another call's"
        ),
        pytest.param(lambda replies: [*replies[:-1], {**replies[-1], "id": [1]}], (SECOND, NONE), id="one has no id"),
        pytest.param(lambda replies: [*replies[:-1], 3], (), id="one is no reply"),
        pytest.param(
            lambda replies: [replies[0], {**replies[1], "id": True}, replies[2]], (SECOND, NONE), id="a truth is no id"
        ),
        pytest.param(lambda replies: [*replies, {**replies[1], "id": True}], (SECOND,), id="one has a truth for an id"),
        pytest.param(
            lambda replies: [{**replies[0], "jsonrpc": "1"}, *replies[1:]], (), id="one is of another version"
        ),
        pytest.param(lambda replies: replies[0], (), id="no list"),
    ],
)
def test_a_batch_with_anything_but_one_reply_for_each_call_is_wrong(
    change: Callable[[list[Any]], object], marks: tuple[tuple[Mark, int], ...]
) -> None:
    (outcome, _), call = perform(lambda sent: (200, change([result(one) for one in sent])), batch=3)
    assert outcome is Outcome.WRONG_REPLY
    assert call.error
    assert call.marks == marks
