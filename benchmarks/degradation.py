"""The slowdown verdict on simulated latencies, beside the two rules that people write first.

Two families, so that a procedure that suits one can be held against the other:
`windows` draws the log p95 of windows that remember, with pauses; `requests`
draws every request, whose level wanders from tick to tick while now and then
the machine stands still, and takes the p95 of each tick.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.leak_verdicts import Setting
from benchmarks.rows import Row
from harness.stats.degradation import WANTED_BASELINE, WANTED_TEST, Windows, decide_slowdown, merge_ticks
from harness.verdict import Verdict

Floats = NDArray[np.float64]
# A run of some length, from generator, number of windows and by how much it is slower than usual.
Family = Callable[[Generator, int, Floats], Windows]

_NOISE, _PAUSES, _PAUSE = 0.08, 0.05, 0.6
_USUAL_S = 0.1
_ALLOWED = 0.2
_WIDTH_S, _TICKS, _PER_TICK = 10.0, 10, 150
_FALSE_ALARMS_MAX, _SILENT_MAX = 1.0, 2.0
_SLOWER = (0.0, 0.3, 0.5)


def windows(rng: Generator, n: int, slower: Floats) -> Windows:
    """Return windows with an AR(1) noise of 8 %, of a memory anew in each run, one in twenty with a pause."""
    logs = _remembering(rng, n, rng.uniform(0, 0.6)) * _NOISE
    logs += (rng.uniform(size=n) < _PAUSES) * rng.exponential(_PAUSE, n)
    return Windows(np.arange(1.0, n + 1) * _WIDTH_S, _USUAL_S * np.exp(logs) * slower, np.full(n, 1500.0))


def requests(rng: Generator, n: int, slower: Floats) -> Windows:
    """Return windows of ticks of lognormal requests; a pause of up to 2 s holds up all requests that come in it."""
    ticks = n * _TICKS
    level = np.exp(_NOISE * _remembering(rng, ticks, rng.uniform(0.5, 0.95)))
    took_s = rng.lognormal(math.log(_USUAL_S / 3), 0.6, (ticks, _PER_TICK)) * level[:, None]
    paused_s = (rng.uniform(size=ticks) < _PAUSES / _TICKS) * rng.uniform(0.2, 2.0, ticks)
    # Of those that come in the pause, each waits for what is left of it.
    took_s += np.maximum(0.0, paused_s[:, None] - np.linspace(0, 1, _PER_TICK))
    p95_s = np.quantile(took_s, 0.95, axis=1) * np.repeat(slower, _TICKS)
    t_s = np.arange(1.0, ticks + 1)
    return merge_ticks(t_s, p95_s, np.full(ticks, float(_PER_TICK)), width_s=_WIDTH_S)


FAMILIES: Mapping[str, Family] = {"windows": windows, "requests": requests}


def any_slow(baseline: Windows, test: Windows) -> Verdict:
    """Fail if one window is 20 % slower than the baseline's median."""
    return Verdict.FAIL if _slow(baseline, test).any() else Verdict.PASS


def three_slow(baseline: Windows, test: Windows) -> Verdict:
    """Fail if three windows in a row are."""
    slow = _slow(baseline, test)
    return Verdict.FAIL if (slow[2:] & slow[1:-1] & slow[:-2]).any() else Verdict.PASS


def ours(baseline: Windows, test: Windows) -> Verdict:
    """Decide as the harness does."""
    return decide_slowdown(baseline, test, allowed=_ALLOWED).verdict


RULES: Mapping[str, Callable[[Windows, Windows], Verdict]] = {"any window > 1.2x": any_slow, "3 in a row": three_slow}


def rows_degradation(setting: Setting) -> list[Row]:
    """Return for each family false alarms, what was found and what was passed in silence, in percent of the series."""
    rows: list[Row] = []
    for name, family in FAMILIES.items():
        counts = judged(name, family, setting)

        def share(rule: str, slower: float, verdict: Verdict, counts: Mapping[object, int] = counts) -> float:
            return 100 * counts[rule, slower, verdict] / setting.series

        for peer in RULES:
            for words, slower, verdict, most in (
                ("false alarms", 0.0, Verdict.FAIL, _FALSE_ALARMS_MAX),
                ("+30 % found", 0.3, Verdict.FAIL, None),
                ("+50 % found", 0.5, Verdict.FAIL, None),
                ("+30 % passed", 0.3, Verdict.PASS, _SILENT_MAX),
            ):
                mine, goal = share("ours", slower, verdict), None if most is None else f"<= {most:g}"
                holds = None if most is None else mine <= most
                theirs = share(peer, slower, verdict)
                rows.append(Row(f"slowdown, {name}: {words}, %", mine, theirs, peer, None, goal, holds))
        undecided = share("ours", 0.0, Verdict.INCONCLUSIVE)
        rows.append(Row(f"slowdown, {name}: healthy and not decided, %", undecided, None, None, None, None, None))
    return rows


def judged(name: str, family: Family, setting: Setting) -> Counter[object]:
    """Return how often each rule came to each verdict, by rule, slowdown and verdict."""
    counts: Counter[object] = Counter()
    n = WANTED_BASELINE + WANTED_TEST
    for seed in range(setting.seed, setting.seed + setting.series):
        for slower in _SLOWER:
            factor = np.where(np.arange(n) < WANTED_BASELINE, 1.0, 1.0 + slower)
            run = family(default_rng([seed, len(name)]), n, factor)
            split_s = WANTED_BASELINE * _WIDTH_S
            parts = run.between(0.0, split_s), run.between(split_s, math.inf)
            for rule, decide in {"ours": ours, **RULES}.items():
                counts[rule, slower, decide(*parts)] += 1
    return counts


def _slow(baseline: Windows, test: Windows) -> NDArray[np.bool_]:
    return np.asarray(test.quantile_s > (1 + _ALLOWED) * np.median(baseline.quantile_s))


def _remembering(rng: Generator, n: int, keep: float) -> Floats:
    shocks = rng.normal(0, math.sqrt(1 - keep**2), n)
    shocks[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks), dtype=np.float64)
