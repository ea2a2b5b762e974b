"""Gauges of processes that never ran: healthy ones of many kinds, and the leaks to lay over them.

Two families, so that a procedure that suits one can be held against the other:
`FIRST` is what the shape of each nuisance suggests; `SECOND` says the same with
other mechanisms, such as heavy tails, whole pages, ramps that end in a corner.
Sizes are bytes, times hours; a kind is a function from a generator of random
numbers and the sample times, shape (n,), to the gauge, shape (n,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
Kind = Callable[[Generator, Floats], Floats]

MB = 1e6
_PAGE_BYTES = 4096
_HOUR_S = 3600.0
_STEPS = 25


def times_h(run_h: float, every_s: float) -> Floats:
    """Return when a run of `run_h` hours is sampled, in hours, shape (n,)."""
    return np.arange(1, round(run_h * _HOUR_S / every_s) + 1, dtype=np.float64) * every_s / _HOUR_S


def between(rng: Generator, low: float, high: float) -> float:
    """Return a number between two, each order of magnitude as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def remembering(rng: Generator, t_h: Floats, memory_h: float) -> Floats:
    """Return an Ornstein-Uhlenbeck process of variance 1 that forgets in `memory_h`."""
    keep = float(np.exp(-(t_h[1] - t_h[0]) / memory_h))
    shocks = rng.normal(0, np.sqrt(1 - keep**2), len(t_h))
    shocks[0] = rng.normal()
    level: Floats = lfilter([1.0], [1.0, -keep], shocks)
    return level


def hum(rng: Generator, t_h: Floats) -> Floats:
    """Return what every gauge does besides: 20 to 300 kB of noise with a short memory."""
    return between(rng, 0.02, 0.3) * MB * remembering(rng, t_h, between(rng, 2, 20) / _HOUR_S)


def filling(t_h: Floats, constant_h: float) -> Floats:
    """Return the part of a buffer that is full, by a time constant."""
    return np.asarray(1 - np.exp(-t_h / constant_h))


def short_noise(rng: Generator, t_h: Floats) -> Floats:
    """Return noise with a memory of 2 to 20 s."""
    return between(rng, 0.1, 4) * MB * remembering(rng, t_h, between(rng, 2, 20) / _HOUR_S)


def long_noise(rng: Generator, t_h: Floats) -> Floats:
    """Return noise with a memory of 5 to 60 min."""
    return between(rng, 0.2, 2.5) * MB * remembering(rng, t_h, between(rng, 5, 60) / 60) + hum(rng, t_h)


def warm_up(rng: Generator, t_h: Floats) -> Floats:
    """Return 5 to 80 MB that come in the first tenth of the run, slower and slower."""
    return rng.uniform(5, 80) * MB * filling(t_h, t_h[-1] * between(rng, 0.01, 0.1)) + hum(rng, t_h)


def short_teeth(rng: Generator, t_h: Floats) -> Floats:
    """Return a collector's teeth of 3 to 120 s, each of a height of its own."""
    return _teeth(rng, t_h, between(rng, 3, 120) / _HOUR_S) + hum(rng, t_h)


def long_teeth(rng: Generator, t_h: Floats) -> Floats:
    """Return a collector's teeth, 3 to 20 of them in the run."""
    return _teeth(rng, t_h, t_h[-1] / rng.uniform(3, 20)) + hum(rng, t_h)


def _teeth(rng: Generator, t_h: Floats, period_h: float) -> Floats:
    phase = t_h / period_h + rng.uniform()
    heights = between(rng, 1, 40) * rng.uniform(0.8, 1.2, int(phase[-1]) + 1)
    teeth: Floats = (phase % 1) * heights[phase.astype(int)] * MB
    return teeth


def cache(rng: Generator, t_h: Floats) -> Floats:
    """Return a cache of 5 to 60 MB that fills with a time constant of 0.1 to 0.35 of the run."""
    return rng.uniform(5, 60) * MB * filling(t_h, t_h[-1] * rng.uniform(0.1, 0.35)) + hum(rng, t_h)


def bursts(rng: Generator, t_h: Floats) -> Floats:
    """Return one to six buffers of 1 to 30 MB that come and go."""
    level = hum(rng, t_h)
    for _ in range(rng.integers(1, 7)):
        begin_h = rng.uniform(0, t_h[-1])
        level[(t_h >= begin_h) & (t_h < begin_h + t_h[-1] * between(rng, 0.02, 0.3))] += rng.uniform(1, 30) * MB
    return level


def records(rng: Generator, t_h: Floats) -> Floats:
    """Return a high-water mark that rises ever more seldom, by the logarithm of time."""
    first_h = t_h[-1] * between(rng, 0.005, 0.05)
    marks_h = first_h * np.exp(np.cumsum(rng.exponential(0.5, 40)))
    rises = rng.exponential(between(rng, 0.5, 4), 40) * MB
    return np.asarray(rises @ (t_h >= marks_h[:, None])) + hum(rng, t_h)


def day(rng: Generator, t_h: Floats) -> Floats:
    """Return a wave of a day, 1 to 15 MB to either side, from any hour of it."""
    return rng.uniform(1, 15) * MB * np.sin(2 * np.pi * (t_h / 24 + rng.uniform())) + hum(rng, t_h)


def load(rng: Generator, t_h: Floats) -> Floats:
    """Return a load's shape with mean 1: levels, tenfold between the least and the most, each for a while."""
    levels = 10 ** rng.uniform(0, 1, rng.integers(6, 25))
    shape = levels[np.minimum((t_h / t_h[-1] * len(levels)).astype(int), len(levels) - 1)]
    return np.asarray(shape / shape.mean())


def loaded(rng: Generator, t_h: Floats) -> Floats:
    """Return buffers that follow the load within a few samples, 0.5 to 8 MB of them at its mean."""
    followed: Floats = lfilter([0.3], [1.0, -0.7], load(rng, t_h))
    return between(rng, 0.5, 8) * MB * followed + hum(rng, t_h)


def composite(rng: Generator, t_h: Floats) -> Floats:
    """Return a whole service: it warms up, saws, wanders and bursts."""
    gauge: Floats = 0.5 * short_noise(rng, t_h) + 0.5 * long_noise(rng, t_h) + 0.5 * warm_up(rng, t_h)
    return gauge + 0.5 * short_teeth(rng, t_h) + 0.3 * bursts(rng, t_h)


FIRST: Mapping[str, Kind] = {
    "short noise": short_noise,
    "long noise": long_noise,
    "warm-up": warm_up,
    "short teeth": short_teeth,
    "long teeth": long_teeth,
    "cache": cache,
    "bursts": bursts,
    "records": records,
    "day": day,
    "load": loaded,
    "composite": composite,
}


def pages(gauge: Floats) -> Floats:
    """Return a gauge that counts whole pages."""
    return np.asarray(np.round(gauge / _PAGE_BYTES) * _PAGE_BYTES)


def spikes(rng: Generator, t_h: Floats) -> Floats:
    """Return noise with heavy tails, some of which lasts."""
    white = rng.standard_t(3, len(t_h))
    lasting: Floats = lfilter([1.0], [1.0, -rng.uniform(0, 0.9)], rng.standard_t(4, len(t_h)))
    return pages(between(rng, 0.05, 1) * MB * (white + lasting))


def telegraph(rng: Generator, t_h: Floats) -> Floats:
    """Return one of a few levels up to 6 MB apart, held for 1 to 20 % of the run each."""
    held_h = np.cumsum(rng.exponential(t_h[-1] * between(rng, 0.01, 0.2), 400))
    levels = rng.choice(rng.uniform(0, between(rng, 0.5, 6), rng.integers(2, 5)), 401) * MB
    return pages(levels[np.searchsorted(held_h, t_h)] + hum(rng, t_h))


def corner(rng: Generator, t_h: Floats) -> Floats:
    """Return a buffer that fills evenly to 5 to 60 MB within the first 5 to 45 % of the run, and is full."""
    filled = np.minimum(t_h / (t_h[-1] * rng.uniform(0.05, 0.45)), 1)
    return pages(rng.uniform(5, 60) * MB * filled + hum(rng, t_h))


def arcs(rng: Generator, t_h: Floats) -> Floats:
    """Return a collector that fills fast and then slowly, at moments of its own, and leaves a rest each time."""
    ends_h = np.cumsum(rng.gamma(4, t_h[-1] * between(rng, 0.005, 0.06), 400))
    tooth = np.searchsorted(ends_h, t_h)
    begins_h = np.concatenate([[0.0], ends_h])
    done = (t_h - begins_h[tooth]) / (ends_h[tooth] - begins_h[tooth])
    return pages(between(rng, 2, 50) * MB * np.sqrt(done) + rng.exponential(0.4 * MB, 401)[tooth] + hum(rng, t_h))


def tables(rng: Generator, t_h: Floats) -> Floats:
    """Return hash tables that double: rises that grow but come at doubled times, up to a last of 2 to 16 MB."""
    last, since_h = between(rng, 2, 16) * MB, t_h[-1] * rng.uniform(0.25, 0.5)
    return pages(sum(last / 2**n * (t_h >= since_h / 2**n) for n in range(6)) + hum(rng, t_h))


def swell(rng: Generator, t_h: Floats) -> Floats:
    """Return two waves of 0.1 to 0.6 of the run, of 3 min at least: what a run cannot see is within the wander."""
    waves = hum(rng, t_h)
    for _ in range(2):
        period_h = max(t_h[-1] * between(rng, 0.1, 0.6), 0.05)
        waves = waves + between(rng, 0.3, 2) * MB * np.sin(2 * np.pi * (t_h / period_h + rng.uniform()))
    return pages(waves)


def whole(rng: Generator, t_h: Floats) -> Floats:
    """Return a whole service of this family."""
    return pages(0.7 * arcs(rng, t_h) + 0.5 * corner(rng, t_h) + 0.5 * telegraph(rng, t_h) + 0.5 * spikes(rng, t_h))


SECOND: Mapping[str, Kind] = {
    "spikes": spikes,
    "telegraph": telegraph,
    "corner": corner,
    "arcs": arcs,
    "tables": tables,
    "swell": swell,
    "whole": whole,
}


def rotation(rng: Generator, t_h: Floats) -> Floats:
    """Return descriptors of a pool that is used by up to 14 more, for a fiftieth to a fifth of the run each."""
    held_h = np.cumsum(rng.exponential(t_h[-1] * between(rng, 0.02, 0.2), 400))
    used = rng.integers(0, rng.integers(7, 15) + 1, 401)[np.searchsorted(held_h, t_h)]
    return np.asarray(used + rng.poisson(1.0, len(t_h)), dtype=np.float64)


def callers(rng: Generator, t_h: Floats) -> Floats:
    """Return descriptors of connections that callers open as the load goes, 1 to 20 in the mean."""
    return np.asarray(rng.poisson(between(rng, 1, 20) * load(rng, t_h)), dtype=np.float64)


DESCRIPTORS: Mapping[str, Kind] = {"rotation": rotation, "callers": callers}


def line(rng: Generator, t_h: Floats) -> Floats:
    """Return an even leak of 1 B/h."""
    del rng
    return t_h


def arenas(rng: Generator, t_h: Floats) -> Floats:
    """Return a leak of 1 B/h in 25 steps, one somewhere in each twenty-fifth of the run."""
    return _stepped(t_h, (np.arange(_STEPS) + rng.uniform(size=_STEPS)) / _STEPS)


def at_random(rng: Generator, t_h: Floats) -> Floats:
    """Return a leak of 1 B/h in the mean, in 25 steps of no order, so that any part of the run may have few of them."""
    return _stepped(t_h, np.sort(rng.uniform(size=_STEPS)))


def _stepped(t_h: Floats, at: Floats) -> Floats:
    return np.asarray(np.searchsorted(at * t_h[-1], t_h, side="right") * t_h[-1] / _STEPS)


def by_load(rng: Generator, t_h: Floats) -> Floats:
    """Return a leak of 1 B/h in the mean that grows with each request, of which there are ten times more at times."""
    return np.asarray(np.cumsum(load(rng, t_h)) * (t_h[1] - t_h[0]))


LEAKS: Mapping[str, Kind] = {"line": line, "arenas": arenas}
# Of the stated size in the mean only: the part of a run that is judged may have less of them.
UNEVEN: Mapping[str, Kind] = {"at random": at_random, "by load": by_load}
