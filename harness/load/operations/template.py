"""Texts with holes for what differs from request to request, so that a target file can write requests down.

`{number}` is unique in the run, `{user}` the virtual user (or the number, for
an arrival without a user), `{run}` the run's id, `{random:N}` a whole
number below N drawn from the request's number, `{text:CLASS}` a message of a
size class, `{key}` what the operation's `key` came to. `{{` and `}}` are
braces. In a document, a text that is nothing but a number's hole becomes a number.
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.load.call import NOBODY, Call
from harness.load.operations.sizes import SizeClass, text
from harness.tables import Gathered, rule

_PLAIN = ("number", "user", "run", "key")
_RULE = (
    "in braces only {number}, {user}, {run}, {key}, {random:N} and {text:small|medium|large|huge} can stand; "
    "a brace itself is {{ or }}"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A text as pieces: each a literal, or a hole's name and argument with an empty literal."""

    pieces: tuple[tuple[str, str, str], ...]

    def value(self, run: str, call: Call) -> str | int:
        """Return the text with its holes filled; a number where the whole text is a number's hole."""
        if len(self.pieces) == 1 and self.pieces[0][1]:
            return _fill(*self.pieces[0][1:], run, call)
        return "".join(literal or str(_fill(hole, argument, run, call)) for literal, hole, argument in self.pieces)

    def text(self, run: str, call: Call) -> str:
        """Return the text with its holes filled."""
        return str(self.value(run, call))


def parse_template(value: object) -> Template:
    """Return the template that a text describes. Raises ValueError whose text is the rule broken."""
    if not isinstance(value, str):
        raise rule("must be a text", hidden=True)
    pieces: list[tuple[str, str, str]] = []
    try:
        parsed = list(string.Formatter().parse(value))
    except ValueError:
        raise rule(_RULE) from None
    for literal, hole, argument, conversion in parsed:
        if literal:
            pieces.append((literal, "", ""))
        if hole is not None:
            _check(hole, argument or "", conversion)
            pieces.append(("", hole, argument or ""))
    return Template(tuple(pieces))


def parse_document(value: object) -> Any:
    """Return a JSON document whose texts are templates. Raises ValueError, of all that is no JSON value at once."""
    match value:
        case str():
            return parse_template(value)
        case Mapping():
            return dict(_parse_parts(value.items()))
        case list():
            return [part for _, part in _parse_parts(enumerate(value))]
        case float() if not math.isfinite(value):
            raise rule("must be a finite number")
        case bool() | int() | float():
            return value
        case _:
            raise rule("must be a JSON value")


def _parse_parts(parts: Iterable[tuple[Any, object]]) -> list[tuple[Any, Any]]:
    """Return the parts of a table or a list, each parsed and with its place."""
    found = Gathered()
    parsed = []
    for place, part in parts:
        with found.at(part, place):
            parsed.append((place, parse_document(part)))
    found.finish()
    return parsed


def fill_document(document: Any, run: str, call: Call) -> Any:
    """Return a parsed document with its holes filled."""
    match document:
        case Template():
            return document.value(run, call)
        case Mapping():
            return {key: fill_document(inner, run, call) for key, inner in document.items()}
        case list():
            return [fill_document(inner, run, call) for inner in document]
        case _:
            return document


def _check(hole: str, argument: str, conversion: str | None) -> None:
    if conversion is None and (
        (hole in _PLAIN and not argument)
        or (hole == "random" and argument.isdecimal() and int(argument) > 0)
        or (hole == "text" and argument in set(SizeClass))
    ):
        return
    raise rule(_RULE)


def _fill(hole: str, argument: str, run: str, call: Call) -> str | int:
    match hole:
        case "number":
            return call.number
        case "user":
            return call.number if call.user == NOBODY else call.user
        case "run":
            return run
        case "key":
            return call.key
        case "random":
            return random.Random(call.number).randrange(int(argument))
        case _:
            return text(SizeClass(argument), call.number)
