"""The verdicts beside simpler rules: how often each cries wolf, finds a leak, or passes one in silence.

To add a section, write a module of this package with a function from Setting to
rows and name it in SECTIONS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from benchmarks import degradation, leak_verdicts, real_verdicts
from benchmarks.leak_verdicts import Setting
from benchmarks.options import add_section, chosen, whole
from benchmarks.rows import Row

SECTIONS: Mapping[str, Callable[[Setting], Iterable[Row]]] = {
    "simulated": leak_verdicts.simulated,
    "slowdown": degradation.rows_degradation,
    "real": real_verdicts.real,
}


def rows(arguments: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the sections asked for, all of them by default, as each is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks verdicts", description=__doc__)
    add_section(parser, SECTIONS)
    usual = Setting()
    parser.add_argument("--series", type=whole, default=usual.series, help="of each kind and length (%(default)d)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the first of them (%(default)d)")
    parser.add_argument("--scale", type=float, default=usual.scale, help="of the real runs' lengths (%(default)g)")
    options = parser.parse_args(arguments)
    yield from chosen(options, SECTIONS, Setting(options.series, options.seed, options.scale))
