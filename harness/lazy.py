"""Faces that load what is asked for at its first use, where a room is entered by what must start light."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def lazily(room: str, names: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a room's face; `names` has, by module, the names that it gives, parted by spaces.

    The type checker has them from imports under `if TYPE_CHECKING`.
    """
    module_of = {name: module for module, given in names.items() for name in given.split()}

    def resolve(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module_of[name]), name)

    return resolve
