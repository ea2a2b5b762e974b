"""What the command lines of several benchmarks share: numbers with a rule, and sections to choose from."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from benchmarks.rows import Row

S = TypeVar("S")


def positive(text: str) -> float:
    """Return a number above 0. Raises ArgumentTypeError."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
    return value


def whole(text: str) -> int:
    """Return a whole number from 1 on. Raises ArgumentTypeError."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return value


def add_section(parser: argparse.ArgumentParser, sections: Iterable[str]) -> None:
    """Let the command line choose among sections; all of them by default."""
    parser.add_argument("--section", action="append", choices=sections, help="run only this one; may be repeated")


def chosen(
    options: argparse.Namespace, sections: Mapping[str, Callable[[S], Iterable[Row]]], setting: S
) -> Iterator[Row]:
    """Yield the rows of the sections that were chosen, as each is done."""
    for name in options.section or sections:
        yield from sections[name](setting)
