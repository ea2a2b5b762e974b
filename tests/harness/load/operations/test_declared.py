"""Operations that a target file writes down: what is sent, how a reply is judged, and what is refused."""

import asyncio
import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.load.call import Call
from harness.load.clients.clients import API, Addresses, open_clients
from harness.load.operations.declared import DeclaredOperations
from harness.records import Outcome
from harness.shown import HIDDEN
from harness.tables import Table, read
from tests.harness.servers import serving

ORDER = """
[place]
method = "POST"
path = "/orders/{number}?who={user}"
headers = { X-Run = "{run}" }
json = { id = "{number}", lines = [{ text = "{text:small}" }, { n = "{random:9}" }] }
status = [201, 202]
key = "order-{number}"
answer = "order.name"
reply = { "order.id" = "{number}", "order.lines.0" = true }
"""


class Whole(Table):
    operations: DeclaredOperations


def parse(text: str) -> Any:
    return read(Whole, "t.toml", {"operations": tomllib.loads(text)}).operations


def perform(text: str, answer: Callable[[str, str, bytes], tuple[int, object]], number: int = 7) -> Call:
    (operation,) = parse(text).values()
    call = Call("op", number)

    async def work(url: str) -> None:
        async with asyncio.timeout(10), open_clients(Addresses(api=url), [API], run="run-1") as clients:
            call.outcome = await operation(clients, call)

    with serving(answer) as server:
        asyncio.run(work(server.url))
    return call


def order(**changes: object) -> dict[str, object]:
    return {"order": {"id": 7, "name": "order-7", "lines": [True], **changes}}


def test_what_is_written_is_what_is_sent() -> None:
    seen: list[tuple[str, str, Any]] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, object]:
        seen.append((method, path, json.loads(body)))
        return 201, order()

    call = perform(ORDER, answer)
    assert (call.outcome, call.key, call.answer, call.error) == (Outcome.OK, "order-7", "order-7", "")
    ((method, path, body),) = seen
    assert (method, path) == ("POST", "/orders/7?who=7")
    assert body["id"] == 7
    assert 16 <= len(body["lines"][0]["text"]) <= 1000
    assert 0 <= body["lines"][1]["n"] < 9


@pytest.mark.parametrize(
    ("status", "document", "outcome", "error"),
    [
        (202, order(), Outcome.OK, ""),
        (200, order(), Outcome.BAD_STATUS, "status 200"),
        (404, {}, Outcome.BAD_STATUS, "status 404"),
        (503, {}, Outcome.SHED, "status 503"),
        (201, order(id=8), Outcome.WRONG_REPLY, "order.id is not what it should be"),
        (201, order(lines=[]), Outcome.WRONG_REPLY, "order.lines.0 is not what it should be"),
        (201, order(name="order-8"), Outcome.WRONG_REPLY, "order.name is not the key"),
        (201, [], Outcome.WRONG_REPLY, "order.id is not what it should be"),
    ],
)
def test_a_reply_is_judged(status: int, document: object, outcome: Outcome, error: str) -> None:
    call = perform(ORDER, lambda *_: (status, document))
    assert (call.outcome, call.error) == (outcome, error)
    assert call.key == "order-7"


@pytest.mark.parametrize(("status", "outcome"), [(200, Outcome.OK), (204, Outcome.OK), (500, Outcome.BAD_STATUS)])
def test_without_a_check_any_good_status_is_good_whatever_the_body(status: int, outcome: Outcome) -> None:
    assert perform('[home]\npath = "/"', lambda *_: (status, {})).outcome is outcome


def test_a_status_that_is_expected_is_good_even_when_it_is_an_error() -> None:
    call = perform('[gone]\npath = "/nowhere"\nstatus = 404', lambda *_: (404, {}))
    assert (call.outcome, call.error) == (Outcome.OK, "")


def test_a_miss_that_is_expected_need_not_name_the_key() -> None:
    text = '[read]\npath = "/{number}"\nstatus = [200, 404]\nkey = "{number}"\nanswer = "key"'
    assert perform(text, lambda *_: (404, {"error": "no"})).outcome is Outcome.OK
    assert perform(text, lambda *_: (200, {"key": 7})).outcome is Outcome.OK
    assert perform(text, lambda *_: (200, {"error": "no"})).outcome is Outcome.WRONG_REPLY


def test_a_hole_in_a_path_cannot_change_its_shape() -> None:
    seen: list[str] = []
    text = '[find]\npath = "/find/{key}"\nkey = "a b\\r\\nX: {number}#?é"'

    def answer(_method: str, path: str, _body: bytes) -> tuple[int, object]:
        seen.append(path)
        return 200, {}

    perform(text, answer)
    assert seen == ["/find/a%20b%0D%0AX:%207%23?%C3%A9"]


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ('["a-b"]\npath = "/"', "operations.a-b", HIDDEN),
        ("a = 3", "operations.a", "3"),
        ("[a]", "operations.a.path", ""),
        ('[a]\npath = "x"', "operations.a.path", "'x'"),
        ("[a]\npath = 3", "operations.a.path", "3"),
        ('[a]\npath = "/{nonsense}"', "operations.a.path", "'/{nonsense}'"),
        ('[a]\npath = "/"\nmethod = "FETCH"', "operations.a.method", "'FETCH'"),
        ('[a]\npath = "/"\nstatus = "200"', "operations.a.status", "'200'"),
        ('[a]\npath = "/"\nstatus = 600', "operations.a.status", "600"),
        ('[a]\npath = "/"\nstatus = [200, 600]', "operations.a.status[1]", "600"),
        ('[a]\npath = "/"\nstatus = []', "operations.a.status", "[]"),
        ('[a]\npath = "/"\nheaders = "X: y"', "operations.a.headers", HIDDEN),
        ('[a]\npath = "/"\nheaders = { Host = "x" }', "operations.a.headers.Host", HIDDEN),
        ('[a]\npath = "/"\nheaders = { "X Y" = "x" }', 'operations.a.headers."X Y"', HIDDEN),
        ('[a]\npath = "/"\nheaders = { X = "a\\r\\nY: b" }', "operations.a.headers.X", HIDDEN),
        ('[a]\npath = "/"\nheaders = { X = "price \u20ac" }', "operations.a.headers.X", HIDDEN),
        ('[a]\npath = "/"\nheaders = { X = "{nonsense" }', "operations.a.headers.X", HIDDEN),
        ('[a]\npath = "/"\nheaders = { X = "{key}" }\nkey = "\u20ac"', "operations.a.headers.X", HIDDEN),
        ('[a]\npath = "/"\njson = { d = 2026-01-01 }', "operations.a.json.d", "<a date>"),
        ('[a]\npath = "/"\njson = { d = [1, nan] }', "operations.a.json.d[1]", "nan"),
        ('[a]\npath = "/"\njson = { password = "{x}" }', "operations.a.json.password", HIDDEN),
        ('[a]\npath = "/"\nreply = {}', "operations.a.reply", "<a table>"),
        ('[a]\npath = "/"\nanswer = "x"', "operations.a.answer", "'x'"),
        ('[a]\npath = "/"\nbody = "x"', "operations.a.body", HIDDEN),
    ],
)
def test_what_breaks_a_rule_is_reported_at_its_place(text: str, key: str, shown: str) -> None:
    """`shown` is the value, empty where there is none."""
    with pytest.raises(ExceptionGroup) as refused:
        parse(text)
    (error,) = refused.value.exceptions
    assert isinstance(error, InputError)
    assert (error.source, error.key) == ("t.toml", key)
    assert str(error).startswith(f"t.toml: {key} = {shown}: " if shown else f"t.toml: {key}: ")


def test_all_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(ExceptionGroup) as refused:
        parse('[a]\npath = "x"\nmethod = 1\njson = ["{x}", nan]\n[b]\nstatus = 1\n[c]\npath = "/"')
    assert len(refused.value.exceptions) == 6


def assert_input_errors(group: ExceptionGroup[Exception]) -> None:
    assert all(isinstance(error, InputError) for error in group.exceptions)


values = st.recursive(
    st.text(max_size=10) | st.integers() | st.booleans() | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
keys = st.sampled_from(["method", "path", "headers", "json", "status", "reply", "key", "answer"]) | st.text(max_size=5)


@given(
    st.dictionaries(st.text(max_size=5) | st.just("a"), st.dictionaries(keys, values, max_size=4) | values, max_size=2)
)
def test_any_table_is_taken_or_refused_with_input_errors_alone(table: dict[str, object]) -> None:
    try:
        read(Whole, "t.toml", {"operations": table})
    except ExceptionGroup as group:
        assert_input_errors(group)
