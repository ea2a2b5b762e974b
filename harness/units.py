"""Durations, sizes, rates and fractions: text to SI floats at the edge, and back for people.

Inside, everything is float seconds, bytes, numbers per second and fractions of
1; only what a person types or reads carries a unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS: Mapping[str, float] = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
# Decimal and binary prefixes as SI and IEC define them; a bare letter would be a guess.
_BYTES: Mapping[str, float] = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_PER_S: Mapping[str, float] = {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600}
_FRACTION: Mapping[str, float] = {"%": 0.01}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z/%]*)\s*")


def parse_duration_s(value: str | float) -> float:
    """Return seconds from `"10 s"`, `"1.5min"`, `"250 ms"` or a plain number of seconds. Raises ValueError."""
    return _parse(value, _SECONDS, "a duration such as 10, '10 s', '250 ms', '2 min', '48 h'")


def parse_size_bytes(value: str | float) -> float:
    """Return bytes from `"450 MB"`, `"1 KiB"` or a plain number of bytes. Raises ValueError."""
    return _parse(value, _BYTES, "a size such as 1024, '1 KiB', '450 MB'")


def parse_rate_per_s(value: str | float) -> float:
    """Return a rate per second from `"50/s"`, `"90/min"`, `"10/h"` or a plain number per second. Raises ValueError."""
    return _parse(value, _PER_S, "a rate such as 50, '50/s', '90/min'")


def parse_fraction(value: str | float) -> float:
    """Return a fraction of 1 from a number from 0 to 1, or a text such as `"5 %"`. Raises ValueError."""
    rule = "must be a fraction from 0 to 1, or a text such as '5 %'"
    if isinstance(value, str) and not value.rstrip().endswith("%"):
        raise ValueError(rule)
    fraction = _parse(value, _FRACTION, "a fraction from 0 to 1, or a text such as '5 %'")
    if not fraction <= 1:
        raise ValueError(rule)
    return fraction


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


def write_duration(duration_s: float) -> str | float:
    """Return a duration as a file would have it, in its largest unit without a fraction: `"250 ms"`, `"3 h"`, 0."""
    return _write(duration_s, _SECONDS)


def write_size(size_bytes: float) -> str | float:
    """Return a size as a file would have it, in its largest unit without a fraction: `"10 MB"`, `"1 KiB"`, 0."""
    return _write(size_bytes, _BYTES)


def _write(value: float, units: Mapping[str, float]) -> str | float:
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        count = value / factor
        if count >= 1 and count.is_integer() and count * factor == value:
            return f"{count:.0f} {unit}"
    return value


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
