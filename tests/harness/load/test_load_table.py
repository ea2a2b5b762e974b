"""A target file's `[load]` and `[operations]`, applied to a load."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.load.engine.users import Users
from harness.load.load_table import LoadTable, override
from harness.load.operations.declared import DeclaredOperations
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.shown import HIDDEN
from harness.tables import Table, keys_of, read
from tests.harness.load.operations.test_declared import assert_input_errors
from tests.harness.load.operations.test_registry import GOOD


class Whole(Table):
    operations: DeclaredOperations


BEFORE = LoadSettings(100.0, Mix({"rpc_echo": 1}))


def changed(text: str, source: str = "t.toml") -> LoadSettings:
    table = tomllib.loads(text)
    load = read(LoadTable, source, table.get("load", {}), where="load")
    operations = read(Whole, source, {"operations": table.get("operations", {})}).operations
    return override(BEFORE, source, load, operations)


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
    ("text", "key", "shown"),
    [
        ("rate_per_s = 0", "load.rate_per_s", "0"),
        ("rate_per_s = 1e308", "load.rate_per_s", "1e+308"),
        ("rate_per_s = nan", "load.rate_per_s", "nan"),
        ('deadline_s = "soon"', "load.deadline_s", "'soon'"),
        ("deadline_s = 1e308", "load.deadline_s", "1e+308"),
        ('arrivals = "often"', "load.arrivals", "'often'"),
        ("connections = true", "load.connections", "true"),
        ("cancel = 0.1", "load.cancel", "0.1"),
        ("cancel = { fraction = 0.1 }", "load.cancel.after_s", ""),
        ("cancel = { fraction = 0.1, after_s = [1] }", "load.cancel.after_s", "[1]"),
        ("cancel = { after_s = [0, 1] }", "load.cancel.fraction", ""),
        ("cancel = { fraction = 0, after_s = [0, 1] }", "load.cancel.fraction", "0"),
        ("cancel = { fraction = 1.5, after_s = [0, 1] }", "load.cancel.fraction", "1.5"),
        ('cancel = { fraction = 0.1, after_s = [0, "x"] }', "load.cancel.after_s[1]", "'x'"),
        ("cancel = { fraction = 0.1, after_s = [2, 1] }", "load.cancel.after_s", "[2, 1]"),
        ("cancel = { fraction = 0.1, after_s = [3, 4] }", "load.cancel.after_s", "3.0"),
        ("cancel = { fraction = 0.1, after_s = [0, 1], x = 1 }", "load.cancel.x", HIDDEN),
        ("in_flight_max = 0", "load.in_flight_max", "0"),
        ("logins = 2.5", "load.logins", "2.5"),
        ("logins = 20001", "load.logins", "20001"),
        ('module = "own.txt"', "load.module", "'own.txt'"),
        ('module = "own.py"', "load.module", "'own.py'"),
        ("mix = 3", "load.mix", "3"),
        ("mix = { rpc_echo = -1 }", "load.mix.rpc_echo", "-1"),
        ("mix = { rpc_echo = nan }", "load.mix.rpc_echo", "nan"),
        ("mix = { rpc_echo = true }", "load.mix.rpc_echo", "true"),
        ("mix = { rpc_echo = 0 }", "load.mix", "<a table>"),
        ("mix = { rpc_echo = 1e308, cache_get = 1e308 }", "load.mix", "<a table>"),
        ("mix = { rpc_ehco = 1 }", "load.mix.rpc_ehco", ""),
        ('deadlines_s = { nothing = "1 s" }', "load.deadlines_s.nothing", ""),
        ('deadlines_s = { rpc_echo = "0 s" }', "load.deadlines_s.rpc_echo", "'0 s'"),
        ("users = { think_s = 1 }", "load.users.count", ""),
        ('users = { count = 1, first = "login" }', "load.users.first", HIDDEN),
        ("users = { count = 1, spurious = 1 }", "load.users.spurious", HIDDEN),
        ("sockets = { count = 0 }", "load.sockets.count", "0"),
        ('sockets = { count = 1, rotate_s = "x" }', "load.sockets.rotate_s", "'x'"),
        ("[operations.ledger_write]\npath = '/'", "operations.ledger_write", ""),
        ("[operations.all]\npath = '/'", "operations.all", ""),
        ("[operations.ws_ping]\npath = '/'", "operations.ws_ping", ""),
        ("spurious = 1", "load.spurious", HIDDEN),
    ],
)
def test_what_breaks_a_rule_is_reported_at_its_place(text: str, key: str, shown: str) -> None:
    """`shown` is the value, empty where there is none."""
    with pytest.raises(ExceptionGroup) as refused:
        changed(f"[load]\n{text}")
    (error,) = refused.value.exceptions
    assert isinstance(error, InputError)
    assert (error.source, error.key) == ("t.toml", key)
    assert str(error).startswith(f"t.toml: {key} = {shown}: " if shown else f"t.toml: {key}: ")


def test_all_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(ExceptionGroup) as refused:
        read(LoadTable, "t.toml", {"rate_per_s": -1, "logins": 0, "spurious": 1, "users": {"think_s": -1}})
    assert len(refused.value.exceptions) == 5
    with pytest.raises(ExceptionGroup) as refused:
        changed("[load]\nmix = { a = 1, b = 1 }\n[operations.all]\npath = '/'")
    assert len(refused.value.exceptions) == 3


def test_a_rate_may_be_a_text() -> None:
    assert changed('[load]\nrate_per_s = "90/min"').rate_per_s == 1.5


inner_keys = st.sampled_from(["count", "rpc_echo", "think_s", "first"]) | st.text(max_size=3)
values = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.dictionaries(inner_keys, inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(keys_of(LoadTable)) | st.text(max_size=4), values, max_size=4))
def test_any_table_is_taken_or_refused_with_input_errors_alone(table: dict[str, object]) -> None:
    try:
        override(BEFORE, "t.toml", read(LoadTable, "t.toml", table, where="load"), {})
    except ExceptionGroup as group:
        assert_input_errors(group)


@given(st.floats(0.1, 1e4), st.floats(0.01, 60))
def test_the_slots_hold_all_that_a_silent_system_would_take(rate_per_s: float, deadline_s: float) -> None:
    slots = LoadSettings(rate_per_s, Mix({"rpc_echo": 1}), deadline_s=deadline_s).slots
    assert slots >= max(16, rate_per_s * deadline_s)
