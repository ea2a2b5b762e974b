"""The load engine beside its peers: each section measures one thing and returns its rows.

To add one, write a module of this package with a function from Setting to rows
and name it in SECTIONS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks import behaviour, cost
from benchmarks.options import add_section, chosen
from benchmarks.rows import Row
from benchmarks.setting import Setting, add_options, read_setting

SECTIONS: Mapping[str, Callable[[Setting], list[Row]]] = {
    "paced": cost.paced,
    "flat-out": cost.flat_out,
    "flatness": behaviour.flatness,
    "pacing": behaviour.pacing,
    "frozen": behaviour.frozen,
    "herd": behaviour.herd,
    "sockets": behaviour.sockets,
    "endurance": behaviour.endurance,
}


def rows(arguments: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the sections asked for, all of them by default, as each is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load", description=__doc__)
    add_section(parser, SECTIONS)
    add_options(parser)
    options = parser.parse_args(arguments)
    setting = read_setting(options)
    yield from chosen(options, SECTIONS, setting)
