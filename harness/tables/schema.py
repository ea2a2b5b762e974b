"""The JSON Schema of a table, from the same models that read it, so that editors complete and check while one types.

It says which keys there are, what each takes and what it is for; the rules
between keys only the reader knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.tables.quantities import MARK
from harness.tables.table import adapter

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kind: Any, *, title: str = "", made_by: str = "") -> dict[str, Any]:
    """Return the schema of a table; quantities are defined once, under `$defs`.

    `made_by` names the function that makes a file's text (`package.module:function`): the docs are refreshed by it.
    """
    made = marked_schema(kind)
    definitions: dict[str, Any] = {}
    rest = _named(made, definitions)
    if definitions:
        rest["$defs"] = dict(sorted(definitions.items()))
    head = {"$schema": _DIALECT, "$comment": f"generated: {made_by}" if made_by else "", "title": title}
    return {**{key: value for key, value in head.items() if value}, **rest}


def json_schema_text(kind: Any, *, title: str, made_by: str) -> str:
    """Return the schema as its file has it."""
    return json.dumps(json_schema(kind, title=title, made_by=made_by), indent=1) + "\n"


def marked_schema(kind: Any) -> dict[str, Any]:
    """Return the schema of a type in one piece, each quantity marked: for a field's own schema, and for the docs."""
    made = adapter(kind).json_schema(by_alias=True, mode="validation")
    return dict(_inlined({key: part for key, part in made.items() if key != "$defs"}, made.get("$defs", {})))


def _inlined(part: Any, defined: Mapping[str, Any], *, names: bool = False) -> Any:
    """Return a part with what it refers to in place, and without titles, which only repeat the keys.

    Where the keys of a part are `names` of fields, one of them may be `title`.
    """
    if isinstance(part, list):
        return [_inlined(inner, defined) for inner in part]
    if not isinstance(part, Mapping):
        return part
    if reference := str(part.get("$ref", "") if not names else ""):
        whole = {**defined[reference.rpartition("/")[2]], **{key: part[key] for key in part if key != "$ref"}}
        return _inlined(whole, defined)
    kept = {key: inner for key, inner in part.items() if names or key != "title"}
    return {key: _inlined(inner, defined, names=key == "properties" and not names) for key, inner in kept.items()}


def _named(part: Any, definitions: dict[str, Any]) -> Any:
    """Return a part with each quantity replaced by a reference to its definition."""
    if isinstance(part, list):
        return [_named(inner, definitions) for inner in part]
    if not isinstance(part, Mapping):
        return part
    if name := part.get(MARK):
        about = {key: part[key] for key in ("description", "default") if key in part}
        definitions[name] = {key: value for key, value in part.items() if key not in {MARK, *about}}
        return {"$ref": f"#/$defs/{name}", **about}
    return {key: _named(inner, definitions) for key, inner in part.items()}
