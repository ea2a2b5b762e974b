from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.rpc import BATCH_MOST, answer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def ask(message: Any) -> tuple[int, Any]:
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return asyncio.run(answer(text))


def call(method: str, params: Any = None, identity: Any = 1) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method, "id": identity}
    return message if params is None else message | {"params": params}


def code(reply: Any) -> int:
    return int(reply["error"]["code"])


def test_the_specification_s_examples() -> None:
    assert ask(call("sum", [1, 2, 4])) == (200, {"jsonrpc": "2.0", "result": 7, "id": 1})
    assert ask({"jsonrpc": "2.0", "method": "echo", "params": [1]}) == (204, None)
    assert ask({"jsonrpc": "2.0", "method": "foobar"}) == (204, None)
    status, reply = ask(call("foobar", identity="1"))
    assert (status, code(reply), reply["id"]) == (200, -32601, "1")
    status, reply = ask(b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')
    assert (status, code(reply), reply["id"]) == (400, -32700, None)
    status, reply = ask({"jsonrpc": "2.0", "method": 1, "params": "bar"})
    assert (status, code(reply), reply["id"]) == (400, -32600, None)


def test_batches_as_the_specification_shows_them() -> None:
    status, reply = ask(b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc"')
    assert (status, code(reply)) == (400, -32700)
    status, reply = ask([])
    assert (status, code(reply), reply["id"]) == (400, -32600, None)
    status, reply = ask([1, 2, 3])
    assert (status, [code(each) for each in reply]) == (200, [-32600] * 3)
    assert ask([{"jsonrpc": "2.0", "method": "echo"}, {"jsonrpc": "2.0", "method": "fail"}]) == (204, None)
    status, reply = ask(
        [call("sum", [1, 2], 1), {"jsonrpc": "2.0", "method": "echo"}, {"foo": "boo"}, call("nope", identity=5)]
    )
    assert status == 200
    assert [each["id"] for each in reply] == [1, None, 5]
    status, reply = ask([call("echo", [n], n) for n in range(BATCH_MOST + 1)])
    assert (status, code(reply)) == (400, -32600)


def test_a_failure_is_an_error_object_with_the_caller_s_data() -> None:
    status, reply = ask(call("fail", {"why": "test"}))
    assert (status, code(reply), reply["error"]["data"]) == (200, -32000, {"why": "test"})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("sum", {"a": 1}), ("sum", ["1"]), ("sum", [True]), ("sum", [1e308, 1e308]), ("sum", [10**400, 0.5]),
        ("sum", [10**400]), ("slow", []), ("slow", [-1]), ("slow", [5.1]), ("slow", [True]), ("slow", {"seconds": "1"}),
        ("slow", {"seconds": 0, "more": 1}),
    ],
)  # fmt: skip
def test_params_that_a_method_cannot_take(method: str, params: Any) -> None:
    status, reply = ask(call(method, params))
    assert (status, code(reply), reply["id"]) == (200, -32602, 1)


def test_slow_calls_of_a_batch_run_side_by_side() -> None:
    async def timed() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await answer(json.dumps([call("slow", [0.05]) for _ in range(40)]).encode())
        return loop.time() - began_s

    assert asyncio.run(timed()) < 1.0


@pytest.mark.parametrize("text", [b"[" * 100_000, b"NaN", b"[1e999]", b"\xff", b"", b'"' + b"9" * 10])
def test_what_is_no_json_is_a_parse_error(text: bytes) -> None:
    status, reply = ask(text)
    assert (status, code(reply)) == (400, -32700)


@pytest.mark.parametrize("identity", [True, [1], {"a": 1}])
def test_ids_of_other_types_are_invalid(identity: Any) -> None:
    status, reply = ask(call("echo", identity=identity))
    assert (status, code(reply), reply["id"]) == (400, -32600, None)


@given(json_values)
def test_echo_returns_what_it_got(value: Any) -> None:
    status, reply = ask(call("echo", [value]))
    assert (status, reply["result"]) == (200, [value])


@given(json_values | st.binary())
def test_any_message_gets_a_proper_answer(message: Any) -> None:
    status, reply = ask(message)
    assert status in {200, 204, 400}
    for each in reply if isinstance(reply, list) else [] if reply is None else [reply]:
        assert each["jsonrpc"] == "2.0"
        assert ("result" in each) != ("error" in each)
        assert "id" in each
