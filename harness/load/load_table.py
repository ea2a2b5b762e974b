"""A target file's `[load]` and `[operations]`, applied to a load key by key.

A misspelt key would silently load something else, so unknown ones are refused,
and all that is wrong is told at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.criteria.overrides import Parser, above_zero, parse_fraction, parse_lasting_s, parse_positive, parse_table
from harness.errors import InputError
from harness.load.engine.users import Users
from harness.load.operations.declared import parse_operations
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.units import parse_duration_s

_USERS: Mapping[str, Parser] = dict.fromkeys(("think_s", "over_s"), parse_duration_s)
_SOCKETS: Mapping[str, Parser] = dict.fromkeys(
    ("over_s", "heartbeat_s", "rotate_s", "publish_every_s"), parse_duration_s
)
# A process has at most so many connections on common systems; more take more workers.
_CROWD_MAX = 20_000
_THINK_S = 1.0


def override(
    settings: LoadSettings, source: str, load: Mapping[str, object], operations: Mapping[str, object]
) -> LoadSettings:
    """Return the settings with a target file's tables applied; `source` names the file in errors.

    Raises an ExceptionGroup of every InputError in the tables.
    """
    errors: list[Exception] = []
    changes: dict[str, Any] = {}
    try:
        changes["declared"] = {**settings.declared, **parse_operations(source, operations)}
    except ExceptionGroup as group:
        errors += group.exceptions
    try:
        changes |= _parse_load(source, load, settings)
    except ExceptionGroup as group:
        errors += group.exceptions
    if not errors:
        changed = dataclasses.replace(settings, **changes)
        errors += changed.check(source)
        if not errors:
            return changed
    raise ExceptionGroup(f"{source}: [load] and [operations] break {len(errors)} rule(s)", errors)


def _parse_load(source: str, table: Mapping[str, object], before: LoadSettings) -> dict[str, Any]:
    """Return the fields that a `[load]` table changes. Raises an ExceptionGroup of InputErrors."""
    errors: list[Exception] = []
    changes: dict[str, Any] = {}

    def take(key: str, parse: Callable[[Any], Mapping[str, Any]]) -> None:
        try:
            changes.update(parse(table[key]))
        except ExceptionGroup as group:
            errors.extend(group.exceptions)
        except (ValueError, OverflowError) as error:
            errors.append(InputError(source, f"load.{key}", table[key], str(error)))

    parsers: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
        "rate_per_s": lambda value: parse_table(source, "load", {"rate_per_s": value}, {"rate_per_s": parse_positive}),
        "deadline_s": lambda value: parse_table(source, "load", {"deadline_s": value}, {"deadline_s": parse_lasting_s}),
        "deadlines_s": lambda value: {"deadlines_s": _deadlines(source, value)},
        "arrivals": lambda value: {"poisson": _choice(value, "constant", "poisson")},
        "connections": lambda value: {"fresh": _choice(value, "keep_alive", "fresh")},
        "cancel": lambda value: {"cancels": _cancels(source, value)},
        "in_flight_max": lambda value: {"in_flight_max": _count(value, least=1)},
        "logins": lambda value: {"logins": _count(value, least=1)},
        "module": lambda value: {"module": _module(source, value)},
        "mix": lambda value: {"mix": _mix(value)},
        "users": lambda value: {"users": _users(source, value, changes.get("mix", before.mix))},
        "sockets": lambda value: {"sockets": _sockets(source, value)},
    }
    # In the parsers' order: users who bring no mix of their own take the one that the table gives.
    for key, parse in parsers.items():
        if key in table:
            take(key, parse)
    rule = f"no such key; one of {', '.join(parsers)}"
    errors.extend(InputError(source, f"load.{key}", table[key], rule) for key in table if key not in parsers)
    if errors:
        raise ExceptionGroup(f"{source}: [load] breaks {len(errors)} rule(s)", errors)
    return changes


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - a rule broken in a file, not a bug
    return value


def _deadlines(source: str, value: Any) -> Mapping[str, float]:
    table = _table(value)
    return parse_table(source, "load.deadlines_s", table, dict.fromkeys(table, parse_lasting_s))


def _cancels(source: str, value: Any) -> Cancels:
    table = _table(value)
    ends = table.get("after_s")
    if not isinstance(ends, list) or len(ends) != 2:
        raise ValueError('must have after_s, a span that counts from the send: ["0 s", "300 ms"]')
    parsers = {"fraction": above_zero(parse_fraction)}
    share = parse_table(source, "load.cancel", {"fraction": None, **table}, parsers, elsewhere=("after_s",))
    names = ("least", "most")
    fields = dict(zip(names, ends, strict=True))
    span_s = parse_table(source, "load.cancel.after_s", fields, dict.fromkeys(names, parse_duration_s))
    if span_s["most"] < span_s["least"]:
        raise ValueError("after_s must not end before it begins")
    return Cancels(share["fraction"], span_s["least"], span_s["most"])


def _choice(value: Any, no: str, yes: str) -> bool:
    if value not in (no, yes):
        raise ValueError(f"must be {no} or {yes}")
    return bool(value == yes)


def _count(value: Any, *, least: int) -> int:
    if type(value) is not int or not least <= value <= _CROWD_MAX:
        raise ValueError(f"must be a whole number from {least} to {_CROWD_MAX}")
    return value


def _module(source: str, value: Any) -> str:
    if not isinstance(value, str) or not value.endswith(".py"):
        raise ValueError("must be the name of a Python file beside the target file")
    return str(Path(source).parent / value)


def _mix(value: Any) -> Mix:
    weights = _table(value)
    if not all(type(weight) in {int, float} and 0 <= weight < float("inf") for weight in weights.values()):
        raise ValueError("must give each operation a weight, a number from 0 on")
    return Mix({name: float(weight) for name, weight in weights.items()})


def _users(source: str, value: Any, mix: Mix) -> Users:
    table = dict(_table(value))
    count = _count(table.pop("count", None), least=1)
    own = table.pop("mix", None)
    first = table.pop("first", [])
    if not isinstance(first, list) or not all(isinstance(name, str) for name in first):
        raise ValueError("first must be a list of operations")
    times = parse_table(source, "load.users", table, _USERS)
    return Users(count, mix if own is None else _mix(own), **{"think_s": _THINK_S, **times}, first=tuple(first))


def _sockets(source: str, value: Any) -> Sockets:
    table = dict(_table(value))
    count = _count(table.pop("count", None), least=1)
    return Sockets(count, **parse_table(source, "load.sockets", table, _SOCKETS))
