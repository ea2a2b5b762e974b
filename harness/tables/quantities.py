"""The shared types of numbers: each reads a number or a text with a unit, and says in the schema and the docs what.

Only these parse text; any other number in a user's table is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from harness.tables.rules import rule
from harness.units import (
    parse_duration_s,
    parse_fraction,
    parse_rate_per_s,
    parse_size_bytes,
    write_duration,
    write_size,
)

# In a schema, this key leads back from a field to its quantity; what is written to a file has none.
MARK = "x-quantity"
_NUMBER = r"^\s*\d+(\.\d+)?([eE][+-]?\d+)?\s*"
QUANTITIES: dict[str, Quantity] = {}


def quantity(name: str) -> Quantity:
    """Return a shared quantity by its name: `duration`, `size`, `number` and so on."""
    return QUANTITIES[name]


def plain(value: float) -> float:
    """Return a number as people write it: a whole one without its point."""
    return int(value) if float(value).is_integer() else value


@dataclass(frozen=True)
class Quantity:
    """How one kind of number is read, and how it is called.

    `words` name it in the docs, `takes` in a rule. `parse` reads a text, of which `unit` is the pattern after the
    number, None where no text is taken; it raises ValueError. `write` is the way back, for defaults in the docs.
    """

    name: str
    words: str
    takes: str
    parse: Callable[[str], float] = float
    unit: str | None = None
    write: Callable[[float], object] = plain
    least: float | None = None
    most: float | None = None
    above: float | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        """Make it known by its name."""
        QUANTITIES[self.name] = self

    def read(self, value: object) -> float:
        """Return the number in SI units. Raises ValueError whose text is the rule."""
        takes_it = isinstance(value, int | float) or (self.unit is not None and isinstance(value, str))
        if isinstance(value, bool) or not takes_it:
            raise rule(f"must be {self.takes}")
        try:
            number = self.parse(value) if isinstance(value, str) else float(cast("float", value))
        except OverflowError:
            number = math.inf
        except ValueError:
            raise rule(f"must be {self.takes}") from None
        if not math.isfinite(number):
            raise rule("must be a finite number")
        if self.above is not None and not number > self.above:
            raise rule(f"must be above {self.above:g}")
        if self.least is not None and not number >= self.least:
            raise rule(f"must be at least {self.least:g}")
        if self.most is not None and not number <= self.most:
            raise rule(f"must be at most {self.most:g}")
        if self.whole and not number.is_integer():
            raise rule(f"must be {self.takes}")
        return int(number) if self.whole else number

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what is taken."""
        bounds = {"minimum": self.least, "maximum": self.most, "exclusiveMinimum": self.above}
        number = {"type": "number", **{key: bound for key, bound in bounds.items() if bound is not None}}
        if self.unit is None:
            return number
        return {"anyOf": [number, {"type": "string", "pattern": rf"{_NUMBER}{self.unit}\s*$"}]}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read` alone, whatever the field's type says."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema with the mark that leads back here."""
        del schema, handler
        return {**self.schema(), MARK: self.name}


_Options = Mapping[str, Any]
_DURATION: _Options = {
    "takes": "a duration such as 10, '10 s', '250 ms', '2 min', '48 h'",
    "parse": parse_duration_s,
    "unit": "(ms|s|min|h|d)?",
    "write": write_duration,
}
_SIZE: _Options = {
    "takes": "a size such as 1024, '1 KiB', '450 MB'",
    "parse": parse_size_bytes,
    "unit": "(B|kB|MB|GB|KiB|MiB|GiB)?",
    "write": write_size,
}
_RATE: _Options = {"takes": "a rate such as 50, '50/s', '90/min'", "parse": parse_rate_per_s, "unit": "(/s|/min|/h)?"}
_FRACTION: _Options = {"takes": "a fraction such as 0.05 or '5 %'", "parse": parse_fraction, "unit": "%", "most": 1}
_PLAIN: _Options = {"takes": "a number"}
_WHOLE: _Options = {**_SIZE, "takes": "a size in whole bytes, such as 1024 or '1 KiB'", "whole": True}

# Seconds.
Duration = Annotated[float, Quantity("duration", "duration", **_DURATION, least=0)]
PositiveDuration = Annotated[float, Quantity("duration_above_0", "duration above 0", **_DURATION, above=0)]
# Bytes.
Size = Annotated[float, Quantity("size", "size", **_SIZE, least=0)]
PositiveSize = Annotated[float, Quantity("size_above_0", "size above 0", **_SIZE, above=0)]
WholeSize = Annotated[int, Quantity("size_whole", "size in whole bytes", **_WHOLE, least=0)]
# Per second.
Rate = Annotated[float, Quantity("rate", "rate per second", **_RATE, least=0)]
PositiveRate = Annotated[float, Quantity("rate_above_0", "rate per second above 0", **_RATE, above=0)]
# Of 1.
Fraction = Annotated[float, Quantity("fraction", "fraction", **_FRACTION, least=0)]
PositiveFraction = Annotated[float, Quantity("fraction_above_0", "fraction above 0", **_FRACTION, above=0)]
# Whatever is measured in no unit.
Number = Annotated[float, Quantity("number", "number", **_PLAIN)]
NonNegative = Annotated[float, Quantity("number_from_0", "number from 0", **_PLAIN, least=0)]
Positive = Annotated[float, Quantity("number_above_0", "number above 0", **_PLAIN, above=0)]
# Of things.
Count = Annotated[int, Field(ge=0, le=10**6)]
PositiveCount = Annotated[int, Field(ge=1, le=10**6)]
