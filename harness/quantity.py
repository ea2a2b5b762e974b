"""Numbers as people read them: rounded to what is known, in the unit that keeps them short.

An estimate is written no finer than its half-width is known, and as nought
where it is less than a tenth of that; what is allowed is written as it was set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SET_DIGITS = 6
# Of a half-width more is noise.
_HALF_WIDTH_DIGITS = 2
# Of a half-width of 1.4 the next digit is known as well, of one of 8 it is not.
_FINER = 3.0
_NOUGHT = 0.1
_PER_THOUSAND = 1000.0
_BYTES = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
# Bytes for each request are read beside sizes of objects; only what is far beyond those gets a prefix.
_PLAIN_BYTES_MAX = 1e5
# A larger number gets the next prefix.
_PREFIXED_MAX = 1e4


def rounded(value: float, digits: int = 3) -> str:
    """Return a number to so many significant digits, without an exponent and without zeros that say nothing."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def estimated(value: float, half_width: float) -> str:
    """Return a number to the place of the first digit of its half-width, one more where that is 1 or 2."""
    if half_width == 0 or not math.isfinite(half_width):
        return rounded(value)
    if abs(value) < half_width * _NOUGHT:
        return "0"
    places = -math.floor(math.log10(half_width))
    places += half_width * 10.0**places < _FINER
    known = round(value, places)
    return f"{known:.{max(places, 0)}f}" if known else "0"


@dataclass(frozen=True, slots=True)
class Scale:
    """How values of one kind are written: times `factor`, `unit` behind them."""

    factor: float
    unit: str

    def bare(self, value: float) -> str:
        """Return what somebody set, or a count, without the unit."""
        return rounded(value * self.factor, _SET_DIGITS)

    def text(self, value: float) -> str:
        """Return what somebody set, or a count, with the unit."""
        return f"{self.bare(value)}{self.unit}"

    def rough(self, value: float) -> str:
        """Return what is known to two digits, with the unit."""
        return f"{rounded(value * self.factor, _HALF_WIDTH_DIGITS)}{self.unit}"

    def estimate(self, value: float, half_width: float) -> str:
        """Return a value with its 95 % interval: `2500 B/request (95% CI +/-300)`."""
        value, half_width = value * self.factor, half_width * self.factor
        known = f"+/-{rounded(half_width, _HALF_WIDTH_DIGITS)}" if math.isfinite(half_width) else "unknown"
        return f"{estimated(value, half_width)}{self.unit} (95% CI {known})"


PLAIN = Scale(1.0, "")


def growth_scale(unit: str, per: str, *values: float) -> Scale:
    """Return how growth of a gauge in `unit` for each `per` (`request` or `h`) is written, such as `values`.

    Bytes get the smallest prefix that keeps all values short; what is counted for each request is written for each
    thousand.
    """
    if unit == "B":
        largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
        if per == "request" and largest < _PLAIN_BYTES_MAX:
            return Scale(1.0, f" B/{per}")
        factor, prefixed = next((each for each in _BYTES if largest / each[0] < _PREFIXED_MAX), _BYTES[-1])
        return Scale(1 / factor, f" {prefixed}/{per}")
    space = f" {unit}" if unit else ""
    return Scale(_PER_THOUSAND, f"{space} per 1000 requests") if per == "request" else Scale(1.0, f"{space}/{per}")
