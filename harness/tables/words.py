"""The shared types of texts, lists and choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


def _check_unique(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise rule("must not name anything twice")
    return values


def _check_series(value: str) -> str:
    if not _SERIES.fullmatch(value):
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
# At least one name, each once.
Names = Annotated[tuple[Name, ...], Strict(strict=False), Field(min_length=1), AfterValidator(_check_unique)]
# A member of an enumeration, written as its value.
Choice = Annotated[_T, Strict(strict=False)]


@dataclass(frozen=True)
class Tagged:
    """A table of one of several types, which the word under a key tells: `Annotated[A | B, Tagged("stage", {...})]`.

    `kinds` is word to type, or returns that where not all are known yet. Use this in place of a bare union, whose
    errors would be one for each member.
    """

    key: str
    kinds: Mapping[str, type[Any]] | Callable[[], Mapping[str, type[Any]]] = field(hash=False)

    def read(self, value: object) -> object:
        """Return the value that a table describes. Raises pydantic's ValidationError."""
        kinds = self._all()
        if isinstance(value, tuple(kinds.values())):
            return value
        if not isinstance(value, Mapping):
            raise rule("must be a table", hidden=True)
        name = value.get(self.key)
        kind = kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            found = Gathered()
            found.refuse(one_of(kinds, absent=self.key not in value), name, self.key)
            found.finish()
            return None
        return validate(kind, {key: inner for key, inner in value.items() if key != self.key})

    def _all(self) -> Mapping[str, type[Any]]:
        return self.kinds() if callable(self.kinds) else self.kinds

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read by `read` alone."""
        del source, handler
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return one schema for each kind, each with its word."""
        del schema, handler
        return {"oneOf": [self._tagged(name, marked_schema(kind)) for name, kind in self._all().items()]}

    def _tagged(self, name: str, inner: dict[str, Any]) -> dict[str, Any]:
        properties = {self.key: {"const": name}, **inner.get("properties", {})}
        return {**inner, "properties": properties, "required": [self.key, *inner.get("required", [])]}
