"""What a field may hold: ranges and choices, checked whoever makes the record, and the same by the reader of tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from chaos.faults.ranges import Checked, Within, range_of, values_of
from harness.errors import InputError
from harness.tables import Duration, Names, marked_schema, read, table


@table
@dataclass(frozen=True, slots=True)
class Record(Checked):
    name: str
    wait_s: Annotated[Duration, Within(0.5, 10, "s", or_zero=True)] = 1.0
    share: Annotated[float, Within(0, 1, above=True)] | None = None
    count: Annotated[int, Within(1)] = 1
    way: Literal["up", "down"] = "up"
    hops: Names = ("a", "b")

    def check(self) -> Iterator[tuple[str, str]]:
        if self.share is not None and self.count > 5:
            yield "count", "must be at most 5 beside share"


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        *(("wait_s", value, "must be 0, or from 0.5 to 10 s") for value in (0.4, -1.0, 10.1, math.nan, math.inf)),
        *(("share", value, "must be above 0 to 1") for value in (0.0, 1.1, math.nan)),
        *(("count", value, "must be at least 1") for value in (0, math.inf)),
        ("count", 1.5, "must be a whole number"),
        ("way", "sideways", "must be one of up, down"),
        ("name", " ", "must be a text that is not empty"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_name(key: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} = .*: {rule}$"):
        Record(**{"name": "x", key: value})  # type: ignore[arg-type] # the point
    with pytest.raises(ExceptionGroup) as refused:
        read(Record, "f", {"name": "x", key: value})
    (error,) = refused.value.exceptions
    assert isinstance(error, InputError)
    assert error.key == key


def test_the_ends_of_a_range_are_in_it_and_nothing_where_nothing_may_be() -> None:
    for wait_s in (0, 0.5, 10):
        assert Record("x", wait_s).wait_s == wait_s
    assert Record("x", share=1.0).share == 1.0
    assert read(Record, "f", {"name": "x", "wait_s": "500 ms"}) == Record("x", 0.5)


def test_all_out_of_range_is_told_at_once_and_then_the_rules_between() -> None:
    with pytest.raises(ExceptionGroup) as refused:
        read(Record, "f", {"name": "x", "wait_s": 11, "count": 0, "share": 2})
    assert len(refused.value.exceptions) == 3
    with pytest.raises(ValueError, match=r"^count = 6: must be at most 5 beside share$"):
        Record("x", share=0.5, count=6)


def test_a_record_is_written_without_what_is_none_and_read_back() -> None:
    record = Record("x", share=0.25)
    assert values_of(record, without=["name"]) == {
        "wait_s": 1.0,
        "share": 0.25,
        "count": 1,
        "way": "up",
        "hops": ["a", "b"],
    }
    assert "share" not in values_of(Record("x"))
    assert read(Record, "f", values_of(record)) == record


def test_the_schema_has_the_range() -> None:
    described = marked_schema(Record)["properties"]
    assert (described["wait_s"]["minimum"], described["wait_s"]["maximum"]) == (0, 10)
    assert described["count"]["minimum"] == 1
    assert range_of(Annotated[float, Within(0)] | None) == Within(0)
