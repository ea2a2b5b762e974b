"""The JSON Schema of profiles, made from the tables that parse them: `python -m chaos.profile.schema` prints it.

It is for editors, which so complete and check while one types. It says which
keys there are, and in which units; how they hang together only the parser says.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, cast

from chaos.faults.kinds import KINDS
from chaos.profile.entries import FORMS, RAMP, SWIZZLE, can_change, parameters_of
from chaos.profile.fields import DURATION, FRACTION, SIZE, TEXT, Field, Schema, fields_of
from chaos.profile.file import FIDELITY, PHASES, PROFILES, STAGES
from harness.criteria import Abort, Budget, Observation
from harness.tables import marked_schema

FILE = PROFILES / "schema.json"
_COUNT: Schema = {"type": "integer", "minimum": 1}
_WEIGHTS: Schema = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}, "minProperties": 1}
_DEFINITIONS: Mapping[str, Schema] = {"duration": DURATION, "size": SIZE}
_NAMES: Schema = {"type": "array", "items": {"type": "string"}}


def schema() -> dict[str, object]:
    """Return the schema of a profile's file."""
    sections: dict[str, Schema] = {
        "source": {**TEXT, "description": "where the incident is described"},
        "fidelity": _table(FIDELITY.values(), "in which ways what is played is what happened"),
        "load": _load(),
        "phases": _table(PHASES.values(), "how long each phase lasts", names=PHASES),
        "shape": {"type": "array", "items": {"oneOf": [_stage(name, kind) for name, kind in STAGES.items()]}},
        "timeline": {"type": "array", "items": {"oneOf": _entries()}},
        "must_observe": {"type": "array", "items": _unmarked(marked_schema(Observation))},
        "budget": _unmarked(marked_schema(Budget)),
        "abort_if": {"type": "array", "items": _unmarked(marked_schema(Abort))},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Profile: an incident to be played",
        **cast("dict[str, object]", _referring(_object(sections, required=("source", "fidelity")))),
        "definitions": _DEFINITIONS,
    }


def text() -> str:
    """Return the schema as its file has it."""
    return json.dumps(schema(), indent=1) + "\n"


def _referring(part: object) -> object:
    """Return a part of the schema with what is defined once referred to."""
    for name, defined in _DEFINITIONS.items():
        if part == defined:
            return {"$ref": f"#/definitions/{name}"}
    if isinstance(part, Mapping):
        return {key: _referring(inner) for key, inner in part.items()}
    return [_referring(inner) for inner in part] if isinstance(part, list) else part


def _object(properties: Mapping[str, Schema], *, required: Iterable[str] = (), about: str = "") -> dict[str, object]:
    table: dict[str, object] = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    if needed := list(required):
        table["required"] = needed
    return {"description": about, **table} if about else table


def _table(fields: Iterable[Field], about: str = "", *, names: Iterable[str] | None = None) -> dict[str, object]:
    """Return the schema of a table of these fields, called as they are or by `names`."""
    known = list(fields)
    called = list(names) if names is not None else [field.name for field in known]
    properties = {name: field.schema for name, field in zip(called, known, strict=True)}
    return _object(properties, required=[field.name for field in known if field.required], about=about)


def _stage(name: str, kind: type) -> dict[str, object]:
    fields = fields_of(kind)
    properties = {"stage": {"const": name}, **{key: field.schema for key, field in fields.items()}}
    return _object(properties, required=["stage", *fields], about=_first_line(kind))


def _entries() -> list[Schema]:
    """Return a schema for each kind of fault, so that an editor knows its parameters, and one for swizzles."""
    return [*(_entry(name, kind) for name, kind in KINDS.items()), _swizzle()]


def _entry(name: str, kind: type) -> dict[str, object]:
    fields = fields_of(kind)
    parameters = {key: field.schema for key, field in parameters_of(kind).items()}
    changing = can_change(kind)
    forms = [form for form in FORMS if form not in (RAMP, SWIZZLE)] + ([RAMP] if changing is RAMP else [])
    properties: dict[str, Schema] = {"fault": {"const": name}}
    for form in forms:
        properties |= {key: field.schema for key, field in form.keys.items()}
    if changing is RAMP:
        properties["to"] = {**_object(parameters), "minProperties": 1}
    if changing is not None:
        change = _object({"at_s": DURATION, **parameters}, required=["at_s"])
        properties["course"] = {"type": "array", "items": change}
    properties |= {key: field.schema for key, field in fields.items()}
    required = ["fault", *(key for key, field in fields.items() if field.required)]
    times = [{"required": ["at", "for"]}, {"required": ["inject_s", "heal_s"]}]
    return {**_object(properties, required=required, about=_first_line(kind)), "oneOf": times}


def _swizzle() -> dict[str, object]:
    properties = {key: field.schema for key, field in SWIZZLE.keys.items()}
    required = [key for key, field in SWIZZLE.keys.items() if field.required]
    return _object(properties, required=required, about="Cuts hops one by one and has them back one by one.")


def _load() -> dict[str, object]:
    """Return the schema of `[load]`, whose keys are those of target files."""
    users = {"count": _COUNT, "think_s": DURATION, "over_s": DURATION, "first": _NAMES, "mix": _WEIGHTS}
    sockets = {"count": _COUNT, **dict.fromkeys(("over_s", "heartbeat_s", "rotate_s", "publish_every_s"), DURATION)}
    ends = {"type": "array", "items": DURATION, "minItems": 2, "maxItems": 2}
    properties: dict[str, Schema] = {
        "rate_per_s": {"type": "number", "exclusiveMinimum": 0},
        "deadline_s": DURATION,
        "deadlines_s": {"type": "object", "additionalProperties": DURATION},
        "arrivals": {"enum": ["constant", "poisson"]},
        "connections": {"enum": ["keep_alive", "fresh"]},
        "cancel": _object({"fraction": FRACTION, "after_s": ends}, required=("fraction", "after_s")),
        "in_flight_max": _COUNT,
        "logins": _COUNT,
        "module": TEXT,
        "mix": {**_WEIGHTS, "description": "operation = weight"},
        "users": _object(users, required=("count",)),
        "sockets": _object(sockets, required=("count",)),
    }
    return _object(properties, about="as in a target file, which may change it")


def _unmarked(part: Any) -> Any:
    """Return a part of a schema without the marks that lead back to quantities."""
    if isinstance(part, list):
        return [_unmarked(inner) for inner in part]
    return (
        {key: _unmarked(inner) for key, inner in part.items() if key != "x-quantity"}
        if isinstance(part, Mapping)
        else part
    )


def _first_line(kind: type) -> str:
    """Return what a class says of itself first; of stages' and faults' fields the reader sees the names."""
    doc = kind.__doc__ or ""
    return doc.strip().partition("\n")[0] if dataclasses.is_dataclass(kind) else ""


if __name__ == "__main__":
    sys.stdout.write(text())
