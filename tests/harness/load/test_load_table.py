"""A target file's `[load]` and `[operations]`, applied to a load."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.load.engine.users import Users
from harness.load.load_table import override
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from tests.harness.load.operations.test_declared import assert_input_errors
from tests.harness.load.operations.test_registry import GOOD

BEFORE = LoadSettings(100.0, Mix({"rpc_echo": 1}))


def changed(text: str, source: str = "t.toml") -> LoadSettings:
    table = tomllib.loads(text)
    return override(BEFORE, source, table.get("load", {}), table.get("operations", {}))


def test_nothing_changes_nothing() -> None:
    assert changed("") == BEFORE


def test_every_key_is_taken() -> None:
    after = changed("""
        [load]
        rate_per_s = 7
        deadline_s = "250 ms"
        arrivals = "poisson"
        connections = "fresh"
        cancel = { fraction = 0.1, after_s = ["0 s", "300 ms"] }
        in_flight_max = 9
        logins = 5
        [load.mix]
        home = 2
        rpc_echo = 1
        [load.deadlines_s]
        home = "5 s"
        [load.users]
        count = 500
        think_s = "2 s"
        over_s = "1 min"
        first = ["login"]
        [load.sockets]
        count = 20
        rotate_s = "4 h"
        publish_every_s = 1
        [operations.home]
        path = "/"
    """)
    mix = Mix({"home": 2.0, "rpc_echo": 1.0})
    assert (after.rate_per_s, after.deadline_s, after.poisson, after.fresh) == (7.0, 0.25, True, True)
    assert (after.in_flight_max, after.logins, after.mix) == (9, 5, mix)
    assert after.deadlines_s == {"home": 5.0}
    assert after.cancels == Cancels(0.1, 0.0, 0.3)
    assert after.users == Users(500, mix, 2.0, over_s=60.0, first=("login",))
    assert after.sockets == Sockets(20, rotate_s=14400.0, publish_every_s=1.0)
    assert set(after.declared) == {"home"}
    assert after.used() == {"home", "rpc_echo", "login"}
    assert after.tested() == after.used() | {"ws_connect", "ws_subscribe"}
    assert after.needs() == {"api", "auth"}
    assert (after.slots, after.deadline_s_max) == (9, 5.0)


def test_users_may_have_a_mix_of_their_own() -> None:
    assert changed("[load.users]\ncount = 2\nmix = { cache_get = 1 }").used() == {"rpc_echo", "cache_get"}


def test_a_module_beside_the_target_file_brings_the_rest(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(GOOD)
    after = changed('[load]\nmodule = "own.py"\nmix = { own_read = 1 }', str(tmp_path / "t.toml"))
    assert after.needs() == {"postgres"}
    assert after.operations()["own_read"].operation.__name__ == "own_read"


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("rate_per_s = 0", "load.rate_per_s", "above 0"),
        ('deadline_s = "soon"', "load.deadline_s", "a duration"),
        ('arrivals = "often"', "load.arrivals", "constant or poisson"),
        ("connections = true", "load.connections", "keep_alive or fresh"),
        ("cancel = 0.1", "load.cancel", "must be a table"),
        ("cancel = { fraction = 0.1 }", "load.cancel", "must have after_s"),
        ("cancel = { fraction = 0.1, after_s = [1] }", "load.cancel", "must have after_s"),
        ("cancel = { after_s = [0, 1] }", "load.cancel.fraction", "must be a number"),
        ("cancel = { fraction = 0, after_s = [0, 1] }", "load.cancel.fraction", "above 0"),
        ("cancel = { fraction = 1.5, after_s = [0, 1] }", "load.cancel.fraction", "from 0 to 1"),
        ('cancel = { fraction = 0.1, after_s = [0, "x"] }', "load.cancel.after_s.most", "a duration"),
        ("cancel = { fraction = 0.1, after_s = [2, 1] }", "load.cancel", "must not end before it begins"),
        ("cancel = { fraction = 0.1, after_s = [3, 4] }", "load.cancel.after_s", "before every deadline has come, 3 s"),
        (
            "cancel = { fraction = 0.1, after_s = [0, 1], x = 1 }",
            "load.cancel.x",
            "no such key; one of fraction, after_s",
        ),
        ("in_flight_max = 0", "load.in_flight_max", "from 1 to"),
        ("logins = 2.5", "load.logins", "whole number"),
        ('module = "own.txt"', "load.module", "Python file beside"),
        ('module = "own.py"', "load.module", "Python file beside"),
        ("mix = 3", "load.mix", "must be a table"),
        ("mix = { rpc_echo = -1 }", "load.mix", "a number from 0 on"),
        ("mix = { rpc_echo = 0 }", "load.mix", "at least one positive weight"),
        ("mix = { rpc_ehco = 1 }", "load.mix.rpc_ehco", "no such operation; one of cache_get"),
        ('deadlines_s = { nobody = "1 s" }', "load.deadlines_s.nobody", "no such operation"),
        ('deadlines_s = { rpc_echo = "0 s" }', "load.deadlines_s.rpc_echo", "above 0"),
        ("users = { think_s = 1 }", "load.users", "whole number"),
        ('users = { count = 1, first = "login" }', "load.users", "list of operations"),
        ("users = { count = 1, spurious = 1 }", "load.users.spurious", "no such key"),
        ("sockets = { count = 0 }", "load.sockets", "whole number"),
        ('sockets = { count = 1, rotate_s = "x" }', "load.sockets.rotate_s", "a duration"),
        ("[operations.ledger_write]\npath = '/'", "operations.ledger_write", "the reference's"),
        ("[operations.all]\npath = '/'", "operations.all", "call yours something else"),
        ("[operations.ws_ping]\npath = '/'", "operations.ws_ping", "call yours something else"),
        ("spurious = 1", "load.spurious", "no such key; one of rate_per_s"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_place(text: str, key: str, rule: str) -> None:
    with pytest.raises(ExceptionGroup) as refused:
        changed(f"[load]\n{text}")
    (error,) = refused.value.exceptions
    assert isinstance(error, InputError)
    assert (error.source, error.key) == ("t.toml", key)
    assert rule in error.rule


def test_all_that_is_wrong_in_both_tables_is_told_at_once() -> None:
    with pytest.raises(ExceptionGroup) as refused:
        changed("[load]\nrate_per_s = -1\nlogins = 0\nspurious = 1\n[operations.a]\npath = 3")
    assert len(refused.value.exceptions) == 4


inner_keys = st.sampled_from(["count", "rpc_echo", "think_s", "first"]) | st.text(max_size=3)
values = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.dictionaries(inner_keys, inner, max_size=3),
    max_leaves=4,
)
KEYS = ["rate_per_s", "deadline_s", "deadlines_s", "arrivals", "connections", "cancel", "in_flight_max", "logins",
        "module", "mix", "users", "sockets"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), values, max_size=4))
def test_any_table_is_taken_or_refused_with_input_errors_alone(table: dict[str, object]) -> None:
    try:
        override(BEFORE, "t.toml", table, {})
    except ExceptionGroup as group:
        assert_input_errors(group)


@given(st.floats(0.1, 1e4), st.floats(0.01, 60))
def test_the_slots_hold_all_that_a_silent_system_would_take(rate_per_s: float, deadline_s: float) -> None:
    slots = LoadSettings(rate_per_s, Mix({"rpc_echo": 1}), deadline_s=deadline_s).slots
    assert slots >= max(16, rate_per_s * deadline_s)
