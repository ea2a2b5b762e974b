"""Durations and sizes: text to SI floats at the edge, and back for people.

Inside, everything is float seconds and bytes; only what a person types or
reads carries a unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS: Mapping[str, float] = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
# Decimal and binary prefixes as SI and IEC define them; a bare letter would be a guess.
_BYTES: Mapping[str, float] = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*")


def parse_duration_s(value: str | float) -> float:
    """Return seconds from `"10 s"`, `"1.5min"`, `"250 ms"` or a plain number of seconds. Raises ValueError."""
    return _parse(value, _SECONDS, "a duration such as 10, '10 s', '250 ms', '2 min', '48 h'")


def parse_size_bytes(value: str | float) -> float:
    """Return bytes from `"450 MB"`, `"1 KiB"` or a plain number of bytes. Raises ValueError."""
    return _parse(value, _BYTES, "a size such as 1024, '1 KiB', '450 MB'")


def _parse(value: str | float, units: Mapping[str, float], rule: str) -> float:
    if isinstance(value, int | float):
        number, factor = float(value), 1.0
    else:
        match = _QUANTITY.fullmatch(value)
        if match is None or (match[2] and match[2] not in units):
            raise ValueError(f"must be {rule}")
        number, factor = float(match[1]), units.get(match[2], 1.0)
    if not 0 <= number * factor < float("inf"):
        raise ValueError(f"must be {rule}, finite and not negative")
    return number * factor


def format_s(duration_s: float) -> str:
    """Return a duration as people write it: `12 ms`, `3.2 s`, `2 min 5 s`."""
    if duration_s < 1:
        return f"{duration_s * 1e3:.3g} ms"
    if duration_s < 120:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes} min {seconds} s"


def format_bytes(size_bytes: float) -> str:
    """Return a size in the decimal unit that keeps it short, sign kept: `-3.1 MB`."""
    for unit in ("GB", "MB", "kB"):
        if abs(size_bytes) >= _BYTES[unit]:
            return f"{size_bytes / _BYTES[unit]:.1f} {unit}"
    return f"{size_bytes:.0f} B"
