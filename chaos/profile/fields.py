"""Frozen records to and from tables of a user's file: what a field takes follows from its name and its type.

So a new fault has its parameters, their units, their rules and their place in
the schema as soon as it is a dataclass; nothing is listed twice.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from harness.errors import InputError
from harness.units import parse_duration_s, parse_fraction, parse_size_bytes

Schema = Mapping[str, object]
# As `harness.units` reads them.
_NUMBER = r"^\s*\d+(\.\d+)?([eE][+-]?\d+)?\s*"
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string", "minLength": 1}
DURATION: Schema = {
    "description": "seconds, or a text such as '250 ms', '10 s', '2 min'",
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _NUMBER + r"(ms|s|min|h|d)?\s*$"}],
}
SIZE: Schema = {
    "description": "bytes, or a text such as '512 B', '1 KiB', '450 MB'",
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": _NUMBER + r"(B|kB|MB|GB|KiB|MiB|GiB)?\s*$"},
    ],
}
FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a table: `parse` raises ValueError whose text is the rule; `schema` is the same in JSON Schema."""

    name: str
    parse: Callable[[object], object]
    schema: Schema
    required: bool


def fields_of(record: type, *, without: Sequence[str] = ()) -> dict[str, Field]:
    """Return the keys that a dataclass has in a table, in its own order. Raises TypeError for a type unheard of."""
    hints = get_type_hints(record)
    found = {}
    for field in dataclasses.fields(record):
        if field.name not in without:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            parse, schema = _reader(field.name, hints[field.name])
            found[field.name] = Field(field.name, parse, schema, required)
    return found


def read_fields(
    source: str, where: str, table: Mapping[str, object], fields: Mapping[str, Field], errors: list[Exception]
) -> dict[str, Any]:
    """Return the values of those keys of a table, in SI units; what is wrong or missing goes to `errors`."""
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in table:
            if field.required:
                errors.append(InputError(source, f"{where}.{name}", None, "must be given"))
            continue
        try:
            values[name] = field.parse(table[name])
        except (ValueError, OverflowError) as error:
            errors.append(InputError(source, f"{where}.{name}", table[name], str(error)))
    return values


def refuse_unknown(
    source: str, where: str, table: Mapping[str, object], known: Iterable[str], errors: list[Exception]
) -> None:
    """Note every key of a table that is not known; `where` is empty for the file itself."""
    names = list(known)
    prefix, rule = f"{where}." if where else "", f"no such key; one of {', '.join(names)}"
    errors.extend(InputError(source, f"{prefix}{key}", table[key], rule) for key in table if key not in names)


def write_fields(record: Any, *, without: Sequence[str] = ()) -> dict[str, object]:
    """Return a record as a JSON-safe table that `read_fields` reads back: SI numbers, nothing where it is None."""
    named = ((name, getattr(record, name)) for name in fields_of(type(record), without=without))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named if value is not None}


def broken(source: str, where: str, table: Mapping[str, object], error: ValueError) -> InputError:
    """Return what a record said when it was made, about the key that it named where it named one of the table's.

    Such a text is `NAME = VALUE: RULE` or `NAME: RULE`, NAME with its unit or without.
    """
    text = str(error)
    if match := re.fullmatch(r"(\w+)(?: = .*?)?: (.+)", text, re.DOTALL):
        for key in (match[1], match[1].removesuffix("_s")):
            if key in table:
                return InputError(source, f"{where}.{key}", table[key], match[2])
    return InputError(source, where, " ".join(map(str, table.values())), text)


def _reader(name: str, hint: Any) -> tuple[Callable[[object], object], Schema]:
    if get_origin(hint) in {Union, types.UnionType}:
        (hint,) = (inner for inner in get_args(hint) if inner is not type(None))
    if get_origin(hint) is Literal:
        return _choice(get_args(hint))
    if get_origin(hint) is tuple and get_args(hint) == (str, ...):
        return parse_texts, {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        parse, schema = _choice(tuple(hint))
        return lambda value: hint(str(parse(value))), schema
    if hint is bool:
        return _truth, {"type": "boolean"}
    if hint is str:
        return parse_text, TEXT
    if hint in {int, float}:
        return _quantity(name, whole=hint is int)
    raise TypeError(f"{name}: no table can hold a {hint}")


def _quantity(name: str, *, whole: bool) -> tuple[Callable[[object], object], Schema]:
    """Return what reads a number by the unit in its name; of a rate per second, by the unit before that."""
    amount = name.removesuffix("_per_s")
    if amount.endswith("bytes"):
        return (parse_whole_bytes if whole else scalar(parse_size_bytes)), SIZE
    if whole:
        return parse_count, {"type": "integer"}
    if name == amount and name.endswith("_s"):
        return scalar(parse_duration_s), DURATION
    if name.endswith("fraction"):
        return scalar(parse_fraction), FRACTION
    return scalar(_number), NUMBER


def scalar(parse: Callable[[str | float], float]) -> Callable[[object], float]:
    """Return the parser that refuses what is neither number nor text, for one of either."""

    def parse_scalar(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("must be a number or text")  # noqa: TRY004 - a rule broken in a file, not a bug
        return parse(value)

    return parse_scalar


def parse_lasting_s(value: str | float) -> float:
    """Return a duration above 0, in seconds. Raises ValueError."""
    duration_s = parse_duration_s(value)
    if not duration_s > 0:
        raise ValueError("must be above 0")
    return duration_s


def parse_text(value: object) -> str:
    """Return a text that is not empty. Raises ValueError."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value


def parse_texts(value: object) -> tuple[str, ...]:
    """Return a list of texts, at least one, each once. Raises ValueError."""
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each.strip() for each in value):
        raise ValueError("must be a list of texts, at least one")
    if len(set(value)) < len(value):
        raise ValueError("must not name anything twice")
    return tuple(value)


def parse_count(value: object) -> int:
    """Return a whole number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")  # noqa: TRY004 - a rule broken in a file, not a bug
    return value


def parse_whole_bytes(value: object) -> int:
    """Return a size in whole bytes. Raises ValueError."""
    size_bytes = scalar(parse_size_bytes)(value)
    if size_bytes != int(size_bytes):
        raise ValueError("must be a size in whole bytes")
    return int(size_bytes)


def _choice(known: Sequence[str]) -> tuple[Callable[[object], object], Schema]:
    def parse_choice(value: object) -> object:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value

    return parse_choice, {"enum": [str(each) for each in known]}


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - a rule broken in a file, not a bug
    return value


def _number(value: str | float) -> float:
    if isinstance(value, str) or not abs(value) < float("inf"):
        raise ValueError("must be a number")
    return float(value)
