"""Every kind of fault by its name: what registered itself in a module of this room or of one in it.

Also their table in the README, as their classes declare them.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.faults.fault import can_be_ramped
from chaos.faults.ranges import choices_of, hints_of, range_of
from chaos.faults.registered import REGISTERED
from harness.tables import marked_schema

_FOUND = pkgutil.walk_packages([str(Path(__file__).parent)], "chaos.faults.")
# This room's own modules, then room by room.
_MODULES = sorted((module.name for module in _FOUND), key=lambda name: (name.count("."), name))
for _name in _MODULES:
    importlib.import_module(_name)
# In the order of modules and lines, whichever module was imported first.
KINDS: Mapping[str, type[Any]] = {
    kind: record for name in _MODULES for kind, record in REGISTERED.items() if record.__module__ == name
}
_HEAD = "| fault | of | what it does | parameters |\n| --- | --- | --- | --- |\n"


def catalogue() -> str:
    """Return the table as Markdown, a row for each kind."""
    return _HEAD + "".join(
        f"| `{name}` | {kind.on} | {_first_line(kind)} | {'<br>'.join(_parameters(kind))} |\n".replace("|  |", "| |")
        for name, kind in KINDS.items()
    )


def _parameters(kind: type[Any]) -> list[str]:
    """Return what there is to say of each parameter."""
    described = marked_schema(kind)["properties"]
    rows = []
    for (name, hint), field in zip(hints_of(kind), dataclasses.fields(kind), strict=True):
        if name == "target":
            continue
        words = ", ".join(f"`{word}`" for word in choices_of(hint))
        facts = [str(range_of(hint) or words), _default(field.default)]
        star = " *" if can_be_ramped(kind) and not words else ""
        rows.append(f"`{name}`{star} ({'; '.join(filter(None, facts))}): {described[name]['description']}")
    return rows


def _default(value: object) -> str:
    if value is None:
        return "optional"
    if value is dataclasses.MISSING:
        return ""
    return f"default `{int(value) if isinstance(value, float) and value.is_integer() else value}`"


def _first_line(kind: type[Any]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]
