"""Recovery time: from a fault's heal until steady state lasts, whole and in parts.

One good window is not recovery, and one bad window within a good stretch is
noise: we ask for `GOOD_OF` windows of which `GOOD_MIN` are in band, beginning
with a good one, and date recovery from the start of that stretch. A run that
ends before that is censored, never left out.

A window is only good with enough replies in it: one that came through says
nothing about the hundreds that did not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.units import format_s

Floats = NDArray[np.float64]

GOOD_MIN = 9
GOOD_OF = 10
# A shared machine delays a whole window by tens of ms for reasons of its own; a fault worth a name does more.
_SLACK_S = 0.05
# How much more than usual is no more than noise, as a share of it.
_SHARE = 0.2
# A shorter baseline is used all the same, and its shortness reported.
WANTED_BASELINE_S = 60.0
# A window with a smaller share of the baseline's replies is not one of a system that answers its load.
_TRAFFIC = 0.25


@dataclass(frozen=True, slots=True)
class ReplyWindow:
    """What the clients saw from `begin_s` to `end_s`; `latency_s` is a quantile of response times, None without any.

    `settled` is False where a gauge that recovery is asked of, such as requests waiting, was beyond its own band.
    """

    begin_s: float
    end_s: float
    replies: int
    good: int
    latency_s: float | None
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Band:
    """What counts as healthy: at least `good_fraction` of the replies good, the quantile at most `latency_s`.

    There must be `replies_per_s` of them, and never none. `baseline_s` is how many seconds it was learned from.
    """

    good_fraction: float
    latency_s: float
    replies_per_s: float = 0.0
    baseline_s: float = math.inf

    def holds(self, window: ReplyWindow) -> bool:
        """Return whether a window is in band; a window without a single reply is not."""
        if window.replies == 0 or window.latency_s is None or not window.settled:
            return False
        if window.replies < self.replies_per_s * (window.end_s - window.begin_s):
            return False
        return window.good >= self.good_fraction * window.replies and window.latency_s <= self.latency_s

    @property
    def doubt(self) -> str:
        """What limits a band that was learned from a short baseline; empty for a long enough one."""
        if self.baseline_s >= WANTED_BASELINE_S:
            return ""
        return f"baseline is only {self.baseline_s:.0f} s ({WANTED_BASELINE_S:.0f} s recommended)"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long recovery took, as an interval in seconds since the heal.

    The true moment lies between the end of the last bad window and that of the
    first good one; `recovery_s` is the latter, the cautious end. None: it was
    not observed within `observed_s` seconds, and `last_bad_s` is where what may
    have become a good stretch begins: recovery took longer than that.
    """

    last_bad_s: float
    recovery_s: float | None
    observed_s: float


@dataclass(frozen=True, slots=True)
class Parts:
    """One fault's recovery in parts, each counted from the verified heal.

    `first_success` and `lasting` are what a prober of the whole system observed, None where there was none;
    `latency` is when goodput and latency were back in their band, and `resources` when each gauge was, by name.
    `interrupted` is False where every probe was answered. `amid` are the faults that were still there at
    this one's heal: then the prober's answers are not judged, `latency` and `resources` count from when the last of
    them was healed as well, and the last one's own parts count. `unseen_s` is how long no probe was sent just before
    the lasting stretch.
    """

    latency: Recovery
    first_success: Recovery | None = None
    lasting: Recovery | None = None
    resources: Mapping[str, Recovery] = field(default_factory=dict)
    interrupted: bool = True
    amid: tuple[str, ...] = ()
    unseen_s: float = 0.0

    @property
    def whole(self) -> Recovery:
        """What is judged as the recovery: both answers that last and latency in its band."""
        return later(list(self.judged.values()))

    @property
    def judged(self) -> Mapping[str, Recovery]:
        """The parts that the whole is made of, by name."""
        if self.lasting is None or self.amid:
            return {"latency": self.latency}
        return {"lasting": self.lasting, "latency": self.latency}

    @property
    def back(self) -> Recovery | None:
        """When the last of the resources was back; None where there are none."""
        return later(list(self.resources.values())) if self.resources else None

    @property
    def slowest(self) -> str:
        """Return the resource that was back last, or is not back; empty where there are none."""
        return max(self.resources, key=lambda name: _order(self.resources[name]), default="")


def part_text(name: str, part: Recovery) -> str:
    """Return a part in words; one whose end was not observed took longer than to the last bad sample."""
    return f"{name} > {format_s(part.last_bad_s)}" if part.recovery_s is None else f"{name} {format_s(part.recovery_s)}"


def answers_text(first_success: Recovery, lasting: Recovery, *, interrupted: bool) -> list[str]:
    """Return in words what the prober observed."""
    if not interrupted:
        return ["never interrupted"]
    return [part_text("first success", first_success), part_text("lasting", lasting)]


def later(parts: Sequence[Recovery]) -> Recovery:
    """Return the recovery that is over when all of at least one are; censored while one is."""
    took_s = [part.recovery_s for part in parts if part.recovery_s is not None]
    return Recovery(
        last_bad_s=max(part.last_bad_s for part in parts),
        recovery_s=max(took_s) if len(took_s) == len(parts) else None,
        observed_s=max(part.observed_s for part in parts),
    )


def _order(part: Recovery) -> tuple[bool, float]:
    return (True, part.last_bad_s) if part.recovery_s is None else (False, part.recovery_s)


def healthy_band(baseline: Sequence[ReplyWindow]) -> Band:
    """Return the band of a healthy run: goodput >= 95 % of it, latency within its median + max(3 sigma, 20 %).

    Sigma is estimated by the median absolute deviation. The band also holds what the baseline
    itself kept 9 times in 10: on a noisy machine nothing could recover to better than that.
    A window needs a quarter of the replies a second of the baseline's median one.
    Raises ValueError without a single window with replies.
    """
    busy = [w for w in baseline if w.replies and w.latency_s is not None]
    if not busy:
        raise ValueError("no baseline: not one window before the faults has a reply")
    latency = np.array([w.latency_s for w in busy], dtype=np.float64)
    good = sum(w.good for w in busy) / sum(w.replies for w in busy)
    return Band(
        good_fraction=0.95 * good,
        latency_s=_upper_edge(latency, _SLACK_S),
        replies_per_s=_TRAFFIC * float(np.median([w.replies / (w.end_s - w.begin_s) for w in busy])),
        baseline_s=sum(w.end_s - w.begin_s for w in busy),
    )


def settled(gauge: Floats, baseline: NDArray[np.bool_], *, slack: float, share: float = _SHARE) -> NDArray[np.bool_]:
    """Return in which windows a gauge, shape (n,), is back to what it was in those of `baseline`.

    At most their median + max(3 sigma, `share` of it, `slack`), or what they kept 9 times in 10. A window
    without a value (NaN) is not settled; with no value in the baseline nothing can be asked, and every window is.
    """
    known = gauge[baseline & np.isfinite(gauge)]
    if not len(known):
        return np.ones(len(gauge), dtype=np.bool_)
    return np.nan_to_num(gauge, nan=math.inf) <= _upper_edge(known, slack, share)


def _upper_edge(values: Floats, slack: float, share: float = _SHARE) -> float:
    median = float(np.median(values))
    sigma = 1.4826 * float(np.median(np.abs(values - median)))
    usual = float(np.quantile(values, GOOD_MIN / GOOD_OF))
    return max(median + max(3 * sigma, share * abs(median), slack), usual)


def recovery(windows: Sequence[ReplyWindow], band: Band, *, healed_at_s: float) -> Recovery:
    """Return the recovery from the heal at `healed_at_s`, judged on the windows that end after it, in time order."""
    after = [w for w in windows if w.end_s > healed_at_s]
    return lasting_good([band.holds(w) for w in after], [w.end_s - healed_at_s for w in after])


def lasting_good(good: Sequence[bool], end_s: Sequence[float]) -> Recovery:
    """Return when the first lasting good stretch began; each window ends at its `end_s` seconds since the heal."""
    observed_s = end_s[-1] if end_s else 0.0
    last_bad_s = 0.0
    for n in range(len(good)):
        stretch = good[n : n + GOOD_OF]
        if good[n] and stretch.count(False) <= GOOD_OF - GOOD_MIN:
            whole = len(stretch) == GOOD_OF
            return Recovery(last_bad_s, end_s[n] if whole else None, observed_s)
        last_bad_s = end_s[n]
    return Recovery(last_bad_s, None, observed_s)
