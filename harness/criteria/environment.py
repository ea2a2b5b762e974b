"""Budgets from the environment, the last word on them: `HW_BUDGET_RECOVERY_S` is `recovery_s`, and so on.

A CI job tightens or loosens one figure without a file of its own; a variable
that names no key is refused as a misspelt one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from harness.criteria.budget import BUDGET_KEYS, Budget
from harness.errors import InputError

SOURCE = "environment"
_PREFIX = "HW_BUDGET_"
_VARIABLES = {_PREFIX + key.upper(): key for key in BUDGET_KEYS}
_SERIES = "series"
_INLINE = "must be an inline table of TOML, such as {'process.api.fds' = {max = 200}}"


def override_by_environment(budget: Budget, environ: Mapping[str, str]) -> Budget:
    """Return `budget` with what the variables HW_BUDGET_* say replaced.

    Numbers and texts are those of the file's keys; `HW_BUDGET_SERIES` is the table
    `series` as TOML has it inline. Raises an ExceptionGroup of an InputError for
    each rule broken, that names the variable.
    """
    table: dict[str, object] = {}
    errors: list[Exception] = []
    for variable in (name for name in environ if name.startswith(_PREFIX)):
        try:
            key, value = _read(variable, environ[variable])
            table[key] = value
        except InputError as error:
            errors.append(error)
    try:
        budget = budget.override(SOURCE, table)
    except ExceptionGroup as group:
        errors += [_renamed(error) if isinstance(error, InputError) else error for error in group.exceptions]
    if errors:
        raise ExceptionGroup(f"{SOURCE}: breaks {len(errors)} rule(s)", errors)
    return budget


def _read(variable: str, text: str) -> tuple[str, object]:
    """Return the key that a variable sets, and to what. Raises InputError."""
    if variable not in _VARIABLES:
        raise InputError(SOURCE, variable, text, f"no such variable; one of {', '.join(_VARIABLES)}")
    key = _VARIABLES[variable]
    return key, _table(variable, text) if key == _SERIES else _number_or_text(text)


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _table(variable: str, text: str) -> object:
    try:
        read = tomllib.loads(f"{_SERIES} = {text}")
    except tomllib.TOMLDecodeError as error:
        raise InputError(SOURCE, variable, text, f"{_INLINE}: {error}") from error
    if set(read) != {_SERIES}:
        raise InputError(SOURCE, variable, text, _INLINE)
    return read[_SERIES]


def _renamed(error: InputError) -> InputError:
    """Return the error with the variable in place of the file's key, of whose parts the first is `budget`."""
    key, dot, within = error.key.removeprefix("budget.").partition(".")
    return InputError(error.source, f"{_PREFIX}{key.upper()}{dot}{within}", error.value, error.rule)
