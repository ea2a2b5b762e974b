"""What a user's table is: a frozen pydantic model, or a frozen dataclass that is marked as one.

Both refuse unknown keys, take no value for another type's, and say all that is
wrong with them at once, `check` included: the rules between their keys.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from harness.tables.rules import one_line, rule, translate

_T = TypeVar("_T")
_Part = str | int
# A key, a path below the table, or nothing for the table itself; and the rule that it breaks.
Broken = tuple[str | tuple[_Part, ...], str]
_CONFIG = ConfigDict(
    frozen=True,
    extra="forbid",
    strict=True,
    allow_inf_nan=False,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
    validate_by_alias=True,
    validate_by_name=True,
)
# What a record says when it is made: `NAME = VALUE: RULE` or `NAME: RULE`, NAME with its unit or without.
_NAMED = re.compile(r"(\w+)(?: = .*?)?: (.+)", re.DOTALL)


class Gathered:
    """The errors of a validator that reads several things: all of them are told, each at its place.

    `known` are the keys of the table that is read, for what to say of others.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = tuple(known)
        self._errors: list[InitErrorDetails] = []

    @contextmanager
    def at(self, value: object, *place: _Part) -> Iterator[None]:
        """Note what is raised within of `value`, which stands at a place below what is read."""
        try:
            yield
        except ValidationError as error:
            for each in error.errors(include_url=False):
                said = str(each.get("ctx", {}).get("error", ""))
                if each["loc"] or not self._note_named(said, each["input"], *place):
                    self.refuse(translate(each, self._known), each["input"], *place, *each["loc"])
        except PydanticCustomError as error:
            self.refuse(error, value, *place)
        except ValueError as error:
            if not self._note_named(str(error), value, *place):
                self.refuse(rule(one_line(str(error)), quoting=True), value, *place)

    def refuse(self, error: PydanticCustomError, value: object, *place: _Part) -> None:
        """Note that the value at a place below breaks a rule."""
        if place and place[-1] == "[key]":
            place = place[:-1]
        self._errors.append({"type": error, "loc": place, "input": value})

    def finish(self) -> None:
        """Raise pydantic's ValidationError of all that was noted, if anything was."""
        if self._errors:
            raise ValidationError.from_exception_data("table", self._errors, hide_input=True)

    def _note_named(self, said: str, given: object, *place: _Part) -> bool:
        """Note what a record said of one of its keys when it was made; return whether it was such an error."""
        match = _NAMED.fullmatch(said)
        if not isinstance(given, Mapping) or match is None:
            return False
        key = next((key for key in (match[1], match[1].removesuffix("_s")) if key in self._known), None)
        if key is None:
            return False
        self.refuse(rule(one_line(match[2]), quoting=True, absent=key not in given), given.get(key), *place, key)
        return True


def _wrapped(kind: type, inner: CoreSchema) -> CoreSchema:
    """Return the schema of a table that completes the errors of `inner`, and asks for its `check`."""

    def read(value: Any, handler: Callable[[Any], Any]) -> Any:
        found = Gathered(keys_of(kind))
        made = None
        with found.at(value):
            made = handler(value)
            for key, text in made.check() if hasattr(made, "check") else ():
                path = (key,) if isinstance(key, str) and key else tuple(key)
                there, given = _look_up(value, path)
                # Of a table itself there is nothing to show.
                found.refuse(rule(text, absent=not (there and path)), given, *path)
        found.finish()
        return made

    return core_schema.no_info_wrap_validator_function(read, inner)


def _look_up(value: Any, path: tuple[_Part, ...]) -> tuple[bool, Any]:
    """Return (whether anything stands at a path below what a user gave, and what)."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False, None
    return True, value


class Table(BaseModel):
    """A user's table: its fields are the keys, the text under each is its documentation.

    A key that is no name in Python is its field's `validation_alias` and `serialization_alias`.
    """

    model_config = _CONFIG

    def check(self) -> Iterable[Broken]:
        """Yield (key, rule) for each rule broken between keys that are each right; the rule must not quote a value."""
        return ()

    def over(self, base: Self) -> Self:
        """Return `base` with the keys that this table gives in place of its own."""
        return base.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})

    def written(self) -> dict[str, object]:
        """Return the table as JSON has it, in SI units, without the keys that are at their defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the model in what completes its errors."""
        return _wrapped(source, handler(source))


def table(record: type[_T]) -> type[_T]:
    """Mark a frozen dataclass as a user's table; `@table` goes above `@dataclass`.

    Its `__post_init__` may raise ValueError as `NAME: RULE`; it may have a `check` as a Table has.
    """

    def schema(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        if inner["type"] == "dataclass":
            # Strict, it would take instances only; its fields are as strict as any.
            cast("dict[str, Any]", inner)["strict"] = False
        return _wrapped(source, inner)

    marked = cast("Any", record)
    marked.__pydantic_config__ = _CONFIG
    marked.__get_pydantic_core_schema__ = staticmethod(schema)
    return record


def keys_of(kind: type) -> tuple[str, ...]:
    """Return the keys that a table may have."""
    if issubclass(kind, BaseModel):
        fields: Mapping[str, FieldInfo] = kind.model_fields
        return tuple(str(field.validation_alias or name) for name, field in fields.items())
    return tuple(field.name for field in dataclasses.fields(cast("Any", kind)) if field.init)


def validate(kind: type[_T], value: object) -> _T:
    """Return a value of a type from what a table holds, inside another validator. Raises pydantic's ValidationError."""
    return cast("_T", adapter(cast("Any", kind)).validate_python(value, by_alias=True, by_name=False))


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return pydantic's adapter of a type, made once."""
    return TypeAdapter(kind)
