"""A table of a user's file, parsed whole: every broken rule is told at once, unknown keys included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.errors import InputError
from harness.units import parse_duration_s

# Raises ValueError whose text is the rule.
Parser = Callable[[str | float], float]


def parse_table(
    source: str,
    section: str,
    table: Mapping[str, object],
    parsers: Mapping[str, Parser],
    *,
    elsewhere: Sequence[str] = (),
) -> dict[str, float]:
    """Return the table's values in SI units.

    `source` names the file and `section` the table in errors; the keys
    `elsewhere` are read by others. Raises an ExceptionGroup of one InputError
    for each rule broken.
    """
    values: dict[str, float] = {}
    errors: list[InputError] = []
    for key in (key for key in table if key not in elsewhere):
        value, where = table[key], f"{section}.{key}"
        if key not in parsers:
            errors.append(InputError(source, where, value, f"no such key; one of {', '.join([*parsers, *elsewhere])}"))
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            errors.append(InputError(source, where, value, "must be a number or text"))
        else:
            try:
                values[key] = parsers[key](value)
            except (ValueError, OverflowError) as error:
                errors.append(InputError(source, where, value, str(error)))
    if errors:
        raise ExceptionGroup(f"{source}: [{section}] breaks {len(errors)} rule(s)", errors)
    return values


def parse_fraction(value: str | float) -> float:
    """Return a number from 0 to 1. Raises ValueError."""
    if isinstance(value, str) or not 0 <= value <= 1:
        raise ValueError("must be a fraction from 0 to 1")
    return float(value)


def parse_from_zero(value: str | float) -> float:
    """Return a finite number from 0 on. Raises ValueError."""
    if isinstance(value, str) or not 0 <= value < float("inf"):
        raise ValueError("must be a number, 0 or more")
    return float(value)


def parse_positive(value: str | float) -> float:
    """Return a finite number above 0. Raises ValueError."""
    if isinstance(value, str) or not 0 < value < float("inf"):
        raise ValueError("must be a number above 0")
    return float(value)


def parse_lasting_s(value: str | float) -> float:
    """Return a duration above 0, in seconds. Raises ValueError."""
    return parse_positive(parse_duration_s(value))


def above_zero(parse: Parser) -> Parser:
    """Return the parser that takes what `parse` takes, but nothing of zero."""

    def parse_above_zero(value: str | float) -> float:
        parsed = parse(value)
        if not parsed > 0:
            raise ValueError("must be above 0")
        return parsed

    return parse_above_zero
