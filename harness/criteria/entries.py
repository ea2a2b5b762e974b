"""One table of a user's list, read key by key: what each key may hold, and every broken rule told with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from harness.criteria.limits import is_series_name
from harness.criteria.overrides import Parser
from harness.errors import InputError
from harness.records import Outcome

# Raises ValueError whose text is the rule.
Read = Callable[[object], object]
E = TypeVar("E", bound=StrEnum)

_COUNT_MAX = 10**6


class Entry:
    """A table that stands at `where` in the file `source`; what is wrong with it is noted in `errors`."""

    def __init__(self, source: str, where: str, errors: list[InputError]) -> None:
        self._source = source
        self._where = where
        self._errors = errors
        self._before = len(errors)

    @property
    def sound(self) -> bool:
        """Whether nothing was found wrong with it so far."""
        return len(self._errors) == self._before

    def refuse(self, key: object, value: object, rule: str) -> None:
        """Note that a value breaks a rule; the key is empty where it is the table itself."""
        where = f"{self._where}.{key}" if key else self._where
        self._errors.append(InputError(self._source, where, value, rule))

    def read(self, fields: Mapping[str, object], parsers: Mapping[str, Read]) -> dict[str, Any]:
        """Return the values of the keys that are there and break no rule; any key without a parser is refused."""
        for key in (key for key in fields if key not in parsers):
            self.refuse(key, fields[key], f"no such key; one of {', '.join(parsers)}")
        values = {}
        for key in (key for key in parsers if key in fields):
            try:
                values[key] = parsers[key](fields[key])
            except (ValueError, OverflowError) as error:
                self.refuse(key, fields[key], str(error))
        return values

    def check_order(self, values: Mapping[str, Any]) -> None:
        """Refuse a `min` above the `max`."""
        minimum, maximum = values.get("min"), values.get("max")
        if minimum is not None and maximum is not None and minimum > maximum:
            self.refuse("min", minimum, f"must not be more than max, {maximum:g}")


def read_list(
    source: str, section: str, tables: object
) -> tuple[list[tuple[Entry, Mapping[str, object]]], list[InputError]]:
    """Return each table of a list with its entry, and the list in which the entries note what is wrong.

    What is no list, or no table in it, is noted there at once.
    """
    errors: list[InputError] = []
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        errors.append(InputError(source, section, tables, f"must be a list of tables: [[{section}]]"))
        return [], errors
    found = []
    for n, fields in enumerate(tables):
        where = f"{section}[{n}]"
        if isinstance(fields, Mapping):
            found.append((where, fields))
        else:
            errors.append(InputError(source, where, fields, f"must be a table: [[{section}]]"))
    return [(Entry(source, where, errors), fields) for where, fields in found], errors


def read_scalar(parse: Parser) -> Read:
    """Return what reads a number, or a text with a unit."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("must be a number or text")  # noqa: TRY004 - of a user's text, every broken rule is told alike
        return parse(value)

    return read


def read_count(least: int) -> Read:
    """Return what reads a whole number from `least` on."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _COUNT_MAX:
            raise ValueError(f"must be a whole number from {least} to {_COUNT_MAX}")
        return value

    return read


def read_choice(choices: Sequence[E]) -> Read:
    """Return what reads one of some words."""

    def read(value: object) -> E:
        for choice in choices:
            if choice == value:
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}")

    return read


def read_series(value: object) -> str:
    """Return the name of a series, or a pattern of names. Raises ValueError."""
    if not isinstance(value, str) or not is_series_name(value):
        raise ValueError('must be the name of a series, such as "process.api.fds" or "load.*.timed_out"')
    kind, _, rest = value.partition(".")
    if kind == "load" and rest.partition(".")[0] == "all" and rest.rpartition(".")[2] in set(Outcome):
        raise ValueError("is by operation: take load.*, whose sum is that of all, or load.all.good_fraction")
    return value


def read_series_list(value: object) -> tuple[str, ...]:
    """Return a list of names of series. Raises ValueError."""
    if not isinstance(value, list) or not value or not all(is_series_name(name) for name in value):
        raise ValueError("must be a list of names of series, such as ['process.toxiproxy.fds']")
    return tuple(value)
