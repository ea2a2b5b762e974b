"""The Markdown table of a table's keys, and what keeps generated parts of files as their makers would write them now.

A part of a Markdown file between `<!-- generated: package.module:name -->` and
`<!-- end -->` is what that name gives: a table's keys, or the text that a
function returns. A JSON file that has `"$comment": "generated: ..."` is wholly
the text that a function returns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.tables.quantities import MARK, QUANTITIES, plain
from harness.tables.schema import marked_schema

_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_WHOLE = re.compile(r'"\$comment": "generated: (\S+)"')
_WORDS: Mapping[str, str] = {
    "object": "table",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "string": "text",
}
_HEAD = "| key | default | takes | what |\n| --- | --- | --- | --- |\n"


def markdown_table(kind: Any) -> str:
    """Return the keys of a table, each with its default, what it takes and what it is for."""
    made = marked_schema(kind)
    needed = set(made.get("required", ()))
    rows = []
    for key, field in made.get("properties", {}).items():
        default = "required" if key in needed else _default(field)
        words = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
        rows.append(f"| `{key}` | {default} | {_takes(field)} | {words} |\n".replace("|  |", "| |"))
    return _HEAD + "".join(rows)


def refreshed(path: Path) -> str:
    """Return a file's text with its generated parts as their makers write them now."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        made = _WHOLE.search(text)
        return _made(made[1]) if made else text
    return _BLOCK.sub(lambda block: f"{block[1]}{_made(block[2])}{block[4]}", text)


def _made(name: str) -> str:
    """Return what a maker gives, `package.module:name`."""
    module, _, attribute = name.partition(":")
    maker = getattr(import_module(module), attribute)
    text = markdown_table(maker) if isinstance(maker, type) else str(maker())
    return text if text.endswith("\n") else f"{text}\n"


def _default(field: Mapping[str, Any]) -> str:
    """Return a field's default as a file would have it; empty where it is nothing, or a table of its own."""
    value = field.get("default")
    if value in (None, [], "") or isinstance(value, Mapping):
        return ""
    if quantity := QUANTITIES.get(field.get(MARK, "")):
        value = quantity.write(value)
    return f"`{json.dumps(plain(value) if isinstance(value, float) else value)}`"


def _takes(field: Mapping[str, Any]) -> str:
    """Return in words what a field's schema takes."""
    if quantity := QUANTITIES.get(field.get(MARK, "")):
        return quantity.words
    if choices := field.get("enum", [field["const"]] if "const" in field else []):
        return ", ".join(f"`{json.dumps(each)}`" for each in choices)
    if members := field.get("anyOf", field.get("oneOf", [])):
        return " or ".join(dict.fromkeys(_takes(each) for each in members if each != {"type": "null"}))
    if isinstance(inner := field.get("items", field.get("additionalProperties")), Mapping):
        return f"{'list' if 'items' in field else 'table'} of: {_takes(inner)}"
    kinds = field.get("type", [])
    words = [_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return (" or ".join(words) or "any value") + "".join(_bounds(field))


def _bounds(field: Mapping[str, Any]) -> Iterator[str]:
    names = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    yield from (f" {word} {plain(field[key])}" for key, word in names.items() if key in field)
