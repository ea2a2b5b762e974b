"""What all sections of the `load` benchmark are told: how much load, for how long, how often, of whom."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from benchmarks.options import positive, whole
from harness.errors import InputError

OURS = "ours"
# Ours first, then from the plainest peer to the fullest.
CONTESTANTS = (OURS, "bare", "aiohttp", "httpx", "locust", "k6")
# k6 takes no less.
SHORT_MIN_S = 1.0
# The share of the connections that is busy at any moment. Without a delay in the server one or two would carry all the
# requests of those who re-use the newest; near 1, a hiccup of a few milliseconds would cost arrivals.
_BUSY = 0.6


@dataclass(frozen=True, slots=True)
class Setting:
    """One benchmark's options; the defaults are those of the published tables."""

    rate_per_s: float = 1000.0
    connections: int = 50
    rounds: int = 3
    short_s: float = 3.0
    long_s: float = 13.0
    contestants: tuple[str, ...] = CONTESTANTS

    @property
    def delay_s(self) -> float:
        """How long the null server waits with each reply, so that most of the connections are in use."""
        return _BUSY * self.connections / self.rate_per_s


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add a setting's options to a command line."""
    usual = Setting()
    parser.add_argument("--rate-per-s", type=positive, default=usual.rate_per_s, help="a second (%(default)g)")
    parser.add_argument("--connections", type=whole, default=usual.connections, help="at most (%(default)d)")
    parser.add_argument("--rounds", type=whole, default=usual.rounds, help="the median is told (%(default)d)")
    parser.add_argument("--short-s", type=positive, default=usual.short_s, help="the short run (%(default)g)")
    parser.add_argument("--long-s", type=positive, default=usual.long_s, help="the long run (%(default)g)")
    parser.add_argument("--contestants", type=_names, default=usual.contestants, help=",".join(CONTESTANTS))


def read_setting(options: argparse.Namespace) -> Setting:
    """Return the setting that the parsed options give. Raises InputError when the two runs cannot be told apart."""
    if options.short_s < SHORT_MIN_S:
        raise InputError("command line", "--short-s", options.short_s, f"must be at least {SHORT_MIN_S:g}")
    if options.long_s <= options.short_s:
        raise InputError("command line", "--long-s", options.long_s, "must be more than --short-s")
    return Setting(
        rate_per_s=options.rate_per_s,
        connections=options.connections,
        rounds=options.rounds,
        short_s=options.short_s,
        long_s=options.long_s,
        contestants=options.contestants,
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in CONTESTANTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: must be of {', '.join(CONTESTANTS)}")
    return names
