"""Tables that the tests of the reader read: one of each thing that a table may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator

from harness.tables import (
    Broken,
    Choice,
    Duration,
    Fraction,
    Gathered,
    Listed,
    Name,
    Names,
    NonNegative,
    Positive,
    PositiveRate,
    SeriesName,
    Table,
    Tagged,
    Text,
    WholeSize,
    rule,
    table,
    validate,
)

EXCEPT = Field(validation_alias="except", serialization_alias="except")


class When(StrEnum):
    CALM = "calm"
    ALL = "all"


@table
@dataclass(frozen=True, slots=True)
class Delay:
    """Delays each round trip."""

    target: Name
    """Which hop."""
    rtt_s: Duration
    direction: Literal["up", "down"] = "up"
    kind: ClassVar[str] = "delay"

    def __post_init__(self) -> None:
        if self.rtt_s > 100:
            raise ValueError(f"rtt_s = {self.rtt_s}: must be\n at most 100 s")


@table
@dataclass(frozen=True, slots=True)
class Cut:
    target: Name
    hops: Names = ("a",)


class Login(Table):
    user: Text = "me"
    low: NonNegative = 0.0
    high: NonNegative = 9.0

    def check(self) -> Iterator[Broken]:
        if self.low > self.high:
            yield "low", "must not be more than high"
        if self.user == "nobody":
            yield "", "must be of somebody"


def quoting(value: str) -> str:
    raise ValueError(f"{value!r} is\nno good")


def no_quoting(value: str) -> str:
    if value != "right":
        raise rule("must be right")
    return value


def pair(value: object) -> tuple[Login, Login]:
    """Read the same table twice, below two places."""
    found = Gathered()
    made = []
    for place in ("one", "two"):
        with found.at(value, place, 7):
            made.append(validate(Login, value))
    found.finish()
    return made[0], made[1]


class Shop(Table):
    """A shop."""

    rate_per_s: PositiveRate = 50.0
    """How many customers come in a second; a | b."""
    wait_s: Duration = 10.0
    room_bytes: WholeSize = 1024
    share: Fraction = 0.05
    factor: Positive = 1.0
    staff: Annotated[int, Field(ge=1, le=20)] = 2
    is_open: bool = True
    name: Text = "shop"
    when: Choice[When] = When.CALM
    login: Login | None = None
    logins: Mapping[str, Login] = {}
    floors: Mapping[Literal["cellar", "attic"], Login] = {}
    excepted: Annotated[Listed[SeriesName], EXCEPT] = ()
    faults: Listed[Annotated[Delay | Cut, Tagged("fault", {"delay": Delay, "cut": Cut})]] = ()
    quoted: Annotated[str, AfterValidator(quoting)] = ""
    token: Annotated[str, AfterValidator(quoting)] = ""
    secret: Annotated[str, AfterValidator(no_quoting)] = ""
    urls: Listed[Text] = ()
    both: Annotated[tuple[Login, Login] | None, PlainValidator(pair)] = None
