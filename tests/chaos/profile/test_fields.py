"""Records in tables: what a field takes follows from its name and type, and what is wrong is told with its key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

from chaos.profile.fields import broken, fields_of, read_fields, refuse_unknown, write_fields
from harness.errors import InputError


class Mood(StrEnum):
    CALM = "calm"
    LOUD = "loud"


@dataclass(frozen=True)
class Record:
    target: str
    wait_s: float
    size_bytes: int = 1
    bytes_per_s: float = 1.0
    hits_per_s: float = 1.0
    fraction: float = 0.5
    share: float | None = None
    count: int = 1
    hops: tuple[str, ...] = ("a",)
    way: Literal["up", "down"] = "up"
    mood: Mood = Mood.CALM
    sure: bool = False


GIVEN: dict[str, object] = {
    "target": "api",
    "wait_s": "250 ms",
    "size_bytes": "1 KiB",
    "bytes_per_s": "2 kB",
    "hits_per_s": 7,
    "fraction": 0.25,
    "share": -3,
    "count": 2,
    "hops": ["a", "b"],
    "way": "down",
    "mood": "loud",
    "sure": True,
}
READ = Record("api", 0.25, 1024, 2000.0, 7.0, 0.25, -3.0, 2, ("a", "b"), "down", Mood.LOUD, sure=True)


def read(table: dict[str, object]) -> tuple[dict[str, Any], dict[str, InputError]]:
    errors: list[Exception] = []
    values = read_fields("f.toml", "here", table, fields_of(Record), errors)
    return values, {error.key: error for error in errors if isinstance(error, InputError)}


def test_values_come_in_si_units() -> None:
    values, errors = read(GIVEN)
    assert not errors
    assert Record(**values) == READ
    assert isinstance(values["mood"], Mood)


def test_what_was_written_is_read_back() -> None:
    for record in (READ, Record("x", 1.0)):
        values, errors = read(write_fields(record))
        assert not errors
        assert Record(**values) == record
    assert "share" not in write_fields(Record("x", 1.0))
    assert "target" not in write_fields(READ, without=("target",))


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("target", " ", "must be a text that is not empty"),
        ("target", 7, "must be a text"),
        ("wait_s", "250 Hz", "must be a duration"),
        ("wait_s", True, "must be a number or text"),
        ("wait_s", float("nan"), "must be a duration"),
        ("size_bytes", 1.5, "must be a size in whole bytes"),
        ("size_bytes", "1 GHz", "must be a size"),
        ("bytes_per_s", -1, "must be a size"),
        ("hits_per_s", "7", "must be a number"),
        ("hits_per_s", float("inf"), "must be a number"),
        ("fraction", 1.5, "must be a fraction"),
        ("share", [1], "must be a number or text"),
        ("count", 1.0, "must be a whole number"),
        ("count", True, "must be a whole number"),
        ("hops", "a", "must be a list of texts"),
        ("hops", [], "at least one"),
        ("hops", ["a", "a"], "must not name anything twice"),
        ("way", "sideways", "must be one of up, down"),
        ("way", ["up"], "must be one of up, down"),
        ("mood", "sad", "must be one of calm, loud"),
        ("sure", "yes", "must be true or false"),
        ("wait_s", 10**400, "int too large"),
    ],
)
def test_a_value_that_breaks_its_rule_is_told(key: str, value: object, rule: str) -> None:
    values, errors = read({**GIVEN, key: value})
    assert list(errors) == [f"here.{key}"]
    assert rule in errors[f"here.{key}"].rule
    assert key not in values


def test_what_is_missing_is_told_and_what_is_unknown() -> None:
    assert list(read({})[1]) == ["here.target", "here.wait_s"]
    errors: list[Exception] = []
    refuse_unknown("f.toml", "here", {"wait": 1, "wait_s": 2}, fields_of(Record), errors)
    refuse_unknown("f.toml", "", {"sauce": 1}, ["source"], errors)
    assert [error.key for error in errors if isinstance(error, InputError)] == ["here.wait", "sauce"]


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("wait_s = 0.1: must be more", "here.wait_s", "must be more"),
        ("gap_s = 0.1: must be more: or less", "here.gap", "must be more: or less"),
        ("to: must differ", "here.to", "must differ"),
        ("latency_s = 4000: must be less", "here", "latency_s = 4000: must be less"),
        ("must be otherwise", "here", "must be otherwise"),
    ],
)
def test_what_a_record_says_of_a_key_is_told_of_that_key(text: str, key: str, rule: str) -> None:
    error = broken("f.toml", "here", {"wait_s": "1 ms", "gap": 1, "to": 2}, ValueError(text))
    assert (error.key, error.rule) == (key, rule)


def test_a_type_that_no_file_can_hold_is_a_bug() -> None:
    @dataclass
    class Odd:
        thing: dict[str, int]

    with pytest.raises(TypeError, match="thing: no table can hold"):
        fields_of(Odd)
