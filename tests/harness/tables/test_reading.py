"""A table is read whole, or every rule that it breaks is told at once, and no secret with it."""

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError, explain
from harness.tables import keys_of, read, read_environment, read_toml
from tests.harness.tables.samples import Cut, Delay, Login, Shop, When

LINE = re.compile(r"shop\.toml: \S[^\n]*: [^\n]+")


def raised(table: object) -> ExceptionGroup[Exception] | None:
    """Return what reading a table raises, None where it is right."""
    try:
        read(Shop, "shop.toml", table)
    except ExceptionGroup as group:
        return group
    return None


def refused(table: object, kind: type = Shop, where: str = "") -> dict[str, str]:
    """Return what is told of a table: key to value and rule."""
    with pytest.raises(ExceptionGroup) as caught:
        read(kind, "shop.toml", table, where=where)
    errors = [error for error in caught.value.exceptions if isinstance(error, InputError)]
    assert len(errors) == len(caught.value.exceptions)
    assert all(LINE.fullmatch(str(error)) for error in errors)
    return {error.key: str(error).removeprefix(f"shop.toml: {error.key}").lstrip(" =:") for error in errors}


def test_a_right_table_becomes_a_value() -> None:
    shop = read(
        Shop,
        "shop.toml",
        {
            "rate_per_s": "120/min",
            "wait_s": "2 min",
            "room_bytes": "1 KiB",
            "share": "5 %",
            "factor": 3,
            "when": "all",
            "login": {"user": "you", "high": 12},
            "logins": {"a.b": {}},
            "except": ["process.*.fds"],
            "faults": [{"fault": "delay", "target": "x", "rtt_s": "250 ms"}, {"fault": "cut", "target": "y"}],
        },
    )
    assert (shop.rate_per_s, shop.wait_s, shop.room_bytes, shop.share, shop.factor) == (2.0, 120.0, 1024, 0.05, 3.0)
    assert (shop.when, shop.excepted) == (When.ALL, ("process.*.fds",))
    assert (shop.login, shop.logins) == (Login(user="you", high=12), {"a.b": Login()})
    assert shop.faults == (Delay("x", 0.25), Cut("y"))


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        ({"rate_per_s": -1}, "rate_per_s", "-1: must be above 0"),
        ({"share": 5}, "share", "5: must be at most 1"),
        ({"wait_s": True}, "wait_s", "true: must be a duration such as"),
        ({"factor": "3"}, "factor", "'3': must be a number"),
        ({"factor": float("nan")}, "factor", "nan: must be a finite number"),
        ({"factor": 10**400}, "factor", "<a very large number>: must be a finite number"),
        ({"room_bytes": 0.5}, "room_bytes", "0.5: must be a size in whole bytes"),
        ({"staff": 0}, "staff", "0: must be at least 1"),
        ({"staff": 21}, "staff", "21: must be at most 20"),
        ({"staff": 2.0}, "staff", "2.0: must be a whole number"),
        ({"staff": True}, "staff", "true: must be a whole number"),
        ({"is_open": 1}, "is_open", "1: must be true or false"),
        ({"name": 3}, "name", "3: must be a text"),
        ({"name": " "}, "name", "' ': must be a text that is not empty"),
        ({"when": "now"}, "when", "'now': must be one of calm, all"),
        ({"login": 3}, "login", "3: must be a table"),
        ({"login": ["postgresql://u:pw@h"]}, "login", "<hidden>: must be a table"),
        ({"login": "postgresql://u:pw@h"}, "login", "<hidden>: must be a table, not a text"),
        ({"login": {"low": 3, "high": 2}}, "login.low", "3: must not be more than high"),
        ({"login": {"high": 0, "low": 1e-9}}, "login.low", "1e-09: must not be more than high"),
        ({"login": {"user": "nobody"}}, "login", "must be of somebody"),
        ({"logins": {"a.b": {"users": 3}}}, 'logins."a.b".users', "<hidden>: no such key; did you mean user?"),
        ({"floors": {"celar": {}}}, "floors.celar", "<hidden>: no such key; did you mean cellar?"),
        ({"except": "a.b"}, "except", "<hidden>: must be a list, not a text"),
        ({"except": {"a": 1}}, "except", "<a table>: must be a list"),
        ({"except": ["a.b", "a"]}, "except[1]", "'a': must be the name of a series"),
        ({"excepted": ["a.b"]}, "excepted", "<hidden>: no such key; did you mean except?"),
        ({"zzz": 1}, "zzz", "<hidden>: no such key; one of rate_per_s, wait_s"),
        ({"faults": [{"fault": "delay"}, {}]}, "faults[1].fault", "must be one of delay, cut"),
        ({"faults": [{"fault": "dely"}]}, "faults[0].fault", "'dely': must be one of delay, cut"),
        ({"faults": ["x"]}, "faults[0]", "<hidden>: must be a table"),
        ({"faults": [{"fault": "cut"}]}, "faults[0].target", "missing; must be given"),
        (
            {"faults": [{"fault": "cut", "target": "a", "hops": ["b", "b"]}]},
            "faults[0].hops",
            "['b', 'b']: must not name",
        ),
        ({"faults": [{"fault": "cut", "target": "a", "kind": 1}]}, "faults[0].kind", "<hidden>: no such key; one of"),
        (
            {"faults": [{"fault": "delay", "target": "a", "rtt_s": 500}]},
            "faults[0].rtt_s",
            "500: must be at most 100 s",
        ),
        ({"quoted": "hunter22"}, "quoted", "'hunter22': 'hunter22' is no good"),
        ({"token": "hunter22"}, "token", "<hidden>: breaks a rule that is not shown"),
        ({"secret": "hunter22"}, "secret", "<hidden>: must be right"),
        ({"urls": "redis://me:hunter22@h"}, "urls", "<hidden>: must be a list, not a text"),
        ({"urls": ["a", 3]}, "urls[1]", "<hidden>: must be a text"),
    ],
)
def test_a_broken_rule_is_told_with_its_place(table: object, key: str, told: str) -> None:
    found = refused(table)
    assert found[key].startswith(told), found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = refused({"staff": 0, "wiat_s": 1, "login": {"low": -1, "x": 1}, "faults": [{"fault": "delay"}]}, where="a")
    assert set(found) == {"a.staff", "a.wiat_s", "a.login.low", "a.login.x", "a.faults[0].target", "a.faults[0].rtt_s"}


def test_errors_of_what_is_read_by_hand_are_all_at_their_places() -> None:
    assert set(refused({"both": {"low": 5, "high": 1, "user": "nobody"}})) == {
        "both.one[7].low",
        "both.one[7]",
        "both.two[7].low",
        "both.two[7]",
    }


@pytest.mark.parametrize("table", ["text", 3, None, [], [{}]])
def test_what_is_no_table_is_refused(table: object) -> None:
    (told,) = refused(table).values()
    assert "must be a table" in told


def test_no_error_leads_back_to_pydantic_s_which_knows_the_values() -> None:
    secret = "hunter" + "22"
    with pytest.raises(ExceptionGroup) as caught:
        read(Shop, "shop.toml", {"token": secret, "login": {"hunter": secret}})
    for error in (caught.value, *caught.value.exceptions):
        assert error.__cause__ is None
        assert error.__context__ is None
    assert secret not in "".join(traceback.format_exception(caught.value))


KEYS = [
    *Shop.model_fields,
    "except",
    "wiat_s",
    "postgres_dsn",
    "a.b",
    "user",
    "low",
    "target",
    "rtt_s",
    "fault",
    "hops",
]
SECRET_KEYS = ["token", "secret", "urls", "password", "api_key", "authority", "x_headers", "dsn"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["delay", "cut"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), anything, max_size=6))
def test_any_table_is_read_or_refused_in_lines_with_file_and_key(table: dict[str, object]) -> None:
    group = raised(table)
    if group is None:
        assert table.keys() <= set(keys_of(Shop))
        return
    errors = [error for error in group.exceptions if isinstance(error, InputError)]
    assert len(errors) == len(group.exceptions) > 0
    for error in errors:
        assert LINE.fullmatch(str(error))
        assert str(error).isprintable()
        assert error.key


def planted(secret: str) -> st.SearchStrategy[object]:
    """Return values that hold a secret somewhere, in some form."""
    forms = [
        secret,
        f"redis://me:{secret}@h/0",
        f"a\n{secret}",
        [secret],
        {"x": secret},
        {secret: 1},
        [{"y": [secret]}],
    ]
    return st.sampled_from(forms)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_secret_is_never_told(data: st.DataObject) -> None:
    secret = data.draw(st.text("abcdefgh0123456789", min_size=8, max_size=12).map(lambda text: f"S{text}"))
    value = data.draw(planted(secret))
    # Under a secret's name, under one that there is not, or in place of a table or of a list of tables.
    key = data.draw(st.sampled_from([*SECRET_KEYS, "unheard_of", "login", "logins", "faults"]))
    hidden: Mapping[str, Any] = {key: value}
    # What stands under the secret's name is hidden; a name itself is none.
    if isinstance(value, dict) and secret in value:
        hidden = {key: {"x": secret}}
    depth = data.draw(st.sampled_from(["top", "in a table", "in a list"]))
    table: Mapping[str, object] = {
        "top": hidden,
        "in a table": {"login": hidden, "logins": {"a": hidden}},
        "in a list": {
            "faults": [{"fault": "cut", **hidden}, {"fault": "delay", "rtt_s": 500, "target": "x", **hidden}]
        },
    }[depth]
    if group := raised(table):
        assert secret.lower() not in explain(group).lower()
        assert secret.lower() not in "".join(traceback.format_exception(group)).lower()


@settings(deadline=None, max_examples=200)
@given(
    st.builds(
        Shop,
        rate_per_s=st.floats(0.001, 1e9),
        wait_s=st.floats(0, 1e9),
        share=st.floats(0, 1),
        staff=st.integers(1, 20),
        name=st.text("ab c", min_size=1).filter(str.strip),
        when=st.sampled_from(When),
        excepted=st.lists(st.sampled_from(["a.b", "c.*.d_?"])).map(tuple),
        faults=st.just(()),
        logins=st.dictionaries(st.text(max_size=4), st.builds(Login, user=st.just("u"), low=st.floats(0, 9))),
    )
)
def test_what_was_written_is_read_back(shop: Shop) -> None:
    table = shop.model_dump(mode="json", by_alias=True, include=shop.model_fields_set)
    assert read(Shop, "shop.toml", table) == shop


def test_a_table_is_laid_over_another_key_by_key() -> None:
    over = read(Shop, "shop.toml", {"staff": 2, "share": 0}).over(Shop(staff=7, name="ours"))
    assert over == Shop(staff=2, share=0.0, name="ours")


def test_a_value_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Shop().staff = 3


def test_the_environment_s_texts_are_of_the_types_of_their_keys() -> None:
    environ = {
        "HW_STAFF": "3",
        "HW_IS_OPEN": "false",
        "HW_FACTOR": "1e3",
        "HW_WAIT_S": "2 min",
        "HW_NAME": "7",
        "HW_EXCEPT": '["a.b"]',
        "HW_LOGIN": '{user = "you"}',
        "PATH": "x",
        "hw_staff": "9",
    }
    shop = read_environment(Shop, environ, "HW_")
    assert shop == Shop(
        staff=3, is_open=False, factor=1000.0, wait_s=120.0, name="7", excepted=("a.b",), login=Login(user="you")
    )


def test_the_environment_s_errors_name_their_variables() -> None:
    environ = {
        "HW_STAFF": "3.5",
        "HW_IS_OPEN": "perhaps",
        "HW_FACTOR": "nan",
        "HW_EXCEPT": "a.b",
        "HW_LOGINS": '{"a.b" = {low = -1}}',
        "HW_TOKEN": "hunter22",
        "HW_STAF": "hunter22",
    }
    with pytest.raises(ExceptionGroup, match="environment: breaks 7 rule") as caught:
        read_environment(Shop, environ, "HW_")
    told = explain(caught.value)
    assert "hunter22" not in told
    assert {line.partition(": ")[2].partition(" = ")[0] for line in told.splitlines()} == {
        *environ.keys() - {"HW_LOGINS"},
        'HW_LOGINS."a.b".low',
    }
    assert "HW_STAF = <hidden>: no such key; did you mean HW_STAFF?" in told


def test_a_file_is_read_or_said_why_not(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("a = 1")
    assert read_toml(path) == {"a": 1}
    path.write_text("a = ")
    with pytest.raises(InputError, match="must be TOML"):
        read_toml(path)
    path.write_bytes(b'a = "\xff"')
    with pytest.raises(InputError, match="must be TOML"):
        read_toml(path)
    with pytest.raises(InputError, match="must be readable"):
        read_toml(tmp_path / "none.toml")
