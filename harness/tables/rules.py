"""The rule that a value breaks, in plain words: made by our own validators, or put in place of pydantic's message.

Every error that leaves a table is of one pydantic type, RULE, so that it keeps
its place and its words on its way up through whatever tables hold the table.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails, PydanticCustomError

RULE = "rule"
_WORDS: Mapping[str, str] = {
    "missing": "missing; must be given",
    "missing_argument": "missing; must be given",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and not so large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "string_too_short": "must be a text of at least {min_length} characters",
    "string_too_long": "must be a text of at most {max_length} characters",
    "string_pattern_mismatch": "must be a text of the form {pattern}",
    "invalid_key": "must be a text",
    "none_required": "must not be given",
}
_TABLES = ("model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type", "dict_type", "mapping_type")
_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type")
_SHAPES = dict.fromkeys(_TABLES, "must be a table") | dict.fromkeys(_LISTS, "must be a list")
_CHOICES = frozenset({"enum", "literal_error"})
_UNKNOWN = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
_ABSENT = frozenset({"missing", "missing_argument"})


def rule(text: str, *, hidden: bool = False, quoting: bool = False, absent: bool = False) -> PydanticCustomError:
    """Return what a validator raises of a value that breaks the rule which `text` states: "must be ...".

    The text must hold nothing of the value, or say that it may by `quoting`: such a text is not shown where the value
    is not. `hidden` values are never shown, whatever their key; `absent` ones are not there.
    """
    # The message is a template to pydantic, so the words go in beside it.
    context = {"rule": text, "hidden": hidden, "quoting": quoting, "absent": absent}
    return PydanticCustomError(RULE, "{rule}", context)


def unknown_key(key: str, known: Iterable[str]) -> PydanticCustomError:
    """Return the error of a key that there is not, with the name it comes nearest to, or else all that there are."""
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1)
    rest = f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}" if names else "nothing can stand here"
    return rule(f"no such key; {rest}", hidden=True)


def one_of(names: Iterable[object], *, absent: bool = False) -> PydanticCustomError:
    """Return the error of a value that is none of some words, or is `absent`."""
    return rule(f"must be one of {', '.join(map(str, names))}", absent=absent)


def translate(error: ErrorDetails, known: Iterable[str] = ()) -> PydanticCustomError:
    """Return pydantic's error as one of ours; `known` are the keys of the table in which it is."""
    kind, context, loc = error["type"], dict(error.get("ctx", {})), error["loc"]
    in_key = bool(loc) and loc[-1] == "[key]"
    if kind == RULE:
        return rule(context.pop("rule"), **{**context, "hidden": context["hidden"] or in_key})
    if kind in _UNKNOWN:
        return unknown_key(str(loc[-1]), known)
    if kind in _CHOICES:
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return unknown_key(str(error["input"]), choices) if in_key else one_of(choices)
    if kind in _SHAPES:
        # What stands in place of a table may be what belongs into the table: an address, say.
        text = isinstance(error["input"], str)
        hidden = in_key or isinstance(error["input"], str | list | tuple)
        return rule(f"{_SHAPES[kind]}{', not a text' if text else ''}", hidden=hidden)
    if ours := kind in {"value_error", "assertion_error"}:
        words = one_line(str(context.get("error", ""))) or "is not valid"
    else:
        # Of what is not listed pydantic's own message might quote the value.
        words = _WORDS.get(kind, f"is not valid ({kind.replace('_', ' ')})").format_map(_Plain(context))
    return rule(words, hidden=in_key, quoting=ours, absent=kind in _ABSENT)


def one_line(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


class _Plain(dict[str, Any]):
    """What a template's holes are filled with: numbers as people write them, and never a KeyError."""

    def __getitem__(self, key: str) -> object:
        value = self.get(key, "allowed")
        return f"{value:g}" if isinstance(value, float) else value
