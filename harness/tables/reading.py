"""From a file, a table or the environment to frozen values: all that is wrong is told at once, a line for each.

A line names the file, the key, the value unless it must be hidden, and the rule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import InputError
from harness.shown import ABSENT, UNTOLD, is_secret, quotes, show_key
from harness.tables.rules import translate, unknown_key
from harness.tables.table import Table, adapter, keys_of

_T = TypeVar("_T")
_Table = TypeVar("_Table", bound=Table)
ENVIRONMENT = "environment"
_INLINE = "must be TOML on one line, such as {'process.api.fds' = {max = 200}}"


def read(kind: type[_T], source: str, table: object, *, where: str = "") -> _T:
    """Return the value of a type that a table describes; `source` names the file in errors, `where` the table in it.

    Raises an ExceptionGroup of an InputError for each rule broken.
    """
    value: _T
    value, errors = _read(kind, source, table, where)
    if errors:
        raise ExceptionGroup(f"{source}: breaks {len(errors)} rule(s)", errors)
    return value


def read_toml(path: Path) -> dict[str, object]:
    """Return what a TOML file holds. Raises InputError when it cannot be read or is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(str(path), "file", path.name, f"must be readable ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise InputError(str(path), "file", path.name, f"must be TOML: {reason}") from None


def read_environment(kind: type[_Table], environ: Mapping[str, str], prefix: str) -> _Table:
    """Return what the variables `PREFIX` + KEY say of a table whose keys all have defaults; a misspelt one is refused.

    A number, a size and so on is as the text of a file; lists and tables are TOML on one line. Raises an
    ExceptionGroup of an InputError for each rule broken, each of which names its variable.
    """
    names = {prefix + key.upper(): key for key in keys_of(kind)}
    fields = dict(zip(keys_of(kind), kind.model_fields.values(), strict=True))
    table: dict[str, object] = {}
    errors: list[InputError] = []
    for variable in (name for name in environ if name.startswith(prefix)):
        text, key = environ[variable], names.get(variable)
        if key is None:
            message = str(unknown_key(variable, names).context["rule"])  # type: ignore[index] # a rule has a context
            errors.append(InputError(ENVIRONMENT, variable, text, message, hidden=True))
            continue
        try:
            table[key] = _typed(text, fields[key].annotation)
        except ValueError:
            errors.append(InputError(ENVIRONMENT, variable, text, _INLINE, hidden=True))
    value: _Table
    value, broken = _read(kind, ENVIRONMENT, table, "")
    errors += [_renamed(error, prefix) for error in broken]
    if errors:
        raise ExceptionGroup(f"{ENVIRONMENT}: breaks {len(errors)} rule(s)", errors)
    return value


def _read(kind: type[Any], source: str, table: object, where: str) -> tuple[Any, list[InputError]]:
    try:
        return adapter(cast("Any", kind)).validate_python(table, by_alias=True, by_name=False), []
    except ValidationError as error:
        found = error.errors(include_url=False)
    # Outside the handler, so that no error's context holds pydantic's, which knows the values.
    return None, [_told(source, where, each) for each in found]


def _told(source: str, where: str, error: ErrorDetails) -> InputError:
    context: Any = translate(error).context
    loc = error["loc"][:-1] if error["loc"] and error["loc"][-1] == "[key]" else error["loc"]
    path = show_key(*loc)
    key = f"{where}{'' if path.startswith('[') or not (path and where) else '.'}{path}" or "file"
    value = ABSENT if context["absent"] else error["input"]
    text, hidden = str(context["rule"]), bool(context["hidden"]) or is_secret(key)
    if context["quoting"] and (quotes(text, value, in_words=True) if hidden else _gives_away(text, value)):
        text = UNTOLD
    return InputError(source, key, value, text, hidden=hidden)


def _gives_away(text: str, value: object) -> bool:
    """Return whether a text quotes what stands under a secret's key anywhere in a value."""
    return any(quotes(text, secret, in_words=True) for secret in _secrets(value))


def _secrets(value: object) -> Iterator[object]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from [inner] if is_secret(str(key)) else _secrets(inner)
        case list() | tuple():
            for inner in value:
                yield from _secrets(inner)


def _typed(text: str, annotation: Any) -> object:
    """Return a variable's text as a file would have the value. Raises ValueError where it must be TOML and is not."""
    members = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) in {Union, UnionType} and len(members) == 1:
        return _typed(text, members[0])
    if annotation in {bool, int, float}:
        try:
            return TypeAdapter(annotation).validate_python(text)
        except ValidationError:
            # It may have a unit; if not, it is refused as the same text in a file would be.
            return text
    if get_origin(annotation) is None and not (isinstance(annotation, type) and issubclass(annotation, Table)):
        return text
    read_back = tomllib.loads(f"value = {text}")
    if set(read_back) != {"value"}:
        raise ValueError(_INLINE)
    return read_back["value"]


def _renamed(error: InputError, prefix: str) -> InputError:
    """Return the error with the variable in place of the key."""
    key, dot, within = error.key.partition(".")
    return InputError(error.source, f"{prefix}{key.upper()}{dot}{within}", error.value, error.rule)
