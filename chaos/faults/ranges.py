"""What the fields of a frozen record may hold: ranges and choices stand beside their types, and are checked here.

Records made by a profile's reader and by a suite are checked alike. Needs nothing but Python: the process that
undoes faults imports toxics, and starts without the reader of tables.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Within:
    """A number's range in `unit`: from `least`, or only `above` it, to `most`; 0 as well where it is `or_zero`.

    `Annotated[float, Within(0.001, 3600, "s")]` is a field's type. What is not finite is in no range.
    """

    least: float
    most: float = math.inf
    unit: str = ""
    above: bool = False
    or_zero: bool = False

    def __str__(self) -> str:
        least, most = (int(end) if end < math.inf and end == int(end) else end for end in (self.least, self.most))
        begins = f"above {least}" if self.above else f"from {least}" if most < math.inf else f"at least {least}"
        ends = f" to {most}" if most < math.inf else ""
        return f"{'0, or ' if self.or_zero else ''}{begins}{ends}{f' {self.unit}' if self.unit else ''}"

    def broken(self, value: float) -> str | None:
        """Return the rule that a value breaks, or None."""
        # Written so that what is not a number is not in range.
        begins = value > self.least if self.above else value >= self.least
        inside = (begins and value <= self.most and value < math.inf) or (self.or_zero and value == 0)
        return None if inside else f"must be {self}"

    def read(self, value: float) -> float:
        """Return a value in range, of a user's table. Raises ValueError whose text is the rule."""
        if rule := self.broken(value):
            raise ValueError(rule)
        return value

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> dict[str, Any]:
        """Have the reader of tables ask `read` after it has read the type; its schemas are plain tables."""
        function = {"type": "no-info", "function": self.read}
        return {"type": "function-after", "function": function, "schema": handler(source)}

    def __get_pydantic_json_schema__(self, schema: object, handler: Callable[[object], Any]) -> dict[str, Any]:
        """Return the ends beside the type's own schema."""
        ends = {"exclusiveMinimum" if self.above else "minimum": 0 if self.or_zero else self.least}
        ends |= {"maximum": self.most} if self.most < math.inf else {}
        return {"allOf": [handler(schema)], **ends}


class Checked:
    """A frozen dataclass that checks its fields by their types, and then the rules between them."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Raise ValueError, `NAME = VALUE: RULE`, for the first rule broken."""
        record: type = type(self)
        for name, check in _checks_of(record):
            if rule := check.broken(getattr(self, name)):
                raise ValueError(f"{name} = {getattr(self, name)!r}: {rule}")
        for name, rule in self.check():
            raise ValueError(f"{name} = {getattr(self, name)!r}: {rule}")

    def check(self) -> Iterable[tuple[str, str]]:
        """Yield (field, rule) for each rule broken between fields that are each right."""
        return ()


def hints_of(record: type) -> tuple[tuple[str, Any], ...]:
    """Return a dataclass's fields in order, each with its type and what stands beside that."""
    return _hints_of(record)


@cache
def _hints_of(record: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(record, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in dataclasses.fields(record))


def range_of(hint: Any) -> Within | None:
    """Return the range that stands beside a field's type."""
    return next((each for each in _parts(hint)[1] if isinstance(each, Within)), None)


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Return the words of which a field is one; none where it is no choice."""
    plain = _parts(hint)[0]
    return get_args(plain) if get_origin(plain) is Literal else ()


def values_of(record: Any, *, without: Iterable[str] = ()) -> dict[str, object]:
    """Return a record as a JSON-safe table that is read back as the same: SI numbers, nothing where it is None."""
    left = set(without)
    named = {name: getattr(record, name) for name, _ in hints_of(type(record)) if name not in left}
    return {name: list(each) if isinstance(each, tuple) else each for name, each in named.items() if each is not None}


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a field's plain type, and what stands beside it."""
    if get_origin(hint) in {Union, types.UnionType}:
        (hint,) = (inner for inner in get_args(hint) if inner is not type(None))
    if get_origin(hint) is Annotated:
        plain, *beside = get_args(hint)
        return plain, tuple(beside)
    return hint, ()


@dataclass(frozen=True, slots=True)
class _Check:
    """What a field's type asks of its value; None is right wherever the type allows it."""

    plain: Any
    span: Within | None
    choices: tuple[Any, ...]

    def broken(self, value: Any) -> str | None:
        """Return the rule that a value breaks, or None."""
        if value is None:
            return None
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}"
        if self.plain is str and not str(value).strip():
            return "must be a text that is not empty"
        if self.span and (rule := self.span.broken(value)):
            return rule
        return "must be a whole number" if self.plain is int and value != int(value) else None


@cache
def _checks_of(record: type) -> tuple[tuple[str, _Check], ...]:
    """Return what is asked of each field: kept, for a timeline may have a hundred thousand records."""
    return tuple((name, _Check(_parts(hint)[0], range_of(hint), choices_of(hint))) for name, hint in hints_of(record))
