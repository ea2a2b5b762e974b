"""How a kind of fault makes itself known: a decorator above its class, and nothing anywhere else.

The class's fields are `target` and its parameters; their types say units and
ranges, the text under each is its documentation. From them come the reader of
profiles, the schema, the tables of the READMEs, and what the journal keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from chaos.faults.ranges import Checked, values_of
from harness.tables import Name, table


@dataclass(frozen=True, slots=True)
class Needs:
    """What a kind can be aimed at and what that takes, where services are processes and where they are containers.

    Empty where it cannot be had; `note` says why, or what else there is to know.
    """

    processes: str
    containers: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Declared(Checked):
    """What every kind of fault has: what it breaks, and what was said of it when it was registered."""

    target: Name
    kind: ClassVar[str]
    on: ClassVar[str]
    needs: ClassVar[Needs]
    example: ClassVar[Mapping[str, object]]

    def describe(self) -> Mapping[str, object]:
        """Return its parameters, SI units in the keys; JSON-safe."""
        return values_of(self, without=("target",))


# By kind, in the order in which their modules happened to be imported.
REGISTERED: dict[str, type[Declared]] = {}
_T = TypeVar("_T", bound=Declared)


def register(
    kind: str, *, on: str, needs: Needs, example: Mapping[str, object] | None = None
) -> Callable[[type[_T]], type[_T]]:
    """Return what makes a frozen dataclass a kind of fault, which profiles and recorded timelines call `kind`.

    `on` says in words what its target is. `example` holds parameters with which it has an effect on any target within
    a second: the tests inject it so, and draw others around it.
    """

    def mark(record: type[_T]) -> type[_T]:
        if kind in REGISTERED:
            raise ValueError(f"two kinds of fault are called {kind}")
        record.kind, record.on, record.needs, record.example = kind, on, needs, example or {}
        REGISTERED[kind] = table(record)
        return record

    return mark
