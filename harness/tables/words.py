"""The shared types of texts, lists and choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

from harness.tables.rules import one_of, rule
from harness.tables.schema import marked_schema
from harness.tables.table import Gathered, validate

_T = TypeVar("_T")
_SERIES = re.compile(r"[\w*?-]+(\.[\w*?-]+){1,2}", re.ASCII)


def _check_text(value: str) -> str:
    if not value.strip():
        raise rule("must be a text that is not empty")
    return value


def _check_some(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if not values:
        raise rule("must have at least one entry")
    return values


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise rule("must not name anything twice")
    return values


def is_series_name(value: object) -> bool:
    """Return whether it can name a series: KIND.FIGURE or KIND.SUBJECT.FIGURE, with wildcards or without."""
    return isinstance(value, str) and bool(_SERIES.fullmatch(value))


def _check_series(value: str) -> str:
    if not is_series_name(value):
        raise rule('must be the name of a series, such as "process.api.fds" or "load.*.timed_out"')
    return value


# A text that is not blank.
Text = Annotated[str, AfterValidator(_check_text), Field(json_schema_extra={"minLength": 1})]
# The name of a hop, a service, an operation.
Name = Text
# A series of the journal, or a pattern of such: KIND.FIGURE or KIND.SUBJECT.FIGURE, * and ? for anything between dots.
SeriesName = Annotated[str, AfterValidator(_check_series), Field(json_schema_extra={"pattern": f"^{_SERIES.pattern}$"})]
# A list, as a tuple.
Listed = Annotated[tuple[_T, ...], Strict(strict=False)]
# The same of at least one entry. (A length that pydantic checks is that of the entries which are right.)
_ENTRIES = Field(json_schema_extra={"minItems": 1})
Some = Annotated[tuple[_T, ...], Strict(strict=False), AfterValidator(_check_some), _ENTRIES]
# At least one name, each once.
Names = Annotated[Some[Name], AfterValidator(_check_unique)]
# A member of an enumeration, written as its value.
Choice = Annotated[_T, Strict(strict=False)]


@dataclass(frozen=True)
class Among:
    """One of some members of an enumeration, written as its value: `Annotated[Verdict, Among(Verdict.FAIL, ...)]`."""

    members: tuple[StrEnum, ...]

    def __init__(self, *members: StrEnum) -> None:
        object.__setattr__(self, "members", members)

    def read(self, value: object) -> StrEnum:
        """Return the member that a word names. Raises ValueError whose text is the rule."""
        for member in self.members:
            if isinstance(value, str) and member == value:
                return member
        raise one_of(self.members)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read` alone."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the words."""
        del schema, handler
        return {"enum": [str(member) for member in self.members]}


@dataclass(frozen=True)
class ByHand:
    """A field that a function of ours reads, and another describes: `Annotated[X, ByHand(read_x, schema_of_x)]`.

    `read` may use Gathered and `validate`; `schema` returns a JSON Schema, of pieces that `marked_schema` gives.
    """

    read: Callable[[Any], object]
    schema: Callable[[], dict[str, Any]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read` alone."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema that goes with it."""
        del schema, handler
        return self.schema()


def Tagged(key: str, kinds: Mapping[str, type[Any]] | Callable[[], Mapping[str, type[Any]]]) -> ByHand:  # noqa: N802 - stands where types stand
    """Return what reads a table of one of several types, which the word under `key` tells.

    A field is `Annotated[A | B, Tagged("stage", {"a": A, "b": B})]`; `kinds` may be a function where not all are known
    yet. A bare union would have errors for each of its members.
    """

    def known() -> Mapping[str, type[Any]]:
        return kinds() if callable(kinds) else kinds

    def read(value: object) -> object:
        if isinstance(value, tuple(known().values())):
            return value
        if not isinstance(value, Mapping):
            raise rule("must be a table", hidden=True)
        name = value.get(key)
        kind = known().get(name) if isinstance(name, str) else None
        if kind is None:
            found = Gathered()
            found.refuse(one_of(known(), absent=key not in value), name, key)
            found.finish()
            return None
        return validate(kind, {inner: given for inner, given in value.items() if inner != key})

    def tagged(name: str, inner: dict[str, Any]) -> dict[str, Any]:
        properties = {key: {"const": name}, **inner.get("properties", {})}
        return {**inner, "properties": properties, "required": [key, *inner.get("required", [])]}

    def schema() -> dict[str, Any]:
        return {"oneOf": [tagged(name, marked_schema(kind)) for name, kind in known().items()]}

    return ByHand(read, schema)
